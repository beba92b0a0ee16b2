package protocol

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func testHeader() Header {
	return Header{
		Version: Version, Run: fill[RunID](1), Round: 1 << 40, Node: fill[NodeID](2), StateRoot: fill[Digest](3),
		Plain: fill[Digest](4), Size: 1 << 31,
	}
}

func TestSealedPayloadOpens(t *testing.T) {
	key, h := fill[[32]byte](9), testHeader()
	for _, n := range []int{0, 1, 16, 4096, 70000} {
		content := bytes.Repeat([]byte{0xa5}, n)
		p := Seal(key, h, content)
		if len(p) > n+SealOverhead {
			t.Errorf("%d bytes became %d, the overhead is at most %d", n, len(p), SealOverhead)
		}
		got, err := Unseal(key, h, p, n)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: got %d and %v", n, len(got), err)
		}
		if _, err := Unseal(key, h, p, n-1); n > 0 && ReasonOf(err) != TooLarge {
			t.Errorf("%d bytes where one less is allowed: %v", n, err)
		}
	}
}

// The header is part of what is authenticated: nobody can pass a payload off as
// their own, nor move it to another round or state.
func TestSealedPayloadIsBound(t *testing.T) {
	key, h := fill[[32]byte](9), testHeader()
	p := Seal(key, h, []byte("content"))
	for name, change := range map[string]func(*Header){
		"run":     func(h *Header) { h.Run[0]++ },
		"round":   func(h *Header) { h.Round++ },
		"sender":  func(h *Header) { h.Node[31]++ },
		"state":   func(h *Header) { h.StateRoot[0]++ },
		"content": func(h *Header) { h.Plain[0]++ },
	} {
		other := h
		change(&other)
		if _, err := Unseal(key, other, p, 100); ReasonOf(err) != NotOpened {
			t.Errorf("another %s: got %v", name, err)
		}
		// A thief who rewrites the header keeps the ciphertext.
		relabelled := append(Seal(key, other, nil)[:len(p)-7-16], p[len(p)-7-16:]...)
		if _, err := Unseal(key, other, relabelled, 100); ReasonOf(err) != NotOpened {
			t.Errorf("relabelled with another %s: got %v", name, err)
		}
	}
	if _, err := Unseal(fill[[32]byte](8), h, p, 100); ReasonOf(err) != NotOpened {
		t.Errorf("another key: got %v", err)
	}
}

func TestDamagedPayloadsAreRefused(t *testing.T) {
	key, h := fill[[32]byte](9), testHeader()
	p := Seal(key, h, []byte("content"))
	for n := range len(p) {
		if _, err := Unseal(key, h, p[:n], 100); ReasonOf(err) != NotOpened {
			t.Fatalf("cut to %d bytes: got %v", n, err)
		}
	}
	for i := range p {
		damaged := bytes.Clone(p)
		damaged[i] ^= 0x10
		if _, err := Unseal(key, h, damaged, 100); ReasonOf(err) != NotOpened {
			t.Fatalf("byte %d damaged: got %v", i, err)
		}
	}
	if _, err := Unseal(key, h, append(bytes.Clone(p), 0), 100); ReasonOf(err) != NotOpened {
		t.Errorf("a byte too many: got %v", err)
	}
}

func FuzzUnseal(f *testing.F) {
	key, h := fill[[32]byte](9), testHeader()
	good := Seal(key, h, []byte("content"))
	f.Add(good)
	f.Add([]byte{0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, p []byte) {
		got, err := Unseal(key, h, p, 64)
		if err != nil {
			if r := ReasonOf(err); r != NotOpened && r != TooLarge {
				t.Fatalf("refused as %v", r)
			}
			return
		}
		if !bytes.Equal(p, good) && !bytes.Equal(Seal(key, h, got), p) {
			t.Fatal("opened bytes that nobody sealed")
		}
	})
}

// Keys are derived, not stored: they must come out alike after a restart, in
// every release.
func TestPayloadKey(t *testing.T) {
	k := PayloadKey(testKey(1), RunID{1}, 7, Digest{2})
	const golden = "e04b6ca75623192b42afd5b8a27937705f1465676973f81a85ce86a9856f2ab6"
	if got := hex.EncodeToString(k[:]); got != golden {
		t.Errorf("got %s, was %s", got, golden)
	}
	for name, other := range map[string][32]byte{
		"node":    PayloadKey(testKey(2), RunID{1}, 7, Digest{2}),
		"run":     PayloadKey(testKey(1), RunID{2}, 7, Digest{2}),
		"round":   PayloadKey(testKey(1), RunID{1}, 8, Digest{2}),
		"content": PayloadKey(testKey(1), RunID{1}, 7, Digest{3}),
	} {
		if other == k {
			t.Errorf("another %s has the same key", name)
		}
	}
}
