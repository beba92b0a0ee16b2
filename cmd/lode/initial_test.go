package main

// This file tests runs that begin with given parameters, by the real program.

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lode/checkpoints/safetensors"
	"lode/cmd/lode/internal/audit/audittest"
	"lode/cmd/lode/internal/pretrained"
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// paramsIn reads all parameters at a path, those of the config.json beside them.
func paramsIn(t *testing.T, path string) (tensor.Layout, tensor.Flat) {
	t.Helper()
	w, err := pretrained.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	m, err := model.ParseConfig(w.Config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Checked(m, l)
	if err != nil {
		t.Fatal(err)
	}
	all := make(tensor.Flat, l.Len())
	if err := tensor.Copy(l, all, r); err != nil {
		t.Fatal(err)
	}
	return l, all
}

// asLargeModel writes parameters as large models are handed out: bfloat16, in two files
// with an index, and the head beside the embedding that it is tied to. It returns what
// remains of them.
func asLargeModel(t *testing.T, dir string, m model.Llama, params tensor.Flat) tensor.Flat {
	t.Helper()
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	kept, index := make(tensor.Flat, l.Len()), map[string]map[string]string{"weight_map": {}}
	for half, name := range []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
		var entries []safetensors.Entry
		var raw []byte
		add := func(as string, t int) {
			s := l.Spec(t)
			entries = append(entries, safetensors.Entry{Name: as, DType: safetensors.BF16, Shape: s.Shape})
			for i := l.Offset(t); i < l.Offset(t)+s.Len(); i++ {
				upper := uint16(math.Float32bits(params[i]) >> 16)
				raw = binary.LittleEndian.AppendUint16(raw, upper)
				kept[i] = math.Float32frombits(uint32(upper) << 16)
			}
			index["weight_map"][as] = name
		}
		for t := range l.NumTensors() {
			if t%2 == half {
				add(l.Spec(t).Name, t)
			}
		}
		if m.Tied && half == 1 {
			add("lm_head.weight", 0)
		}
		h, err := safetensors.New(map[string]string{"format": "pt"}, entries...)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name), append(h.Encode(), raw...))
	}
	b, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "model.safetensors.index.json"), b)
	put(t, filepath.Join(dir, "config.json"), m.Config())
	return kept
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// background starts the program in a folder and returns what it writes.
type background struct {
	*output
	cmd   *exec.Cmd
	ended chan struct{}
}

func inBackground(t *testing.T, c *exec.Cmd) *background {
	t.Helper()
	b := &background{&output{grew: make(chan struct{}, 1)}, c, make(chan struct{})}
	c.Stdout, c.Stderr = b.output, b.output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process, which the test's end kills
		_ = c.Wait()
		close(b.ended)
	}()
	t.Cleanup(b.kill)
	return b
}

func (b *background) kill() {
	_ = b.cmd.Process.Kill()
	<-b.ended
}

// stop ends the process as Ctrl-C does.
func (b *background) stop(t *testing.T) {
	t.Helper()
	if err := b.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-b.ended
}

func (b *background) await(t *testing.T, pattern string) string {
	t.Helper()
	return b.find(t, b.ended, pattern)
}

