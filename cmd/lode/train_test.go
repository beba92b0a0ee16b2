package main

// This file tests lode train: what it leaves, that it goes on where it stopped, what
// it refuses.

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"lode/checkpoints"
	"lode/cmd/lode/internal/plan"
	"lode/engine"
	"lode/protocol"
	"lode/sim/solo"
)

// tinyTraining is lode train of a tiny model on a text that is easily learnt: rounds
// of 2 steps.
func tinyTraining(t *testing.T, args ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, bytes.Repeat([]byte("round and round the garden, like a teddy bear; "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	return append([]string{
		"train", "--data", file, "--workers", "2", "--rate", "0.01", "--warmup", "1", "--eval-tokens", "100",
		"--set", "model.dim=16", "--set", "model.layers=1", "--set", "model.ffn=32", "--set", "train.rows=2", "--set", "train.steps=16",
		"--set", "train.inner_steps=2", "--set", "update.keep=1024", "--set", "data.piece=512",
	}, args...)
}

// mustTrain runs the command and returns what it prints.
func mustTrain(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	if code := run(args, strings.NewReader(""), &out, &errs); code != want {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, out.String(), errs.String())
	}
	return out.String()
}

// interrupting sends this process Ctrl-C once a line is printed that begins so.
type interrupting struct {
	strings.Builder
	begin string
	sent  bool
}

// Write implements io.Writer.
func (i *interrupting) Write(p []byte) (int, error) {
	if !i.sent && strings.HasPrefix(strings.TrimSpace(string(p)), i.begin) {
		i.sent = true
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Signal(os.Interrupt)
		}
		if err != nil {
			panic(err)
		}
	}
	return i.Builder.Write(p)
}

// Ctrl-C keeps what was learnt, and going on ends with the files of a training that
// was never stopped, in both ways, one after the other.
func TestTrainGoesOn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot interrupt itself")
	}
	whole, cut := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	args := tinyTraining(t, "--compare", "--steps", "12", "--eval-every", "4", "--save-every", "2", "--schedule", "wsd")
	mustTrain(t, 0, append(args, "-o", whole)...)

	out := interrupting{begin: "8 "}
	var errs strings.Builder
	if code := run(append(args, "-o", cut), strings.NewReader(""), &out, &errs); code != exitInterrupted || !out.sent {
		t.Fatalf("interrupted: exit code %d\n%s%s", code, out.String(), errs.String())
	}
	if !strings.Contains(out.String(), "lode train --resume -o "+cut) || strings.Contains(out.String(), "federated:") {
		t.Errorf("after Ctrl-C it says\n%s", out.String())
	}
	again := mustTrain(t, 0, "train", "--resume", "-o", cut, "--threads", "1")
	for _, name := range []string{"local", "federated"} {
		for _, file := range []string{checkpoints.ModelFile, checkpoints.ConfigFile, solo.StateFile} {
			if readString(t, whole, name, file) != readString(t, cut, name, file) {
				t.Errorf("%s: interrupted, it ends with another %s", name, file)
			}
		}
	}
	if !strings.Contains(again, "local: one large batch of each step, from step ") || !strings.Contains(again, "difference") {
		t.Errorf("going on says\n%s", again)
	}
	if got := strings.Count(readString(t, cut, curvesName), "\n"); got != 2 {
		t.Errorf("%d curves", got)
	}
	longer := mustTrain(t, 0, "train", "--resume", "-o", cut, "--steps", "16")
	if strings.Count(longer, "\n     16  ") != 2 {
		t.Errorf("training longer says\n%s", longer)
	}
}

