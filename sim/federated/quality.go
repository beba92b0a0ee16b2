package federated

// This file holds how a model does.

import (
	"math"
	"slices"

	"lode/engine"
)

// Quality is how a model does on some examples.
type Quality struct {
	Loss     float64 `json:"loss"`
	Accuracy float64 `json:"accuracy"` // share that is right; 0 where targets are numbers
	Samples  int     `json:"samples"`
}

// Spread is how a model does on what each client keeps back, client by client.
type Spread struct {
	Clients   int     `json:"clients"` // that keep something back
	Mean      float64 `json:"mean"`    // accuracy
	Worst     float64 `json:"worst"`   // mean accuracy of the worst tenth of clients, rounded up
	Deviation float64 `json:"deviation"`
	Loss      float64 `json:"loss"` // mean
}

// measured bounds the examples that are measured at a time.
const measured = 250

// meter measures one model.
type meter struct {
	engine  Engine
	batches *batches
	padded  []int
}

func newMeter(s *server, e Engine) *meter {
	return &meter{engine: e, batches: newBatches(s.Set, e)}
}

// grades grades each of the examples. All batches are of one size, for which an
// engine prepares once.
func (m *meter) grades(of []int) ([]engine.Grade, error) {
	size := min(measured, len(of))
	out := make([]engine.Grade, 0, len(of)+size)
	for part := range slices.Chunk(of, size) {
		m.padded = append(m.padded[:0], part...)
		for i := len(part); i < size; i++ {
			m.padded = append(m.padded, part[0])
		}
		b, err := m.batches.of(m.padded)
		if err != nil {
			return nil, err
		}
		grades, err := m.engine.Grade(b)
		if err != nil {
			return nil, err
		}
		out = append(out, grades[:len(part)]...)
	}
	return out, nil
}

func (m *meter) quality(of []int) (Quality, error) {
	grades, err := m.grades(of)
	return qualityOf(grades), err
}

func qualityOf(grades []engine.Grade) Quality {
	q := Quality{Samples: len(grades)}
	for _, g := range grades {
		q.Loss += g.Loss / float64(len(grades))
		if g.Right {
			q.Accuracy++
		}
	}
	q.Accuracy /= float64(max(len(grades), 1))
	return q
}

// spread measures clients; nil if none keeps anything back.
func (m *meter) spread(kept [][]int) (*Spread, error) {
	all := slices.Concat(kept...)
	if len(all) == 0 {
		return nil, nil
	}
	grades, err := m.grades(all)
	if err != nil {
		return nil, err
	}
	var each []Quality
	for _, own := range kept {
		if len(own) > 0 {
			each = append(each, qualityOf(grades[:len(own)]))
			grades = grades[len(own):]
		}
	}
	return spreadOf(each), nil
}

func spreadOf(each []Quality) *Spread {
	num := float64(len(each))
	s := &Spread{Clients: len(each)}
	accuracies := make([]float64, len(each))
	for i, q := range each {
		accuracies[i] = q.Accuracy
		s.Mean += q.Accuracy / num
		s.Loss += q.Loss / num
	}
	slices.Sort(accuracies)
	worst := (len(each) + 9) / 10
	for i, a := range accuracies {
		s.Deviation += (a - s.Mean) * (a - s.Mean) / num
		if i < worst {
			s.Worst += a / float64(worst)
		}
	}
	s.Deviation = math.Sqrt(s.Deviation)
	return s
}
