package transport

// This file holds which connection speaks for a peer: the newest.

import (
	"context"
	"sync"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

// member is one connection of a peer that is past its Hello.
type member struct {
	conn *quic.Conn
	idle chan struct{} // closed when its last request has returned
}

// seat is a peer's place. lock is held during Hello and Gone, so that calls for
// one peer follow each other; whoever holds it may touch current.
type seat struct {
	lock    chan struct{} // capacity 1; a channel, to give up with a context
	current *member       // nil while the peer is not connected
	refs    int           // connections of the key; guarded by seats.mu
}

// seats holds a seat for every key with a connection.
type seats struct {
	mu sync.Mutex
	of map[protocol.NodeID]*seat
}

// take counts one more connection of peer. It fails if there are most already.
func (s *seats) take(peer protocol.NodeID, most int) (*seat, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.of[peer]
	if st == nil {
		st = &seat{lock: make(chan struct{}, 1)}
		s.of[peer] = st
	}
	if st.refs >= most {
		return nil, false
	}
	st.refs++
	return st, true
}

func (s *seats) release(peer protocol.NodeID, st *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.refs--; st.refs == 0 {
		delete(s.of, peer)
	}
}

// join says Hello for a connection and, once accepted, puts it in the place of
// an older one. joined says whether leave must be called, even after an error.
func (st *seat) join(ctx context.Context, m *member, hello func() (Welcome, error)) (w Welcome, joined bool, err error) {
	select {
	case st.lock <- struct{}{}:
	case <-ctx.Done():
		return w, false, protocol.Refuse(protocol.Busy, "another connection of this key is being welcomed")
	}
	w, err = hello()
	if err != nil {
		<-st.lock
		return w, false, err
	}
	old := st.current
	st.current = m
	<-st.lock
	if old == nil {
		return w, true, nil
	}
	old.conn.CloseWithError(codeReplaced, "a newer connection of the same key took this place")
	select {
	case <-old.idle:
		return w, true, nil
	case <-ctx.Done():
		return w, true, protocol.Refuse(protocol.Busy, "requests of an older connection of this key have not ended yet")
	}
}

// leave ends a connection that joined; its requests have returned. It says Gone
// unless a newer connection took the place.
func (st *seat) leave(m *member, gone func()) {
	st.lock <- struct{}{}
	defer func() { <-st.lock }()
	if st.current == m {
		st.current = nil
		gone()
	}
}
