package validator

// This file holds the hash chain whose preimages feed the beacon.

import (
	"crypto/ed25519"
	"encoding/binary"

	"lode/protocol"
)

const (
	// chainLen is how many preimages one anchor gives: one a round.
	chainLen = 1 << 16
	// reanchor is how many are left when a new anchor is asked for.
	reanchor = 16
)

// hashChain gives the preimages of an anchor in reverse. Link k of chain e is the
// hash of link k+1; the last follows from the node's private key, so nothing
// need be stored.
type hashChain struct {
	key    ed25519.PrivateKey
	run    protocol.RunID
	length int    // preimages of one chain
	epoch  uint64 // of the links in memory
	links  []protocol.Digest
	place  map[protocol.Digest]int
}

func newHashChain(key ed25519.PrivateKey, run protocol.RunID, length int) *hashChain {
	c := &hashChain{key: key, run: run, length: length}
	c.forge(0)
	return c
}

func (c *hashChain) forge(epoch uint64) {
	var e [8]byte
	binary.LittleEndian.PutUint64(e[:], epoch)
	c.epoch, c.links, c.place = epoch, make([]protocol.Digest, c.length+1), make(map[protocol.Digest]int, c.length+1)
	d := protocol.Hash("hash chain", c.key.Seed(), c.run[:], e[:])
	for k := c.length; ; k-- {
		c.links[k] = d
		c.place[d] = k
		if k == 0 {
			return
		}
		d = protocol.Hash("beacon", d[:])
	}
}

// maxEpochs bounds the search for an anchor's chain.
const maxEpochs = 1 << 10

// find moves to the chain that holds d.
func (c *hashChain) find(d protocol.Digest) (k int, ok bool) {
	if k, ok = c.place[d]; ok {
		return k, true
	}
	for e := range uint64(maxEpochs) {
		c.forge(e)
		if k, ok = c.place[d]; ok {
			return k, true
		}
	}
	return 0, false
}

// preimage returns what hashes to anchor.
func (c *hashChain) preimage(anchor protocol.Digest) (protocol.Digest, bool) {
	k, ok := c.find(anchor)
	if !ok || k == c.length {
		return protocol.Digest{}, false
	}
	return c.links[k+1], true
}

// next returns the anchor to join with: of the first chain, or for a member of
// the chain after the one that holds its present anchor.
func (c *hashChain) next(present protocol.Digest, member bool) protocol.Digest {
	if member {
		if _, ok := c.find(present); ok {
			c.forge(c.epoch + 1)
		}
	}
	return c.links[0]
}
