//go:build !((linux || darwin) && (amd64 || arm64)) || static

package blas

var candidates []string

func open(string) (*Library, error) { return nil, ErrNone }

func call(uintptr, ...uintptr) { panic("blas: no library was opened") }
