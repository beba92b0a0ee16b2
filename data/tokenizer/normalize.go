package tokenizer

// This file holds normalizers: what becomes of text before it is cut into words.

import (
	"bytes"
	"fmt"
	"time"

	"github.com/dlclark/regexp2"
	"golang.org/x/text/unicode/norm"
)

// normalizer returns the text as it is cut into words. It does not change what it
// is given.
type normalizer func(text []byte) ([]byte, error)

var forms = map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD}

func newNormalizer(p *part) (normalizer, error) {
	if p == nil {
		return func(text []byte) ([]byte, error) { return text, nil }, nil
	}
	if form, ok := forms[p.Type]; ok {
		return func(text []byte) ([]byte, error) { return form.Bytes(text), nil }, nil
	}
	switch p.Type {
	case "Prepend":
		return func(text []byte) ([]byte, error) {
			if len(text) == 0 {
				return text, nil
			}
			return append([]byte(p.Prepend), text...), nil
		}, nil
	case "Lowercase":
		return func(text []byte) ([]byte, error) { return bytes.ToLower(text), nil }, nil
	case "Replace":
		return newReplace(p)
	case "Sequence":
		var all []normalizer
		for i := range p.Normalizers {
			n, err := newNormalizer(&p.Normalizers[i])
			if err != nil {
				return nil, err
			}
			all = append(all, n)
		}
		return func(text []byte) (_ []byte, err error) {
			for _, n := range all {
				if text, err = n(text); err != nil {
					return nil, err
				}
			}
			return text, nil
		}, nil
	}
	return nil, fmt.Errorf("its normalizer %.40q is not understood", p.Type)
}

func newReplace(p *part) (normalizer, error) {
	if p.Pattern != nil && p.Pattern.String != nil && *p.Pattern.String != "" {
		from, to := []byte(*p.Pattern.String), []byte(p.Content)
		return func(text []byte) ([]byte, error) { return bytes.ReplaceAll(text, from, to), nil }, nil
	}
	re, err := p.Pattern.compile()
	if err != nil {
		return nil, err
	}
	return func(text []byte) ([]byte, error) {
		s, err := re.ReplaceFunc(string(valid(text)), func(regexp2.Match) string { return p.Content }, -1, -1)
		return []byte(s), err
	}, nil
}

// Bounds on patterns, which come from a file.
const (
	maxPattern  = 4096 // bytes
	patternTime = 30 * time.Second
)

// compile returns the pattern in the syntax that tokenizers use, which has
// look-ahead.
func (p *pattern) compile() (*regexp2.Regexp, error) {
	var text string
	switch {
	case p == nil || p.Regex == nil && p.String == nil:
		return nil, fmt.Errorf("a part of it has no pattern")
	case p.Regex != nil:
		text = *p.Regex
	default:
		text = regexp2.Escape(*p.String)
	}
	if text == "" || len(text) > maxPattern {
		return nil, fmt.Errorf("a pattern has %d bytes, they can have 1 to %d", len(text), maxPattern)
	}
	re, err := regexp2.Compile(text, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("pattern %.60q: %w", text, err)
	}
	re.MatchTimeout = patternTime
	return re, nil
}
