package aggregation

// This file times merges against numpy on the same data.

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lode/gradient"
	"lode/tensor"
)

// numpyScript prints the best of five times, in seconds, of median and trimmed mean
// over the float32 rows of a file.
const numpyScript = `
import json, sys, time
import numpy as np
rows = np.fromfile(sys.argv[1], np.float32).reshape(16, -1)
def best(work):
    took = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)
print(json.dumps({
    "median": best(lambda: np.median(rows, axis=0)),
    "trimmed-mean": best(lambda: np.sort(rows, axis=0)[3:-3].mean(axis=0)),
    "mean": best(lambda: rows.mean(axis=0)),
}))
`

// BenchmarkAgainstNumpy merges 16 dense updates of 4 million values and has the Python
// that LODE_PYTHON names do the same with what they decode to, on one core.
func BenchmarkAgainstNumpy(b *testing.B) {
	python := os.Getenv("LODE_PYTHON")
	if python == "" {
		b.Skip("LODE_PYTHON names no Python with numpy")
	}
	l := layoutOf(b, tensor.Spec{Name: "w", Shape: []int{benchLen / tensor.ChunkLen, tensor.ChunkLen}})
	cs := benchUpdates(b, l, benchDense, 16)
	out, err := exec.Command(python, "-c", numpyScript, decoded(b, l, cs)).Output()
	if err != nil {
		b.Fatal(err)
	}
	theirs := map[string]float64{}
	if err := json.Unmarshal(out, &theirs); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{Median, TrimmedMean, Mean} {
		b.Run(name, func(b *testing.B) {
			cfg := DefaultConfig(benchDense)
			if cfg.Rule = name; name == TrimmedMean {
				cfg.Liars = 3
			}
			best := time.Hour
			for b.Loop() {
				began := time.Now()
				mustMerge(b, l, cfg, cs, nil)
				best = min(best, time.Since(began))
			}
			b.ReportMetric(1000*theirs[name], "numpy-ms")
			b.ReportMetric(1000*best.Seconds(), "best-ms")
			b.ReportMetric(theirs[name]/best.Seconds(), "times-as-fast")
		})
	}
}

// decoded writes what updates decode to to a file, row after row, and returns its name.
func decoded(b *testing.B, l tensor.Layout, cs []Contribution) string {
	name := filepath.Join(b.TempDir(), "rows")
	var bytes []byte
	vals := make(tensor.Flat, l.Len())
	for _, c := range cs {
		if err := tensor.Copy(l, vals, c.Update.(*gradient.Update)); err != nil {
			b.Fatal(err)
		}
		var err error
		if bytes, err = binary.Append(bytes, binary.LittleEndian, []float32(vals)); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(name, bytes, 0o600); err != nil {
		b.Fatal(err)
	}
	return name
}
