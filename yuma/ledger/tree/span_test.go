package tree

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lode/protocol"
)

// grown is a random tree and its twin.
func grown(t *testing.T, rng *rand.Rand, steps int) (*Tree, twin) {
	var tr Tree
	m := twin{}
	for range steps {
		step(t, &tr, m, byte(rng.Uint32()), byte(rng.Uint32()))
	}
	return &tr, m
}

// inSpan is the obvious way.
func inSpan(m twin, prefix, from string) (keys []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(k, prefix) && k >= from {
			keys = append(keys, k)
		}
	}
	return keys
}

// pages walks through a span, page by page.
func pages(t *testing.T, tr *Tree, prefix, from string, most, mostBytes int) (keys []string, values twin) {
	t.Helper()
	values = twin{}
	for {
		p := tr.ProveSpan(prefix, from, most, mostBytes)
		var read Span
		if err := protocol.Decode(protocol.Encode(p), &read); err != nil {
			t.Fatal(err)
		}
		pairs, err := read.Check(tr.Root(), prefix, from)
		if err != nil || len(pairs) > most || len(p.To) > 0 && len(pairs) == 0 {
			t.Fatalf("%q from %q: %d pairs, %v", prefix, from, len(pairs), err)
		}
		for _, pair := range pairs {
			keys = append(keys, string(pair.Key))
			values[string(pair.Key)] = string(pair.Value)
		}
		if len(p.To) == 0 {
			return keys, values
		}
		from = string(p.To)
	}
}

var prefixes = []string{"", "a", "b", "b\x01", "c\x05\xff", "c\x07\xff\xff", "c\x05\xa3", "c\x06\xc5\xc5", "zz", "\xff", "\x00"}

func TestSpan(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for n := range 60 {
		tr, m := grown(t, rng, n*n/10)
		for _, prefix := range prefixes {
			for range 4 {
				from := ""
				if rng.IntN(2) == 0 {
					from = prefix + string([]byte{byte(rng.Uint32()), byte(rng.Uint32())}[:rng.IntN(3)])
				}
				keys, values := pages(t, tr, prefix, from, 1+rng.IntN(20), rng.IntN(100))
				if want := inSpan(m, prefix, from); !slices.Equal(keys, want) {
					t.Fatalf("%q from %q: %q, want %q", prefix, from, keys, want)
				}
				for k, v := range values {
					if m[k] != v {
						t.Fatalf("%q is %q, want %q", k, v, m[k])
					}
				}
			}
		}
	}
}

// Nothing of a span can be left out, changed or added.
func TestSpanLies(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	tr, m := grown(t, rng, 120)
	root := tr.Root()
	for _, prefix := range prefixes {
		want := inSpan(m, prefix, "")
		data := protocol.Encode(tr.ProveSpan(prefix, "", MaxSpan, 1<<20))
		for i := range data {
			for _, flip := range []byte{1, 0x20, 0x80} {
				bad := bytes.Clone(data)
				bad[i] ^= flip
				checkSpan(t, bad, root, prefix, want)
			}
		}
		// A narrower span's proof does not do for a wider one, but if nothing lies between.
		for _, key := range want {
			narrow := protocol.Encode(tr.ProveSpan(key, "", 1, 1<<20))
			checkSpan(t, narrow, root, prefix, want)
		}
	}
	if _, err := (Span{Shape: [][]byte{root[:]}}).Check(root, "a", ""); err == nil {
		t.Error("the root alone was taken")
	}
	if _, err := (Span{}).Check(root, "a", ""); err == nil {
		t.Error("nothing was taken for a tree")
	}
}

// checkSpan wants bytes to be refused, or to show the start of what is there.
func checkSpan(t *testing.T, data []byte, root protocol.Digest, prefix string, want []string) {
	t.Helper()
	var p Span
	if protocol.Decode(data, &p) != nil {
		return
	}
	pairs, err := p.Check(root, prefix, "")
	if err != nil {
		return
	}
	var got []string
	for _, pair := range pairs {
		got = append(got, string(pair.Key))
	}
	upTo := len(want)
	if len(p.To) > 0 {
		upTo, _ = slices.BinarySearch(want, string(p.To))
	}
	if !slices.Equal(got, want[:upTo]) {
		t.Fatalf("%q to %q: %q, want %q", prefix, p.To, got, want[:upTo])
	}
}

// However deep a tree is made on purpose, a full span fits a message.
func TestSpanBounds(t *testing.T) {
	var tr Tree
	long := strings.Repeat("m", 69)
	tr.Put(long, "x")
	for bit := range 8 * len(long) { // a neighbour for each bit, on both sides of what is asked
		b := []byte(long)
		b[bit/8] ^= 0x80 >> (bit % 8)
		tr.Put(string(b), strings.Repeat("v", 1000))
	}
	for i := range 2 * MaxSpan {
		tr.Put(fmt.Sprintf("%s%04d", long[:65], i), strings.Repeat("v", 1000))
	}
	for _, from := range []string{"", long[:65], long} {
		p := tr.ProveSpan("", from, 1<<20, 900<<10)
		if len(p.Shape) > protocol.MaxListLen || len(p.Pairs) > MaxSpan+1 {
			t.Errorf("%d nodes, %d pairs", len(p.Shape), len(p.Pairs))
		}
		if n := len(protocol.Encode(p)); n > protocol.MaxMessageLen {
			t.Errorf("%d bytes", n)
		}
		if _, err := p.Check(tr.Root(), "", from); err != nil {
			t.Error(err)
		}
	}
}

func FuzzSpan(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 9))
	var tr Tree
	m := twin{}
	for range 60 {
		key := fmt.Sprintf("%c%02d", 'a'+rng.IntN(3), rng.IntN(99))
		tr.Put(key, key)
		m[key] = key
	}
	for _, prefix := range []string{"", "a", "b4", "c", "d"} {
		f.Add(protocol.Encode(tr.ProveSpan(prefix, "", 10, 1<<20)), prefix)
	}
	f.Fuzz(func(t *testing.T, data []byte, prefix string) {
		checkSpan(t, data, tr.Root(), prefix, inSpan(m, prefix, ""))
	})
}
