package kernels

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// TestPTXIsOfTheSources fails where a source has changed and its PTX has not.
func TestPTXIsOfTheSources(t *testing.T) {
	names := Names()
	files, err := fs.Glob(made, "ptx/*.ptx")
	if err != nil || len(names) == 0 || len(files) != len(names) {
		t.Fatalf("%d operations and %d files of PTX, error %v: run make ptx", len(names), len(files), err)
	}
	for _, name := range names {
		if first, _, _ := strings.Cut(PTX(name), "\n"); first != Digest(name) {
			t.Errorf("ptx/%s.ptx was made of other sources: run make ptx", name)
		}
	}
}

// TestPTX has the kernels of its source, for cards from compute capability 8.0 and drivers
// from 12.0.
func TestPTX(t *testing.T) {
	head := regexp.MustCompile(`extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(`)
	seen := map[string]string{}
	for _, name := range Names() {
		ptx := PTX(name)
		for _, line := range []string{"\n.version 8.0\n", "\n.target sm_80\n"} {
			if !strings.Contains(ptx, line) {
				t.Errorf("%s: PTX without %q", name, line)
			}
		}
		kernels := head.FindAllStringSubmatch(Source(name), -1)
		if len(kernels) == 0 || len(kernels) != strings.Count(ptx, ".entry ") {
			t.Errorf("%s: %d kernels, of which PTX has %d", name, len(kernels), strings.Count(ptx, ".entry "))
		}
		for _, k := range kernels {
			if !strings.Contains(ptx, ".visible .entry "+k[1]+"(") {
				t.Errorf("%s: PTX has no %s", name, k[1])
			}
			if other := seen[k[1]]; other != "" {
				t.Errorf("%s and %s both have %s", other, name, k[1])
			}
			seen[k[1]] = name
		}
	}
}
