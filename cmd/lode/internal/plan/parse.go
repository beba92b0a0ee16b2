package plan

// This file reads the text of a run.yaml into a syntax tree, within bounds.

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on a run.yaml, tested before it is taken apart: the syntax parser
// recurses, and takes time that grows with the squares of depth and of keys.
const (
	maxText   = 1 << 20 // bytes
	maxLine   = 4096    // bytes
	maxDepth  = 8       // of nested lists and mappings; a plan needs 4
	maxKeys   = 10_000  // a plan with the most validators needs 8,300
	maxTokens = 64_000  // and has 45,000 of these
)

// Parse reads a run.yaml. What it does not name keeps its default. The error is
// of type [Faults]: everything that is wrong, not just the first thing, unless
// the text is no YAML at all.
func Parse(text []byte) (Plan, error) { return Defaults().With(text) }

// With reads a run.yaml whose missing fields have p's values, as [Parse] does.
func (p Plan) With(text []byte) (Plan, error) {
	body, err := parseTree(bytes.TrimPrefix(text, []byte("\ufeff"))) // which some editors put in front
	if err != nil {
		return Plan{}, err
	}
	r := reader{plan: p, places: map[string]place{}, failed: map[string]bool{}}
	r.document(body)
	r.check()
	if len(r.faults) > 0 {
		return Plan{}, r.faults.inOrder()
	}
	return r.plan, nil
}

// parseTree returns the tree of the only document, nil if there is none.
func parseTree(text []byte) (ast.Node, error) {
	if f := refuseText(text); f != nil {
		return nil, Faults{*f}
	}
	tokens := lexer.Tokenize(string(text))
	if faults := refuseTokens(tokens); len(faults) > 0 {
		return nil, faults.inOrder()
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // the reader reports duplicates, all of them
	if err != nil {
		return nil, Faults{syntaxFault(err)}
	}
	switch len(file.Docs) {
	case 0:
		return nil, nil
	case 1:
		return file.Docs[0].Body, nil
	}
	return nil, Faults{{Line: file.Docs[1].Start.Position.Line, Column: 1, Text: "a second document begins: a file describes one run"}}
}

// refuseText checks what must hold before the text may be cut into tokens.
func refuseText(text []byte) *Fault {
	if len(text) > maxText {
		return &Fault{Text: fmt.Sprintf("the file has %d bytes, at most %d are allowed", len(text), maxText)}
	}
	num := 0
	for line := range bytes.Lines(text) {
		num++
		if len(line) > maxLine {
			return &Fault{Line: num, Column: maxLine + 1, Text: fmt.Sprintf("the line has %d bytes, at most %d are allowed", len(line), maxLine)}
		}
		if body := bytes.TrimLeft(line, " "); bytes.HasPrefix(body, []byte("\t")) && len(bytes.TrimSpace(body)) > 0 {
			return &Fault{Line: num, Column: len(line) - len(body) + 1, Text: "a tab indents the line: YAML wants spaces"}
		}
		if i := notText(line); i >= 0 {
			return &Fault{Line: num, Column: utf8.RuneCount(line[:i]) + 1, Text: "the file is not UTF-8 text"}
		}
	}
	return nil
}

// notText returns where the line ceases to be UTF-8 without NUL, -1 if nowhere.
func notText(line []byte) int {
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRune(line[i:])
		if r == 0 || r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// refusedTokens are parts of YAML that no plan needs. Aliases can make a small
// file a huge one.
var refusedTokens = map[token.Type]string{
	token.AnchorType:     "anchors (&) are not allowed",
	token.AliasType:      "aliases (*) are not allowed; text with a * in front stands in quotes",
	token.MergeKeyType:   "merge keys (<<) are not allowed",
	token.TagType:        "tags (!) are not allowed",
	token.DirectiveType:  "directives (%) are not allowed",
	token.MappingKeyType: "keys with a question mark are not allowed",
	token.LiteralType:    "text blocks (|) are not allowed: no field has several lines",
	token.FoldedType:     "text blocks (>) are not allowed: no field has several lines",
}

// refuseTokens checks what must hold before tokens may become a tree.
func refuseTokens(tokens token.Tokens) (faults Faults) {
	flow, dashes, keys, columns := 0, 0, 0, []int(nil)
	for i, t := range tokens {
		if why := refusedTokens[t.Type]; why != "" && len(faults) <= maxFaults {
			faults = append(faults, faultAt(t, why))
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.MappingValueType:
			keys++
		}
		if t.Type == token.SequenceEntryType && t.Prev != nil && t.Prev.Type == token.SequenceEntryType {
			dashes++
		} else {
			dashes = 0
		}
		if keys > maxKeys || i >= maxTokens {
			return append(faults, faultAt(t, "the file has more keys and values than any plan"))
		}
		columns = indents(columns, t)
		if max(flow, dashes, len(columns)) > maxDepth {
			return append(faults, faultAt(t, "lists and sections are nested too deep"))
		}
	}
	return faults
}

// indents keeps the columns of the lines that the token's line stands within.
func indents(columns []int, t *token.Token) []int {
	if t.Type == token.CommentType || t.Prev != nil && t.Prev.Position.Line == t.Position.Line {
		return columns
	}
	for len(columns) > 0 && columns[len(columns)-1] >= t.Position.Column {
		columns = columns[:len(columns)-1]
	}
	return append(columns, t.Position.Column)
}

func faultAt(t *token.Token, text string) Fault {
	return Fault{Line: t.Position.Line, Column: t.Position.Column, Text: text}
}

func syntaxFault(err error) Fault {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil || e.GetToken().Position == nil {
		return Fault{Text: "not YAML: " + err.Error()}
	}
	return faultAt(e.GetToken(), "not YAML: "+e.GetMessage())
}