func readString(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The summary is one object, and the folder a model that writes.
func TestTrainSummary(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	out := mustTrain(t, 0, tinyTraining(t, "--federated", "--tokens", "500", "--json", "-o", dir)...)
	var s struct {
		Event      string
		Parameters int
		Ways       []struct {
			Way, Folder           string
			Steps, Tokens, Rounds int
			Finished              bool
			HeldOut               float64 `json:"held_out"`
			Up                    float64
		}
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil || strings.Count(out, "\n") != 1 || len(s.Ways) != 1 {
		t.Fatalf("%v in\n%s", err, out)
	}
	w := s.Ways[0]
	if s.Event != "summary" || w.Way != "federated" || w.Folder != dir || w.Rounds != 4 || w.Steps != 8 || w.Tokens != 512 || !w.Finished || w.HeldOut <= 0 || w.Up <= 0 {
		t.Errorf("the summary is %+v", s)
	}
	if size := len(readString(t, dir, checkpoints.ModelFile)); size < 4*s.Parameters {
		t.Errorf("%d bytes of %d parameters", size, s.Parameters)
	}
	t.Setenv("LODE_CUDA_PATH", t.TempDir()) // no card
	code, out, errs := call(t, "generate", "--engine", "auto", "--model", dir, "--tokens", "5", "round")
	if code != 0 || !strings.HasPrefix(out, "round") || !strings.HasPrefix(errs, "lode: no card is used: ") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

// Flags change the rules and nothing else; the folder says which they are.
func TestTrainRules(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.yaml")
	if err := os.WriteFile(file, []byte("train: {schedule: wsd, rounds: 90, decay_share: 0.5, only: [\"*norm*\"]}\nseed: one"), 0o600); err != nil {
		t.Fatal(err)
	}
	describe := func(path string, args ...string) plan.Plan {
		t.Helper()
		var f trainFlags
		c := &cobra.Command{}
		f.add(c)
		if err := c.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		f.command = c
		f.dir = filepath.Join(t.TempDir(), "none")
		p, job, err := f.describe(path, f.dir)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := plan.Parse(p.Text()); err != nil || again.Run.Train.Schedule != p.Run.Train.Schedule || job.Rounds < 1 {
			t.Errorf("%v: %v", args, err)
		}
		return p
	}
	p := describe(file, "--rate", "0.25", "--seed", "7: two", "--optimizer", "muon", "--only", "*mlp*", "--only", "*q_proj*", "--no-decay", "*embed*")
	if r := p.Run.Train; r.Rate != 0.25 || p.Seed != "7: two" || r.Optimizer != protocol.Muon || r.Rounds != 90 || !slices.Equal(r.Only, []string{"*mlp*", "*q_proj*"}) || !slices.Equal(r.NoDecay, []string{"*embed*"}) {
		t.Errorf("the rules are %+v, seed %q", r, p.Seed)
	}
	for shape, want := range map[string]protocol.Train{
		engine.Constant: {},
		engine.Cosine:   {Rounds: 90},
		engine.WSD:      {Rounds: 90, DecayShare: protocol.Q16(0.5)},
	} {
		if r := describe(file, "--schedule", shape).Run.Train; r.Schedule != shape || r.Rounds != want.Rounds || r.FinalRate != want.FinalRate || r.DecayShare != want.DecayShare {
			t.Errorf("%s: the rules are %+v", shape, r)
		}
	}
	if r := describe("", "--schedule", "wsd", "--steps", "400").Run.Train; r.Rounds != 40 || r.FinalRate != protocol.Q16(0.1) || r.DecayShare != protocol.Q16(0.2) {
		t.Errorf("the rules are %+v", r)
	}
	for steps, want := range map[string]uint32{"50": 0, "300": 3, "2000": 10} {
		if r := describe("", "--schedule", "cosine", "--steps", steps).Run.Train; r.Warmup != want {
			t.Errorf("%s steps: %d rounds of warm-up, want %d", steps, r.Warmup, want)
		}
	}
}

// The engine of a training is that of its first call, unless another is named.
func TestTrainEngineAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	mustTrain(t, 0, tinyTraining(t, "--steps", "2", "-o", dir, "--threads", "1")...)
	job, err := recall(dir)
	if err != nil || !maps.Equal(job.Engine, map[string]string{"threads": "1"}) {
		t.Fatalf("%+v, %v", job, err)
	}
	job.Engine = map[string]string{"engine": "torch", "python": "/nowhere/python"}
	for _, c := range []struct {
		given []string
		want  engineFlags
	}{
		{nil, engineFlags{engine: "torch", python: "/nowhere/python"}},
		{[]string{"--python", "other"}, engineFlags{engine: "torch", python: "other"}},
		{[]string{"--engine", "cpu"}, engineFlags{engine: "cpu"}},
	} {
		var f trainFlags
		cmd := &cobra.Command{}
		f.add(cmd)
		if err := cmd.ParseFlags(c.given); err != nil {
			t.Fatal(err)
		}
		f.command = cmd
		if _, _, err := f.goOn(dir, *job); err != nil {
			t.Fatal(err)
		}
		if f.engine != c.want.engine || f.python != c.want.python {
			t.Errorf("%v: engine %s of %q", c.given, f.engine, f.python)
		}
	}
}

// Without a run.yaml the model knows as many tokens as the tokenizer has.
func TestTrainTokenizer(t *testing.T) {
	args := tinyTraining(t, "--steps", "2", "-o", filepath.Join(t.TempDir(), "model"))
	file := filepath.Join(t.TempDir(), "tokenizer.json")
	mustTrain(t, 0, "tokenizer", "train", args[2], "--vocab", "260", "-o", file)
	args = append(args, "--tokenizer", file)
	mustTrain(t, 0, args...)
	p, err := readPlan(filepath.Join(args[slices.Index(args, "-o")+1], planName))
	if err != nil || p.Model.Llama.Vocab != 260 {
		t.Errorf("%d tokens, %v", p.Model.Llama.Vocab, err)
	}
	var errs strings.Builder
	args = append(args, "--set", "model.vocab=256", "-o", filepath.Join(t.TempDir(), "other"))
	if code := run(args, strings.NewReader(""), &strings.Builder{}, &errs); code == 0 || !strings.Contains(errs.String(), "has 260 tokens") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

// What is settled when a training begins is all flags but those that may be given
// when it goes on.
func TestSettledFlags(t *testing.T) {
	usage := trainCommand().UsageString()
	free := slices.Concat([]string{"output", "resume", "steps", "tokens", "json"}, ofEngine)
	for _, name := range append(free, settled...) {
		if !strings.Contains(usage, "--"+name+" ") {
			t.Errorf("there is no --%s", name)
		}
	}
	if got := strings.Count(usage, "\n      --") + strings.Count(usage, "\n  -"); got != len(settled)+len(free) {
		t.Errorf("%d flags, %d are settled", got, len(settled))
	}
}

func TestTrainRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	full := filepath.Join(t.TempDir(), "full")
	if err := os.Mkdir(full, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{filepath.Join(full, "mine"): "x", "bad.yaml": "train: {rate: 2}", "small": "too small"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustTrain(t, 0, tinyTraining(t, "--steps", "2", "-o", "done")...)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--local --federated", exitUsage, "exclude each other"},
		{"--steps 20 --tokens 7", exitUsage, "twice"},
		{"--steps 15", exitUsage, "take 10 or 20"},
		{"--steps 0", exitUsage, "--steps is 0"},
		{"--tokens -5", exitUsage, "--tokens is -5"},
		{"--eval-every -1", exitUsage, "--eval-every"},
		{"--save-every 0", exitUsage, "--save-every"},
		{"--eval-tokens 0", exitUsage, "--eval-tokens"},
		{"--workers 0", exitUsage, "--workers is 0"},
		{"--workers 1000 --set train.rows=100", exitUsage, "at most 1048576 fit one step"},
		{"--threads -1", exitUsage, "--threads"},
		{"--rate fast", exitUsage, "train.rate: must be a number"},
		{"--rate 2", exitUsage, "train.rate: is 2"},
		{"--schedule step", exitUsage, "train.schedule: is \"step\"; there are"},
		{"--schedule cosine --steps 50 --warmup 10", exitUsage, "train.rounds: is 5, but"},
		{"--optimizer sgd", exitUsage, "train.optimizer"},
		{"--only mlp", exitUsage, "is no tensor's name"},
		{"--set rate", exitUsage, "field=value"},
		{"--set train.pace=1", exitUsage, "unknown key"},
		{"--rate 0.1 --set train.rate=0.2", exitUsage, "a second time"},
		{"bad.yaml", exitFailed, "bad.yaml:\n1:15: train.rate"},
		{"none.yaml", exitFailed, "no such file"},
		{"a.yaml b.yaml", exitUsage, "at most 1"},
		{"--data nowhere", exitFailed, "nowhere"},
		{"--data small", exitFailed, "small"},
		{"--resume", exitFailed, "trained holds no training"},
		{"--resume -o done x.yaml", exitUsage, "leave x.yaml out"},
		{"--resume -o done --workers 3", exitUsage, "--workers was settled"},
		{"-o done", exitFailed, "--resume"},
		{"-o " + full, exitFailed, "is not empty"},
	} {
		var out, errs strings.Builder
		code := run(append([]string{"train"}, strings.Fields(c.args)...), strings.NewReader(""), &out, &errs)
		if code != c.code || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%s: exit code %d, want %d; it says\n%s", c.args, code, c.code, errs.String())
		}
	}
	if _, err := os.Stat("trained"); err == nil {
		t.Error("a training that was refused left a folder")
	}
}

// Text that changed since is not trained on.
func TestTrainOtherText(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	args := tinyTraining(t, "--steps", "2", "-o", dir)
	mustTrain(t, 0, args...)
	if err := os.WriteFile(args[2], bytes.Repeat([]byte("another text "), 4000), 0o600); err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	if code := run([]string{"train", "--resume", "-o", dir, "--steps", "4"}, strings.NewReader(""), &strings.Builder{}, &errs); code != exitFailed || !strings.Contains(errs.String(), "another text") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

// A training that could not begin leaves its folder to the next try; one that is done
// is not to end earlier.
func TestTrainTriesAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	args := tinyTraining(t, "--steps", "4", "-o", dir)
	mustTrain(t, exitFailed, append(args, "--max-memory", "1MB")...)
	mustTrain(t, 0, args...)
	mustTrain(t, exitUsage, "train", "--resume", "-o", dir, "--steps", "2")
	if job, err := recall(dir); err != nil || job.Rounds != 2 {
		t.Errorf("%+v, %v", job, err)
	}
	mustTrain(t, exitUsage, "train", "--steps", "7")
}

// What is no text is not trained on.
func TestTrainRefusesBinary(t *testing.T) {
	args := tinyTraining(t, "--steps", "2", "-o", filepath.Join(t.TempDir(), "model"))
	if err := os.WriteFile(args[2], bytes.Repeat([]byte{0, 1, 2, 3}, 9000), 0o600); err != nil {
		t.Fatal(err)
	}
	mustTrain(t, exitFailed, args...)
}
