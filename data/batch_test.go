package data

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"lode/protocol"
)

func TestBatchesAreTheDutyInOrder(t *testing.T) {
	s := sizes{pieces: 8, piece: 200, rows: 3, steps: 10, inner: 4}
	m, p := s.make(t, nil)
	duty := p.Duty(protocol.Digest{7}, 2, 1)
	h := 0
	for b, err := range p.Batches(context.Background(), m, duty) {
		if err != nil {
			t.Fatal(err)
		}
		if b.Rows != 3 || b.Steps != 10 || len(b.Inputs) != 30 || len(b.Targets) != 30 {
			t.Fatalf("batch %d has the shape %d×%d", h, b.Rows, b.Steps)
		}
		for r, span := range duty {
			for i := range 10 {
				text := m.pieces[span.Piece][span.Offset+h*10+i:]
				if b.Inputs[r*10+i] != int32(text[0]) || b.Targets[r*10+i] != int32(text[1]) {
					t.Fatalf("batch %d, row %d, step %d is not the text", h, r, i)
				}
			}
		}
		h++
	}
	if h != 4 {
		t.Errorf("%d batches, want 4", h)
	}
	for range p.Batches(context.Background(), m, duty) {
		break // must not go on, nor panic
	}
}

func TestExamineAsksForWhatWasTrained(t *testing.T) {
	s := sizes{pieces: 30, piece: 200, rows: 3, steps: 10, inner: 4}
	// Tokens tell their place: every run of ten is different.
	m, p := s.make(t, func(i, at int) byte { return byte((i*200 + at) * 7919 >> 3) })
	ctx := context.Background()
	duty := p.Duty(protocol.Digest{7}, 2, 1)
	trained := map[string]int{}
	key := func(b Batch, r int) string {
		k := make([]byte, 0, 11)
		for _, v := range append(slices.Clone(b.Inputs[r*10:r*10+10]), b.Targets[r*10+9]) {
			k = append(k, byte(v))
		}
		return string(k)
	}
	for b, err := range p.Batches(ctx, m, duty) {
		if err != nil {
			t.Fatal(err)
		}
		for r := range b.Rows {
			trained[key(b, r)] = 0
		}
	}
	if len(trained) != 12 {
		t.Fatalf("the test's text repeats itself: %d different rows", len(trained))
	}
	b, err := p.Examine(ctx, m, duty, protocol.Digest{1}, 24)
	if err != nil || b.Rows != 24 || b.Steps != 10 {
		t.Fatalf("got %d×%d and %v", b.Rows, b.Steps, err)
	}
	for r := range b.Rows {
		k := key(b, r)
		if _, ok := trained[k]; !ok {
			t.Fatalf("row %d was never trained on", r)
		}
		trained[k]++
		if r == 11 || r == 23 {
			for _, n := range trained {
				if n != (r+1)/12 {
					t.Fatalf("after %d rows of 12 one came %d times", r+1, n)
				}
			}
		}
	}
	c, err := p.Examine(ctx, m, duty, protocol.Digest{2}, 24)
	if err != nil || slices.Equal(b.Inputs, c.Inputs) {
		t.Errorf("another seed asks for the same (%v)", err)
	}
}

func TestSampleReachesEveryPlace(t *testing.T) {
	s := sizes{pieces: 4, piece: 64, rows: 1, steps: 60, inner: 1}
	m, p := s.make(t, func(i, at int) byte { return byte(i*64 + at) })
	b, err := p.Sample(context.Background(), m, protocol.Digest{3}, 400, Training)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int32]int{}
	for r := range b.Rows {
		seen[b.Inputs[r*60]]++
		if b.Targets[r*60+59] != b.Inputs[r*60]+60 {
			t.Fatalf("row %d does not run on", r)
		}
	}
	// 3 pieces of 4 places each, 33 draws expected of each; below 10 has a chance
	// under 1e-5.
	for place := range 12 {
		if first := int32(place/4*64 + place%4); seen[first] < 10 {
			t.Errorf("place %d was drawn %d times of 400", first, seen[first])
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d places were drawn, there are 12", len(seen))
	}
}

