//go:build (linux || darwin) && (amd64 || arm64) && !static

package blas

// This file opens libraries.

import (
	"runtime"

	"github.com/ebitengine/purego"
)

// candidates are what is looked for. Only file names that are tied to one ABI: an
// unversioned name may be anything.
var candidates = map[string][]string{
	"linux":  {"libopenblas.so.0", "libblis.so.4", "libmkl_rt.so.2", "libmkl_rt.so.3"},
	"darwin": {"/System/Library/Frameworks/Accelerate.framework/Accelerate"},
}[runtime.GOOS]

// single are functions that take the number of threads, by library.
var single = []string{"openblas_set_num_threads", "bli_thread_set_num_threads", "MKL_Set_Num_Threads"}

func open(name string) (*Library, error) {
	lib, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	l := &Library{name: name}
	if l.sgemm, err = purego.Dlsym(lib, "sgemm_"); err != nil {
		return nil, err
	}
	for _, f := range single {
		if set, err := purego.Dlsym(lib, f); err == nil {
			call(set, 1)
		}
	}
	return l, nil
}

func call(f uintptr, args ...uintptr) { purego.SyscallN(f, args...) }
