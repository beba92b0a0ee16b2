package tokenizer

// This file holds pre-tokenizers: how text is cut into the words that tokens do
// not cross.

import (
	"bytes"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// splitter calls word for each word of text, in order; first says whether text is
// the beginning of what is encoded. The words belong to the callee until it returns.
type splitter func(text []byte, first bool, word func([]byte)) error

// whole is the splitter of no pre-tokenizer.
func whole(text []byte, _ bool, word func([]byte)) error {
	word(text)
	return nil
}

// newSplitter also says whether words are spelled as bytes behind it.
func newSplitter(p *part) (_ splitter, byteLevel bool, err error) {
	if p == nil {
		return whole, false, nil
	}
	switch p.Type {
	case "Sequence":
		return newSequence(p.PreTokenizers)
	case "ByteLevel":
		return newByteLevel(p), true, nil
	case "Split":
		s, err := newSplit(p)
		return s, false, err
	case "Digits":
		return newDigits(p.IndividualDigits), false, nil
	case "Metaspace":
		s, err := newMetaspace(p)
		return s, false, err
	}
	return nil, false, fmt.Errorf("its pre_tokenizer %.40q is not understood", p.Type)
}

func newSequence(parts []part) (splitter, bool, error) {
	all, byteLevel := splitter(whole), false
	for i := range parts {
		if byteLevel {
			return nil, false, errors.New("its pre_tokenizer goes on behind ByteLevel, which is not understood")
		}
		before := all
		next, b, err := newSplitter(&parts[i])
		if err != nil {
			return nil, false, err
		}
		byteLevel = b
		all = func(text []byte, first bool, word func([]byte)) error {
			var bad error
			begins := first
			err := before(text, first, func(w []byte) {
				bad = errors.Join(bad, next(w, begins, word))
				begins = false
			})
			return errors.Join(err, bad)
		}
	}
	return all, byteLevel, nil
}

func newByteLevel(p *part) splitter {
	inner := splitter(splitGPT2)
	if p.UseRegex != nil && !*p.UseRegex {
		inner = whole
	}
	if p.AddPrefixSpace != nil && !*p.AddPrefixSpace {
		return inner
	}
	return func(text []byte, first bool, word func([]byte)) error {
		if len(text) > 0 && text[0] != ' ' {
			text = append([]byte{' '}, text...)
		}
		return inner(text, first, word)
	}
}

// newSplit is for the two ways in which files cut text by a pattern: what it
// matches and what lies between are words, or (removed, inverted) matches alone.
func newSplit(p *part) (splitter, error) {
	only := p.Behavior == "Removed" && p.Invert
	if !only && p.Behavior != "Isolated" {
		return nil, fmt.Errorf("its pre_tokenizer Split of behavior %.40q is not understood", p.Behavior)
	}
	if p.Pattern != nil && p.Pattern.Regex != nil {
		if digits := digitsByHand[*p.Pattern.Regex]; digits > 0 {
			return splitLlama3(digits), nil
		}
	}
	re, err := p.Pattern.compile()
	if err != nil {
		return nil, err
	}
	return func(text []byte, _ bool, word func([]byte)) error {
		return eachMatch(re, text, func(w []byte, match bool) {
			if match || !only {
				word(w)
			}
		})
	}, nil
}

// eachMatch calls part for each match in text, and for what lies between.
func eachMatch(re *regexp2.Regexp, text []byte, part func(b []byte, match bool)) error {
	runes := []rune(string(text))
	var buf []byte
	emit := func(from, to int, match bool) {
		if from == to {
			return
		}
		buf = buf[:0]
		for _, r := range runes[from:to] {
			buf = utf8.AppendRune(buf, r)
		}
		part(buf, match)
	}
	at := 0
	m, err := re.FindRunesMatch(runes)
	for ; m != nil && err == nil; m, err = re.FindNextMatch(m) {
		emit(at, m.Index, false)
		at = m.Index + m.Length
		emit(m.Index, at, true)
	}
	emit(at, len(runes), false)
	if err != nil {
		return fmt.Errorf("a pattern of the tokenizer takes too long: %w", err)
	}
	return nil
}

// newDigits makes words of numbers, or of each digit.
func newDigits(each bool) splitter {
	return func(text []byte, _ bool, word func([]byte)) error {
		from, digits := 0, false
		for i := 0; i < len(text); {
			r, n := utf8.DecodeRune(text[i:])
			if d := unicode.IsNumber(r); i > from && (d != digits || d && each) {
				word(text[from:i])
				from = i
			}
			digits = unicode.IsNumber(r)
			i += n
		}
		if from < len(text) {
			word(text[from:])
		}
		return nil
	}
}

// newMetaspace writes spaces as another character and cuts in front of it.
func newMetaspace(p *part) (splitter, error) {
	mark := []byte(p.Replacement)
	scheme := p.PrependScheme
	if scheme == "" { // older files
		scheme = "always"
		if p.AddPrefixSpace != nil && !*p.AddPrefixSpace {
			scheme = "never"
		}
	}
	if utf8.RuneCount(mark) != 1 {
		return nil, fmt.Errorf("its pre_tokenizer Metaspace writes spaces as %.40q, want one character", mark)
	}
	if scheme != "always" && scheme != "never" && scheme != "first" {
		return nil, fmt.Errorf("its pre_tokenizer Metaspace of scheme %.40q is not understood", scheme)
	}
	split := p.Split == nil || *p.Split
	return func(text []byte, first bool, word func([]byte)) error {
		text = bytes.ReplaceAll(text, []byte{' '}, mark)
		if (scheme == "always" || scheme == "first" && first) && !bytes.HasPrefix(text, mark) {
			text = append(bytes.Clone(mark), text...)
		}
		from := 0
		for i := 1; split && i < len(text); i++ {
			if text[i] == mark[0] && bytes.HasPrefix(text[i:], mark) {
				word(text[from:i])
				from = i
			}
		}
		word(text[from:])
		return nil
	}, nil
}
