package main

// This file holds results and the file they stand in.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// point is how a run stands after some of its steps.
type point struct {
	Steps   int     `json:"steps"`
	Tokens  int     `json:"tokens"`
	Rounds  int     `json:"rounds"`
	HeldOut float64 `json:"held_out"` // nats a byte
	Train   float64 `json:"train"`    // mean since the point before, before each step
	Up      float64 `json:"up"`       // bytes one worker has sent, the mean of all
	Down    float64 `json:"down"`     // bytes one worker has received
	CPU     float64 `json:"cpu_s"`    // seconds, measuring included
}

// result is a run that ended.
type result struct {
	Setting setting `json:"setting"`
	Points  []point `json:"points"`
	Fault   string  `json:"fault,omitempty"` // why it ended early
}

// last returns the last point, zero if there is none.
func (r result) last() point {
	if len(r.Points) == 0 {
		return point{}
	}
	return r.Points[len(r.Points)-1]
}

// String is the result in a line.
func (r result) String() string {
	p := r.last()
	return fmt.Sprintf("%-40s seed %d: %.4f after %d tokens, %.0f bytes up, %.0f down, %.0f s %s",
		r.Setting.Name, r.Setting.Seed, p.HeldOut, p.Tokens, p.Up, p.Down, p.CPU, r.Fault)
}

// UnmarshalJSON gives fields that did not exist when a result was written the
// defaults they have now.
func (r *result) UnmarshalJSON(b []byte) error {
	var raw struct {
		Setting json.RawMessage `json:"setting"`
		Points  []point         `json:"points"`
		Fault   string          `json:"fault"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	some, err := parseSettings(raw.Setting)
	if err != nil {
		return fmt.Errorf("setting: %w", err)
	}
	*r = result{some[0], raw.Points, raw.Fault}
	return nil
}

// readResults reads the file, which need not exist.
func readResults(path string) ([]result, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	var all []result
	for line := range bytes.Lines(b) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("results %s line %d: %w", path, len(all)+1, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func appendResult(path string, r result) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// dropTornLine removes a last line without an end: its writer was stopped.
func dropTornLine(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	if whole := bytes.LastIndexByte(b, '\n') + 1; whole < len(b) {
		return os.Truncate(path, int64(whole))
	}
	return nil
}
