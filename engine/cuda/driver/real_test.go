package driver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealLibraries has NVIDIA's own cuBLASLt take our descriptors, and asks NCCL for what its
// codes mean, which needs no card. The recipe make cuda-headers names the folders.
func TestRealLibraries(t *testing.T) {
	path := os.Getenv("LODE_REAL_CUDA")
	if path == "" {
		t.Skip("NOT CHECKED WITH NVIDIA'S OWN LIBRARIES: make cuda-headers does")
	}
	l := Find(filepath.SplitList(path))
	if l.BLAS.Err != nil || l.NVRTC.Err != nil || l.NCCL.Err != nil {
		t.Fatal(l.BLAS.Err, l.NVRTC.Err, l.NCCL.Err)
	}
	if err := l.checkNCCL("a call", 4); !strings.Contains(err.Error(), "a call: refused (invalid argument") {
		t.Error(err)
	}
	d, x := &Device{libs: l}, &product{}
	for _, z := range []shape{
		{m: 4, n: 5, k: 6, stepTo: 5, stepA: 6, stepB: 5},
		{m: 4, n: 5, k: 6, stepTo: 7, stepA: 4, stepB: 6, turnA: true, turnB: true, bias: true, tf32: true},
		{m: 4, n: 5, k: 6, stepTo: 5, stepA: 6, stepB: 5, halfA: true, halfTo: true},
	} {
		if err := d.describe(x, z, 4096); err != nil {
			t.Errorf("%+v: %v", z, err)
		}
		d.dropProduct(x)
	}
	prefer, err := d.preference(shape{workspace: 1 << 20, halfTo: true, alignTo: 16, alignA: 4, alignB: 256, alignAdd: 8})
	if err != nil {
		t.Error(err)
	}
	call(l.blas.prefDestroy, prefer)
}
