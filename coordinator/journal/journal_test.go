package journal

// This file tests the journal on a real disk: reopened, torn, shared, killed.

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"lode/coordinator/journal/journaltest"
	"lode/protocol"
)

func entry(i uint64) []byte { return fmt.Appendf(nil, "entry %d", i) }

// opened is a record with its file.
type opened struct {
	*Journal
	file *File
}

// Close closes the file; a second time does no harm.
func (o opened) Close() error { return o.file.Close() }

func open(t testing.TB, path string, run byte) opened {
	t.Helper()
	o, err := tryOpen(path, run)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func tryOpen(path string, run byte) (o opened, err error) {
	if o.file, err = Open(path); err != nil {
		return o, err
	}
	if o.Journal, err = o.file.Record(protocol.RunID{run}); err != nil {
		return o, errors.Join(err, o.Close())
	}
	return o, nil
}

// place is a file that a journal is opened in again and again.
type place struct {
	path string
	now  opened
}

func (p *place) Open(t *testing.T) journaltest.Journal {
	t.Helper()
	p.close(t)
	p.now = open(t, p.path, 1)
	return p.now
}

func (p *place) close(t *testing.T) {
	t.Helper()
	if p.now.file != nil {
		if err := p.now.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Crash leaves the file as a process does that dies while bbolt commits: it writes
// the new pages in their order, syncs, and writes one of the two meta pages.
func (p *place) Crash(t *testing.T, batch [][]byte, k int) bool {
	t.Helper()
	p.close(t)
	p.now = open(t, p.path, 1)
	before := p.read(t)
	if err := p.now.Append(batch); err != nil {
		t.Fatal(err)
	}
	after := p.read(t)
	p.close(t)
	size := os.Getpagesize()
	var pages []int // that differ; the first two are the meta pages
	for at := 0; at < len(after); at += size {
		if at >= len(before) || !bytes.Equal(before[at:at+size], after[at:at+size]) {
			pages = append(pages, at)
		}
	}
	meta, pages := pages[0], pages[1:]
	if meta > size || len(pages) < 2 || pages[0] <= size {
		t.Fatalf("meta page at %d, others at %d", meta, pages)
	}
	left := append(bytes.Clone(before), make([]byte, len(after)-len(before))...) // the file grows first
	for _, at := range pages[:min(k, len(pages))] {
		copy(left[at:at+size], after[at:])
	}
	switch k - len(pages) {
	case 1: // half of it
		copy(left[meta:meta+pageHeader+metaLen/2], after[meta:])
	case 2: // all of it
		copy(left[meta:meta+size], after[meta:])
	case 3:
		return false
	}
	if err := os.WriteFile(p.path, left, 0o600); err != nil {
		t.Fatal(err)
	}
	return true
}

func (p *place) read(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConforms(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Place {
		return &place{path: filepath.Join(t.TempDir(), "record.db")}
	})
}

func appendTo(t testing.TB, j *Journal, num int) {
	t.Helper()
	var batch [][]byte
	for i := range num {
		batch = append(batch, entry(j.Len()+uint64(i)))
	}
	if err := j.Append(batch); err != nil {
		t.Fatal(err)
	}
}

func wantEntries(t testing.TB, j *Journal, num uint64) {
	t.Helper()
	got, err := j.Read(0, 1<<20)
	if err != nil || j.Len() != num || uint64(len(got)) != num {
		t.Fatalf("%d entries, length %d, want %d: %v", len(got), j.Len(), num, err)
	}
	for i, e := range got {
		if !bytes.Equal(e, entry(uint64(i))) {
			t.Fatalf("entry %d is %q", i, e)
		}
	}
}

// One file holds several runs at a time; none sees another's entries, and whoever
// asks for a run again gets the same record.
func TestSeveralRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	file, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	record := func(run byte) *Journal {
		j, err := file.Record(protocol.RunID{run})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	var g errgroup.Group
	runs := []byte{0, 1, 3, 4}
	for _, run := range runs {
		j := record(run)
		if record(run) != j {
			t.Error("a second record of the same run")
		}
		g.Go(func() error {
			for i := uint64(0); i < 40; {
				var batch [][]byte
				for range 1 + run { // each at its own pace
					batch = append(batch, entry(i))
					i++
				}
				if err := j.Append(batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, record(9), 0)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		j := open(t, path, run)
		wantEntries(t, j.Journal, 40)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A record with a hole, or with keys that are no indices, is refused in words.
func TestDamagedKeys(t *testing.T) {
	for name, change := range map[string]func(b *bbolt.Bucket) error{
		"hole":       func(b *bbolt.Bucket) error { return b.Delete(key(2)) },
		"first gone": func(b *bbolt.Bucket) error { return b.Delete(key(0)) },
		"short key":  func(b *bbolt.Bucket) error { return b.Put([]byte{0xff}, nil) },
		"long key":   func(b *bbolt.Bucket) error { return b.Put(append(key(9), 0), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "record.db")
			j := open(t, path, 1)
			appendTo(t, j.Journal, 5)
			if err := j.db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket(j.bucket)) }); err != nil {
				t.Fatal(err)
			}
			if _, err := j.Read(0, 100); err == nil {
				t.Error("read as if nothing were wrong")
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if j, err := tryOpen(path, 1); err == nil {
				if _, err := j.Read(0, 100); err == nil {
					t.Error("read as if nothing were wrong")
				}
				_ = j.Close()
			}
		})
	}
}

// A second process is told that there is a first.
func TestSecondProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the lock; left out with -short")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	j := open(t, path, 1)
	appendTo(t, j.Journal, 1)
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	appendTo(t, j.Journal, 1)
	wantEntries(t, j.Journal, 2)
}

// A file that was copied only in part is refused, whatever the part; it must not
// take the program down.
func TestCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	j := open(t, path, 1)
	for range 40 {
		appendTo(t, j.Journal, 100)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := usedBytes(t, path)
	if used < 1<<16 {
		t.Fatalf("only %d bytes to cut", used)
	}
	refused := 0
	for n := int64(1); n < used; n += 1 + used/50 {
		part := filepath.Join(t.TempDir(), "part.db")
		if err := os.WriteFile(part, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(part)
		if err == nil {
			_ = j.Close()
			t.Errorf("the first %d of %d bytes were taken for a record", n, used)
			continue
		}
		refused++
	}
	if refused < 40 {
		t.Errorf("%d parts were tried", refused)
	}
	for _, junk := range [][]byte{[]byte("not a record"), bytes.Repeat([]byte{0xab}, 1<<16)} {
		if err := os.WriteFile(path, junk, 0o600); err != nil {
			t.Fatal(err)
		}
		if j, err := Open(path); err == nil {
			_ = j.Close()
			t.Errorf("%d bytes of junk were taken for a record", len(junk))
		}
	}
}

func usedBytes(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page, used, ok := readMeta(f, 0)
	if !ok {
		t.Fatal("no meta page")
	}
	_, second, _ := readMeta(f, page)
	return max(used, second)
}

const childEnv = "JOURNAL_TEST_FILE"

// A process killed while it appends leaves everything it said was durable, and of
// the batch in progress all or nothing.
func TestKilledWhileAppending(t *testing.T) {
	const batch = 16
	if path := os.Getenv(childEnv); path != "" {
		j := open(t, path, 1)
		for {
			appendTo(t, j.Journal, batch)
			fmt.Println("durable", j.Len())
		}
	}
	if testing.Short() {
		t.Skip("starts processes; left out with -short")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	said := uint64(0)
	for life := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhileAppending$")
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := 0
		for sc := bufio.NewScanner(out); sc.Scan(); {
			if _, err := fmt.Sscanf(sc.Text(), "durable %d", &said); err != nil {
				t.Fatalf("the child says %q", sc.Text())
			}
			if lines++; lines == 3+life {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait() // it was killed
		j := open(t, path, 1)
		if j.Len() < said || j.Len()%batch != 0 {
			t.Fatalf("%d entries, %d were durable, batches of %d", j.Len(), said, batch)
		}
		wantEntries(t, j.Journal, j.Len())
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if said < 6*3*batch {
		t.Errorf("only %d entries were written", said)
	}
}

// The meta page's layout is bbolt's: a torn copy does not count.
func TestTornMeta(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	j := open(t, path, 1)
	appendTo(t, j.Journal, 10)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page, _, ok := readMeta(bytes.NewReader(b), 0)
	if !ok || page != int64(os.Getpagesize()) {
		t.Fatalf("page of %d bytes, %v", page, ok)
	}
	// The younger copy claims more pages than there are, and is torn.
	at := page + pageHeader + 40
	binary.NativeEndian.PutUint64(b[at:], 1<<40)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := Open(path)
	if err != nil {
		t.Fatalf("a torn copy of the meta page counts: %v", err)
	}
	_ = k.Close()
}
