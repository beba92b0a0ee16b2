package main

// This file shares this machine's memory between the processes of lode up.

import (
	"fmt"
	"math"
	"strconv"

	"github.com/dustin/go-humanize"

	"lode/engine/model"
	"lode/protocol"
)

// shareMemory gives each process an equal share, refuses what does not fit, and says in
// one line what was planned.
func (h *house) shareMemory() (string, error) {
	limit, err := h.flags.memory.limit()
	if err != nil {
		return "", err
	}
	num := int64(len(h.state.Cast.Validators) + len(h.state.Cast.Workers))
	if h.cards, err = h.flags.engine.shareCard(num); err != nil {
		return "", err
	}
	if limit == math.MaxInt64 {
		h.memory = nil
		return "memory is not bounded: the system does not say how much is free", nil
	}
	each := memoryFlags{most: strconv.FormatInt(limit/(1+num), 10)}
	counts := countsAll
	if h.flags.engine.engine != autoEngine {
		counts = engines[h.flags.engine.engine].counts(&h.flags.engine)
	}
	h.memory = []string{"--max-memory", each.most}
	var lines [2]thrift
	for i, role := range []protocol.Role{protocol.Worker, protocol.Validator} {
		lines[i], err = each.plan(h.rules.Model, h.rules.Demand(role), model.Work{Threads: 1, Frozen: h.rules.Frozen}, counts)
		if err != nil {
			return "", fmt.Errorf("each %v: %w", role, err)
		}
	}
	how := fmt.Sprintf("each worker: %v; each validator: %v", lines[0], lines[1])
	if h.cards > 0 {
		how += fmt.Sprintf("; each may take %s of a card (%s)", humanize.Bytes(uint64(h.cards)), experimental)
	}
	return how, nil
}
