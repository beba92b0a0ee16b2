package worker

// This file holds what the trainer may know of the round in flight.

import (
	"context"
	"sync"

	"lode/coordinator/round"
	"lode/protocol"
)

// sight is the newest commit of somebody else, as everybody can read it on the
// record.
type sight struct {
	mu     sync.Mutex
	round  protocol.Round
	commit protocol.Commit
	found  bool
	news   chan struct{} // closed when found becomes true
}

func (s *sight) look(me protocol.NodeID, cur *round.Round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.news == nil || s.round != cur.Number {
		s.round, s.found, s.news = cur.Number, false, make(chan struct{})
	}
	for i := range cur.Entries {
		if e := &cur.Entries[i]; e.Worker != me && !s.found {
			s.commit, s.found = e.Commit, true
			close(s.news)
		}
	}
}

// others waits for somebody else's commit in round n; ok is false if the round
// moved on.
func (s *sight) others(ctx context.Context, n protocol.Round) (c protocol.Commit, ok bool) {
	s.mu.Lock()
	news, current := s.news, s.round == n
	s.mu.Unlock()
	if !current {
		return c, false
	}
	select {
	case <-news:
	case <-ctx.Done():
		return c, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit, s.round == n && s.found
}
