package tensor_test

import (
	"slices"
	"testing"

	"lode/tensor"
)

// All chunks are shared, each once, in order, however many shares there are.
func TestShare(t *testing.T) {
	l, err := tensor.NewLayout(
		tensor.Spec{Name: "a", Shape: []int{5*tensor.ChunkLen + 1}},
		tensor.Spec{Name: "b", Shape: []int{3}},
		tensor.Spec{Name: "c", Shape: []int{70 * tensor.ChunkLen}},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Collect(l.Chunks())
	if n := l.Shares(); n != 1 {
		t.Errorf("%d chunks are worth %d cores", len(want), n)
	}
	for _, num := range []int{1, 2, 3, 7, len(want), len(want) + 5} {
		got := make([][]tensor.Chunk, num)
		l.Share(num, func(i, first, end int) { got[i] = slices.Collect(l.Numbered(first, end)) })
		if all := slices.Concat(got...); !slices.Equal(all, want) {
			t.Errorf("%d shares have %d chunks, there are %d", num, len(all), len(want))
		}
	}
	for c := range l.Numbered(3, 9) {
		if c != want[3] {
			t.Errorf("%+v is yielded, want %+v", c, want[3])
		}
		break // no other is looked at
	}
}
