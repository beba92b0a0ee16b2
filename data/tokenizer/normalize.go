package tokenizer

// This file holds normalizers: what becomes of text before it is cut into words.

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"golang.org/x/text/unicode/norm"
)

// normalizer returns the text as it is cut into words. It does not change what it
// is given, and fails where it goes over the limit.
type normalizer func(text []byte, most limit) ([]byte, error)

// limit bounds what a file's normalizer may make of a text.
type limit struct {
	bytes int
	until time.Time
}

// A text may become maxGrowth times as long and growthSlack more: the forms of
// Unicode make at most 11 bytes of one.
const (
	maxGrowth   = 64
	growthSlack = 64 << 10
)

// limitOf returns the limit for a text of so many bytes.
func limitOf(n int) limit {
	return limit{maxGrowth*n + growthSlack, time.Now().Add(textTime)}
}

// check fails where a text of so many bytes, which need not be made yet, is too
// long, or its time is up.
func (l limit) check(n int64) error {
	if n > int64(l.bytes) {
		return fmt.Errorf("the tokenizer's normalizer makes more than %d bytes of a text", l.bytes)
	}
	if time.Now().After(l.until) {
		return errSlow
	}
	return nil
}

var errSlow = errors.New("the tokenizer's normalizer takes too long")

var forms = map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD}

func newNormalizer(p *part) (normalizer, error) {
	if p == nil {
		return func(text []byte, _ limit) ([]byte, error) { return text, nil }, nil
	}
	if form, ok := forms[p.Type]; ok {
		return func(text []byte, most limit) ([]byte, error) {
			text = form.Bytes(text)
			return text, most.check(int64(len(text)))
		}, nil
	}
	switch p.Type {
	case "Prepend":
		return func(text []byte, most limit) ([]byte, error) {
			if len(text) == 0 {
				return text, nil
			}
			if err := most.check(int64(len(p.Prepend)) + int64(len(text))); err != nil {
				return nil, err
			}
			return append([]byte(p.Prepend), text...), nil
		}, nil
	case "Lowercase":
		return func(text []byte, most limit) ([]byte, error) {
			text = bytes.ToLower(text)
			return text, most.check(int64(len(text)))
		}, nil
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
		return func(text []byte, most limit) (_ []byte, err error) {
			for _, n := range all {
				if text, err = n(text, most); err != nil {
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
		return func(text []byte, most limit) ([]byte, error) {
			longer := int64(bytes.Count(text, from)) * int64(len(to)-len(from))
			if err := most.check(int64(len(text)) + longer); err != nil {
				return nil, err
			}
			return bytes.ReplaceAll(text, from, to), nil
		}, nil
	}
	re, err := p.Pattern.compile()
	if err != nil {
		return nil, err
	}
	return func(text []byte, most limit) ([]byte, error) { return replace(re, text, p.Content, most) }, nil
}

// replace writes to for each match in text. The limit is kept from match to match.
func replace(re *regexp2.Regexp, text []byte, to string, most limit) ([]byte, error) {
	runes := []rune(string(text))
	var out []byte
	between := func(part []rune) {
		for _, r := range part {
			out = utf8.AppendRune(out, r)
		}
	}
	at := 0
	m, err := re.FindRunesMatch(runes)
	for ; m != nil && err == nil; m, err = re.FindNextMatch(m) {
		between(runes[at:m.Index])
		if err := most.check(int64(len(out)) + int64(len(to))); err != nil {
			return nil, err
		}
		out = append(out, to...)
		at = m.Index + m.Length
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSlow, err)
	}
	between(runes[at:])
	return out, most.check(int64(len(out)))
}

// Bounds on patterns, which come from a file.
const (
	maxPattern  = 4096             // bytes
	patternTime = 10 * time.Second // for one match, or all added tokens
	textTime    = time.Minute      // for all that is done to one text, 1 MiB of a corpus
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
