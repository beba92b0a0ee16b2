package protocol

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files; only right where no run has ever used the encoding")

// pub shortens a name.
type pub = ed25519.PublicKey

const goldenPath = "testdata/golden.txt"

// golden is a value and a place to decode one like it into.
type golden struct {
	name  string
	value any
	empty any
}

func fill[T ~[32]byte](b byte) (d T) {
	for i := range d {
		d[i] = b + byte(i)
	}
	return d
}

// testBodies holds one body of each kind, every field set.
func testBodies() []Body {
	receipt := Receipt{
		Version: 1, Run: RunID(fill[Digest](41)), Round: 7, Parent: fill[Digest](1), StateRoot: fill[Digest](2), List: fill[Digest](3), Decision: fill[Digest](4),
		Step: fill[Digest](5), Payload: fill[Digest](6), Size: 70000, Model: fill[Digest](7),
	}
	return []Body{
		Join{Role: Validator, Name: "node 1", Anchor: fill[Digest](8), Invitation: Signature{1, 2, 3}, Enter: [][]byte{{1}, {2, 3}}},
		Commit{
			StateRoot: fill[Digest](1), Seed: fill[Digest](42), Plain: fill[Digest](2), Cipher: fill[Digest](3),
			Size: 1 << 20, Kept: 65536, Tokens: 23, Loss: -5_500_000_001, Samples: 1200,
		},
		ListSignature{List: fill[Digest](9)},
		Reveal{Key: fill[[32]byte](10)},
		Attestation{
			List: fill[Digest](11), Preimage: fill[Digest](12),
			Findings: []Finding{{Reason: OK, NormHi: 3, NormLo: 1 << 63}, {Reason: Copied}},
		},
		SheetCommit{Sheet: fill[Digest](13)},
		SheetReveal{Sheet: Sheet{
			Salt: [16]byte{1, 2, 3}, Seed: fill[Digest](14), Loss: 5e9,
			Rows: []Row{{First: -24, Audited: true, Paired: 23, Examined: true, Work: -1000, Overlap: 65536}, {}},
		}},
		Proposal{Receipt: receipt},
		CoSign{Receipt: receipt.Digest(), Before: 3, After: 2, HeldOut: -1},
	}
}

func goldens() (all []golden) {
	key := testKey(3)
	var last Message
	for _, body := range testBodies() {
		last = Sign(key, RunID{9}, 7, body)
		all = append(all, golden{fmt.Sprintf("message %T", body), last, new(Message)})
	}
	c := Chain{Run: RunID{9}, Coordinator: last.Node}
	for _, ev := range []Event{
		Genesis{Run: RunID{9}},
		Resumed{Outage: 5 * Second},
		Tick{},
		Present{Node: fill[NodeID](1)},
		Absent{Node: fill[NodeID](1)},
		Published{Round: 7, Manifest: fill[Digest](2)},
		Transaction{Tx: []byte{1, 2, 3}},
		last,
	} {
		all = append(all, golden{fmt.Sprintf("entry %T", ev), c.Append(key, 1e18+Instant(c.Next), ev), new(Entry)})
	}
	h := testHeader()
	all = append(all, golden{"payload header", h, new(Header)})
	m := testManifest()
	return append(all, golden{"manifest", m, new(Manifest)}, golden{"run id", RunID(m.ID()), new(RunID)})
}

// The encodings are signed, hashed and kept for ever. A line that differs means
// that nodes of two releases no longer understand each other.
func TestGolden(t *testing.T) {
	if *update {
		var out bytes.Buffer
		for _, g := range goldens() {
			fmt.Fprintf(&out, "%s: %x\n", g.name, Encode(g.value))
		}
		if err := os.WriteFile(goldenPath, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := readGolden(t)
	all := goldens()
	if len(all) != len(want) {
		t.Errorf("%d values, %d lines in %s", len(all), len(want), goldenPath)
	}
	for _, g := range all {
		b := Encode(g.value)
		if !bytes.Equal(b, want[g.name]) {
			t.Errorf("%s: encodes to\n%x, was\n%x", g.name, b, want[g.name])
			continue
		}
		if err := Decode(b, g.empty); err != nil {
			t.Errorf("%s: %v", g.name, err)
		} else if again := Encode(g.empty); !bytes.Equal(again, b) {
			t.Errorf("%s: encodes to other bytes once decoded", g.name)
		}
	}
}

func readGolden(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string][]byte{}
	for in := bufio.NewScanner(f); in.Scan(); {
		name, text, _ := strings.Cut(in.Text(), ": ")
		b, err := hex.DecodeString(text)
		if err != nil || len(b) == 0 {
			t.Fatalf("%s: line %q", goldenPath, name)
		}
		want[name] = b
	}
	if len(want) == 0 {
		t.Fatalf("%s is empty", goldenPath)
	}
	return want
}

// What stands in the golden file also opens: signatures of one release verify in
// the next.
func TestGoldenOpens(t *testing.T) {
	want := readGolden(t)
	for _, body := range testBodies() {
		var m Message
		if err := Decode(want[fmt.Sprintf("message %T", body)], &m); err != nil {
			t.Fatal(err)
		}
		got, err := m.Open(RunID{9})
		if err != nil || !bytes.Equal(Encode(got), Encode(body)) || m.Type != body.Kind() {
			t.Errorf("%T: got %+v and %v", body, got, err)
		}
	}
}

func TestMessageOpenRefuses(t *testing.T) {
	for _, body := range testBodies() {
		good := Sign(testKey(3), RunID{9}, 7, body)
		for name, c := range map[string]struct {
			change func(*Message)
			reason Reason
		}{
			"version":      {func(m *Message) { m.Version++ }, WrongVersion},
			"run":          {func(m *Message) { m.Run[31]++ }, WrongRun},
			"round":        {func(m *Message) { m.Round-- }, BadSignature},
			"kind":         {func(m *Message) { m.Type++ }, BadSignature},
			"sender":       {func(m *Message) { m.Node = NodeID(testKey(4).Public().(pub)) }, BadSignature},
			"body":         {func(m *Message) { m.Body = bytes.Clone(m.Body); m.Body[len(m.Body)-1] ^= 1 }, BadSignature},
			"signature":    {func(m *Message) { m.Sig[0] ^= 1 }, BadSignature},
			"no sender":    {func(m *Message) { m.Node = NodeID{} }, BadSignature},
			"no signature": {func(m *Message) { m.Sig = Signature{} }, BadSignature},
		} {
			m := good
			c.change(&m)
			if got, err := m.Open(RunID{9}); ReasonOf(err) != c.reason || got != nil {
				t.Errorf("%T, other %s: got %v and %v", body, name, got, err)
			}
		}
		if _, err := good.Open(RunID{9}); err != nil {
			t.Errorf("%T: a changed copy changed the original: %v", body, err)
		}
	}
}
