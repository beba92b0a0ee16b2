package ask

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lode/protocol"
	"lode/yuma/ledger"
	"lode/yuma/ledger/tree"
)

func person(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32))
}

func cold(n byte) (c ledger.Coldkey) {
	copy(c[:], person(n).Public().(ed25519.PublicKey))
	return c
}

// shop is a ledger with people, a run and blocks behind a client that counts.
type shop struct {
	*ledger.Machine
	genesis ledger.Genesis
	blocks  []ledger.Block
	states  map[uint64][]byte          // snapshots by height
	change  func(answer []byte) []byte // lies, if set
	after   func()                     // what happens after each answer, if set
}

func newShop(t testing.TB, people byte) *shop {
	t.Helper()
	g := ledger.DefaultGenesis("test")
	for n := range people {
		g.Grants = append(g.Grants, ledger.Grant{Cold: cold(n), Balance: 1000 * ledger.Coin})
		g.Seats = append(g.Seats, ledger.Seat{Hot: ledger.Hotkey(cold(100 + n)), Cold: cold(n), Run: 1, Stake: ledger.Amount(n) * ledger.Coin, Place: true})
	}
	g.Runs = []ledger.FirstRun{{ID: protocol.RunID{1}, Owner: cold(0), Hot: ledger.Hotkey(cold(100)), Params: ledger.DefaultRunParams()}}
	m, err := ledger.New(g)
	if err != nil {
		t.Fatal(err)
	}
	return &shop{Machine: m, genesis: g}
}

func (s *shop) block(t testing.TB, txs ...ledger.Tx) {
	t.Helper()
	b := ledger.Block{Header: s.Next(protocol.Instant(len(s.blocks)), protocol.Digest{}), Txs: txs}
	if _, _, err := s.Execute(b); err != nil {
		t.Fatal(err)
	}
	s.blocks = append(s.blocks, b)
}

func (s *shop) Blocks(from uint64, most int) (some [][]byte, err error) {
	for h := from; h >= 1 && h <= uint64(len(s.blocks)) && len(some) < most; h++ {
		some = append(some, protocol.Encode(s.blocks[h-1]))
	}
	return some, nil
}

func (s *shop) StatePart(most, offset uint64, n int) (height, size uint64, part []byte, err error) {
	for h, state := range s.states {
		if h <= most && h > height {
			height, size = h, uint64(len(state))
			part = state[min(offset, size):min(offset+uint64(n), size)]
		}
	}
	return height, size, part, nil
}

func (s *shop) client() Client {
	return Client{Ask: func(_ context.Context, q []byte) ([]byte, error) {
		a, err := Answer(Of(s.Machine), s, q)
		if s.after != nil {
			s.after()
		}
		if err == nil && s.change != nil {
			a = s.change(a)
		}
		return a, err
	}}
}

func TestGet(t *testing.T) {
	s := newShop(t, 9)
	s.block(t)
	ctx, c := t.Context(), s.client()
	there, gone := Key(Accounts, cold(3)), Key(Accounts, cold(77))
	st, err := c.Get(ctx, there, gone)
	if err != nil {
		t.Fatal(err)
	}
	if st.Root != s.Root() || st.Network != s.Network() {
		t.Errorf("state %s of %+v", st.Root, st.Network)
	}
	a, ok, err := Load[ledger.Account](st, there)
	if want, _ := s.Account(cold(3)); !ok || err != nil || a != want {
		t.Errorf("%+v, %v, %v", a, ok, err)
	}
	if _, ok, err := Load[ledger.Account](st, gone); ok || err != nil {
		t.Errorf("somebody is there: %v, %v", ok, err)
	}
	if _, _, err := Load[ledger.Identity](st, there); !errors.Is(err, ErrAnswer) {
		t.Errorf("another record: %v", err)
	}
	c.Root = s.Root()
	if _, err := c.Get(ctx, there); err != nil {
		t.Error(err)
	}
	s.block(t, ledger.Sign(person(3), s.Network().ID, 0, 0, ledger.Transfer{To: cold(4), Amount: 5}))
	if _, err := c.Get(ctx, there); !errors.Is(err, ErrMoved) {
		t.Errorf("another state: %v", err)
	}
	c.Root = protocol.Digest{}
	if _, err := c.Get(ctx, slices.Repeat([]string{there}, MaxKeys)...); err != nil {
		t.Error(err)
	}
	if _, err := c.Get(ctx, slices.Repeat([]string{there}, MaxKeys+1)...); protocol.ReasonOf(err) != protocol.Malformed {
		t.Errorf("too many: %v", err)
	}
}

