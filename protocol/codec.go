package protocol

// This file holds the one encoding: core deterministic CBOR, strictly read.

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Bounds on what may be decoded. An entry of the record is the largest value.
const (
	// MaxMessageLen is the longest encoded message or entry, in bytes.
	MaxMessageLen = 1 << 20
	// MaxListLen is the longest list inside a message: the most members a
	// roster, a list of commits or a sheet can name.
	MaxListLen = 4096
)

// ErrMalformed is wrapped by every error of [Decode].
var ErrMalformed = errors.New("malformed encoding")

var (
	encMode = must(encOptions().EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxArrayElements:  MaxListLen,
		MaxMapPairs:       16,
		MaxNestedLevels:   16,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode())
)

func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.NilContainers = cbor.NilContainerAsEmpty
	return o
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("protocol: " + err.Error())
	}
	return v
}

// Encode returns the one encoding of v, which must be a value of this package or
// built from its values.
func Encode(v any) []byte {
	b, err := encMode.Marshal(v)
	if err != nil {
		panic("protocol: encode " + fmt.Sprintf("%T: %v", v, err))
	}
	return b
}

// Decode reads into v, a pointer, what [Encode] wrote. It refuses anything that
// is longer than [MaxMessageLen] or that does not encode back to the same bytes.
func Decode(b []byte, v any) error {
	if len(b) > MaxMessageLen {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrMalformed, len(b), MaxMessageLen)
	}
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %T: %w", ErrMalformed, v, err)
	}
	again, err := encMode.Marshal(v)
	if err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%w: %T: not its own canonical encoding", ErrMalformed, v)
	}
	return nil
}
