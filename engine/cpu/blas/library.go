package blas

// This file holds products by a library.

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"lode/engine/kernel"
)

// ErrNone is returned where no library was found.
var ErrNone = errors.New("no BLAS found on this system")

// Library is an open BLAS. It stays open as long as the process.
type Library struct {
	name  string
	sgemm uintptr
}

// Name is the file it was opened by.
func (l *Library) Name() string { return l.name }

// Open opens a BLAS by the name of its file, such as libopenblas.so.0, and has it
// use one thread.
func Open(name string) (*Library, error) {
	l, err := open(name)
	if err != nil {
		return nil, fmt.Errorf("blas: %s: %w", name, err)
	}
	return l, nil
}

// installed opens those of the candidates that are there.
func installed() (found []*Library) {
	for _, name := range candidates {
		if l, err := Open(name); err == nil {
			found = append(found, l)
		}
	}
	return found
}

// arguments are what sgemm takes by reference, apart from the matrices: it knows no
// row-major order, and so computes cᵀ = bᵀ·aᵀ.
type arguments struct {
	n, m, k, ldb, lda, ldc int32
	one, beta              float32
	turnB, turnA           byte
}

var pool = sync.Pool{New: func() any { return new(arguments) }}

// Mul sets c = a·b, or adds it to c, under the conditions of kernel.Mul. The same
// product has the same bits every time; a part of it may differ from the whole.
func (l *Library) Mul(c, a, b kernel.View, add bool) {
	kernel.Check(c, a, b)
	if c.Rows == 0 || c.Cols == 0 || a.Cols == 0 {
		if !add {
			kernel.Mul(c, a, b)
		}
		return
	}
	x := pool.Get().(*arguments)
	defer pool.Put(x)
	*x = arguments{n: int32(c.Cols), m: int32(c.Rows), k: int32(a.Cols), ldc: int32(max(c.RowStep, c.Cols)), one: 1}
	if add {
		x.beta = 1
	}
	x.turnA, x.lda = order(a)
	x.turnB, x.ldb = order(b)
	p := func(v unsafe.Pointer) uintptr { return uintptr(v) }
	call(l.sgemm,
		p(unsafe.Pointer(&x.turnB)), p(unsafe.Pointer(&x.turnA)), p(unsafe.Pointer(&x.n)), p(unsafe.Pointer(&x.m)), p(unsafe.Pointer(&x.k)),
		p(unsafe.Pointer(&x.one)), p(unsafe.Pointer(&b.Data[0])), p(unsafe.Pointer(&x.ldb)), p(unsafe.Pointer(&a.Data[0])), p(unsafe.Pointer(&x.lda)),
		p(unsafe.Pointer(&x.beta)), p(unsafe.Pointer(&c.Data[0])), p(unsafe.Pointer(&x.ldc)), 1, 1) // the lengths of the two letters, as Fortran passes them
	runtime.KeepAlive(a.Data)
	runtime.KeepAlive(b.Data)
	runtime.KeepAlive(c.Data)
}

// order says how a matrix lies to someone who reads columns: as its transpose ('N')
// or as itself ('T'), and how far its columns are apart.
func order(v kernel.View) (turn byte, apart int32) {
	if v.ColStep == 1 {
		return 'N', int32(max(v.RowStep, v.Cols))
	}
	return 'T', int32(max(v.ColStep, v.Rows))
}
