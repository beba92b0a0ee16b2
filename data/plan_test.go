package data

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"lode/protocol"
)

// sizes of a test's run.
type sizes struct{ pieces, piece, rows, steps, inner int }

func (s sizes) make(t *testing.T, fill func(i, at int) byte) (*memory, Plan) {
	t.Helper()
	if fill == nil {
		fill = func(i, at int) byte { return byte(i*31 + at) }
	}
	m := newMemory(s.pieces, s.piece, fill)
	p, err := NewPlan(m.index, s.data(m), s.train())
	if err != nil {
		t.Fatal(err)
	}
	return m, p
}

func (s sizes) data(m *memory) protocol.Data {
	return protocol.Data{
		Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Index: m.index.Digest(), Bytes: m.index.Bytes,
		Piece: uint32(s.piece), HeldOut: protocol.Q16(0.125),
	}
}

func (s sizes) train() protocol.Train {
	return protocol.Train{InnerSteps: uint32(s.inner), Rows: uint32(s.rows), Steps: uint32(s.steps)}
}

func TestNewPlanRefuses(t *testing.T) {
	s := sizes{pieces: 8, piece: 64, rows: 2, steps: 9, inner: 7} // 7·9+1 = 64 fits exactly
	m, p := s.make(t, nil)
	if p.Training() != 7 || p.HeldOut() != 1 {
		t.Errorf("%d training and %d held-out pieces, want 7 and 1", p.Training(), p.HeldOut())
	}
	for name, change := range map[string]func(*protocol.Data, *protocol.Train){
		"other width":    func(d *protocol.Data, _ *protocol.Train) { d.Width = 2 },
		"other index":    func(d *protocol.Data, _ *protocol.Train) { d.Index[0]++ },
		"other length":   func(d *protocol.Data, _ *protocol.Train) { d.Bytes++ },
		"other piece":    func(d *protocol.Data, _ *protocol.Train) { d.Piece++ },
		"span too long":  func(_ *protocol.Data, t *protocol.Train) { t.Steps, t.InnerSteps = 8, 8 },
		"overflow":       func(_ *protocol.Data, t *protocol.Train) { t.Steps, t.InnerSteps = 1<<31, 1<<31 },
		"no rows":        func(_ *protocol.Data, t *protocol.Train) { t.Rows = 0 },
		"no steps":       func(_ *protocol.Data, t *protocol.Train) { t.Steps = 0 },
		"no inner steps": func(_ *protocol.Data, t *protocol.Train) { t.InnerSteps = 0 },
	} {
		d, tr := s.data(m), s.train()
		change(&d, &tr)
		if _, err := NewPlan(m.index, d, tr); !errors.Is(err, ErrPlan) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Tokens have 1, 2 or 4 bytes, records any number.
func TestNewPlanOfRecords(t *testing.T) {
	s := sizes{pieces: 8, piece: 64, rows: 2, steps: 1, inner: 3}
	m := newMemory(8, 64*7, func(i, at int) byte { return byte(i + at/7) })
	m.index.Width = 7
	d := s.data(m)
	d.Width, d.Piece, d.Index = 7, 64*7, m.index.Digest()
	if _, err := NewPlan(m.index, d, s.train()); !errors.Is(err, ErrPlan) {
		t.Errorf("tokens of 7 bytes: %v", err)
	}
	d.Tokenizer = protocol.TokenRecords
	p, err := NewPlan(m.index, d, s.train())
	if err != nil {
		t.Fatal(err)
	}
	num := 0
	for b, err := range p.Batches(t.Context(), m, p.Duty(protocol.Digest{1}, 3, 1)) {
		if err != nil || b.Rows != 2 || b.Steps != 1 || b.Inputs != nil || b.Targets != nil || len(b.Records) != 2*7 {
			t.Fatalf("%+v, %v", b, err)
		}
		for r := range 2 { // whole records: all bytes of one are alike here
			record := b.Records[r*7 : (r+1)*7]
			if !slices.Equal(record, slices.Repeat(record[:1], 7)) {
				t.Errorf("a record is %v", record)
			}
		}
		num++
	}
	if num != 3 {
		t.Errorf("%d batches", num)
	}
}

func TestHeldOutShare(t *testing.T) {
	for _, c := range []struct {
		pieces int
		share  float64
		want   int
	}{{2, 0, 1}, {2, 0.5, 1}, {2, 0.999, 1}, {100, 0, 1}, {100, 0.009, 1}, {100, 0.0201, 2}, {1 << 21, 0.5, 1 << 20}} {
		if got := heldOut(c.pieces, protocol.Q16(c.share)); got != c.want {
			t.Errorf("%v of %d pieces: %d held out, want %d", c.share, c.pieces, got, c.want)
		}
	}
	if got := heldOut(5, 1<<32-1); got != 4 {
		t.Errorf("an impossible share leaves %d of 5 to train on, want 1", 5-got)
	}
}

// Everybody must deal the same pieces for ever: these values may never change.
func TestDutyGolden(t *testing.T) {
	_, p := sizes{pieces: 40, piece: 1000, rows: 3, steps: 16, inner: 4}.make(t, nil)
	for worker, want := range map[int]string{
		0:  "[{5 285} {9 172} {0 136}]",
		5:  "[{19 122} {24 428} {28 434}]",
		11: "[{7 162} {12 325} {5 666}]",
	} {
		if got := fmt.Sprint(p.Duty(protocol.Digest{1, 2, 3}, 12, worker)); got != want {
			t.Errorf("worker %d: got %s, want %s", worker, got, want)
		}
	}
}

// Batches and samples are as golden as duties.
func TestDrawnTokensGolden(t *testing.T) {
	m, p := sizes{pieces: 40, piece: 1000, rows: 3, steps: 4, inner: 2}.make(t, func(i, at int) byte { return byte(i*101 + at*7) })
	ctx := context.Background()
	show := func(b Batch, err error) string { return fmt.Sprint(b.Inputs, b.Targets, err) }
	duty := p.Duty(protocol.Digest{4}, 2, 1)
	for name, c := range map[string]struct{ got, want string }{
		"duty":     {fmt.Sprint(duty), "[{11 950} {25 585} {0 332}]"},
		"examine":  {show(p.Examine(ctx, m, duty, protocol.Digest{5}, 2)), "[248 255 6 13 20 27 34 41] [255 6 13 20 27 34 41 48] <nil>"},
		"training": {show(p.Sample(ctx, m, protocol.Digest{6}, 2, Training)), "[188 195 202 209 9 16 23 30] [195 202 209 216 16 23 30 37] <nil>"},
		"held out": {show(p.Sample(ctx, m, protocol.Digest{6}, 2, HeldOut)), "[4 11 18 25 222 229 236 243] [11 18 25 32 229 236 243 250] <nil>"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", name, c.got, c.want)
		}
	}
}

func TestDutiesShareNoPiece(t *testing.T) {
	_, p := sizes{pieces: 64, piece: 128, rows: 4, steps: 10, inner: 3}.make(t, nil)
	for seed := range 50 {
		seen := map[int]bool{}
		for w := range 14 { // 14·4 = 56 training pieces exactly
			for _, s := range p.Duty(protocol.Digest{byte(seed)}, 14, w) {
				if seen[s.Piece] || s.Piece >= p.Training() || s.Offset < 0 || s.Offset+31 > 128 {
					t.Fatalf("seed %d, worker %d: span %+v", seed, w, s)
				}
				seen[s.Piece] = true
			}
		}
	}
}

// With more rows than pieces, spans of one piece must be disjoint where the
// piece has room and different where there are enough offsets.
func TestDutiesThatWrap(t *testing.T) {
	for _, c := range []struct {
		name             string
		s                sizes
		workers          int
		disjoint, differ bool
	}{
		{"room for all laps", sizes{9, 128, 5, 10, 3}, 6, true, true},        // 30 rows on 8 pieces: 4 laps of 32 ≥ 31
		{"parts too short", sizes{9, 100, 5, 10, 3}, 6, false, true},         // 4 laps of 25
		{"as many offsets as laps", sizes{9, 64, 8, 61, 1}, 3, false, true},  // offsets 0 to 2, 3 laps
		{"fewer offsets than laps", sizes{9, 64, 8, 62, 1}, 3, false, false}, // offsets 0 and 1, 3 laps
		{"one place only", sizes{9, 64, 8, 63, 1}, 3, false, false},
	} {
		_, p := c.s.make(t, nil)
		span := c.s.inner*c.s.steps + 1
		for seed := range 20 {
			offsets := map[int][]int{}
			for w := range c.workers {
				for _, s := range p.Duty(protocol.Digest{byte(seed)}, c.workers, w) {
					if s.Piece < 0 || s.Piece >= p.Training() || s.Offset < 0 || s.Offset+span > c.s.piece {
						t.Fatalf("%s: span %+v is out of bounds", c.name, s)
					}
					offsets[s.Piece] = append(offsets[s.Piece], s.Offset)
				}
			}
			fewest, most := len(offsets[0]), len(offsets[0])
			for piece := range p.Training() {
				o := slices.Sorted(slices.Values(offsets[piece]))
				fewest, most = min(fewest, len(o)), max(most, len(o))
				for i := 1; i < len(o); i++ {
					if apart := o[i] - o[i-1]; c.disjoint && apart < span || c.differ && apart == 0 {
						t.Fatalf("%s: piece %d is trained on from %v", c.name, piece, o)
					}
				}
			}
			if most > fewest+1 {
				t.Fatalf("%s: one piece is dealt %d times, another %d times", c.name, most, fewest)
			}
		}
	}
}

func TestDutyDependsOnSeedAlone(t *testing.T) {
	_, p := sizes{pieces: 64, piece: 128, rows: 2, steps: 10, inner: 3}.make(t, nil)
	a := p.Duty(protocol.Digest{1}, 10, 3)
	if b := p.Duty(protocol.Digest{1}, 10, 3); !slices.Equal(a, b) {
		t.Errorf("the same duty came out as %v and %v", a, b)
	}
	if b := p.Duty(protocol.Digest{2}, 10, 3); slices.Equal(a, b) {
		t.Error("another seed gave the same duty")
	}
	for _, bad := range [][2]int{{10, 10}, {10, -1}, {0, 0}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("worker %d of %d has a duty", bad[1], bad[0])
				}
			}()
			p.Duty(protocol.Digest{}, bad[0], bad[1])
		}()
	}
}

