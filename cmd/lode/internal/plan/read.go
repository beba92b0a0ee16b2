package plan

// This file reads a syntax tree into a plan by the table.

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"lode/protocol"
	"lode/replica"
)

// place is where something stands in the file.
type place struct{ line, column int }

func placeOf(t *token.Token) place { return place{t.Position.Line, t.Position.Column} }

// reader fills a plan and keeps what it finds wrong.
type reader struct {
	plan   Plan
	faults Faults
	places map[string]place // of every path that was met
	failed map[string]bool  // paths that already have a fault
}

func (r *reader) fault(at place, path, format string, args ...any) {
	r.faults = append(r.faults, Fault{Line: at.line, Column: at.column, Field: path, Text: fmt.Sprintf(format, args...)})
	r.failed[path] = true
}

// document reads the whole file.
func (r *reader) document(body ast.Node) {
	if body == nil || body.Type() == ast.NullType || body.Type() == ast.CommentType {
		return
	}
	r.section("", body, placeOf(body.GetToken()))
}

// section reads the fields of one section; "" is the top.
func (r *reader) section(name string, n ast.Node, at place) {
	if n.Type() == ast.NullType && name != "" {
		return // all its fields are commented out
	}
	r.mapping(name, n, at, func(key string, value ast.Node, at place) bool {
		if i := slices.IndexFunc(table, func(f field) bool { return f.stands(name, key) }); i >= 0 {
			r.field(table[i], value)
			return true
		}
		if name == "" && slices.ContainsFunc(sections, func(s struct{ name, about string }) bool { return s.name == key }) {
			r.section(key, value, at)
			return true
		}
		return false
	}, func(key string) string { return hint(name, key) })
}

// mapping calls known for each key of n, and reports the keys that it does not
// take and those that come twice.
func (r *reader) mapping(path string, n ast.Node, at place, known func(key string, value ast.Node, at place) bool, hint func(key string) string) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.fault(at, path, "must be `key: value` pairs, not %s", describe(n))
		return
	}
	first := map[string]place{}
	for _, pair := range pairs {
		t := pair.Key.GetToken()
		key, at := t.Value, placeOf(t)
		full := join(path, key)
		if earlier, ok := first[key]; ok {
			r.faults = append(r.faults, Fault{ // the first one counts and is checked
				Line: at.line, Column: at.column, Field: scalar{text: full}.plain(),
				Text: fmt.Sprintf("stands here a second time, first in line %d", earlier.line),
			})
			continue
		}
		first[key] = at
		r.places[full] = at
		if !known(key, pair.Value, at) {
			r.fault(at, scalar{text: full}.plain(), "unknown key%s", hint(key))
		}
	}
}

// field reads one field.
func (r *reader) field(f field, n ast.Node) {
	if f.list != nil {
		r.list(f, n)
		return
	}
	s, ok := r.scalar(f.path, n)
	if !ok {
		return
	}
	if err := f.set(&r.plan, s); err != nil {
		r.fault(r.places[f.path], f.path, "%v", err)
	}
}

// scalar returns the one value that n is. From then on the path's place is the
// value's, not the key's.
func (r *reader) scalar(path string, n ast.Node) (scalar, bool) {
	var s scalar
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		t := n.GetToken()
		s = scalar{text: t.Value, quoted: t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType}
		r.places[path] = placeOf(t)
		return s, true
	case *ast.NullNode:
		r.fault(r.places[path], path, "has no value")
	default:
		r.fault(r.places[path], path, "must be one value, not %s", describe(n))
	}
	return s, false
}

// list reads the entries of a list.
func (r *reader) list(f field, n ast.Node) {
	if n.Type() == ast.NullType {
		return
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fault(r.places[f.path], f.path, "must be a list of `- %s`, not %s", f.list.entry, describe(n))
		return
	}
	f.list.begin(&r.plan)
	for i, entry := range list.Values {
		path := fmt.Sprintf("%s[%d]", f.path, i)
		r.places[path] = placeOf(start(entry))
		f.list.read(r, path, entry)
	}
}

// check reports what is wrong with the values, at the places they come from.
func (r *reader) check() {
	r.adopt()
	stand := protocol.NodeID{1} // for keys and corpus, which the launching machine knows
	man := r.plan.draft(stand, protocol.NodeID(protocol.Hash("stand-in for the invitation")))
	man.Data.Index, man.Data.Bytes = protocol.Digest{1}, 1
	r.families()
	invalid := man.Validate()
	for _, err := range causes(errors.Join(invalid, r.plan.fit())) {
		var f *protocol.FieldError
		if !errors.As(err, &f) {
			r.fault(place{}, "", "%v", err)
			continue
		}
		if !r.failed[f.Field] {
			r.valueFault(f)
		}
	}
	if len(r.faults) > 0 {
		return
	}
	if _, err := replica.NewRules(man); err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // without the prefix that says what path says
		}
		r.derived(man, causes(err))
	}
}

// families reports fields that the model's family does not have.
func (r *reader) families() {
	family := r.plan.Model.Family
	if r.plan.Model.described() == nil {
		return
	}
	for _, f := range table {
		if at, stands := r.places[f.path]; stands && !f.of(family) {
			r.fault(at, f.path, "is a field of %s, but model.family is %s", strings.Join(f.families, " and "), family)
		}
	}
}

// derived reports what is wrong with what follows from the manifest.
func (r *reader) derived(man protocol.Manifest, errs []error) {
	path := "model"
	plain := defaultModel()
	plain.Llama.Context = max(plain.Llama.Context, int(man.Train.Steps))
	man.Model, man.Train.Only, man.Train.NoDecay = plain.config(), nil, nil
	if _, also := replica.NewRules(man); also != nil {
		path = "merge" // all that is derived apart from the model
	}
	for _, err := range errs {
		if f := (*protocol.FieldError)(nil); errors.As(err, &f) {
			r.valueFault(f)
			continue
		}
		r.fault(r.places[path], path, "%v", err)
	}
}

// valueFault reports a fault of a field's value, which may be a default.
func (r *reader) valueFault(e *protocol.FieldError) {
	text := e.Fault
	i := slices.IndexFunc(table, func(f field) bool { return f.path == e.Field })
	if i >= 0 && table[i].counts != "" {
		text += " (in " + table[i].counts + ")"
	}
	at, ok := r.places[e.Field]
	if defaults := Defaults(); !ok && i >= 0 && table[i].value(&r.plan) == table[i].value(&defaults) {
		text += fmt.Sprintf("; the file leaves it at its default, %s", table[i].value(&r.plan))
	}
	r.fault(at, e.Field, "%s", text)
}

// causes returns the errors that err joins, joined ones within them too.
func causes(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, causes(e)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// start returns the first token of a node. A mapping's own is its first colon.
func start(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

// describe says in words what a node is.
func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "`key: value` pairs"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	}
	return scalar{text: n.GetToken().Value}.show()
}
