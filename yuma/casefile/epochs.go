package casefile

// This file holds the states of epochs and sequences, and their run.

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"lode/yuma"
)

const (
	maxNeurons = 4096    // of an epoch: its bonds are written out as a matrix
	maxCells   = 1 << 27 // of all bonds of a case
)

// input is the JSON form of a state. A nil field is absent.
type input struct {
	N          *int                   `json:"n"`
	Block      *uint64                `json:"block"`
	LastStep   *uint64                `json:"last_step_block"`
	Stake      []uint64               `json:"stake"`
	LastUpdate []uint64               `json:"last_update"`
	Registered []uint64               `json:"registered"`
	Permits    []bool                 `json:"permits"`
	Sparse     map[string][][2]uint16 `json:"weights_sparse"`
	Dense      [][]uint16             `json:"weights"`
	Bonds      [][]uint16             `json:"prior_bonds"`
	Commit     []*uint64              `json:"commit_block"`
}

// runEpochs runs an epoch or a sequence.
func runEpochs(raw []byte) ([]Outcome, error) {
	f := struct {
		Params params
		Epochs []struct {
			Input *input
			input
		}
		input
	}{Params: defaultParams()}
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	rules, err := f.Params.rules()
	if err != nil {
		return nil, err
	}
	inputs := []input{f.input}
	if f.Epochs != nil {
		inputs = inputs[:0]
		for _, e := range f.Epochs {
			if e.Input != nil {
				e.input = *e.Input
			}
			inputs = append(inputs, e.input)
		}
	}
	if len(inputs) == 0 || inputs[0].N == nil && inputs[0].Stake == nil {
		return nil, errors.New("no epochs, or a first one without stake: a case names stake and weights")
	}
	return runInputs(f.Params, rules, inputs)
}

func runInputs(p params, rules yuma.Params, inputs []input) ([]Outcome, error) {
	var w yuma.Workspace
	var out []Outcome
	var before *input
	var cells int
	for k, in := range inputs {
		if before != nil {
			in.inherit(*before, out[k-1], p.Tempo)
		} else if in.Block == nil {
			first := uint64(1) // in block 0 all weights would be as old as who is weighed
			in.Block = &first
		}
		state, err := in.state(p)
		if err != nil {
			return nil, fmt.Errorf("epoch %d: %w", k, err)
		}
		n := len(state.Neurons)
		if cells += n * n; cells > maxCells {
			return nil, fmt.Errorf("epoch %d: too many neurons and epochs for one case", k)
		}
		r, err := w.Epoch(rules, state)
		if err != nil {
			return nil, fmt.Errorf("epoch %d: %w", k, err)
		}
		out = append(out, newOutcome(r))
		before = &in
	}
	return out, nil
}

// inherit fills what is absent from the epoch before and what came out of it.
func (in *input) inherit(before input, out Outcome, tempo uint64) {
	if in.Block == nil {
		next := deref(before.Block) + tempo
		in.Block = &next
	}
	if in.LastStep == nil {
		in.LastStep = before.Block
	}
	if in.Stake == nil {
		in.Stake = before.Stake
		if in.N == nil {
			in.N = before.N
		}
	}
	if in.Registered == nil {
		in.Registered = before.Registered
	}
	if in.Sparse == nil && in.Dense == nil {
		in.Sparse, in.Dense = before.Sparse, before.Dense
	}
	if in.Permits == nil {
		in.Permits = out.Permits
	}
	if in.Bonds == nil {
		in.Bonds = out.Bonds
	}
}

// state builds what the epoch reads.
func (in input) state(p params) (yuma.State, error) {
	n := len(in.Stake)
	if in.N != nil {
		n = *in.N
	}
	if n < 0 || n > maxNeurons {
		return yuma.State{}, fmt.Errorf("%d neurons, at most %d are allowed in a file", n, maxNeurons)
	}
	s := yuma.State{Block: deref(in.Block), LastStep: deref(in.LastStep), Emission: p.Emission, Neurons: make([]yuma.Neuron, n)}
	for i := range s.Neurons {
		nn := &s.Neurons[i]
		nn.Stake = at(in.Stake, i)
		nn.Registered = at(in.Registered, i)
		nn.LastUpdate = at(in.LastUpdate, i)
		if in.LastUpdate == nil {
			nn.LastUpdate = s.Block
		}
		nn.Permit = in.Permits == nil || at(in.Permits, i)
		nn.Owner = p.Sparse && p.Owner != nil && int(*p.Owner) == i
		if c := at(in.Commit, i); c != nil {
			nn.HasCommit, nn.Commit = true, *c
		}
		nn.Bonds = entries(at(in.Bonds, i))
	}
	return s, in.weights(s.Neurons)
}

var errRow = errors.New("weights of a neuron that is not there")

func (in input) weights(neurons []yuma.Neuron) error {
	if in.Sparse == nil {
		if len(in.Dense) > len(neurons) {
			return errRow
		}
		for i, row := range in.Dense {
			neurons[i].Weights = entries(row)
		}
		return nil
	}
	for key, row := range in.Sparse {
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i >= len(neurons) || strconv.Itoa(i) != key {
			return fmt.Errorf("%q: %w", key, errRow)
		}
		for _, e := range row {
			neurons[i].Weights = append(neurons[i].Weights, yuma.Entry{UID: e[0], Value: e[1]})
		}
	}
	return nil
}

// entries leaves the zeros of a row out. Of a row longer than there can be neurons
// the epoch refuses what is kept beyond theirs.
func entries(row []uint16) (out []yuma.Entry) {
	for j, v := range row[:min(len(row), yuma.MaxNeurons)] {
		if v > 0 {
			out = append(out, yuma.Entry{UID: uint16(j), Value: v})
		}
	}
	return out
}

// at returns v[i], or zero where v is too short.
func at[T any](v []T, i int) (x T) {
	if i < len(v) {
		x = v[i]
	}
	return x
}

func deref(p *uint64) uint64 {
	if p == nil {
		return 0
	}
	return *p
}
