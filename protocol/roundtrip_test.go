package protocol

import (
	"crypto/ed25519"
	"errors"
	"testing"
)

func testKey(b byte) ed25519.PrivateKey {
	seed := make([]byte, 32)
	seed[0] = b
	return ed25519.NewKeyFromSeed(seed)
}

func TestMessageRoundTrip(t *testing.T) {
	key := testKey(1)
	m := Sign(key, RunID{9}, 7, Commit{Size: 5, Loss: -3})
	b := Encode(m)
	var back Message
	if err := Decode(b, &back); err != nil {
		t.Fatal(err)
	}
	body, err := back.Open(RunID{9})
	if err != nil {
		t.Fatal(err)
	}
	if c := body.(Commit); c.Size != 5 || c.Loss != -3 {
		t.Fatalf("got %+v", c)
	}
	if _, err := back.Open(RunID{8}); ReasonOf(err) != WrongRun {
		t.Fatalf("another run: %v", err)
	}
	back.Round++
	if _, err := back.Open(RunID{9}); ReasonOf(err) != BadSignature {
		t.Fatalf("changed round: %v", err)
	}
}

func TestChain(t *testing.T) {
	key := testKey(2)
	c := Chain{Run: RunID{1}, Coordinator: NodeID(key.Public().(ed25519.PublicKey))}
	d := c
	e0 := c.Append(key, 5, Genesis{Run: RunID{1}})
	e1 := c.Append(key, 4, Tick{})
	for _, e := range []Entry{e0, e1} {
		var back Entry
		if err := Decode(Encode(e), &back); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Accept(back); err != nil {
			t.Fatal(err)
		}
	}
	if d != c {
		t.Fatalf("follower is at %+v, coordinator at %+v", d, c)
	}
	if _, err := d.Accept(e1); err == nil {
		t.Fatal("an entry was accepted twice")
	}
}

func TestDecodeRefusesOtherEncodings(t *testing.T) {
	b := Encode(ListSignature{List: Digest{1}})
	var l ListSignature
	for name, bad := range map[string][]byte{
		"trailing":    append(append([]byte{}, b...), 0),
		"cut":         b[:len(b)-1],
		"long header": append([]byte{0x98, 0x01}, b[1:]...),
		"empty":       {},
	} {
		if err := Decode(bad, &l); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
