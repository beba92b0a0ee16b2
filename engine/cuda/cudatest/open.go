//go:build linux && (amd64 || arm64) && !static

package cudatest

// This file opens the library by its own name, to configure it.

import "github.com/ebitengine/purego"

const opens = true

func open(path string) (uintptr, error) {
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

func symbol(lib uintptr, name string) (uintptr, error) { return purego.Dlsym(lib, name) }

func newCallback(f func(*interpreted) uintptr) uintptr { return purego.NewCallback(f) }

// call calls a C function; what an argument of the form uintptr(unsafe.Pointer(&x)) points
// to stays where it is meanwhile.
//
//go:uintptrescapes
func call(f uintptr, args ...uintptr) uintptr {
	r, _, _ := purego.SyscallN(f, args...)
	return r
}