func TestScan(t *testing.T) {
	s := newShop(t, 60)
	ctx, c := t.Context(), s.client()
	prefix := Key(Positions, ledger.Run(1))
	all, err := c.All(ctx, prefix, 1000)
	if err != nil || len(all.Records) != 59 { // who has no stake has no position
		t.Fatalf("%d, %v", len(all.Records), err)
	}
	var paged []tree.Pair
	for from := ""; ; {
		p, err := c.Scan(ctx, prefix, from, 7)
		if err != nil || len(p.Records) > 7 {
			t.Fatal(len(p.Records), err)
		}
		paged = append(paged, p.Records...)
		if from = p.Next; from == "" {
			break
		}
	}
	if fmt.Sprint(paged) != fmt.Sprint(all.Records) {
		t.Error("page by page it is another list")
	}
	for _, r := range all.Records {
		if p := s.Prove(string(r.Key)); !bytes.Equal(p.Value, r.Value) || !bytes.Equal(p.Key, r.Key) {
			t.Errorf("%x is not in the state", r.Key)
		}
	}
	if _, err := c.All(ctx, prefix, 58); !errors.Is(err, ErrMany) {
		t.Errorf("more than were to be read: %v", err)
	}
	none, err := c.All(ctx, Key(Proposals), 10)
	if err != nil || len(none.Records) != 0 {
		t.Errorf("%v, %v", none.Records, err)
	}
}

// A list of several pages is of one state, or none.
func TestMoving(t *testing.T) {
	s := newShop(t, 9)
	for n := range 600 {
		to := ledger.Coldkey(protocol.Hash("test", []byte{byte(n), byte(n >> 8)}))
		if _, err := s.Apply(ledger.Sign(person(1), s.Network().ID, uint64(n), 0, ledger.Transfer{To: to, Amount: ledger.Coin})); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Seal(0, protocol.Digest{}, false); err != nil {
		t.Fatal(err)
	}
	moves := 3
	s.after = func() {
		if moves--; moves > 0 {
			s.block(t)
		}
	}
	p, err := s.client().All(t.Context(), Key(Accounts), 1000)
	if err != nil || len(p.Records) != 609 || p.State.Root != s.Root() {
		t.Errorf("%d of %s, %v", len(p.Records), p.State.Root, err)
	}
	moves = 1 << 30
	if _, err := s.client().All(t.Context(), Key(Accounts), 1000); !errors.Is(err, ErrMoved) {
		t.Errorf("it never stands still: %v", err)
	}
}

func TestBlocks(t *testing.T) {
	s := newShop(t, 3)
	for range 20 {
		s.block(t)
	}
	ctx, c := t.Context(), s.client()
	st, err := c.Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		from uint64
		most int
		want int
	}{{1, 20, 20}, {1, 1000, 20}, {5, 9, 9}, {20, 5, 1}, {21, 5, 0}, {1 << 63, 5, 0}} {
		got, err := c.Blocks(ctx, st, test.from, test.most)
		if err != nil || len(got) != test.want || len(got) > 0 && got[0].Digest() != s.blocks[test.from-1].Digest() {
			t.Errorf("%+v: %d, %v", test, len(got), err)
		}
	}
	if _, err := Answer(Of(s.Machine), nil, encode(kindBlocks, blocksBody{From: 1, Most: 1})); protocol.ReasonOf(err) != protocol.NotFound {
		t.Errorf("nobody keeps blocks: %v", err)
	}
	for name, lie := range map[string]func(){
		"another network": func() { s.blocks[3].Header.Network[0]++ },
		"gap":             func() { s.blocks = slices.Delete(s.blocks, 3, 4) },
		"another parent":  func() { s.blocks[3].Header.Parent[0]++ },
		"another end":     func() { s.blocks[19].Header.Time++ },
	} {
		was := slices.Clone(s.blocks)
		lie()
		if _, err := c.Blocks(ctx, st, 1, 30); !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %v", name, err)
		}
		s.blocks = was
	}
}

