package coordinator

// This file holds what the coordinator tells its operator of who comes and goes.

import (
	"fmt"

	"lode/coordinator/round"
	"lode/protocol"
)

// announce logs that a member joined, came or went, and whom a run that stands still
// waits for then.
func (c *Coordinator) announce(ev protocol.Event) {
	var what string
	var node protocol.NodeID
	switch ev := ev.(type) {
	case protocol.Present:
		what, node = "is back", ev.Node
	case protocol.Absent:
		what, node = "is gone", ev.Node
	case protocol.Message:
		if ev.Type != protocol.KindJoin {
			return
		}
		what, node = "joined", ev.Node
	default:
		return
	}
	x, ok := c.machine.Member(node)
	if !ok {
		return
	}
	log := c.cfg.Log.Info().Str("name", x.Name).Str("key", node.Short())
	if phase, _ := c.machine.Phase(); phase == round.Gathering {
		log = log.Str("there", c.there())
	}
	log.Msgf("%v %s", x.Role, what)
}

// there says how many members are there of those that a round needs.
func (c *Coordinator) there() string {
	here := map[protocol.Role]uint32{}
	for _, x := range c.machine.Members() {
		if x.Present {
			here[x.Role]++
		}
	}
	need := c.machine.Manifest().Members
	return fmt.Sprintf("%d of %d workers, %d of %d validators", here[protocol.Worker], need.MinWorkers, here[protocol.Validator], need.MinValidators)
}
