package driver

// This file holds what goes from one card to another.

import "errors"

const codeAlreadyReached = 704 // CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED

// Reaches tells whether card a can read the memory of card b without the host.
func (l *Libraries) Reaches(a, b int) (bool, error) {
	var can int32
	err := l.check("cuDeviceCanAccessPeer", result(call(l.cuda.canAccessPeer, uintptr(ptr(&can)), uintptr(a), uintptr(b))))
	return can != 0, err
}

// Reach lets d read the memory of another device without the host, if that can be: the
// hardware allows it to a few devices, of some machines.
func (d *Device) Reach(other *Device) (bool, error) {
	can, err := d.libs.Reaches(int(d.ordinal), int(other.ordinal))
	if err != nil || !can {
		return false, err
	}
	r := call(d.libs.cuda.enablePeerAccess, other.context, 0)
	if result(r) == codeAlreadyReached {
		return true, nil
	}
	err = d.check("cuCtxEnablePeerAccess", r)
	if errors.Is(err, ErrRefused) {
		return false, nil // as for too many devices
	}
	return err == nil, err
}

// CopyFrom copies n bytes from the memory of another device, later. Where d does not reach
// that, the driver goes through the host's memory. There is nothing to do for none.
func (s *Stream) CopyFrom(other *Device, to, from Pointer, n int64) error {
	if n == 0 {
		return nil
	}
	return s.d.check("cuMemcpyPeerAsync", call(s.d.libs.cuda.copyPeer, uintptr(to), s.d.context, uintptr(from), other.context, uintptr(n), s.handle))
}
