package main

// This file tests lode yuma: what it prints of a file, and the studies.

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lode/yuma/casefile"
)

// told runs the command and returns what it printed.
func told(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(args, strings.NewReader(stdin), &stdout, &stderr); code != 0 {
		t.Fatalf("lode %s: exit %d: %s", strings.Join(args, " "), code, &stderr)
	}
	return stdout.String()
}

const twoEpochs = `{"name": "two", "params": {"rao_emission": 1000}, "epochs": [
	{"block": 10, "stake": [60, 40, 0, 0], "weights_sparse": {"0": [[2, 65535]], "1": [[2, 65535], [3, 30000]]}},
	{"weights_sparse": {"0": [[3, 65535]], "1": [[3, 65535]]}}]}`

func TestYumaRun(t *testing.T) {
	var got struct {
		Name, Kind string
		Epochs     []casefile.Outcome
	}
	if err := json.Unmarshal([]byte(told(t, twoEpochs, "yuma", "run", "--json", "-")), &got); err != nil {
		t.Fatal(err)
	}
	cases, err := casefile.Split([]byte(twoEpochs))
	if err != nil {
		t.Fatal(err)
	}
	want, err := cases[0].Run()
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "two" || got.Kind != casefile.Sequence || !reflect.DeepEqual(got.Epochs, want.Epochs) {
		t.Errorf("got %+v, want %+v", got, want)
	}

	name := filepath.Join(t.TempDir(), "cases.json")
	study := `{"kind": "sim", "params": {"version": "yuma1"}, "epochs": [{"stake": [3, 1], "weights": [[1, 0], [1, 0]]}]}`
	if err := os.WriteFile(name, []byte("["+twoEpochs+","+study+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	table := told(t, "", "yuma", "run", name)
	for _, s := range []string{
		"two epoch 2 of 2", "uid stake active trust consensus incentive dividends emission permit",
		"1 0.400000 0.400000 0.685979 0.000000 0.000000 0.313809 156 yes", // a part of its row is clipped
		"1 0.400000 0.400000 1.000000 0.000000 0.000000 0.400000 199 yes",
		"3 0.000000 0.000000 0.000000 1.000000 1.000000 0.000000 500 no",
		"epoch 1 of 1", "0 0.749999 [0.749999 0.000000]",
	} {
		if !strings.Contains(strings.Join(strings.Fields(table), " "), s) {
			t.Errorf("%q is not in\n%s", s, table)
		}
	}
}

func TestYumaSimulate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plots")
	table := told(t, "", "yuma", "simulate", "copier", "--rules", "exact2,exact3", "--plots", dir)
	for _, s := range []string{"exact2 0.200 0.113 0.100", "exact3 0.200 0.162 0.145", "with stake 0.200 0.200 0.200"} {
		if !strings.Contains(strings.Join(strings.Fields(table), " "), s) {
			t.Errorf("%q is not in\n%s", s, table)
		}
	}
	wellFormed(t, filepath.Join(dir, "copier.svg"))

	dec := json.NewDecoder(strings.NewReader(told(t, "", "yuma", "simulate", "--json", "--epochs", "5", "--plots", dir)))
	var names []string
	for {
		var p played
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		names = append(names, p.Study)
		checkPlayed(t, p)
		wellFormed(t, filepath.Join(dir, p.Study+".svg"))
	}
	if !reflect.DeepEqual(names, studyNames()) {
		t.Errorf("played %v, want %v", names, studyNames())
	}
}

// checkPlayed wants all of every epoch to be paid, and a number for everybody.
func checkPlayed(t *testing.T, p played) {
	t.Helper()
	for _, s := range p.Situations {
		for _, r := range s.Rules {
			if len(r.Dividends) != p.Epochs || len(r.Mean) != len(s.Validators) || len(s.Stake) != p.Epochs {
				t.Errorf("%s, %s, %s: %d epochs, %d means", p.Study, s.Title, r.Rule, len(r.Dividends), len(r.Mean))
			}
			for e, dividends := range r.Dividends {
				sum := 0.0
				for _, d := range dividends {
					sum += d
				}
				if nobody := sum == 0; !nobody && math.Abs(sum-1) > 1e-4 {
					t.Errorf("%s, %s, %s, epoch %d: dividends %v", p.Study, s.Title, r.Rule, e, dividends)
				}
			}
		}
	}
}

func wellFormed(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec := xml.NewDecoder(f)
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}
