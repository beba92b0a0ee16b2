package casefile_test

import (
	"slices"
	"testing"

	"lode/yuma/casefile"
)

func TestUnknown(t *testing.T) {
	for text, want := range map[string][]string{
		`{"stake": [1], "weights": [[0]], "note": "x"}`: nil,
		`{"stakes": [1]}`: {"stakes"},
		`{"params": {"kapa": 3, "kappa_float": 1}, "epochs": [{"stake": [1], "wts": 1}]}`: {"epochs.wts", "params.kapa"},
		`{"kind": "sim", "anything": 1}`: nil,
	} {
		cases, err := casefile.Split([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := cases[0].Unknown(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// Without a block weights count all the same.
func TestBlockMayBeLeftOut(t *testing.T) {
	r := must(t, `{"stake": [100, 50, 0], "weights": [[0, 0, 1], [0, 0, 1], [0, 0, 0]]}`)
	if got := r.Epochs[0].Incentive; got[2] != 1 {
		t.Errorf("incentive %v", got)
	}
	if _, err := run(t, `{"epochs": []}`); err == nil {
		t.Error("no epochs are run")
	}
	if _, err := run(t, `{}`); err == nil {
		t.Error("nothing is run")
	}
}
