//go:build 386 || arm || mips || mipsle

package tensor

// This file stops the build for 32-bit processors with words that say why: models
// have up to 2^40 values, and an index of 32 bits does not count them.
var _ = lodeNeedsA64BitProcessor