// Blocks fill an answer and no more; the longest fits alone.
func TestBlocksBounds(t *testing.T) {
	s := newShop(t, 1)
	big := make([]byte, 60<<10)
	for n := range 17 {
		s.blocks = append(s.blocks, ledger.Block{Header: ledger.Header{Height: uint64(n + 1)}, Txs: slices.Repeat([]ledger.Tx{{Body: big}}, n)})
	}
	for from := range s.blocks {
		a, err := Answer(Of(s.Machine), s, encode(kindBlocks, blocksBody{From: uint64(from + 1), Most: 100}))
		if err != nil || len(a) == 0 || len(a) > MaxAnswer {
			t.Errorf("from %d: %d bytes, %v", from+1, len(a), err)
		}
	}
	longest := ledger.Block{Txs: []ledger.Tx{{Body: make([]byte, ledger.MaxBlockLen)}}}
	longest.Txs[0].Body = longest.Txs[0].Body[:ledger.MaxBlockLen-(len(protocol.Encode(longest))-ledger.MaxBlockLen)]
	if n := len(protocol.Encode(longest)); n != ledger.MaxBlockLen {
		t.Fatalf("%d bytes", n)
	}
	s.blocks = []ledger.Block{longest}
	if a, err := Answer(Of(s.Machine), s, encode(kindBlocks, blocksBody{From: 1, Most: 1})); err != nil || len(a) != 4+ledger.MaxBlockLen {
		t.Errorf("%d bytes, %v", len(a), err)
	}
}

