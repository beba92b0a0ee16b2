package model

// This file holds how config.json is read, whatever the family.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// MaxConfig bounds the bytes of a config.json. It is what a run's manifest holds.
const MaxConfig = 1 << 19

// families are the architectures there are.
var families = map[string]func(*reader) Model{
	llamaFamily: parseLlama,
	mlpFamily:   parseMLP,
	cnnFamily:   parseCNN,

	customFamily: parseCustom,
}

// ParseConfig reads a config.json and accepts it only if this package computes
// exactly what it describes; its model_type says which family reads it. Fields
// that decide nothing here (version strings, dropout of zero, cache switches and
// the like) may be present; any other unknown field is refused by name, because
// its meaning might matter.
func ParseConfig(data []byte) (Model, error) { return parseConfig(data, families) }

func parseConfig(data []byte, families map[string]func(*reader) Model) (Model, error) {
	if len(data) > MaxConfig {
		return nil, fmt.Errorf("config: %d bytes, at most %d are allowed", len(data), MaxConfig)
	}
	fields, err := objectFields(data)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	r := &reader{fields: fields}
	name := r.text("model_type", "")
	parse, ok := families[name]
	if !ok {
		return nil, fmt.Errorf("config: model_type is %.40q; there are %q", name, slices.Sorted(maps.Keys(families)))
	}
	m := parse(r)
	r.rest()
	if err := errors.Join(append(r.errs, m.Validate())...); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return m, nil
}

// dtype is how the numbers of a checkpoint are stored.
const dtype = "float32"

// mustBeValid panics where the config of an invalid model is asked for.
func mustBeValid(m Model) {
	if err := m.Validate(); err != nil {
		panic("model: config of an invalid model: " + err.Error())
	}
}

// write returns a config.json, indented, with a newline at its end.
func write(fields any) []byte {
	out, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		panic("model: config: " + err.Error()) // all fields are finite numbers, strings and bools
	}
	return append(out, '\n')
}

// objectFields splits one JSON object into its fields and refuses a field that
// is named twice, for which readers disagree on the winner.
func objectFields(data []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string) // inside an object the decoder yields only strings as keys
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("field %.40q is given twice", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("field %.40q: %w", name, err)
		}
		fields[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("bytes follow the object")
	}
	return fields, nil
}

// reader takes fields out one by one and collects what is wrong with them.
type reader struct {
	fields map[string]json.RawMessage
	seen   []string
	errs   []error
}

// only refuses any other value of a field, which may be missing.
func (r *reader) only(name, want string) {
	r.seen = append(r.seen, name)
	if raw, ok := r.fields[name]; ok && !sameJSON(raw, want) {
		r.errs = append(r.errs, fmt.Errorf("field %s is %.60s, want %s", name, raw, want))
	}
}

// ignore lets fields be there.
func (r *reader) ignore(names ...string) { r.seen = append(r.seen, names...) }

func sameJSON(raw json.RawMessage, want string) bool {
	var a, b any
	if json.Unmarshal(raw, &a) != nil || json.Unmarshal([]byte(want), &b) != nil {
		return false
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// rest refuses what nobody asked for.
func (r *reader) rest() {
	for _, name := range slices.Sorted(maps.Keys(r.fields)) {
		if !slices.Contains(r.seen, name) {
			r.errs = append(r.errs, fmt.Errorf("field %.40q is not supported", name))
		}
	}
}

// given reports whether a field is there and not null.
func (r *reader) given(name string) bool {
	raw, ok := r.fields[name]
	return ok && string(raw) != "null"
}

// decode leaves into as it is if the field is missing or null.
func (r *reader) decode(name string, into any) {
	r.seen = append(r.seen, name)
	if !r.given(name) {
		return
	}
	if err := json.Unmarshal(r.fields[name], into); err != nil {
		r.errs = append(r.errs, fmt.Errorf("field %s: %w", name, err))
	}
}

func (r *reader) integer(name string, missing int) int {
	v := missing
	r.decode(name, &v)
	return v
}

func (r *reader) integers(name string) (v []int) {
	r.decode(name, &v)
	return list(v)
}

// list makes of no numbers the empty list, so that it is written as one.
func list(v []int) []int {
	if v == nil {
		return []int{}
	}
	return v
}

func (r *reader) number(name string, missing float64) float64 {
	v := missing
	r.decode(name, &v)
	return v
}

func (r *reader) text(name, missing string) string {
	v := missing
	r.decode(name, &v)
	return v
}

func (r *reader) boolean(name string, missing bool) bool {
	v := missing
	r.decode(name, &v)
	return v
}
