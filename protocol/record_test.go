package protocol

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
)

func TestChainRefuses(t *testing.T) {
	key, other := testKey(2), testKey(3)
	at := Chain{Run: RunID{1}, Coordinator: NodeID(key.Public().(ed25519.PublicKey))}
	at.Append(key, 5, Genesis{Run: RunID{1}})
	sign := func(e Entry) Entry {
		d := e.digest(at.Run)
		copy(e.Sig[:], ed25519.Sign(key, d[:]))
		return e
	}
	next := func(change func(*Chain)) Entry {
		c := at
		change(&c)
		return c.Append(key, 6, Tick{})
	}
	good := next(func(*Chain) {})
	for name, c := range map[string]struct {
		entry Entry
		says  string
	}{
		"entry missing": {next(func(c *Chain) { c.Next++ }), "entry 2 arrived, 1 was due"},
		"entry again":   {next(func(c *Chain) { c.Next-- }), "entry 0 arrived, 1 was due"},
		"fork":          {next(func(c *Chain) { c.Head[0]++ }), "does not continue entry 0"},
		"other run":     {next(func(c *Chain) { c.Run[0]++ }), "not signed by the coordinator"},
		"earlier":       {next(func(c *Chain) { c.Now = 0 }).at(4, sign), "goes back in time"},
		"version":       {func() Entry { e := good; e.Version++; return sign(e) }(), "says version 2"},
		"another's key": {func() Entry { c := at; return c.Append(other, 6, Tick{}) }(), "not signed by the coordinator"},
		"body changed":  {func() Entry { e := good; e.Body = Encode(Resumed{}); return e }(), "not signed by the coordinator"},
		"unknown kind":  {func() Entry { e := good; e.Type = 99; return sign(e) }(), "no event kind 99"},
		"message kind":  {func() Entry { e := good; e.Type = KindJoin; return sign(e) }(), "no event kind 1"},
		"wrong body":    {func() Entry { e := good; e.Type = kindPresent; return sign(e) }(), "malformed"},
		"trailing body": {func() Entry { e := good; e.Body = append(Encode(Tick{}), 0); return sign(e) }(), "malformed"},
	} {
		chain := at
		ev, err := chain.Accept(c.entry)
		if err == nil || ev != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v and %v, want an error saying %q", name, ev, err, c.says)
		}
		if chain != at {
			t.Errorf("%s: the chain moved", name)
		}
	}
	if _, err := at.Accept(good); err != nil {
		t.Error(err)
	}
}

func (e Entry) at(now Instant, sign func(Entry) Entry) Entry {
	e.Now = now
	return sign(e)
}

// A value longer than the bound is refused before anything is allocated for it.
func TestDecodeBounds(t *testing.T) {
	var m Message
	if err := Decode(make([]byte, MaxMessageLen+1), &m); !errors.Is(err, ErrMalformed) {
		t.Errorf("too long: got %v", err)
	}
	long := Attestation{Findings: make([]Finding, MaxListLen)}
	if err := Decode(Encode(long), new(Attestation)); err != nil {
		t.Errorf("the longest list: %v", err)
	}
	long.Findings = append(long.Findings, Finding{})
	if err := Decode(Encode(long), new(Attestation)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a list too long: got %v", err)
	}
	claims := []byte{0x83, 0x58, 0x20}
	claims = append(claims, make([]byte, 32)...)
	claims = append(claims, 0x9a, 0xff, 0xff, 0xff, 0xff) // a list of 2³²−1 that never comes
	if n := testing.AllocsPerRun(10, func() { _ = Decode(claims, new(Attestation)) }); n > 50 {
		t.Errorf("%v allocations for a list that never comes", n)
	}
}

func TestHashSeparatesItsParts(t *testing.T) {
	seen := map[Digest]int{}
	for i, d := range []Digest{
		Hash("a"), Hash("b"), Hash("a", nil), Hash("a", nil, nil), Hash("a", []byte("x")), Hash("a", []byte("x"), nil),
		Hash("a", nil, []byte("x")), Hash("ax"), Hash("a", []byte("xy")), Hash("a", []byte("x"), []byte("y")), Sum([]byte("a")),
	} {
		if j, ok := seen[d]; ok {
			t.Errorf("lists %d and %d share a digest", i, j)
		}
		seen[d] = i
	}
	const golden = "ka3y2kir52tlscfj7erkepvjutqetwrbqlnwcrpm4mobskabyqqa"
	if got := Hash("golden", []byte("part"), nil).String(); got != golden {
		t.Errorf("got %s, was %s", got, golden)
	}
}
