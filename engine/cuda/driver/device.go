package driver

// This file holds a device and the thread that owns it.

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"lode/engine"
)

// Info is what is known of a card without opening it.
type Info struct {
	Name       string
	Memory     int64 // bytes in all
	Capability int   // major·10 + minor
	Processors int   // streaming multiprocessors
}

// Alike tells whether two cards find the same bits.
func (i Info) Alike(other Info) bool {
	return i.Capability == other.Capability && i.Processors == other.Processors
}

// Attributes of a device, from cuda.h.
const (
	attrProcessors = 16
	attrMajor      = 75
	attrMinor      = 76
)

func (l *Libraries) info(ordinal int32) (i Info, err error) {
	var device int32
	if err := l.check("cuDeviceGet", result(call(l.cuda.deviceGet, uintptr(ptr(&device)), uintptr(ordinal)))); err != nil {
		return i, err
	}
	name := make([]byte, 100)
	if err := l.check("cuDeviceGetName", result(call(l.cuda.deviceGetName, uintptr(ptr(&name[0])), uintptr(len(name)), uintptr(device)))); err != nil {
		return i, err
	}
	i.Name = string(name[:max(0, slices.Index(name, 0))])
	var memory uint64
	if err := l.check("cuDeviceTotalMem", result(call(l.cuda.deviceTotalMem, uintptr(ptr(&memory)), uintptr(device)))); err != nil {
		return i, err
	}
	i.Memory = int64(memory)
	var major, minor, processors int32
	for attr, to := range map[uintptr]*int32{attrMajor: &major, attrMinor: &minor, attrProcessors: &processors} {
		var v int32
		if err := l.check("cuDeviceGetAttribute", result(call(l.cuda.deviceGetAttr, uintptr(ptr(&v)), attr, uintptr(device)))); err != nil {
			return i, err
		}
		*to = v
	}
	i.Capability, i.Processors = int(10*major+minor), int(processors)
	return i, nil
}

// Usable says why card number ordinal cannot be opened, nil if it can.
func (l *Libraries) Usable(ordinal int) error {
	switch driver, blas := l.Driver.Err, l.BLAS.Err; {
	case driver != nil && blas != nil:
		return fmt.Errorf("%w; %w", driver, blas)
	case driver != nil || blas != nil:
		return cmp.Or(driver, blas)
	}
	if ordinal < 0 || ordinal >= len(l.Devices) {
		return &Error{Kind: ErrAbsent, What: fmt.Sprintf("card %d", ordinal), Advice: fmt.Sprintf("there are %d, counted from 0: lode doctor lists them", len(l.Devices))}
	}
	if c := l.Devices[ordinal].Capability; c < LeastCapability {
		return &Error{
			Kind: ErrTooOld, What: fmt.Sprintf("%s, compute capability %d.%d, wanted is %d.%d", l.Devices[ordinal].Name, c/10, c%10, LeastCapability/10, LeastCapability%10),
			Advice: "take --engine torch or cpu",
		}
	}
	return nil
}

// Device is a card that is open. One operating-system thread owns it.
type Device struct {
	libs    *Libraries
	ordinal int32
	tasks   chan task
	ended   chan struct{}

	// Of the owner's thread alone:
	context   uintptr
	blas      uintptr // handle of cuBLASLt
	lost      error
	launching launching
	products  map[shape]*product
	held      int // memory, streams and the like that were not given back
}

type task struct {
	do   func() error
	done chan error
}

// Open takes card number ordinal. Close it.
func Open(l *Libraries, ordinal int) (*Device, error) {
	if err := l.Usable(ordinal); err != nil {
		return nil, err
	}
	d := &Device{libs: l, ordinal: int32(ordinal), tasks: make(chan task), ended: make(chan struct{})}
	go d.own() // Close ends it
	if err := d.Do(d.retain); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// own runs tasks on one thread, which ends with the device: others shall not have its
// context.
func (d *Device) own() {
	runtime.LockOSThread()
	defer close(d.ended)
	for t := range d.tasks {
		t.done <- t.do()
	}
}

// Libraries returns those that the device is opened with.
func (d *Device) Libraries() *Libraries { return d.libs }

// Info returns what is known of the card.
func (d *Device) Info() Info { return d.libs.Devices[d.ordinal] }

// Do runs f on the thread that owns the device and returns its error. A device that is
// lost runs nothing and returns that.
func (d *Device) Do(f func() error) error {
	return d.run(func() error {
		if d.lost != nil {
			return d.lost
		}
		return f()
	})
}

func (d *Device) run(f func() error) error {
	t := task{f, make(chan error, 1)}
	d.tasks <- t
	return <-t.done
}

// retain makes the context current and opens what belongs to it.
func (d *Device) retain() error {
	var context uintptr
	if err := d.check("cuDevicePrimaryCtxRetain", call(d.libs.cuda.primaryRetain, uintptr(ptr(&context)), uintptr(d.ordinal))); err != nil {
		return err
	}
	d.context = context
	if err := d.check("cuCtxSetCurrent", call(d.libs.cuda.ctxSetCurrent, context)); err != nil {
		return err
	}
	var blas uintptr
	if err := d.checkBLAS("cublasLtCreate", call(d.libs.blas.create, uintptr(ptr(&blas)))); err != nil {
		return err
	}
	d.blas = blas
	return nil
}

// check makes an error of what a call returned and notes whether the device is lost.
func (d *Device) check(what string, r uintptr) error {
	err := d.libs.check(what, result(r))
	if errors.Is(err, engine.ErrLost) && d.lost == nil {
		d.lost = err
	}
	return err
}

// Reopen makes a lost device usable: all memory, streams and modules of before are gone. An
// error is not engine.ErrLost: some faults leave a process without the card for good.
func (d *Device) Reopen() error {
	return d.run(func() error {
		if d.lost == nil {
			return nil
		}
		was := d.lost
		d.drop()
		d.lost, d.held = nil, 0
		err := d.check("cuDevicePrimaryCtxReset", call(d.libs.cuda.primaryReset, uintptr(d.ordinal)))
		if err == nil {
			err = d.retain()
		}
		if err != nil {
			d.drop()
			d.lost = was
			return fmt.Errorf("%v; it cannot be opened again in this process: start the program anew", err)
		}
		return nil
	})
}

// drop lets go of the context.
func (d *Device) drop() {
	d.dropProducts()
	if d.blas != 0 {
		call(d.libs.blas.destroy, d.blas)
	}
	if d.context != 0 {
		call(d.libs.cuda.ctxSetCurrent, 0)
		call(d.libs.cuda.primaryRelease, uintptr(d.ordinal))
	}
	d.blas, d.context = 0, 0
}

// Close gives the device back; memory and the rest of it must have been. The device
// cannot be used after that.
func (d *Device) Close() error {
	err := d.run(func() error {
		lost, held := d.lost, d.held
		d.drop()
		if lost == nil && held != 0 {
			return fmt.Errorf("driver: %d things of the device were not given back", held)
		}
		return nil
	})
	close(d.tasks)
	<-d.ended
	return err
}

// Present tells, without opening anything, whether the system has an NVIDIA card and a
// driver that made a file for it.
func Present() bool {
	return len(matches("/dev/nvidia[0-9]*"))+len(matches("/dev/dxg")) > 0
}
