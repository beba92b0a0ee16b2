package checkpoints

// This file holds the bytes of a manifest: canonical JSON, because people and
// every language can read it.
//
//	{"manifest":{"format":1,"run":"…","round":7,"state_root":"…","model_root":"…",
//	"parent":"…","files":[{"name":"…","size":1,"sha256":"…"}],"info":{"k":"v"}},
//	"signatures":[{"key":"…","sig":"…"}]}
//
// on one line and with a line feed at the end: no spaces, keys in this order
// (info sorted), digests in lower-case hex, characters beyond ASCII as UTF-8.
// What is signed is the domain line and the object under "manifest". A decoder
// that encodes again and compares refuses every other spelling of a value.

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

type hex32 [32]byte

func (h hex32) MarshalText() ([]byte, error)     { return hex.AppendEncode(nil, h[:]), nil }
func (h *hex32) UnmarshalText(text []byte) error { return unhex(h[:], text) }

type hex64 [64]byte

func (h hex64) MarshalText() ([]byte, error)     { return hex.AppendEncode(nil, h[:]), nil }
func (h *hex64) UnmarshalText(text []byte) error { return unhex(h[:], text) }

func unhex(dst, text []byte) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("hex text has %d digits, want %d", len(text), 2*len(dst))
	}
	_, err := hex.Decode(dst, text)
	return err
}

type wireBody struct {
	Format    int               `json:"format"`
	Run       hex32             `json:"run"`
	Round     uint64            `json:"round"`
	StateRoot hex32             `json:"state_root"`
	ModelRoot hex32             `json:"model_root"`
	Parent    hex32             `json:"parent"`
	Files     []wireFile        `json:"files"`
	Info      map[string]string `json:"info"`
}

type wireFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 hex32  `json:"sha256"`
}

type wireSignature struct {
	Key hex32 `json:"key"`
	Sig hex64 `json:"sig"`
}

type wireManifest struct {
	Manifest   json.RawMessage `json:"manifest"`
	Signatures []wireSignature `json:"signatures"`
}

// body returns the canonical encoding of everything but the signatures.
func (m Manifest) body() []byte {
	w := wireBody{
		Format: Format, Run: m.Run, Round: m.Round, StateRoot: m.StateRoot, ModelRoot: m.ModelRoot, Parent: m.Parent,
		Files: make([]wireFile, len(m.Files)), Info: m.Info,
	}
	for i, f := range m.Files {
		w.Files[i] = wireFile{f.Name, f.Size, f.SHA256}
	}
	if w.Info == nil {
		w.Info = map[string]string{}
	}
	return bytes.TrimSuffix(plainJSON(w), []byte("\n"))
}

// Encode returns the manifest as its file holds it.
func (m Manifest) Encode() []byte {
	w := wireManifest{Manifest: m.body(), Signatures: make([]wireSignature, len(m.Signatures))}
	for i, s := range m.Signatures {
		w.Signatures[i] = wireSignature{s.Key, s.Sig}
	}
	return plainJSON(w)
}

func plainJSON(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("checkpoints: encode manifest: " + err.Error()) // no type in it can fail
	}
	return buf.Bytes()
}

// ParseManifest decodes and checks the bytes of a manifest. The signatures in it
// are good; whose they are is for the caller to judge.
func ParseManifest(b []byte) (Manifest, error) {
	if len(b) > maxManifest {
		return Manifest{}, fmt.Errorf("manifest of %d bytes, at most %d are allowed", len(b), maxManifest)
	}
	var outer wireManifest
	if err := strictJSON(b, &outer); err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	// The number comes first: the fields of another format may mean other things.
	var number struct{ Format int }
	if err := json.Unmarshal(outer.Manifest, &number); err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	if number.Format != Format {
		return Manifest{}, fmt.Errorf("manifest has format %d, this program reads %d", number.Format, Format)
	}
	var w wireBody
	if err := strictJSON(outer.Manifest, &w); err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	m := fromWire(w, outer.Signatures)
	if err := m.Check(); err != nil {
		return Manifest{}, err
	}
	if !bytes.Equal(m.Encode(), b) {
		return Manifest{}, errors.New("manifest is not in canonical form")
	}
	return m, nil
}

func strictJSON(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("bytes after the end")
	}
	return nil
}

func fromWire(w wireBody, sigs []wireSignature) Manifest {
	m := Manifest{
		Run: w.Run, Round: w.Round, StateRoot: w.StateRoot, ModelRoot: w.ModelRoot, Parent: w.Parent,
		Files: make([]File, len(w.Files)), Signatures: make([]Signature, len(sigs)),
	}
	if len(w.Info) > 0 {
		m.Info = w.Info
	}
	for i, f := range w.Files {
		m.Files[i] = File{f.Name, f.Size, f.SHA256}
	}
	for i, s := range sigs {
		m.Signatures[i] = Signature{s.Key, s.Sig}
	}
	return m
}
