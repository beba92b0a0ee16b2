package process

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/rs/zerolog"

	"lode/engine"
)

// The test's own binary is the process: a variable names what it does.
const (
	role = "LODE_TEST_PROCESS"
	mark = "LODE_TEST_MARK" // a file that lets a child stay
)

func TestMain(m *testing.M) {
	if name := os.Getenv(role); name != "" {
		play(name)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func say(message map[string]any) {
	b, err := cbor.Marshal(message)
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...))
}

func play(name string) {
	fmt.Fprintln(os.Stderr, "playing", name)
	switch name {
	case "dies at once":
		os.Exit(3)
	case "another version":
		say(map[string]any{"hello": 99, "python": "3"})
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	case "leaves a child":
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), role+"=stays")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		ownGroup(child)
		if err := child.Start(); err != nil {
			panic(err)
		}
		os.Exit(5)
	case "stays": // a minute, or while its mark is there
		for range 600 {
			if _, err := os.Stat(os.Getenv(mark)); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		_ = os.Remove(os.Getenv(mark))
		return
	case "says nothing":
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	say(map[string]any{"hello": 1, "python": "3"})
	if name == "never reads" {
		select {}
	}
	for n := uint64(1); ; n++ {
		var head [4]byte
		if _, err := io.ReadFull(os.Stdin, head[:]); err != nil {
			return
		}
		b := make([]byte, binary.LittleEndian.Uint32(head[:]))
		_, _ = io.ReadFull(os.Stdin, b)
		answerAs(name, n, b)
	}
}

func answerAs(name string, n uint64, call []byte) {
	result := map[string]any{"id": n, "result": map[string]any{"loss": 1.5}}
	switch name {
	case "writes", "writes and dies":
		if err := os.WriteFile(filepath.Join(os.Getenv("LODE_FOLDER"), "file"), nil, 0o600); err != nil {
			panic(err)
		}
		if name != "writes" {
			os.Exit(4)
		}
	case "dies later":
		fmt.Fprintln(os.Stderr, "out of everything")
		os.Exit(4)
	case "hangs":
		say(map[string]any{"id": n, "progress": "layer 7"})
		time.Sleep(time.Hour)
	case "reports":
		for range 5 {
			say(map[string]any{"id": n, "progress": "layer"})
		}
	case "refuses":
		result = map[string]any{"id": n, "error": "not today"}
	case "huge":
		_, _ = os.Stdout.Write([]byte{255, 255, 255, 255})
		return
	case "garbage":
		_, _ = os.Stdout.Write([]byte{3, 0, 0, 0, 255, 255, 255})
		return
	case "another call":
		result["id"] = n + 1
	case "both":
		result["error"] = "and yet"
	case "neither":
		delete(result, "result")
	case "unknown field":
		result["secret"] = 1
	case "wrong type":
		result["result"] = "1.5"
	case "more in result":
		result["result"] = map[string]any{"loss": 1.5, "grin": true}
	case "echo":
		result["result"] = map[string]any{"size": len(call)}
	}
	say(result)
}

func start(t *testing.T, name string, patience time.Duration) (*Process, error) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no processes of ours on Windows")
	}
	p, err := Start(Command{Path: os.Args[0], Env: []string{role + "=" + name}, Patience: patience})
	if err == nil {
		t.Cleanup(p.Close)
	}
	return p, err
}

type loss struct {
	Loss float64 `cbor:"loss"`
}

// A process that is not what it should be is lost at its start.
func TestBadStarts(t *testing.T) {
	for name, says := range map[string]string{
		"dies at once":    "exit status 3",
		"another version": "version 99",
		"says nothing":    "no sign of progress for 300ms, since its start",
	} {
		_, err := start(t, name, 300*time.Millisecond)
		if !errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "playing "+name) {
			t.Errorf("%s: %v, want one that says %q and what it wrote", name, err, says)
		}
	}
	if _, err := Start(Command{Path: "/nowhere/python3"}); err == nil || errors.Is(err, engine.ErrLost) {
		t.Errorf("no program: %v", err)
	}
}

// What a process started and no kill finds holds nobody up, though it has its outputs.
func TestChildStays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mark")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(mark, file)
	_, err := start(t, "leaves a child", 300*time.Millisecond)
	if !errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), "exit status 5") {
		t.Error(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("it waited for the child to end")
	}
}

