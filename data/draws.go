package data

// This file holds chance.

import (
	"lode/data/chance"
	"lode/protocol"
)

// draw begins a sequence of numbers; other purposes and numbers begin others.
func draw(purpose string, seed protocol.Digest, nums ...int) chance.Draws {
	return chance.New("data "+purpose, seed, nums...)
}
