package kernel

import "testing"

// BenchmarkPeak is what the products of BenchmarkMul are compared with.
func BenchmarkPeak(b *testing.B) {
	for _, s := range available() {
		b.Run(s.name, func(b *testing.B) {
			s.fma(b.N)
			b.ReportMetric(float64(b.N)*float64(s.fmaWork)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

func TestPeakCounts(t *testing.T) {
	if Peak(0) != 0 || Peak(3) != 3*active.fmaWork {
		t.Fatalf("no rounds are %d operations, three are %d", Peak(0), Peak(3))
	}
}