// guarded refuses held-out pieces, or all but those.
type guarded struct {
	src  Source
	plan Plan
	part Part
}

func (g guarded) Piece(ctx context.Context, i int) ([]byte, error) {
	if (i >= g.plan.Training()) != (g.part == HeldOut) {
		return nil, fmt.Errorf("piece %d is of the other part", i)
	}
	return g.src.Piece(ctx, i)
}

func TestHeldOutIsNeverTouched(t *testing.T) {
	ctx := context.Background()
	for _, s := range []sizes{
		{2, 64, 1, 63, 1}, {3, 64, 4, 7, 9}, {17, 200, 3, 10, 5}, {64, 64, 2, 2, 2}, {9, 300, 40, 16, 2},
	} {
		m, p := s.make(t, nil)
		train, held := guarded{m, p, Training}, guarded{m, p, HeldOut}
		for n := range 30 {
			seed := protocol.Digest{byte(n), byte(s.pieces)}
			duty := p.Duty(seed, 7, n%7)
			for _, err := range p.Batches(ctx, train, duty) {
				if err != nil {
					t.Fatal(err)
				}
			}
			if _, err := p.Examine(ctx, train, duty, seed, 5); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Sample(ctx, train, seed, 20, Training); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Sample(ctx, held, seed, 20, HeldOut); err != nil {
				t.Fatal(err)
			}
		}
	}
}
