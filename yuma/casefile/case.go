package casefile

// This file holds the file's outer form: cases, and what runs them.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// The kinds that can be run.
const (
	Epoch    = "epoch"
	Sequence = "sequence"
	Sim      = "sim"
)

// Case is one object of a file, not yet decoded.
type Case struct {
	Name string
	Kind string // any word; those above can be run
	Raw  json.RawMessage
}

// Split cuts a file into its cases. It refuses what is not an object or an array of
// objects.
func Split(data []byte) ([]Case, error) {
	var raws []json.RawMessage
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		if err := json.Unmarshal(data, &raws); err != nil {
			return nil, fmt.Errorf("casefile: %w", err)
		}
	} else {
		raws = []json.RawMessage{data}
	}
	cases := make([]Case, len(raws))
	for i, raw := range raws {
		var h struct {
			Name, Kind string
			Epochs     []json.RawMessage
		}
		if err := json.Unmarshal(raw, &h); err != nil {
			return nil, fmt.Errorf("casefile: case %d: %w", i, err)
		}
		if h.Kind == "" {
			h.Kind = Epoch
			if h.Epochs != nil {
				h.Kind = Sequence
			}
		}
		cases[i] = Case{h.Name, h.Kind, raw}
	}
	return cases, nil
}

// ErrKind is returned for a case that is neither of the three kinds.
var ErrKind = errors.New("only epoch, sequence and sim can be run")

// Results are what a case gave, one for each epoch; one of the two is filled.
type Results struct {
	Epochs  []Outcome
	Studies []StudyOutcome
}

// Run decodes and runs the case.
func (c Case) Run() (r Results, err error) {
	switch c.Kind {
	case Epoch, Sequence:
		r.Epochs, err = runEpochs(c.Raw)
	case Sim:
		r.Studies, err = runStudy(c.Raw)
	default:
		err = fmt.Errorf("kind %q: %w", c.Kind, ErrKind)
	}
	if err != nil {
		return Results{}, fmt.Errorf("casefile: %s%w", strings.TrimPrefix(c.Name+": ", ": "), err)
	}
	return r, nil
}
