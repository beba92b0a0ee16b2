package process

// This file holds the frames: how they are written, bounded and read.

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

// maxAnswer bounds a frame from the process, bytes: the names and shapes of all
// tensors that a layout may have.
const maxAnswer = 32 << 20

// version is the protocol's number, which the hello says.
const version = 1

// call is a frame to the process.
type call struct {
	ID   uint64 `cbor:"id"`
	Call string `cbor:"call"`
	Args any    `cbor:"args"`
}

// answer is a frame from it.
type answer struct {
	Hello    int             `cbor:"hello"`
	Python   string          `cbor:"python"`
	ID       uint64          `cbor:"id"`
	Progress *string         `cbor:"progress"`
	Error    *string         `cbor:"error"`
	Result   cbor.RawMessage `cbor:"result"`
}

var strict = newStrict()

func newStrict() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 16, MaxArrayElements: 1 << 17, MaxMapPairs: 64,
	}.DecMode()
	if err != nil {
		panic("process: " + err.Error()) // the options are constant
	}
	return mode
}

// readFrame reads one answer.
func readFrame(r io.Reader) (answer, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return answer{}, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxAnswer {
		return answer{}, fmt.Errorf("a frame of %d bytes, at most %d are allowed", n, maxAnswer)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return answer{}, fmt.Errorf("a frame that ends early: %w", err)
	}
	var a answer
	if err := strict.Unmarshal(b, &a); err != nil {
		return answer{}, fmt.Errorf("a frame that is none: %w", err)
	}
	return a, nil
}

// writeFrame writes one call.
func writeFrame(w io.Writer, c call) error {
	b, err := cbor.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(b)))); err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}
