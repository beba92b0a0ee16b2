package tree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lode/protocol"
)

// twin is the obvious map, and the root by definition: split all pairs at the first
// bit in which any two differ.
type twin map[string]string

func (m twin) root() protocol.Digest {
	if len(m) == 0 {
		return protocol.Digest{}
	}
	keys := slices.Sorted(maps.Keys(m))
	var of func(keys []string) protocol.Digest
	of = func(keys []string) protocol.Digest {
		if len(keys) == 1 {
			return hashLeaf([]byte(keys[0]), []byte(m[keys[0]]))
		}
		bit := difference(keys[0], keys[len(keys)-1])
		at := slices.IndexFunc(keys, func(k string) bool { return bitOf(k, bit) == 1 })
		return hashBranch(bit, of(keys[:at]), of(keys[at:]))
	}
	return of(keys)
}

// step does what two bytes say to both; keys have a length that their first byte
// fixes, so none begins another.
func step(t *testing.T, tr *Tree, m twin, op, x byte) {
	t.Helper()
	key := string([]byte{'a' + x%3, x >> 5, x, x ^ op&1}[:2+x%3])
	switch op % 3 {
	case 0:
		_, was := m[key]
		if tr.Delete(key) != was {
			t.Fatalf("delete %q of %v", key, m)
		}
		delete(m, key)
	default:
		value := fmt.Sprint(op)
		tr.Put(key, value)
		m[key] = value
	}
	want, was := m[key]
	if v, ok := tr.Get(key); ok != was || v != want {
		t.Fatalf("get %q: %q, %v", key, v, ok)
	}
}

func same(t *testing.T, tr *Tree, m twin) {
	t.Helper()
	if tr.Root() != m.root() || tr.Len() != len(m) {
		t.Fatalf("root %s of %d, want %s of %d", tr.Root(), tr.Len(), m.root(), len(m))
	}
	for _, prefix := range []string{"", "a", "b\x01", "zz"} {
		var got, want []string
		for k, v := range tr.Ascend(prefix) {
			got = append(got, k+"="+v)
		}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if strings.HasPrefix(k, prefix) {
				want = append(want, k+"="+m[k])
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("ascend %q: %q, want %q", prefix, got, want)
		}
	}
}

func TestTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		var tr Tree
		m := twin{}
		for range 1 + rng.IntN(200) {
			step(t, &tr, m, byte(rng.Uint32()), byte(rng.Uint32()))
			if rng.IntN(10) == 0 {
				same(t, &tr, m)
			}
		}
		same(t, &tr, m)
	}
}

func FuzzTwin(f *testing.F) {
	f.Add([]byte{1, 1, 1, 2, 0, 1, 2, 2})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var tr Tree
		m := twin{}
		for ; len(ops) > 1; ops = ops[2:] {
			step(t, &tr, m, ops[0], ops[1])
		}
		same(t, &tr, m)
	})
}

// The way to a leaf proves what is there and what is not; nothing else does.
func TestProof(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 40 {
		var tr Tree
		for i := range n {
			tr.Put(fmt.Sprintf("k%03d", rng.IntN(999)), fmt.Sprint(i))
		}
		root := tr.Root()
		for i := range 100 {
			key := fmt.Sprintf("k%03d", rng.IntN(999))
			want, there := tr.Get(key)
			p := tr.Prove(key)
			v, ok, err := p.Check(root, []byte(key))
			if err != nil || ok != there || string(v) != want {
				t.Fatalf("%q: %q, %v, %v", key, v, ok, err)
			}
			forge(t, p, root, key, i)
		}
	}
}

// forge changes one thing of a proof.
func forge(t *testing.T, p Proof, root protocol.Digest, key string, i int) {
	t.Helper()
	p.Path = slices.Clone(p.Path)
	switch {
	case i%4 == 0:
		p.Value = append(slices.Clone(p.Value), 'x')
	case i%4 == 1:
		p.Key = append(slices.Clone(p.Key), 'x')
	case i%4 == 2 && len(p.Path) > 0:
		p.Path = p.Path[1:]
	case len(p.Path) > 0:
		p.Path[i%len(p.Path)].Bit++
	default:
		root[0]++
	}
	if _, _, err := p.Check(root, []byte(key)); !errors.Is(err, ErrProof) {
		t.Fatalf("a forged proof of %q: %v", key, err)
	}
}

// A proof of one key says nothing of a key that branches off before.
func TestProofOfAnother(t *testing.T) {
	var tr Tree
	for _, k := range []string{"aa", "ab", "ba"} {
		tr.Put(k, "1")
	}
	if _, _, err := tr.Prove("aa").Check(tr.Root(), []byte("ba")); !errors.Is(err, ErrProof) {
		t.Errorf("the way to aa taken for that to ba: %v", err)
	}
}

func FuzzProof(f *testing.F) {
	var tr Tree
	for i := range 20 {
		tr.Put(fmt.Sprintf("k%02d", i), fmt.Sprint(i))
	}
	root := tr.Root()
	f.Add(protocol.Encode(tr.Prove("k07")), []byte("k07"))
	f.Add(protocol.Encode(tr.Prove("k99")), []byte("k99"))
	f.Fuzz(func(t *testing.T, data, key []byte) {
		var p Proof
		if protocol.Decode(data, &p) != nil {
			return
		}
		v, ok, err := p.Check(root, key)
		want, there := tr.Get(string(key))
		if err == nil && (ok != there || string(v) != want) {
			t.Fatalf("%q shown as %q, %v", key, v, ok)
		}
	})
}

func TestRefusedKeys(t *testing.T) {
	for _, key := range []string{"", "a", "abc", strings.Repeat("x", MaxKeyLen+1)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%.5q was put beside ab", key)
				}
			}()
			var tr Tree
			tr.Put("ab", "")
			tr.Put(key, "")
		}()
	}
}

func keyOf(i uint64) string {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], i)
	d := protocol.Sum(b[:])
	return "a" + string(d[:])
}

// A root after each of so many puts among a million keys.
func BenchmarkRoot(b *testing.B) {
	var tr Tree
	const n = 1 << 20
	for i := range uint64(n) {
		tr.Put(keyOf(i), "0123456789")
	}
	tr.Root()
	for _, puts := range []uint64{1, 100, 10000} {
		b.Run(fmt.Sprint(puts), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, puts))
			for b.Loop() {
				for range puts {
					tr.Put(keyOf(rng.Uint64N(n)), "9876543210")
				}
				tr.Root()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(puts), "ns/put")
		})
	}
}
