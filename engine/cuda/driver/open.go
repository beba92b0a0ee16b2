//go:build linux && (amd64 || arm64) && !static

package driver

// This file opens libraries and calls them.

import "github.com/ebitengine/purego"

func open(path string) (uintptr, error) {
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

func symbol(handle uintptr, name string) (uintptr, error) { return purego.Dlsym(handle, name) }

// call calls a C function. What an argument of the form uintptr(ptr(&x)) points to stays
// where it is meanwhile; write it in no other form.
//
//go:uintptrescapes
func call(f uintptr, args ...uintptr) uintptr {
	r, _, _ := purego.SyscallN(f, args...)
	return r
}
