package driver

// This file holds sums over several devices, by NCCL.

import (
	"errors"
	"runtime"
)

// Ring is NCCL for several devices of this process. Its methods are called within
// [Device.Do] of the first, but for Abort.
type Ring struct {
	devices []*Device
	comms   []uintptr // none when it has ended
}

// Constants of nccl.h.
const (
	ncclFloat32 = 7
	ncclFloat64 = 8
	ncclSum     = 0
)

// NewRing joins devices. NCCL takes memory of each, now and at the first sum. Close it, or
// abort it.
func NewRing(devices []*Device) (*Ring, error) {
	first := devices[0]
	if err := first.libs.NCCL.Err; err != nil {
		return nil, err
	}
	ordinals, comms := make([]int32, len(devices)), make([]uintptr, len(devices))
	for i, d := range devices {
		ordinals[i] = d.ordinal
	}
	err := first.libs.checkNCCL("ncclCommInitAll", call(first.libs.nccl.commInitAll, uintptr(ptr(&comms[0])), uintptr(len(comms)), uintptr(ptr(&ordinals[0]))))
	if err = first.back(err); err != nil {
		return nil, err
	}
	return &Ring{devices, comms}, nil
}

// back makes the context current again that the thread owns: NCCL takes those of all devices.
func (d *Device) back(err error) error {
	return errors.Join(err, d.check("cuCtxSetCurrent", call(d.libs.cuda.ctxSetCurrent, d.context)))
}

// Addend are values on one device that become the sum over all devices.
type Addend struct {
	Stream *Stream
	At     Pointer
	N      int  // values
	Double bool // they are float64, not float32
}

// Sum adds up, later. Each list has one addend of each device, in the order of the ring.
// The sum is the same on all devices; in which order it is taken is NCCL's choice. If a
// device is lost meanwhile, the others wait until Abort.
func (r *Ring) Sum(lists ...[]Addend) error {
	l := r.devices[0].libs
	err := l.checkNCCL("ncclGroupStart", call(l.nccl.groupStart))
	if err != nil {
		return err
	}
	for _, list := range lists {
		for i, a := range list {
			kind := uintptr(ncclFloat32)
			if a.Double {
				kind = ncclFloat64
			}
			if err == nil {
				err = l.checkNCCL("ncclAllReduce", call(l.nccl.allReduce, uintptr(a.At), uintptr(a.At), uintptr(a.N), kind, ncclSum, r.comms[i], a.Stream.handle))
			}
		}
	}
	if end := l.checkNCCL("ncclGroupEnd", call(l.nccl.groupEnd)); err == nil {
		err = end
	}
	return r.devices[0].back(err)
}

// Close ends a ring whose sums are done.
func (r *Ring) Close() error {
	first := r.devices[0]
	var errs []error
	for _, c := range r.comms {
		errs = append(errs, first.libs.checkNCCL("ncclCommDestroy", call(first.libs.nccl.commDestroy, c)))
	}
	r.comms = nil
	return first.back(errors.Join(errs...))
}

// Abort ends a ring whatever it does, and what waits for its sums. What NCCL says of it is
// no matter.
func (r *Ring) Abort() {
	done := make(chan struct{})
	go func() { // ends when NCCL has
		defer close(done)
		runtime.LockOSThread() // for good: NCCL may leave a context current
		for _, c := range r.comms {
			call(r.devices[0].libs.nccl.commAbort, c)
		}
		r.comms = nil
	}()
	<-done
}

// checkNCCL makes an error of what NCCL returned. It does not say whether a device is lost.
func (l *Libraries) checkNCCL(what string, r uintptr) error {
	code := result(r)
	if code == 0 {
		return nil
	}
	e := &Error{Kind: ErrRefused, What: what, Code: int(code), Advice: "NCCL_DEBUG=INFO has it say why"}
	if at := call(l.nccl.getErrorString, uintptr(code)); at != 0 {
		e.Name = text(*(**byte)(ptr(&at)))
	}
	return e
}
