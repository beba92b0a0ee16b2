package checkpoints

// This file holds the manifest: what a checkpoint consists of and who says so.

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format is the number of the manifest format written here. It only grows.
const Format = 1

// Bounds on what a manifest may say.
const (
	MaxRound      = 99_999_999 // eight digits in the folder's name
	maxFiles      = 64
	maxFileSize   = 1 << 53 // integers that every JSON library keeps exact
	maxInfo       = 64
	maxInfoKey    = 64
	maxInfoValue  = 4096
	maxSignatures = 1024
	maxManifest   = 1 << 20 // bytes of the file
)

// Manifest describes the checkpoint of one round. It is written last, so a
// checkpoint with a manifest is whole.
type Manifest struct {
	Run       [32]byte
	Round     uint64
	StateRoot [32]byte          // covers everything that decides the next round
	ModelRoot [32]byte          // tensor.Root of the parameters
	Parent    [32]byte          // Digest of the checkpoint before; zero for the first
	Files     []File            // sorted by name
	Info      map[string]string // loss, tokens, time: for people; nothing decides by it

	Signatures []Signature // sorted by key; not part of what is signed
}

// File is one file of a checkpoint.
type File struct {
	Name   string // one path part
	Size   int64  // bytes
	SHA256 [32]byte
}

// Signature is one key's signature of [Manifest.Message].
type Signature struct {
	Key [ed25519.PublicKeySize]byte
	Sig [ed25519.SignatureSize]byte
}

// domain begins every signed message, so that a signature made for something
// else never fits a manifest.
const domain = "lode checkpoint manifest 1\n"

// Message returns what is signed: the domain line and the canonical encoding of
// everything but the signatures.
func (m Manifest) Message() []byte { return append([]byte(domain), m.body()...) }

// Digest returns the SHA-256 of [Manifest.Message]: the checkpoint's identity,
// which the next one names as its parent.
func (m Manifest) Digest() [32]byte { return sha256.Sum256(m.Message()) }

// Sign adds or replaces a key's signature.
func (m *Manifest) Sign(key ed25519.PrivateKey) {
	s := Signature{
		Key: [32]byte(key.Public().(ed25519.PublicKey)),
		Sig: [64]byte(ed25519.Sign(key, m.Message())),
	}
	m.Add(s)
}

// Add adds or replaces one signature made elsewhere; [Manifest.Check] tells
// whether it is good.
func (m *Manifest) Add(s Signature) {
	i, found := slices.BinarySearchFunc(m.Signatures, s.Key, func(a Signature, key [32]byte) int {
		return bytes.Compare(a.Key[:], key[:])
	})
	if found {
		m.Signatures = slices.Clone(m.Signatures)
		m.Signatures[i] = s
		return
	}
	m.Signatures = slices.Insert(slices.Clone(m.Signatures), i, s)
}

// SignedBy counts how many of the keys, each once, have signed.
func (m Manifest) SignedBy(keys ...ed25519.PublicKey) int {
	signed := make(map[[32]byte]bool, len(m.Signatures))
	message := m.Message()
	for _, s := range m.Signatures {
		signed[s.Key] = ed25519.Verify(s.Key[:], message, s.Sig[:])
	}
	n := 0
	for _, k := range keys {
		if len(k) == ed25519.PublicKeySize && signed[[32]byte(k)] {
			n++
			delete(signed, [32]byte(k))
		}
	}
	return n
}

// File returns the file of that name.
func (m Manifest) File(name string) (File, bool) {
	i, ok := slices.BinarySearchFunc(m.Files, name, func(f File, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return File{}, false
	}
	return m.Files[i], true
}

// Size returns the bytes of all files.
func (m Manifest) Size() int64 {
	var n int64
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// Check reports the first thing that no manifest may say, bad signatures among
// them. Whose signatures they are is for the caller to judge.
func (m Manifest) Check() error {
	if err := m.checkBody(); err != nil {
		return fmt.Errorf("manifest of round %d: %w", m.Round, err)
	}
	if len(m.Signatures) > maxSignatures {
		return fmt.Errorf("manifest of round %d: %d signatures, at most %d are allowed", m.Round, len(m.Signatures), maxSignatures)
	}
	message := m.Message()
	for i, s := range m.Signatures {
		if i > 0 && bytes.Compare(m.Signatures[i-1].Key[:], s.Key[:]) >= 0 {
			return fmt.Errorf("manifest of round %d: signatures are not sorted by key, each once", m.Round)
		}
		if !ed25519.Verify(s.Key[:], message, s.Sig[:]) {
			return fmt.Errorf("manifest of round %d: the signature of key %x does not fit: the manifest was changed after signing", m.Round, s.Key[:6])
		}
	}
	return nil
}

func (m Manifest) checkBody() error {
	if m.Round > MaxRound {
		return fmt.Errorf("round is past %d", MaxRound)
	}
	if len(m.Files) == 0 || len(m.Files) > maxFiles {
		return fmt.Errorf("%d files, want 1 to %d", len(m.Files), maxFiles)
	}
	var total int64
	for i, f := range m.Files {
		if err := checkFileName(f.Name); err != nil {
			return err
		}
		if i > 0 && m.Files[i-1].Name >= f.Name {
			return errors.New("files are not sorted by name, each once")
		}
		if f.Size < 0 || f.Size > maxFileSize-total {
			return fmt.Errorf("size of file %q is out of range", f.Name)
		}
		total += f.Size
	}
	return m.checkInfo()
}

// checkFileName accepts a single path part that cannot be mistaken for the
// files that the package itself keeps beside the content.
func checkFileName(name string) error {
	if strings.Contains(name, "/") || len(name) > 128 || checkName(name) != nil ||
		name == manifestName || strings.HasSuffix(name, partSuffix) {
		return fmt.Errorf("file name %.80q is not allowed", name)
	}
	return nil
}

// checkInfo allows only text that all JSON libraries write alike, so that others
// can rebuild the signed bytes.
func (m Manifest) checkInfo() error {
	if len(m.Info) > maxInfo {
		return fmt.Errorf("%d notes, at most %d are allowed", len(m.Info), maxInfo)
	}
	for k, v := range m.Info {
		if k == "" || len(k) > maxInfoKey || checkName(k) != nil {
			return fmt.Errorf("note %.80q: a key must have 1 to %d letters, digits and ._-", k, maxInfoKey)
		}
		if len(v) > maxInfoValue || !utf8.ValidString(v) || strings.ContainsFunc(v, notPlain) {
			return fmt.Errorf("note %q: its text must be printable and at most %d bytes", k, maxInfoValue)
		}
	}
	return nil
}

func notPlain(r rune) bool { return !unicode.IsPrint(r) }
