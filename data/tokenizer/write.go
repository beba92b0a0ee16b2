package tokenizer

// This file holds writing a tokenizer.json.

import (
	"bytes"
	"encoding/json"
)

// What stands around the vocabulary of a trained tokenizer, as the Python package
// writes it.
const (
	fileHead = `{
  "version": "1.0",
  "truncation": null,
  "padding": null,
  "added_tokens": [
    {"id": 0, "content": "` + EndOfText + `", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}
  ],
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "post_processor": null,
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  "model": {
    "type": "BPE",
    "dropout": null,
    "unk_token": null,
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": false,
    "byte_fallback": false,
    "ignore_merges": false,
    "vocab": {`
	fileMiddle = "\n    },\n    \"merges\": ["
	fileTail   = "\n    ]\n  }\n}\n"
)

// file writes what was learnt.
func (l *learner) file() []byte {
	var b bytes.Buffer
	b.WriteString(fileHead)
	separate := func(i int) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n      ")
	}
	for i, text := range l.texts {
		separate(i)
		if i > 0 {
			text = spelled([]byte(text))
		}
		b.Write(quote(text))
		b.WriteString(": ")
		b.Write(quote(i))
	}
	b.WriteString(fileMiddle)
	for i, m := range l.merges {
		separate(i)
		b.Write(quote(spelled([]byte(l.texts[m[0]])) + " " + spelled([]byte(l.texts[m[1]]))))
	}
	b.WriteString(fileTail)
	return b.Bytes()
}

// quote returns v as JSON.
func quote(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("tokenizer: " + err.Error()) // text and numbers always encode
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
