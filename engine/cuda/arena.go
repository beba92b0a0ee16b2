package cuda

// This file holds memory on the card: planned as a whole, allocated once.

import "lode/engine/cuda/driver"

// alignment is that of every buffer, in bytes: what vector loads and cuBLASLt like best.
const alignment = 256

// arena is memory that is given out before it is there.
type arena struct {
	base  driver.Pointer
	bytes int64
	gap   int64    // left between buffers; tests look whether anybody wrote there
	given []buffer // where there are gaps
}

// buffer is a part of an arena.
type buffer struct {
	in    *arena
	off   int64
	bytes int64
	half  bool // values are bf16, of two bytes
}

// unit is the size of a value.
func (b buffer) unit() int64 {
	if b.half {
		return 2
	}
	return 4
}

// take returns a buffer of n bytes.
func (a *arena) take(n int64) buffer {
	b := buffer{in: a, off: a.bytes, bytes: n}
	a.bytes += (n+alignment-1)/alignment*alignment + a.gap
	if a.gap > 0 {
		a.given = append(a.given, b)
	}
	return b
}

// floats returns a buffer of n float32 or int32 values.
func (a *arena) floats(n int) buffer { return a.take(4 * int64(n)) }

// numbers returns a buffer of n float32 values, or bf16 ones.
func (a *arena) numbers(n int, half bool) buffer {
	b := buffer{half: half}
	b = a.take(b.unit() * int64(n))
	b.half = half
	return b
}

// at returns where value i lies.
func (b buffer) at(i int) driver.Pointer {
	if b.in == nil || b.in.base == 0 {
		panic("cuda: memory is used that was not planned")
	}
	return b.in.base.Plus(b.off + b.unit()*int64(i))
}

// arg is the buffer's begin as an argument of a kernel.
func (b buffer) arg() driver.Arg { return driver.At(b.at(0)) }

// from returns what begins n values further.
func (b buffer) from(n int) buffer {
	b.off, b.bytes = b.off+b.unit()*int64(n), b.bytes-b.unit()*int64(n)
	return b
}

// none tells whether there is no such buffer.
func (b buffer) none() bool { return b.in == nil }

// allocate gets the arena's memory from the card.
func (a *arena) allocate(d *driver.Device) (err error) {
	if a.bytes > 0 {
		a.base, err = d.Alloc(a.bytes)
	}
	return err
}

// free gives it back.
func (a *arena) free(d *driver.Device) error {
	if a.base == 0 {
		return nil
	}
	err := d.Free(a.base)
	a.base = 0
	return err
}
