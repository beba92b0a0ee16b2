package journal

// This file tests the journal on a real disk: reopened, torn, shared, killed.

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"lode/protocol"
)

func entry(i uint64) []byte { return fmt.Appendf(nil, "entry %d", i) }

func open(t testing.TB, path string, run byte) *Journal {
	t.Helper()
	j, err := Open(path, protocol.RunID{run})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
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

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	j := open(t, path, 1)
	wantEntries(t, j, 0)
	for _, n := range []int{1, 300, 0, 7} {
		appendTo(t, j, n)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, path, 1)
	}
	wantEntries(t, j, 308)
	if got, err := j.Read(300, 3); err != nil || len(got) != 3 || !bytes.Equal(got[0], entry(300)) {
		t.Errorf("part: %q, %v", got, err)
	}
	for _, from := range []uint64{308, 1 << 63, ^uint64(0)} {
		if got, err := j.Read(from, 10); err != nil || len(got) != 0 {
			t.Errorf("past the end: %d entries, %v", len(got), err)
		}
	}
}

// One file holds several runs; none sees another's entries.
func TestSeveralRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	for run, n := range map[byte]int{1: 3, 2: 5, 3: 1} {
		j := open(t, path, run)
		appendTo(t, j, n)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for run, n := range map[byte]uint64{1: 3, 2: 5, 3: 1, 4: 0} {
		j := open(t, path, run)
		wantEntries(t, j, n)
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
			appendTo(t, j, 5)
			if err := j.db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket(j.bucket)) }); err != nil {
				t.Fatal(err)
			}
			if _, err := j.Read(0, 100); err == nil {
				t.Error("read as if nothing were wrong")
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if j, err := Open(path, protocol.RunID{1}); err == nil {
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
	appendTo(t, j, 1)
	if _, err := Open(path, protocol.RunID{1}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	appendTo(t, j, 1)
	wantEntries(t, j, 2)
}

// A file that was copied only in part is refused, whatever the part; it must not
// take the program down.
func TestCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	j := open(t, path, 1)
	for range 40 {
		appendTo(t, j, 100)
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
		j, err := Open(part, protocol.RunID{1})
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
		if j, err := Open(path, protocol.RunID{1}); err == nil {
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
			appendTo(t, j, batch)
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
		wantEntries(t, j, j.Len())
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
	appendTo(t, j, 10)
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
	k, err := Open(path, protocol.RunID{1})
	if err != nil {
		t.Fatalf("a torn copy of the meta page counts: %v", err)
	}
	_ = k.Close()
}