// A run fine-tunes a model that is there, in the files of large models: it begins with
// the very values, widened; a worker that is killed while it fetches them goes on where
// it was; what is frozen never moves; every merge can be recomputed; and another run goes
// on from the checkpoint.
func TestRunFromPretrained(t *testing.T) {
	bin, dir := program(t), t.TempDir()
	m := model.Llama{Dim: 64, Layers: 1, Heads: 2, KVHeads: 2, FFN: 12_000, Vocab: 256, Context: 32, RopeTheta: 1e4, NormEps: 1e-5, Tied: true}
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	drawn := make(tensor.Flat, l.Len())
	if err := model.Init(m, [32]byte{5}, drawn); err != nil {
		t.Fatal(err)
	}
	first := asLargeModel(t, filepath.Join(dir, "base"), m, drawn)
	put(t, filepath.Join(dir, "corpus.txt"), bytes.Repeat([]byte("round and round the garden, like a teddy bear; "), 1000))
	put(t, filepath.Join(dir, "run.yaml"), []byte(`model: {from: base}
data: {path: corpus.txt, piece: 2048}
train: {inner_steps: 2, rows: 2, steps: 16, only: ["*.self_attn.*"]}
score: {rows: 2, held_out: 2}
`))
	command := func(args ...string) *exec.Cmd {
		c := exec.Command(bin, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
		return c
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := command(args...).CombinedOutput()
		if err != nil {
			t.Fatalf("lode %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	coordinator := []string{"coordinator", "run.yaml", "--dir", "c", "--listen", "127.0.0.1:0"}
	c := inBackground(t, command(coordinator...))
	invite := c.await(t, `'(lode://[^']*\?invite=[^']*)'`)
	link, _, _ := strings.Cut(invite, "?")

	man, err := readManifest(filepath.Join(dir, "c", manifestName))
	if err != nil {
		t.Fatal(err)
	}
	if root, err := tensor.Root(l, first); err != nil || man.Model.Initial != root {
		t.Errorf("the run begins with %s, %v", man.Model.Initial.Short(), err)
	}

	worker := command("worker", link, "--dir", "w", "--data", "corpus.txt", "--threads", "1")
	w := inBackground(t, worker)
	pieces := filepath.Join(dir, "w", "pieces")
	num := 4*l.Len()/(1<<20) + 1
	for deadline := time.Now().Add(time.Minute); len(whole(pieces)) == 0 && time.Now().Before(deadline); {
		time.Sleep(100 * time.Microsecond)
	}
	w.kill()
	before := whole(pieces)
	t.Logf("killed when %d of %d pieces were there", len(before), num)
	if len(before) == 0 {
		t.Fatal("nothing was fetched")
	}
	v := inBackground(t, command("validator", invite, "--dir", "v", "--data", "corpus.txt", "--threads", "1"))
	w = inBackground(t, command(worker.Args[1:]...))
	w.await(t, `"round":[1-9],"update":"(ok)"`)
	after := whole(pieces)
	if len(after) != num {
		t.Errorf("%d pieces are there, want %d", len(after), num)
	}
	for name, when := range before {
		if !after[name].Equal(when) {
			t.Errorf("piece %s was written again", name)
		}
	}

	// Once it has later parameters it needs the first no more.
	w.kill()
	if err := os.RemoveAll(pieces); err != nil {
		t.Fatal(err)
	}
	w = inBackground(t, command(worker.Args[1:]...))
	w.await(t, `"round":[0-9]+,"update":"(ok)"`)
	if n := len(whole(pieces)); n > 0 {
		t.Errorf("%d pieces were fetched again", n)
	}

	must("verify", link) // while it runs: the parameters are fetched
	for _, b := range []*background{w, v} {
		b.kill()
	}
	c.stop(t) // it writes a checkpoint
	must("pull", filepath.Join("c", "store"), "-o", "tuned")
	if out := must("verify", "c"); !strings.Contains(out, "everything is as it must be") {
		t.Errorf("verify: %s", out)
	}
	_, tuned := paramsIn(t, filepath.Join(dir, "tuned"))
	moved := 0
	for i := range l.NumTensors() {
		lo, hi := l.Offset(i), l.Offset(i)+l.Spec(i).Len()
		trained := strings.Contains(l.Spec(i).Name, "self_attn")
		if same := slices.Equal(tuned[lo:hi], first[lo:hi]); same == trained {
			t.Errorf("%s: trained %v, stayed %v", l.Spec(i).Name, trained, same)
		} else if trained {
			moved++
		}
	}
	if moved != 4 {
		t.Errorf("%d tensors moved", moved)
	}

	// Another run goes on from there, and so does a training.
	put(t, filepath.Join(dir, "next.yaml"), []byte("model: {from: tuned}\ndata: {path: corpus.txt, piece: 2048}\ntrain: {steps: 16}\n"))
	next := inBackground(t, command("coordinator", "next.yaml", "--dir", "n", "--listen", "127.0.0.1:0"))
	next.await(t, `(lode://[^']*\?invite=[^']*)'`)
	if man, err = readManifest(filepath.Join(dir, "n", manifestName)); err != nil {
		t.Fatal(err)
	}
	if root, err := tensor.Root(l, tuned); err != nil || man.Model.Initial != root {
		t.Errorf("the next run begins with %s, %v", man.Model.Initial.Short(), err)
	}
	must("train", "--from", "tuned", "--data", "corpus.txt", "--workers", "1", "--steps", "1", "--set", "train.inner_steps=1", "--set", "train.rows=1",
		"--set", "train.steps=8", "--set", "data.piece=512", "--eval-tokens", "8", "--only", "model.norm.weight", "-o", "more")
	_, more := paramsIn(t, filepath.Join(dir, "more"))
	if n := l.Offset(l.NumTensors() - 1); slices.Equal(more, tuned) || !slices.Equal(more[:n], tuned[:n]) {
		t.Errorf("the training did not begin with the checkpoint: last tensor is %s", l.Spec(l.NumTensors()-1).Name)
	}
	must("train", "--resume", "-o", "more", "--steps", "2")
}

// Both ways to train begin with the parameters of another training, and go on after a
// stop.
func TestTrainFrom(t *testing.T) {
	base, tuned := filepath.Join(t.TempDir(), "base"), filepath.Join(t.TempDir(), "tuned")
	args := tinyTraining(t, "--steps", "4")
	mustTrain(t, 0, append(args, "-o", base)...)
	still := slices.Concat(args[:len(args)-2], []string{"--from", base, "--compare", "--steps", "2", "--rate", "1e-9", "--seed", "other", "-o", tuned})
	mustTrain(t, 0, still...)
	_, want := paramsIn(t, base)
	for _, way := range []string{localWay, federatedWay} {
		_, got := paramsIn(t, filepath.Join(tuned, way))
		for i := range want {
			if d := math.Abs(float64(got[i] - want[i])); d > 1e-6 {
				t.Fatalf("%s: value %d is %v, want %v", way, i, got[i], want[i])
			}
		}
	}
	mustTrain(t, 0, "train", "--resume", "-o", tuned, "--steps", "4")
	put(t, filepath.Join(base, "model.safetensors"), []byte("gone"))
	mustTrain(t, exitFailed, "train", "--resume", "-o", tuned, "--steps", "6")
}

// whole returns the pieces in a folder and when each was written.
func whole(dir string) map[string]time.Time {
	all := map[string]time.Time{}
	entries, _ := os.ReadDir(dir) // not there yet
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "new-") {
			continue // on its way
		}
		if info, err := e.Info(); err == nil {
			all[e.Name()] = info.ModTime()
		}
	}
	return all
}

// What a coordinator keeps is found damaged, and it says what to do.
func TestKeptInitialDamaged(t *testing.T) {
	dir := t.TempDir()
	in, r := small(t)
	if err := in.keep(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if shelf, err := openKept(t.Context(), dir, r, zerolog.Nop()); err != nil || shelf == nil {
		t.Fatal(err)
	}
	if _, err := replica.NewModel(r); err != nil {
		t.Fatal(err)
	}
	path := initialPath(dir, in.Root)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[100] ^= 1
	put(t, path, b)
	shelf, err := openKept(t.Context(), dir, r, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replica.NewModel(r); err == nil || !strings.Contains(err.Error(), "is not what its index was made of") {
		t.Errorf("got %v", err)
	}
	if _, _, ok := shelf.Open(t.Context(), in.Index.Digests[0]); ok {
		t.Error("damaged bytes are served")
	}
	put(t, path, b[1:])
	if _, err := openKept(t.Context(), dir, r, zerolog.Nop()); err == nil {
		t.Error("a file that was cut is opened")
	}
	if err := in.keep(t.Context(), dir); err != nil { // of another length: copied again
		t.Fatal(err)
	}
	if _, err := openKept(t.Context(), dir, r, zerolog.Nop()); err != nil {
		t.Error(err)
	}
	put(t, path+indexSuffix, []byte("lodeidx"))
	if _, err := openKept(t.Context(), dir, r, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), indexSuffix) {
		t.Errorf("got %v", err)
	}
}

// A coordinator does not go on with a run from other parameters; another run is another
// matter.
func TestBeganAs(t *testing.T) {
	dir := t.TempDir()
	_, r := small(t)
	man := r.Manifest
	if err := beganAs(dir, man); err != nil {
		t.Errorf("no run: %v", err)
	}
	put(t, filepath.Join(dir, manifestName), protocol.Encode(man))
	if err := beganAs(dir, man); err != nil {
		t.Errorf("the same: %v", err)
	}
	drawn := man
	drawn.Model.Initial, drawn.Model.Pieces = protocol.Digest{}, protocol.Digest{}
	other := man
	other.Model.Initial = protocol.Digest{1}
	for name, m := range map[string]protocol.Manifest{"drawn ones": drawn, "others": other} {
		if err := beganAs(dir, m); err == nil || !strings.Contains(err.Error(), "bring that back") {
			t.Errorf("%s: %v", name, err)
		}
		m.Name = "another run"
		if err := beganAs(dir, m); err != nil {
			t.Errorf("another run with %s: %v", name, err)
		}
	}
}

// small are parameters that a small run is given, and its rules.
func small(t *testing.T) (*initial, *replica.Rules) {
	t.Helper()
	man := audittest.New(t, audittest.Config{Rounds: 1}).Manifest
	r, err := replica.NewRules(man)
	if err != nil {
		t.Fatal(err)
	}
	in := &initial{layout: r.Layout, params: make(tensor.Flat, r.Layout.Len())}
	if in.Given, err = replica.Cut(io.Discard, in.layout, in.params); err != nil {
		t.Fatal(err)
	}
	man.Model.Initial, man.Model.Pieces = in.Root, in.Index.Digest()
	if r, err = replica.NewRules(man); err != nil {
		t.Fatal(err)
	}
	return in, r
}

// Who runs out of disk hears how much is needed and what to do; other errors stay what
// they are.
func TestNoRoom(t *testing.T) {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		err := noRoom(fmt.Errorf("piece 3: keep on disk: %w", &fs.PathError{Op: "write", Path: "new-1", Err: full}), 28e9)
		if !errors.Is(err, full) || !strings.Contains(err.Error(), "they take 28.0 GB: make room there, or name a folder on another disk with --dir") {
			t.Errorf("got %v", err)
		}
	}
	if err := noRoom(fs.ErrPermission, 1); err != fs.ErrPermission {
		t.Errorf("got %v", err)
	}
}
