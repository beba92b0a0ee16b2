package tokenizer

// This file holds reading a tokenizer.json: its fields, and which are understood.

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrFile is wrapped by every error of [Parse].
var ErrFile = errors.New("tokenizer.json")

// maxTokens bounds tokens, as the vocabulary of a model is bounded.
const maxTokens = 1 << 20

// file is a tokenizer.json as far as it is used.
type file struct {
	Added        []addedToken `json:"added_tokens"`
	Normalizer   *part        `json:"normalizer"`
	PreTokenizer *part        `json:"pre_tokenizer"`
	Decoder      *part        `json:"decoder"`
	Model        modelPart    `json:"model"`
}

// addedToken is a token that is found in the text before anything else.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// part is a step of the pipeline: all fields of all kinds in one, Type says which
// count.
type part struct {
	Type string `json:"type"`

	// Sequence
	Normalizers   []part `json:"normalizers"`
	PreTokenizers []part `json:"pretokenizers"`
	Decoders      []part `json:"decoders"`

	Pattern          *pattern `json:"pattern"`  // Split, Replace
	Behavior         string   `json:"behavior"` // Split
	Invert           bool     `json:"invert"`
	Content          string   `json:"content"` // Replace, Strip
	Prepend          string   `json:"prepend"` // Prepend
	Start            int      `json:"start"`   // Strip
	Stop             int      `json:"stop"`
	IndividualDigits bool     `json:"individual_digits"` // Digits
	AddPrefixSpace   *bool    `json:"add_prefix_space"`  // ByteLevel, Metaspace
	UseRegex         *bool    `json:"use_regex"`         // ByteLevel
	Replacement      string   `json:"replacement"`       // Metaspace
	PrependScheme    string   `json:"prepend_scheme"`
	Split            *bool    `json:"split"`
}

// pattern is what a Split or a Replace looks for.
type pattern struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

// modelPart is the model of a tokenizer.json.
type modelPart struct {
	Type         string           `json:"type"`
	Dropout      *float64         `json:"dropout"`
	Unknown      *string          `json:"unk_token"`
	Prefix       *string          `json:"continuing_subword_prefix"`
	Suffix       *string          `json:"end_of_word_suffix"`
	FuseUnknown  bool             `json:"fuse_unk"`
	ByteFallback bool             `json:"byte_fallback"`
	IgnoreMerges bool             `json:"ignore_merges"`
	Vocab        map[string]int32 `json:"vocab"`
	Merges       []merge          `json:"merges"`
}

// merge is a pair of tokens that become one, written "a b" or ["a", "b"].
type merge [2]string

// UnmarshalJSON implements json.Unmarshaler.
func (m *merge) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		var pair []string
		if err := json.Unmarshal(b, &pair); err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("a merge of %d tokens", len(pair))
		}
		m[0], m[1] = pair[0], pair[1]
		return nil
	}
	var line string
	if err := json.Unmarshal(b, &line); err != nil {
		return err
	}
	var ok bool
	if m[0], m[1], ok = strings.Cut(line, " "); !ok || strings.Contains(m[1], " ") {
		return fmt.Errorf("merge %.40q is no pair", line)
	}
	return nil
}

// Parse makes a tokenizer of a tokenizer.json. It refuses what it could not do
// exactly as the file says.
func Parse(b []byte) (*BPE, error) {
	var f file
	// Files of other models have other fields of the same names: the type goes first.
	var kind struct {
		Model struct {
			Type string `json:"type"`
		} `json:"model"`
	}
	if err := json.Unmarshal(b, &kind); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if t := kind.Model.Type; t != "BPE" && t != "" {
		return nil, fmt.Errorf("%w: its model is %.40q, only BPE is understood", ErrFile, t)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	t, err := f.build()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return t, nil
}

// build makes the tokenizer, part by part.
func (f *file) build() (*BPE, error) {
	t := &BPE{between: -1}
	t.anyBytes = f.Normalizer == nil && f.PreTokenizer != nil && f.PreTokenizer.Type == "ByteLevel"
	var err error
	if t.normalize, err = newNormalizer(f.Normalizer); err != nil {
		return nil, err
	}
	if t.split, t.byteLevel, err = newSplitter(f.PreTokenizer); err != nil {
		return nil, err
	}
	spell, err := newSpeller(f.Decoder, t.byteLevel)
	if err != nil {
		return nil, err
	}
	if err := t.setModel(&f.Model, spell); err != nil {
		return nil, err
	}
	return t, t.setAdded(f.Added)
}
