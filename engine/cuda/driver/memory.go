package driver

// This file holds memory, on the device and pinned on the host.

import "unsafe"

// Pointer is an address on the device, 0 for none.
type Pointer uint64

// Plus returns the address n bytes further.
func (p Pointer) Plus(n int64) Pointer { return p + Pointer(n) }

// Alloc returns n bytes on the device that hold anything, at a multiple of 256.
func (d *Device) Alloc(n int64) (Pointer, error) {
	var p Pointer
	if err := d.check("cuMemAlloc", call(d.libs.cuda.memAlloc, uintptr(ptr(&p)), uintptr(n))); err != nil {
		return 0, err
	}
	d.held++
	return p, nil
}

// Free gives back what Alloc returned.
func (d *Device) Free(p Pointer) error {
	if err := d.check("cuMemFree", call(d.libs.cuda.memFree, uintptr(p))); err != nil {
		return err
	}
	d.held--
	return nil
}

// Memory returns how many bytes of the device are free, and how many there are.
func (d *Device) Memory() (free, total int64, err error) {
	var f, t uint64
	err = d.check("cuMemGetInfo", call(d.libs.cuda.memGetInfo, uintptr(ptr(&f)), uintptr(ptr(&t))))
	return int64(f), int64(t), err
}

// Host is memory of the host that stays where it is, so that the device can copy from
// and to it.
type Host struct {
	at    uintptr
	bytes int
}

// AllocHost returns n bytes of pinned memory that hold anything.
func (d *Device) AllocHost(n int) (Host, error) {
	h := Host{bytes: n}
	var at uintptr
	if err := d.check("cuMemAllocHost", call(d.libs.cuda.memAllocHost, uintptr(ptr(&at)), uintptr(n))); err != nil {
		return Host{}, err
	}
	h.at = at
	d.held++
	return h, nil
}

// FreeHost gives pinned memory back. Its slices are gone with it.
func (d *Device) FreeHost(h Host) error {
	if err := d.check("cuMemFreeHost", call(d.libs.cuda.memFreeHost, h.at)); err != nil {
		return err
	}
	d.held--
	return nil
}

// pointer is where the memory begins. It is not Go's, so nothing moves it.
func (h Host) pointer() unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&h.at)) }

// Floats returns the memory as float32 values.
func (h Host) Floats() []float32 { return unsafe.Slice((*float32)(h.pointer()), h.bytes/4) }

// Ints returns the memory as int32 values.
func (h Host) Ints() []int32 { return unsafe.Slice((*int32)(h.pointer()), h.bytes/4) }

// Doubles returns the memory as float64 values.
func (h Host) Doubles() []float64 { return unsafe.Slice((*float64)(h.pointer()), h.bytes/8) }

// Bytes returns the memory as bytes.
func (h Host) Bytes() []byte { return unsafe.Slice((*byte)(h.pointer()), h.bytes) }

// From returns what lies n bytes further.
func (h Host) From(n int) Host { return Host{h.at + uintptr(n), h.bytes - n} }

// Upload copies n bytes to the device, later. There is nothing to do for none.
func (s *Stream) Upload(to Pointer, from Host, n int64) error {
	if n == 0 {
		return nil
	}
	return s.d.check("cuMemcpyHtoDAsync", call(s.d.libs.cuda.copyToDevice, uintptr(to), from.at, uintptr(n), s.handle))
}

// Download copies n bytes to the host, later.
func (s *Stream) Download(to Host, from Pointer, n int64) error {
	if n == 0 {
		return nil
	}
	return s.d.check("cuMemcpyDtoHAsync", call(s.d.libs.cuda.copyToHost, to.at, uintptr(from), uintptr(n), s.handle))
}

// Copy copies n bytes on the device, later.
func (s *Stream) Copy(to, from Pointer, n int64) error {
	if n == 0 {
		return nil
	}
	return s.d.check("cuMemcpyDtoDAsync", call(s.d.libs.cuda.copyOnDevice, uintptr(to), uintptr(from), uintptr(n), s.handle))
}

// Zero sets n bytes to zero, later; n is a multiple of 4.
func (s *Stream) Zero(p Pointer, n int64) error {
	if n == 0 {
		return nil
	}
	return s.d.check("cuMemsetD32Async", call(s.d.libs.cuda.memset, uintptr(p), 0, uintptr(n/4), s.handle))
}

// There tells whether there is such memory.
func (h Host) There() bool { return h.at != 0 }
