package main

// This file tests a run that trains a PyTorch model of one's own, from its description
// to merged rounds, by the worked example of docs/pytorch.md.

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"lode/engine/model"
	"lode/replica"
	"lode/tensor"
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

// The worked example, as the page has it: a base is trained with PyTorch, described with
// its values, and a run of strangers trains a correction of low rank to it. The run begins
// with the module's state_dict, bit by bit, without base.pt where workers are; what is
// frozen stays; and an update holds the correction alone.
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
	blocks := regexp.MustCompile("(?s)```python\n(.*?)```").FindAllSubmatch(page, 2)
	put(t, filepath.Join(dir, "nano.py"), blocks[0][1])
	put(t, filepath.Join(dir, "pretrain.py"), blocks[1][1])
	put(t, filepath.Join(dir, "corpus.txt"), bytes.Repeat(page, 8))
	put(t, filepath.Join(dir, "run.yaml"), append(regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)[1],
		"  inner_steps: 2\n  rows: 2\n  steps: 16\ndata: {piece: 2048}\nscore: {rows: 2, held_out: 2}\n"...))
	in := func(c *exec.Cmd) *exec.Cmd {
		c.Dir, c.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+dir, "LODE_PYTHON="+python)
		return c
	}
	command := func(args ...string) *exec.Cmd { return in(exec.Command(bin, args...)) }
	output := func(c *exec.Cmd) []byte {
		t.Helper()
		out, err := in(c).Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, err.(*exec.ExitError).Stderr)
		}
		return out
	}
	output(exec.Command(python, "pretrain.py", "corpus.txt", "20"))
	want := output(exec.Command(python, "-c", `
import sys, nano
state = nano.build().state_dict()
assert state["head.base.weight"].abs().max() > 0 and state["head.up.weight"].abs().max() == 0
torch = __import__("torch")
assert all(torch.equal(v, state[k]) for k, v in torch.load("base.pt", weights_only=True).items())
torch.manual_seed(0)  # as the program does, for what is drawn
sys.stdout.buffer.write(b"".join(v.numpy().tobytes() for v in nano.build().state_dict().values()))`))
	config := output(command("describe", "--model", "nano:build", "--loss", "nano:loss", "--context", "64", "--values", "nano.safetensors"))
	put(t, filepath.Join(dir, "nano.json"), config)
	if err := os.Remove(filepath.Join(dir, "base.pt")); err != nil { // nobody needs it any more
		t.Fatal(err)
	}
	c := inBackground(t, command("coordinator", "run.yaml", "--data", "corpus.txt", "--dir", "c", "--listen", "127.0.0.1:0"))
	invite := c.await(t, `'(lode://[^']*\?invite=[^']*)'`)
	link, _, _ := strings.Cut(invite, "?")
	rules, first := begins(t, filepath.Join(dir, "c"))
	var bits bytes.Buffer
	if err := tensor.Stream(&bits, rules.Layout, first); err != nil || !bytes.Equal(bits.Bytes(), want) {
		t.Errorf("the model before round 0 is not the module's: %d bytes, want %d, or other bits; %v", bits.Len(), len(want), err)
	}

	refused, err := command("worker", link, "--dir", "w", "--engine", "torch").CombinedOutput()
	if err == nil || !strings.Contains(string(refused), "say --model nano:build") {
		t.Errorf("a model that nobody allowed: %v\n%s", err, refused)
	}
	flags := []string{"--engine", "torch", "--device", "cpu", "--threads", "1", "--model", "nano:build"}
	inBackground(t, command(append([]string{"validator", invite, "--dir", "v"}, flags...)...))
	w := inBackground(t, command(append([]string{"worker", link, "--dir", "w"}, flags...)...))
	w.await(t, `"round":[1-9],"update":"(ok)"`)
	c.stop(t)
	output(command("pull", filepath.Join("c", "store"), "-o", "tuned"))
	_, tuned := paramsIn(t, filepath.Join(dir, "tuned"))
	l := rules.Layout
	for i, frozen := range rules.Frozen {
		lo, hi := l.Offset(i), l.Offset(i)+l.Spec(i).Len()
		if low := strings.HasPrefix(l.Spec(i).Name, "head.down") || strings.HasPrefix(l.Spec(i).Name, "head.up"); low == frozen {
			t.Errorf("%s: frozen %v", l.Spec(i).Name, frozen)
		}
		if slices.Equal(tuned[lo:hi], first[lo:hi]) != frozen {
			t.Errorf("%s: frozen %v, but it moved or did not", l.Spec(i).Name, frozen)
		}
	}
	whole := *rules
	if whole.Layout, err = model.Layout(rules.Model); err != nil {
		t.Fatal(err)
	}
	payloads, err := os.ReadDir(filepath.Join(dir, "c", "payloads", hex.EncodeToString(rules.Run[:])))
	if err != nil || len(payloads) < 2 {
		t.Fatalf("%d payloads, %v", len(payloads), err)
	}
	for _, p := range payloads {
		if info, err := p.Info(); err == nil && info.Size() > int64(max(rules.MaxPayload(0), rules.MaxStep(0))) {
			t.Errorf("a payload of %d bytes", info.Size())
		}
	}
	if part, all := rules.MaxPayload(0), whole.MaxPayload(0); part > all/4 {
		t.Errorf("updates have up to %d bytes, of the whole model up to %d", part, all)
	}
}

// begins returns the rules of the run in a coordinator's folder, and the parameters that
// it begins with.
func begins(t *testing.T, dir string) (*replica.Rules, tensor.Flat) {
	t.Helper()
	man, err := readManifest(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := replica.NewRules(man)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openKept(t.Context(), dir, rules, zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	m, err := replica.NewModel(rules)
	if err != nil {
		t.Fatal(err)
	}
	return rules, m.Params
}
