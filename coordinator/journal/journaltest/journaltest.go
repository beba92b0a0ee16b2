package journaltest

// This file holds the conformance test.

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"
)

// Journal is what a coordinator needs of a journal.
type Journal interface {
	Len() uint64
	Append(entries [][]byte) error
	Read(from uint64, most int) ([][]byte, error)
}

// Place is where one journal lies.
type Place interface {
	// Open opens the journal as a new process does. What was opened before is not
	// used any more.
	Open(t *testing.T) Journal
}

// Crasher is a Place where a process can be made to die.
type Crasher interface {
	Place
	// Crash appends a batch in a process that dies at its k-th write to the place,
	// counted from 0. It reports false if the batch takes fewer writes, and is then
	// appended in full.
	Crash(t *testing.T, batch [][]byte, k int) bool
}

// Run tests journals, each at an empty place of its own.
func Run(t *testing.T, empty func(t *testing.T) Place) {
	t.Run("append only", func(t *testing.T) { appendOnly(t, empty(t)) })
	t.Run("ranges", func(t *testing.T) { ranges(t, empty(t)) })
	t.Run("slices", func(t *testing.T) { slicesAreNotShared(t, empty(t)) })
	t.Run("readers", func(t *testing.T) { readers(t, empty(t)) })
	t.Run("crash", func(t *testing.T) {
		if _, ok := empty(t).(Crasher); !ok {
			t.Skip("no process can be made to die at this place")
		}
		crash(t, func() Crasher { return empty(t).(Crasher) })
	})
}

// entry is what stands at an index; some entries are empty, and some are long.
func entry(i uint64) []byte {
	switch i % 11 {
	case 5:
		return []byte{}
	case 7:
		return bytes.Repeat(fmt.Appendf(nil, "%d ", i), 3000)
	}
	return fmt.Appendf(nil, "entry %d", i)
}

// batch returns the entries from an index on.
func batch(from uint64, num int) (entries [][]byte) {
	for i := range uint64(num) {
		entries = append(entries, entry(from+i))
	}
	return entries
}

func add(t *testing.T, j Journal, num int) {
	t.Helper()
	if err := j.Append(batch(j.Len(), num)); err != nil {
		t.Fatal(err)
	}
}

// check says what is wrong with entries read from an index on.
func check(got [][]byte, from uint64) error {
	for i, e := range got {
		if !bytes.Equal(e, entry(from+uint64(i))) {
			return fmt.Errorf("entry %d is %.20q", from+uint64(i), e)
		}
	}
	return nil
}

// holds demands so many entries and no more.
func holds(t *testing.T, j Journal, num uint64) {
	t.Helper()
	got, err := j.Read(0, 1<<30)
	if err == nil {
		err = check(got, 0)
	}
	if err != nil || uint64(len(got)) != num || j.Len() != num {
		t.Fatalf("%d entries read, length %d, want %d: %v", len(got), j.Len(), num, err)
	}
}

// appendOnly: every batch stands behind what was there, and is there again when
// the journal is opened anew.
func appendOnly(t *testing.T, p Place) {
	j, num := p.Open(t), uint64(0)
	holds(t, j, 0)
	for _, n := range []int{1, 0, 300, 7, 2} {
		add(t, j, n)
		num += uint64(n)
		holds(t, j, num)
		j = p.Open(t)
		holds(t, j, num)
	}
	add(t, j, 3)
	add(t, j, 4) // without being opened in between
	holds(t, p.Open(t), num+7)
}

// ranges: a read begins where it should and ends by its bound or by the end.
func ranges(t *testing.T, p Place) {
	j := p.Open(t)
	const num = 40
	add(t, j, num)
	for _, from := range []uint64{0, 1, 17, num - 1, num, num + 1, 1 << 32, 1 << 63, ^uint64(0)} {
		for _, most := range []int{0, 1, 2, num - 1, num, num + 1, 1 << 40} {
			want := 0
			if from < num {
				want = min(most, num-int(from))
			}
			got, err := j.Read(from, most)
			if err == nil {
				err = check(got, from)
			}
			if err != nil || len(got) != want {
				t.Errorf("at most %d from %d on: %d entries, want %d: %v", most, from, len(got), want, err)
			}
		}
	}
}

// slicesAreNotShared: what was handed in and what came out is the caller's.
func slicesAreNotShared(t *testing.T, p Place) {
	j := p.Open(t)
	in := batch(0, 5)
	if err := j.Append(in); err != nil {
		t.Fatal(err)
	}
	clear(in[1])
	in[2] = nil
	out, err := j.Read(0, 5)
	if err != nil || len(out) != 5 {
		t.Fatalf("%d entries, %v", len(out), err)
	}
	clear(out[3])
	out[4] = nil
	holds(t, j, 5)
}

// readers: whoever reads while a batch is appended sees all of it or nothing, and
// never less than before.
func readers(t *testing.T, p Place) {
	j := p.Open(t)
	const batches, size = 60, 3
	done := make(chan struct{})
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			for length, seen, last := uint64(0), uint64(0), false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				before := length
				length = j.Len()
				got, err := j.Read(0, 1<<30)
				if err == nil {
					err = check(got, 0)
				}
				num := uint64(len(got))
				if err != nil || num%size != 0 || num < length || num < seen || length < before || last && num != batches*size {
					return fmt.Errorf("%d entries after %d, length %d after %d: %v", num, seen, length, before, err)
				}
				seen = num
			}
			return nil
		})
	}
	for range batches {
		add(t, j, size)
	}
	close(done)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// crash kills the process that appends a batch at each of its writes. Afterwards
// all of the batch is there or nothing, and the next one goes behind it.
func crash(t *testing.T, empty func() Crasher) {
	const before, size = 20, 30
	lost, kept := 0, 0
	for k := 0; ; k++ {
		p := empty()
		add(t, p.Open(t), before)
		died := p.Crash(t, batch(before, size), k)
		j := p.Open(t)
		switch j.Len() {
		case before:
			lost++
		case before + size:
			kept++
		default:
			t.Fatalf("write %d: %d entries of %d and %d", k, j.Len(), before, size)
		}
		if !died && j.Len() != before+size {
			t.Fatalf("a batch of %d writes was appended and is gone", k)
		}
		num := j.Len()
		holds(t, j, num)
		add(t, j, 2)
		holds(t, p.Open(t), num+2)
		if !died {
			break
		}
		if k > 1000 {
			t.Fatal("a batch takes no end of writes")
		}
	}
	if lost == 0 || kept == 0 {
		t.Errorf("%d batches lost, %d kept: the crashes do too little", lost, kept)
	}
	t.Logf("killed at %d writes", lost+kept-1)
}