func TestBatchesReportTheSourcesError(t *testing.T) {
	s := sizes{pieces: 8, piece: 64, rows: 2, steps: 10, inner: 2}
	m, p := s.make(t, nil)
	ctx := context.Background()
	duty := p.Duty(protocol.Digest{}, 1, 0)
	for name, src := range map[string]Source{"failing": failing{}, "short pieces": short{m}} {
		n := 0
		for b, err := range p.Batches(ctx, src, duty) {
			if n++; err == nil || b.Rows != 0 {
				t.Errorf("%s: got a batch", name)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d yields, want the error alone", name, n)
		}
		if _, err := p.Sample(ctx, src, protocol.Digest{}, 1, Training); err == nil {
			t.Errorf("%s: got a sample", name)
		}
		if _, err := p.Examine(ctx, src, duty, protocol.Digest{}, 1); err == nil {
			t.Errorf("%s: got an examination", name)
		}
	}
	for _, err := range p.Batches(ctx, failing{}, duty) {
		if !errors.Is(err, errFailing) {
			t.Errorf("got %v", err)
		}
	}
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) Piece(context.Context, int) ([]byte, error) { return nil, errFailing }

type short struct{ m *memory }

func (s short) Piece(_ context.Context, i int) ([]byte, error) { return s.m.pieces[i][:63], nil }

// widened is a source whose tokens are those of another, in more bytes each.
type widened struct {
	narrow Source
	width  int
}

func (w widened) Piece(ctx context.Context, i int) ([]byte, error) {
	b, err := w.narrow.Piece(ctx, i)
	wide := make([]byte, len(b)*w.width)
	for j, c := range b {
		wide[j*w.width] = c
	}
	return wide, err
}

// The width of tokens changes nothing but how they are stored: plans count tokens.
func TestWidthDoesNotMatter(t *testing.T) {
	s := sizes{pieces: 8, piece: 64, rows: 2, steps: 9, inner: 3}
	m, plan := s.make(t, nil)
	seed, ctx := protocol.Digest{7}, t.Context()
	all := func(p Plan, src Source) (batches []Batch) {
		t.Helper()
		keep := func(b Batch, err error) {
			if err != nil {
				t.Fatal(err)
			}
			batches = append(batches, b)
		}
		duty := p.Duty(seed, 4, 3)
		for b, err := range p.Batches(ctx, src, duty) {
			keep(b, err)
		}
		keep(p.Examine(ctx, src, duty, seed, 5))
		keep(p.Sample(ctx, src, seed, 5, Training))
		keep(p.Sample(ctx, src, seed, 5, HeldOut))
		return batches
	}
	want := all(plan, m)
	for _, width := range []int{2, 4} {
		ix := &Index{Bytes: m.index.Bytes * uint64(width), Piece: 64 * width, Width: width, Digests: m.index.Digests}
		d := s.data(m)
		d.Tokenizer, d.Vocabulary, d.Width = protocol.TokenFile, protocol.Digest{1}, uint32(width)
		d.Bytes, d.Piece, d.Index = ix.Bytes, uint32(ix.Piece), ix.Digest()
		p, err := NewPlan(ix, d, s.train())
		if err != nil {
			t.Fatal(err)
		}
		if got := all(p, widened{m, width}); len(got) != 6 || !reflect.DeepEqual(got, want) {
			t.Errorf("tokens of %d bytes make other batches", width)
		}
	}
}

func TestTokens(t *testing.T) {
	got := make([]int32, 2)
	raw := []byte{0xff, 0xfe, 0xfd, 0xfc, 1, 2, 3, 0x80}
	for width, want := range map[int][]int32{1: {0xff, 0xfe}, 2: {0xfeff, 0xfcfd}, 4: {-0x03020101, -0x7ffcfdff}} {
		if Tokens(got, raw, width); !slices.Equal(got, want) {
			t.Errorf("width %d: got %#x, want %#x", width, got, want)
		}
	}
}
