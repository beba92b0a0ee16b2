package coordinator_test

import (
	"fmt"
	"sync"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

// shelf is an archive in memory.
type shelf struct {
	mu     sync.Mutex
	blocks [][]byte
	states map[uint64][]byte
}

func (s *shelf) Next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.blocks)) + 1
}

func (s *shelf) Add(block, state []byte, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = append(s.blocks, block)
	if state != nil {
		if s.states == nil {
			s.states = map[uint64][]byte{}
		}
		s.states[uint64(len(s.blocks))] = state
	}
	return nil
}

func (s *shelf) Blocks(from uint64, most int) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := min(uint64(len(s.blocks)), from-1+uint64(most))
	return s.blocks[min(from-1, end):end], nil
}

func (s *shelf) State(most uint64) (height uint64, state []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h, b := range s.states {
		if h <= most && h > height {
			height, state = h, b
		}
	}
	return height, state, nil
}

// follow executes the blocks of an archive from the beginning, without the record, and
// compares each with what the run says of it.
func (s *shelf) follow(man protocol.Manifest, sealed []ledger.Block) error {
	l, err := ledger.New(round.Genesis(man))
	if err != nil {
		return err
	}
	if len(s.blocks) != len(sealed) {
		return fmt.Errorf("%d blocks of %d are kept", len(s.blocks), len(sealed))
	}
	for i, b := range s.blocks {
		block, err := ledger.DecodeBlock(b)
		if err == nil {
			_, _, err = l.Execute(block)
		}
		if err != nil {
			return err
		}
		if l.Network().Block != sealed[i].Digest() {
			return fmt.Errorf("block %d is not that of the run", i+1)
		}
	}
	return nil
}
