package protocol

// This file holds sealed payloads: updates nobody can read before their key is
// revealed, and nobody can pass off as their own.

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Header says whose update a payload holds and what it was computed from. It
// stands in clear before the ciphertext and is authenticated with it.
type Header struct {
	_         struct{} `cbor:",toarray"`
	Version   uint16
	Run       RunID
	Round     Round
	Node      NodeID
	StateRoot Digest
	Plain     Digest // of the update's canonical plain form
	Size      uint64 // of the content, bytes
}

// SealOverhead is how much longer a payload is than its content, at most.
const SealOverhead = 2 + 192 + nonceLen + 16

// PayloadKey derives the key of one update from a node's private key. It is the
// same after a restart, differs for every content, and gives nothing else away
// when it is revealed.
func PayloadKey(key ed25519.PrivateKey, run RunID, round Round, plain Digest) [32]byte {
	info := Hash("payload key", run[:], Encode(round), plain[:])
	k, err := hkdf.Key(sha256.New, key.Seed(), nil, string(info[:]), 32)
	if err != nil {
		panic("protocol: hkdf: " + err.Error())
	}
	return [32]byte(k)
}

// nonceLen is the length of an AES-GCM nonce.
const nonceLen = 12

// nonceOf is derived from all that is sealed, so that even a key that came to seal
// two contents (another version's compressor, say) never repeats a nonce.
func nonceOf(key [32]byte, head, content []byte) []byte {
	d := Hash("payload nonce", key[:], head, content)
	return d[:nonceLen]
}

// Seal returns content as a payload: the length of the header (uint16,
// little-endian), the header, a nonce, and the content under AES-256-GCM with the
// header as additional data.
func Seal(key [32]byte, h Header, content []byte) []byte {
	h.Version, h.Size = Version, uint64(len(content))
	head := Encode(h)
	out := binary.LittleEndian.AppendUint16(make([]byte, 0, len(content)+SealOverhead), uint16(len(head)))
	out = append(out, head...)
	nonce := nonceOf(key, head, content)
	out = append(out, nonce...)
	return aead(key).Seal(out, nonce, content, head)
}

// Unseal opens a payload that must have been sealed under header h, whose Size
// is taken from the payload and bounded by most. Errors are refusals.
func Unseal(key [32]byte, h Header, payload []byte, most int) ([]byte, error) {
	if len(payload) < 2 {
		return nil, Refuse(NotOpened, "%d bytes", len(payload))
	}
	n := int(binary.LittleEndian.Uint16(payload))
	if len(payload) < 2+n+nonceLen {
		return nil, Refuse(NotOpened, "cut inside its header")
	}
	head, nonce, sealed := payload[2:2+n], payload[2+n:2+n+nonceLen], payload[2+n+nonceLen:]
	h.Version, h.Size = Version, uint64(max(0, len(sealed)-16))
	if int(h.Size) > most {
		return nil, Refuse(TooLarge, "content of %d bytes, at most %d are allowed", h.Size, most)
	}
	if !bytes.Equal(head, Encode(h)) {
		return nil, Refuse(NotOpened, "the payload belongs to another sender, round or state")
	}
	content, err := aead(key).Open(nil, nonce, sealed, head)
	if err != nil || !bytes.Equal(nonce, nonceOf(key, head, content)) {
		return nil, Refuse(NotOpened, "wrong key or damaged")
	}
	return content, nil
}

func aead(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err == nil {
		var g cipher.AEAD
		if g, err = cipher.NewGCM(block); err == nil {
			return g
		}
	}
	panic(fmt.Sprintf("protocol: aes: %v", err))
}
