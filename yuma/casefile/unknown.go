package casefile

// This file holds what a case says that is not read.

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// noted are fields that describe a case and change nothing.
var noted = []string{
	"name", "kind", "source", "note", "expect", "expectation_from", "tolerance", "subtensor_asserts", "max_abs_diff_double",
	"kappa_float", "bond_penalty_float", "bonds_alpha",
}

// Unknown returns the fields of an epoch or a sequence that have no meaning, sorted:
// misspelt ones, most likely.
func (c Case) Unknown() []string {
	if c.Kind != Epoch && c.Kind != Sequence {
		return nil
	}
	var f struct {
		Params map[string]json.RawMessage
		Epochs []map[string]json.RawMessage
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(c.Raw, &f) != nil || json.Unmarshal(c.Raw, &top) != nil {
		return nil // Run says what is wrong
	}
	unknown := map[string]bool{}
	look := func(prefix string, fields map[string]json.RawMessage, known []string) {
		for name := range fields {
			if !slices.Contains(known, name) && !slices.Contains(noted, name) {
				unknown[prefix+name] = true
			}
		}
	}
	epoch := append(tags(reflect.TypeFor[input]()), "input")
	look("", top, append(epoch, "params", "epochs"))
	look("params.", f.Params, tags(reflect.TypeFor[params]()))
	for _, e := range f.Epochs {
		look("epochs.", e, epoch)
	}
	return slices.Sorted(maps.Keys(unknown))
}

// tags returns the names that a structure's fields have in JSON.
func tags(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