// A process that dies, hangs or breaks the rules is lost and stays so.
func TestBadAnswers(t *testing.T) {
	for name, says := range map[string]string{
		"dies later":     "its process ended (exit status 4); its last lines:\n\tplaying dies later\n\tout of everything",
		"hangs":          "no sign of progress for 2s, since layer 7",
		"never reads":    "did not take a call",
		"huge":           "4294967295 bytes, at most",
		"garbage":        "a frame that is none",
		"another call":   "with an answer to call 2",
		"both":           "neither a result nor an error",
		"neither":        "neither a result nor an error",
		"unknown field":  "unknown field",
		"wrong type":     "result of step",
		"more in result": "result of step",
	} {
		p, err := start(t, name, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var got loss
		err = p.Call("step", map[string]any{"batch": make([]byte, 1<<20)}, &got)
		if !errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want one that says %q", name, err, says)
		}
		if again := p.Call("step", nil, &got); !errors.Is(again, engine.ErrLost) {
			t.Errorf("%s: called again: %v", name, again)
		}
	}
}

// A process has its folder for itself, for as long as it lives, however that ends.
func TestFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no processes of ours on Windows")
	}
	t.Setenv("TMPDIR", t.TempDir())
	for _, name := range []string{"writes", "writes and dies"} {
		p, err := Start(Command{Path: os.Args[0], Env: []string{role + "=" + name}, Folder: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		info, err := os.Stat(p.folder)
		if err != nil || info.Mode() != os.ModeDir|0o700 {
			t.Errorf("the folder is %v, %v", info.Mode(), err)
		}
		var got loss
		if err := p.Call("step", nil, &got); (err == nil) != (name == "writes") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(p.folder, "file")); (err == nil) != (name == "writes") {
			t.Errorf("%s: %v", name, err)
		}
		p.Close()
		if _, err := os.Stat(p.folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the folder is still there, %v", name, err)
		}
	}
	if _, err := Start(Command{Path: "/nowhere/python3", Folder: true}); err == nil {
		t.Error("no program, and no error")
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCalls(t *testing.T) {
	p, err := start(t, "reports", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var got loss
		if err := p.Call("step", nil, &got); err != nil || got.Loss != 1.5 {
			t.Fatal(got, err)
		}
	}
	p.Close()
	if err := p.Call("step", nil, &loss{}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("called after Close: %v", err)
	}

	p, err = start(t, "refuses", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var refusal *Refusal
		if err := p.Call("step", nil, &loss{}); !errors.As(err, &refusal) || refusal.Reason != "not today" || errors.Is(err, engine.ErrLost) {
			t.Errorf("refused: %v", err)
		}
	}

	p, err = start(t, "echo", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var echo struct {
		Size int `cbor:"size"`
	}
	if err := p.Call("step", make([]byte, 5<<20), &echo); err != nil || echo.Size < 5<<20 {
		t.Errorf("a large call: %d, %v", echo.Size, err)
	}
}

// What a process writes is logged line by line, and its last lines are kept.
func TestWords(t *testing.T) {
	var w words
	var log bytes.Buffer
	text := strings.Repeat("a", 2*maxLine) + "\n\nb\xff\n" + strings.Repeat("line\n", 20) + "unfinished"
	w.listen(strings.NewReader(text), zerolog.New(&log))
	if len(w.last) != keepLines || w.last[keepLines-1] != "unfinished" || !strings.Contains(w.String(), "\tline\n") {
		t.Errorf("kept %q", w.last)
	}
	if n := strings.Count(log.String(), "\n"); n != 2+1+20+1 || !strings.Contains(log.String(), `"b?"`) {
		t.Errorf("%d lines were logged: %.300s", n, log.String())
	}
}

func TestMemory(t *testing.T) {
	m, err := NewMemory()
	if err != nil {
		t.Skip(err)
	}
	defer m.Close()
	for _, n := range []int{0, -1, 1 << 62} {
		if _, err := m.Grow(n); err == nil {
			t.Errorf("%d values were given", n)
		}
	}
	values, err := m.Grow(5000)
	if err != nil || len(values) != 5000 {
		t.Fatal(len(values), err)
	}
	values[0], values[4999] = 1, 2
	b := make([]byte, 4)
	if _, err := m.file.ReadAt(b, 4*4999); err != nil || binary.LittleEndian.Uint32(b) != 0x40000000 {
		t.Errorf("the file holds %v: %v", b, err)
	}
	if err := m.file.Truncate(4); err == nil && runtime.GOOS == "linux" {
		t.Error("the memory can be taken away")
	}
	for _, n := range []int{10, 20000} {
		values, err = m.Grow(n)
		if err != nil || len(values) != n || slices.ContainsFunc(values, func(v float32) bool { return v != 0 }) {
			t.Fatal(n, len(values), err)
		}
		values[0], values[n-1] = 1, 2
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255, 0})
	for _, m := range []map[string]any{{"hello": 1, "python": "3"}, {"id": 1, "result": []any{1.5}}, {"id": 2, "error": "no"}, {"id": 2, "progress": "x"}} {
		b, err := cbor.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readFrame(bytes.NewReader(b))
		if err == nil && len(a.Result) > len(b) {
			t.Fatal("a result longer than its frame")
		}
	})
}
