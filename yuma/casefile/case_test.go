package casefile_test

// This file holds what the form says beyond the golden cases: defaults, what an
// epoch inherits, refusals, and that no file does harm.

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"

	"lode/yuma/casefile"
)

func run(t *testing.T, text string) (casefile.Results, error) {
	t.Helper()
	cases, err := casefile.Split([]byte(text))
	if err != nil {
		return casefile.Results{}, err
	}
	if len(cases) != 1 {
		t.Fatalf("%d cases", len(cases))
	}
	return cases[0].Run()
}

func must(t *testing.T, text string) casefile.Results {
	t.Helper()
	r, err := run(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A dense matrix and its sparse rows say the same, and so does an epoch under input.
func TestFormsAgree(t *testing.T) {
	sparse := must(t, `{"block": 9, "stake": [3, 1, 0], "weights_sparse": {"0": [[2, 5]], "1": [[0, 1], [2, 1]]}}`)
	for _, text := range []string{
		`{"block": 9, "stake": [3, 1, 0], "weights": [[0, 0, 5], [1, 0, 1]]}`,
		`{"kind": "sequence", "epochs": [{"input": {"n": 3, "block": 9, "stake": [3, 1], "weights": [[0, 0, 5], [1, 0, 1]], "permits": [true, true, true]}}]}`,
	} {
		if got := must(t, text); !reflect.DeepEqual(got, sparse) {
			t.Errorf("%s:\n got %+v\nwant %+v", text, got, sparse)
		}
	}
}

// What comes out of an epoch goes into the next, as if it had been written there.
func TestSequenceInherits(t *testing.T) {
	short := must(t, `{"params": {"tempo": 4}, "epochs": [
		{"block": 9, "stake": [3, 1, 0], "weights": [[0, 0, 5], [1, 0, 1]]}, {}]}`)
	if short.Epochs[0].Bonds[0][2] == 0 {
		t.Fatal("the first epoch leaves no bonds")
	}
	bonds, err := json.Marshal(short.Epochs[0].Bonds)
	if err != nil {
		t.Fatal(err)
	}
	long := must(t, `{"params": {"tempo": 4}, "block": 13, "last_step_block": 9, "stake": [3, 1, 0], "permits": [true, true, false],
		"weights": [[0, 0, 5], [1, 0, 1]], "prior_bonds": `+string(bonds)+`}`)
	if !reflect.DeepEqual(short.Epochs[1], long.Epochs[0]) {
		t.Errorf("got %+v\nwant %+v", short.Epochs[1], long.Epochs[0])
	}
}

func TestOptionsAreRead(t *testing.T) {
	const text = `, "block": 9, "last_step_block": 5, "stake": [3, 0, 0], "weights": [[0, 0, 5]], "prior_bonds": [[0, 60000, 0]]}`
	if o := must(t, `{"params": {"liquid_alpha": true}`+text).Epochs[0]; o.Bonds[0][1] != 0 {
		t.Errorf("a liquid bond without weight stays: %v", o.Bonds)
	}
	if o := must(t, `{"params": {"liquid_alpha": true, "liquid_decays_absent": true}`+text).Epochs[0]; o.Bonds[0][1] == 0 {
		t.Errorf("a liquid bond without weight vanishes: %v", o.Bonds)
	}
	if o := must(t, `{"params": {"current_permits": true}, "permits": []`+text).Epochs[0]; o.Combined[2] == 0 {
		t.Errorf("present stake does not vote: %v", o.Combined)
	}
}

func TestRefusals(t *testing.T) {
	for _, text := range []string{
		``, `7`, `[7]`, `{"n": `, `{"kind": "story"}`,
		`{"n": -1}`, `{"n": 4097}`, `{"epochs": []}`, `{"kind": "sim", "epochs": []}`,
		`{"params": {"version": "yuma9"}}`, `{"params": {"bonds_moving_average": 1000001}}`,
		`{"stake": [1], "weights": [[0], [0]]}`, `{"stake": [1], "weights": [[0, 1]]}`,
		`{"stake": [1], "weights_sparse": {"1": []}}`, `{"stake": [1], "weights_sparse": {"00": []}}`,
		`{"stake": [1, 1], "weights_sparse": {"0": [[1, 1], [0, 1]]}}`, `{"stake": [1, 1], "weights_sparse": {"0": [[1, 65536]]}}`,
		`{"stake": [1], "prior_bonds": [[0, 1]]}`, `{"stake": [-1]}`, `{"stake": [1.5]}`,
		`{"kind": "sim", "params": {"version": "yuma4"}, "epochs": [{}]}`,
		`{"kind": "sim", "params": {"version": "yuma3"}, "epochs": [{}]}`,
		`{"kind": "sim", "params": {"version": "yuma3", "kappa": 2}, "epochs": [{"stake": [1], "weights": [[1]]}]}`,
	} {
		if r, err := run(t, text); err == nil {
			t.Errorf("%s: accepted: %+v", text, r)
		}
	}
	if _, err := run(t, `{"kind": "story"}`); !errors.Is(err, casefile.ErrKind) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// However many epochs a small file claims, memory is bounded.
func TestManyEpochsAreRefused(t *testing.T) {
	text := []byte(`{"epochs": [{"n": 4096}`)
	for range 8 {
		text = append(text, `, {}`...)
	}
	if _, err := run(t, string(text)+`]}`); err == nil {
		t.Error("150 million bonds are computed")
	}
}

// FuzzRun wants no panic and amounts that do not exceed the emission.
func FuzzRun(f *testing.F) {
	f.Add([]byte(`{"params": {"version": "yuma2", "rao_emission": 77}, "block": 9, "stake": [3, 1, 0], "weights": [[0, 0, 5], [1, 0, 1]], "epochs": null}`))
	f.Add([]byte(`[{"kind": "sequence", "params": {"liquid_alpha": true, "owner_uid": 1}, "epochs": [{"stake": [3, 1], "weights_sparse": {"0": [[1, 2]]}, "commit_block": [null, 4]}, {"input": {"n": 2}}]}]`))
	f.Add([]byte(`{"kind": "sim", "params": {"version": "yuma2c"}, "epochs": [{"stake": [1, 2], "weights": [[1, 0], [0.5, 0.5]]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<12 {
			return
		}
		cases, err := casefile.Split(data)
		if err != nil {
			return
		}
		for _, c := range cases {
			r, err := c.Run()
			if err != nil {
				continue
			}
			for _, o := range r.Epochs {
				if slices.Max(append(o.Dividends, 0)) > 1 || slices.Max(append(o.Incentive, 0)) > 1 {
					t.Fatalf("%s: a share above one: %+v", c.Raw, o)
				}
			}
			if _, err := json.Marshal(r); err != nil {
				t.Fatalf("%s: %v", c.Raw, err)
			}
		}
	})
}