func TestRefusals(t *testing.T) {
	s := newShop(t, 1)
	long := make([]byte, maxKeyLen+1)
	for name, c := range map[string]struct {
		question []byte
		want     protocol.Reason
	}{
		"empty":         {nil, protocol.Malformed},
		"long":          {make([]byte, MaxQuestion+1), protocol.TooLarge},
		"version":       {protocol.Encode(question{Version: 2, Kind: 1}), protocol.WrongVersion},
		"kind":          {encode(9, recordsBody{}), protocol.Malformed},
		"body":          {encode(kindRecords, blocksBody{}), protocol.Malformed},
		"empty key":     {encode(kindRecords, recordsBody{Keys: [][]byte{nil}}), protocol.Malformed},
		"long key":      {encode(kindRecords, recordsBody{Keys: [][]byte{long}}), protocol.Malformed},
		"long prefix":   {encode(kindSpan, spanBody{Prefix: long, Most: 1}), protocol.Malformed},
		"long from":     {encode(kindSpan, spanBody{From: long, Most: 1}), protocol.Malformed},
		"no records":    {encode(kindSpan, spanBody{}), protocol.Malformed},
		"no blocks":     {encode(kindBlocks, blocksBody{From: 1}), protocol.Malformed},
		"block 0":       {encode(kindBlocks, blocksBody{Most: 1}), protocol.Malformed},
		"span's body":   {encode(kindSpan, recordsBody{}), protocol.Malformed},
		"blocks's body": {encode(kindBlocks, recordsBody{}), protocol.Malformed},
		"state's body":  {encode(kindState, recordsBody{}), protocol.Malformed},
	} {
		if _, err := Answer(Of(s.Machine), s, c.question); protocol.ReasonOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every table of the ledger has a name and the right parts, and keys read back.
func TestKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for letter := range 256 {
		l, named := layouts[byte(letter)]
		for n := range 90 {
			key, ok := ledger.Key(byte(letter), make([]byte, n))
			if want := named && n == l.length(); ok != want {
				t.Fatalf("table %c with %d bytes: %v, want %v", letter, n, ok, want)
			}
			if !ok {
				continue
			}
			b := []byte(key)
			for i := range b[1:] {
				b[1+i] = byte(rng.Uint32())
			}
			for _, text := range []string{Text(string(b)), strings.Replace(Text(string(b)), l.name, string(rune(letter)), 1)} {
				if back, err := ParseKey(text); err != nil || back != string(b) {
					t.Errorf("%s: %x, %v, want %x", text, back, err, b)
				}
			}
		}
	}
	hot, owner := protocol.NodeID{1}, ledger.Coldkey{2}
	if got, want := Text(Key(Positions, ledger.Run(7), hot, owner)), fmt.Sprintf("stake/7/%s/%s", hot, owner); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	root, err := ParseKey("total/root")
	if err != nil || root != Key(Totals, ledger.Root) {
		t.Errorf("%x, %v", root, err)
	}
	id := protocol.RunID{9}
	if k, err := ParseKey("manifest/" + hex.EncodeToString(id[:])); err != nil || k != "i"+string(id[:]) {
		t.Errorf("%x, %v", k, err)
	}
	for _, bad := range []string{"", "nothing", "account", "account/x", "run/x", "run/4294967296", "run/-1", "run/1/2", "neuron/1/65536", "n/1", "x"} {
		if k, err := ParseKey(bad); err == nil {
			t.Errorf("%q is %x", bad, k)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	s := newShop(f, 5)
	s.block(f)
	f.Add(encode(kindRecords, recordsBody{Keys: [][]byte{[]byte(Key(Accounts, cold(1)))}}))
	f.Add(encode(kindSpan, spanBody{Prefix: []byte("s"), Most: 3}))
	f.Add(encode(kindBlocks, blocksBody{From: 1, Most: 1}))
	s.states = map[uint64][]byte{1: s.Snapshot()}
	f.Add(encode(kindState, stateBody{Most: 9, Offset: 7}))
	f.Fuzz(func(t *testing.T, q []byte) {
		root := s.Root()
		a, err := Answer(Of(s.Machine), s, q)
		if err != nil && protocol.ReasonOf(err) == protocol.OK {
			t.Fatalf("no refusal: %v", err)
		}
		if len(a) > MaxAnswer || s.Root() != root {
			t.Fatalf("an answer of %d bytes, or another state", len(a))
		}
	})
}

// Whatever a server says of a state that is known: what is taken is true.
func FuzzClient(f *testing.F) {
	s := newShop(f, 5)
	s.block(f)
	key := Key(Accounts, cold(1))
	for _, q := range [][]byte{
		encode(kindRecords, recordsBody{Keys: [][]byte{[]byte(key)}}),
		encode(kindSpan, spanBody{Prefix: []byte("s"), Most: 3}),
		encode(kindBlocks, blocksBody{From: 1, Most: 1}),
	} {
		a, err := Answer(Of(s.Machine), s, q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a)
	}
	want, _ := s.Account(cold(1))
	f.Fuzz(func(t *testing.T, answer []byte) {
		c := Client{Root: s.Root(), Ask: func(context.Context, []byte) ([]byte, error) { return answer, nil }}
		if st, err := c.Get(t.Context(), key); err == nil {
			if got, ok, err := Load[ledger.Account](st, key); !ok || err != nil || got != want || st.Network != s.Network() {
				t.Fatalf("%+v, %v, %v", got, ok, err)
			}
		}
		if p, err := c.Scan(t.Context(), "s", "", 9); err == nil {
			for _, r := range p.Records {
				if q := s.Prove(string(r.Key)); !bytes.Equal(q.Value, r.Value) {
					t.Fatalf("%x is not in the state", r.Key)
				}
			}
		}
		if b, err := c.Blocks(t.Context(), State{Network: s.Network()}, 1, 9); err == nil && len(b) > 0 && b[0].Digest() != s.blocks[0].Digest() {
			t.Fatal("another block")
		}
	})
}
