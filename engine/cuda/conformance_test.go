package cuda

import (
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/enginetest"
	"lode/engine/model"
)

// open returns a function that opens engines on the stand-in, which fails the test if one
// of them misuses it or writes beside its buffers.
func open(t *testing.T, opt Options, config string) enginetest.Open {
	card := cudatest.Use(t, cudatest.Kernels(), config)
	return func(m model.Model, frozen, noDecay []bool) (engine.Engine, error) {
		o := opt
		o.Loads = []model.Load{{Rows: 3, Steps: 80}, {Rows: 240, Steps: 1}} // to poison more takes time
		o.Libraries, o.Frozen, o.NoDecay, o.gap, o.workspace = card.Libraries, frozen, noDecay, alignment, 1<<12
		e, err := New(m, o)
		if err != nil {
			return nil, err
		}
		return watched{e, t}, nil
	}
}

// watched looks at its end whether anything was written between buffers.
type watched struct {
	*Engine
	t *testing.T
}

func (w watched) Close() error {
	if w.Engine.closed || w.Engine.lost != nil || cudatest.Real() { // a card's memory is not poisoned
		return w.Engine.Close()
	}
	if err := w.Engine.do(w.gaps); err != nil {
		w.t.Error(err)
	}
	return w.Engine.Close()
}

// openTeam is open for two cards.
func openTeam(t *testing.T, opt Options, config string) enginetest.Open {
	card := cudatest.Use(t, cudatest.Kernels(), "devices=2 "+config)
	return func(m model.Model, frozen, noDecay []bool) (engine.Engine, error) {
		o := opt
		o.Loads = []model.Load{{Rows: 3, Steps: 80}, {Rows: 120, Steps: 1}}
		o.Libraries, o.Frozen, o.NoDecay, o.gap, o.workspace = card.Libraries, frozen, noDecay, alignment, 1<<12
		team, err := NewTeam(m, o, []int{0, 1})
		if err != nil {
			return nil, err
		}
		return watchedTeam{team, t}, nil
	}
}

// watchedTeam is watched on all cards, which must be of one mind at the end.
type watchedTeam struct {
	*Team
	t *testing.T
}

func (w watchedTeam) Close() error {
	if e := w.cards[0]; !e.closed && e.lost == nil {
		if !e.edited {
			sameOnAll(w.t, w.Team)
		}
		for _, e := range w.cards {
			if err := e.do(watched{e, w.t}.gaps); err != nil {
				w.t.Error(err)
			}
		}
	}
	return w.Team.Close()
}

// gaps reads the end of every buffer of the program.
func (w watched) gaps() error {
	p := w.program
	end := int64(0)
	for _, b := range p.memory.given {
		end = b.off + (b.bytes+alignment-1)/alignment*alignment
		from := b.off + b.bytes
		vals := make([]float32, (end+alignment-from)/4)
		if err := w.download(vals, p.memory.base.Plus(from)); err != nil {
			return err
		}
		for i, v := range vals {
			if v == v {
				w.t.Errorf("%T: value %d after a buffer of %d bytes at %d was written: %v", w.arch, i, b.bytes, b.off, v)
				return nil
			}
		}
	}
	return nil
}

func TestConformance(t *testing.T) {
	enginetest.Run(t, open(t, Options{}, "order=1"))
}

// TestStages works with parts of a batch, and in another order.
func TestStages(t *testing.T) {
	enginetest.RunStages(t, open(t, Options{MicroRows: 40, Muon: true, Vectors: 3}, "order=3"))
}

// TestParts works on few rows at a time, with text and with tables.
func TestParts(t *testing.T) {
	enginetest.RunOf(t, open(t, Options{MicroRows: 3}, "order=2"), func(m model.Model) bool {
		text, _ := m.(model.Llama)
		table, _ := m.(model.MLP)
		return text.Tied || table.Outputs == 1
	})
}

// TestAgain computes values again.
func TestAgain(t *testing.T) {
	enginetest.RunOf(t, open(t, Options{again: true, headRows: 5}, "order=2"), func(m model.Model) bool {
		text, _ := m.(model.Llama)
		return text.Layers > 1 && !text.Tied
	})
}

// TestTeam holds two cards to what one is held to.
func TestTeam(t *testing.T) {
	enginetest.RunOf(t, openTeam(t, Options{}, "nccl=0 order=1"), func(m model.Model) bool {
		text, _ := m.(model.Llama)
		return text.KVHeads == 1 && text.Tied
	})
	enginetest.RunOf(t, openTeam(t, Options{MicroRows: 2}, "order=2"), func(m model.Model) bool {
		table, _ := m.(model.MLP)
		return table.Outputs == 1
	})
}
