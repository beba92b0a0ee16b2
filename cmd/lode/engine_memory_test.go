package main

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"lode/engine/model"
)

func TestMaxMemoryFlag(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "1": 1, "500MB": 500e6, "6GiB": 6 << 30, "1.5 GB": 15e8} {
		if n, err := (&memoryFlags{most: text}).given(); err != nil || n != want {
			t.Errorf("%q is %d bytes, %v", text, n, err)
		}
	}
	for _, text := range []string{"0", "-1", "much", "99999EB", "1TBB"} {
		if err := (&memoryFlags{most: text}).check(); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if free, err := freeMemory(); err != nil || free < 1<<20 {
		t.Errorf("%d bytes are free, %v", free, err)
	}
	if n, err := new(memoryFlags).limit(); err != nil || n < 1<<20 || n > math.MaxInt64/2 {
		t.Errorf("%d bytes may be taken, %v", n, err)
	}
}

// TestPlanOfMemory: the same model is trained as it is, thriftily, or not at all, and an
// engine that cannot be thrifty is not asked to.
func TestPlanOfMemory(t *testing.T) {
	m := model.Default()
	d := model.Demand{Loads: []model.Load{{Rows: 64, Steps: m.Context, Gradient: true}}, Beside: 1 << 20}
	plan := func(most int64, counts counting) (thrift, error) {
		return (&memoryFlags{most: strconv.FormatInt(most, 10)}).plan(m, d, model.Work{Threads: 2}, counts)
	}
	whole, err := plan(1<<40, countsAll)
	if err != nil || whole.work.Recompute || whole.work.MicroRows != 0 || !strings.HasPrefix(whole.String(), "training takes about ") {
		t.Fatalf("with all memory there is: %v, %v", whole, err)
	}
	if p, err := plan(whole.bytes*9/10, countsAll); err != nil || !p.work.Recompute || p.work.MicroRows != 0 || !strings.HasSuffix(p.String(), "with values computed again") {
		t.Errorf("a little less: %v, %v", p, err)
	}
	p, err := plan(whole.bytes/3, countsAll)
	if err != nil || !p.work.Recompute || p.work.MicroRows == 0 || !strings.Contains(p.String(), "rows at a time") {
		t.Errorf("a third: %v, %v", p, err)
	}
	if _, err := plan(2<<20, countsAll); err == nil || !strings.Contains(err.Error(), "train.rows") || !strings.Contains(err.Error(), "2.1 MB may be taken") {
		t.Errorf("next to nothing: %v", err)
	}
	if _, err := plan(whole.bytes/3, countsWhole); err == nil {
		t.Error("an engine that cannot do with less was planned with less")
	}
	if p, err := plan(whole.bytes/3, countsState); err != nil || p.work.MicroRows != 0 || p.work.Recompute || len(p.work.Loads) != 1 {
		t.Errorf("batches that lie elsewhere: %v, %v", p, err)
	}
}
