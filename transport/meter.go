package transport

// This file holds the limits on how often something may be asked for.

import (
	"net/netip"
	"sync"
	"time"

	"lode/protocol"
)

// Messages are counted before anybody looks into them, since to check one costs a
// signature's verification and a place in the one line that orders the record. A
// member sends six a round. What is left unused in burstOver is saved up, so that
// a whole lecture room behind one address may send at once when a server comes
// back.
const (
	keyMessages     = 32  // per second of one key
	addressMessages = 512 // per second of one address, as [Options].PerAddress has it
	burstOver       = 8 * time.Second
)

// meter lets each K do something a number of times per second. It remembers
// those who did it within burstOver. It is a bucket that holds as much as comes in
// during burstOver, full at first.
type meter[K comparable] struct {
	each time.Duration // one costs

	mu    sync.Mutex
	full  map[K]time.Time // when the bucket will be full again
	sweep int             // entries from which those that are full are dropped
}

func newMeter[K comparable](perSecond int) *meter[K] {
	return &meter[K]{each: time.Second / time.Duration(perSecond), full: map[K]time.Time{}}
}

// take reports whether k may once more, and counts it if so.
func (m *meter[K]) take(k K, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(now)
	full := m.full[k]
	if full.Before(now) {
		full = now
	}
	if full = full.Add(m.each); full.Sub(now) > burstOver {
		return false
	}
	m.full[k] = full
	return true
}

// forget drops the buckets that are full, each time their number has doubled.
func (m *meter[K]) forget(now time.Time) {
	if len(m.full) < m.sweep {
		return
	}
	for k, full := range m.full {
		if !full.After(now) {
			delete(m.full, k)
		}
	}
	m.sweep = max(64, 2*len(m.full))
}

// inbound meters the messages of keys and addresses.
type inbound struct {
	keys      *meter[protocol.NodeID]
	addresses *meter[netip.Prefix]
}

func newInbound() inbound {
	return inbound{newMeter[protocol.NodeID](keyMessages), newMeter[netip.Prefix](addressMessages)}
}

// take refuses a message that comes too soon. The key is asked first: what it is
// refused for is not charged to its neighbours.
func (i inbound) take(key protocol.NodeID, address netip.Prefix, now time.Time) error {
	switch {
	case !i.keys.take(key, now):
		return protocol.Refuse(protocol.Busy, "more than %d messages a second of this key", keyMessages)
	case !i.addresses.take(address, now):
		return protocol.Refuse(protocol.Busy, "more than %d messages a second from this address", addressMessages)
	}
	return nil
}
