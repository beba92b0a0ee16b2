package transport

// This file holds how many payloads are read at once, and whose turn is next.

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"lode/protocol"
)

// Each payload that is being read holds a buffer, an open file or a piece of the
// corpus in memory. Honest nodes read one or two at a time.
const (
	keyLoans     = 8
	addressLoans = 128
	allLoans     = 1024
)

// loans bounds the payloads being read: by key, by address and in all, and those of
// peers that are no members to half of all, so that strangers with many keys and
// addresses keep no member from its work. Who comes above a bound waits in a line
// of at most as many as may read.
type loans struct {
	perKey, perAddress, most int

	mu        sync.Mutex
	total     int
	strange   int // of them by peers that are no members
	byKey     map[protocol.NodeID]int
	byAddress map[netip.Prefix]int
	line      []*loan // who waits, the longest first
}

// loan is one payload being read, or waiting to be.
type loan struct {
	key     protocol.NodeID
	address netip.Prefix
	member  bool
	turn    chan struct{} // closed when the wait is over
}

func newLoans(perKey, perAddress, most int) *loans {
	return &loans{
		perKey: perKey, perAddress: perAddress, most: most,
		byKey: map[protocol.NodeID]int{}, byAddress: map[netip.Prefix]int{},
	}
}

// take waits, at most for patience, until one more payload may be read: that of n,
// whose key, address and member are set. Call giveBack with what it returns.
func (l *loans) take(ctx context.Context, n *loan, patience time.Duration) (*loan, error) {
	n.turn = make(chan struct{})
	if !l.enter(n) {
		return nil, protocol.Refuse(protocol.Busy, "too many payloads are being read")
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-n.turn:
		return n, nil
	case <-late.C:
	case <-ctx.Done():
	}
	if l.abandon(n) {
		return nil, protocol.Refuse(protocol.Busy, "%d payloads are being read, %d of them by this key", l.most, l.perKey)
	}
	return n, nil // its turn came meanwhile
}

// enter begins a loan or puts it in the line; false says that the line is full.
func (l *loans) enter(n *loan) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.admits(n) {
		l.begin(n)
		return true
	}
	neighbours, strange := 0, 0
	for _, x := range l.line {
		if x.address == n.address {
			neighbours++
		}
		if !x.member {
			strange++
		}
	}
	if len(l.line) >= l.most || neighbours >= l.perAddress || !n.member && strange >= l.most/2 {
		return false
	}
	l.line = append(l.line, n)
	return true
}

// abandon takes a loan out of the line; false says that it has begun.
func (l *loans) abandon(n *loan) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.line, n)
	if i >= 0 {
		l.line = slices.Delete(l.line, i, i+1)
	}
	return i >= 0
}

func (l *loans) admits(n *loan) bool {
	return l.total < l.most && l.byKey[n.key] < l.perKey && l.byAddress[n.address] < l.perAddress && (n.member || l.strange < l.most/2)
}

func (l *loans) begin(n *loan) {
	l.total++
	if !n.member {
		l.strange++
	}
	l.byKey[n.key]++
	l.byAddress[n.address]++
	close(n.turn)
}

// giveBack ends a loan. Its place goes to whoever waits and reads least: first by
// key, then by address, then by who waits longest. So nobody gets a second place
// while somebody else has none.
func (l *loans) giveBack(n *loan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if !n.member {
		l.strange--
	}
	lower(l.byKey, n.key)
	lower(l.byAddress, n.address)
	for i := l.next(); i >= 0; i = l.next() {
		l.begin(l.line[i])
		l.line = slices.Delete(l.line, i, i+1)
	}
}

// next returns whose turn it is in the line, -1 if nobody's.
func (l *loans) next() int {
	best := -1
	for i, x := range l.line {
		if l.admits(x) && (best < 0 || l.compare(x, l.line[best]) < 0) {
			best = i
		}
	}
	return best
}

func (l *loans) compare(a, b *loan) int {
	return cmp.Or(cmp.Compare(l.byKey[a.key], l.byKey[b.key]), cmp.Compare(l.byAddress[a.address], l.byAddress[b.address]))
}

func lower[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] == 0 {
		delete(m, k)
	}
}
