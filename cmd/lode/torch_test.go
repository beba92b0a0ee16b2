package main

// This file tests a run that trains a PyTorch model of one's own, from its description
// to merged rounds, by the worked example of docs/pytorch.md.

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// output collects what a process writes and tells when it holds something.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	select {
	case o.grew <- struct{}{}:
	default:
	}
	return len(b), nil
}

// find waits until a pattern is in the output and returns its first group.
func (o *output) find(t *testing.T, ended <-chan struct{}, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for over := false; ; {
		o.mu.Lock()
		text := o.text.String()
		o.mu.Unlock()
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		if over {
			t.Fatalf("a process ended without %q:\n%s", pattern, text)
		}
		select {
		case <-o.grew:
		case <-ended:
			over = true
		}
	}
}

func TestPythonTorchRun(t *testing.T) {
	python := os.Getenv("LODE_TORCH_PYTHON")
	if python == "" {
		t.Skip("A RUN OF A MODEL IN PYTHON IS NOT CHECKED: LODE_TORCH_PYTHON names no Python with PyTorch")
	}
	bin, dir := program(t), t.TempDir()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "pytorch.md"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("nano.py", regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(page)[1])
	put("corpus.txt", bytes.Repeat(page, 8))
	put("run.yaml", append(regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)[1],
		"  inner_steps: 2\n  rows: 2\n  steps: 16\ndata: {piece: 2048}\nscore: {rows: 2, held_out: 2}\n"...))
	command := func(args ...string) *exec.Cmd {
		c := exec.Command(bin, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+dir, "LODE_PYTHON="+python)
		return c
	}
	begin := func(args ...string) (*output, <-chan struct{}) {
		t.Helper()
		c, out, ended := command(args...), &output{grew: make(chan struct{}, 1)}, make(chan struct{})
		c.Stdout, c.Stderr = out, out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { // ends with the process, which the test's end kills
			_ = c.Wait()
			close(ended)
		}()
		t.Cleanup(func() {
			_ = c.Process.Kill()
			<-ended
		})
		return out, ended
	}
	config, err := command("describe", "--model", "nano:build", "--loss", "nano:loss", "--context", "64").Output()
	if err != nil {
		t.Fatal(err)
	}
	put("nano.json", config)
	coordinator, over := begin("coordinator", "run.yaml", "--data", "corpus.txt", "--dir", "c", "--listen", "127.0.0.1:0")
	invite := coordinator.find(t, over, `'(lode://[^']*\?invite=[^']*)'`)
	link, _, _ := strings.Cut(invite, "?")

	refused, err := command("worker", link, "--dir", "w", "--engine", "torch").CombinedOutput()
	if err == nil || !strings.Contains(string(refused), "say --model nano:build") {
		t.Errorf("a model that nobody allowed: %v\n%s", err, refused)
	}
	flags := []string{"--engine", "torch", "--device", "cpu", "--threads", "1", "--model", "nano:build"}
	begin(append([]string{"validator", invite, "--dir", "v"}, flags...)...)
	worker, over := begin(append([]string{"worker", link, "--dir", "w"}, flags...)...)
	if got := worker.find(t, over, `"round":1,"update":"([^"]*)"`); got != "ok" {
		t.Errorf("the update of round 1 is %s", got)
	}
}
