package main

// These tests run the real program: its processes, its network, a real S3 server.

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nlpodyssey/safetensors"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(built); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// built is the folder of the program that tests run; "" as long as none was built.
var built string

// build builds the program for all tests.
var build = sync.OnceValues(func() (bin string, err error) {
	if built, err = os.MkdirTemp("", "lode-built"); err != nil {
		return "", err
	}
	bin = filepath.Join(built, "lode")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
})

// program returns the command, built.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs whole runs; left out with -short")
	}
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// text is a corpus that is always there.
func text(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("LODE_SHARED")
	if shared == "" {
		shared = "../../../shared"
	}
	path, err := filepath.Abs(filepath.Join(shared, "data", "tinyshakespeare.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("LODE_SHARED: %v", err)
	}
	return path
}

// running is a lode up in progress.
type running struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	lines  chan map[string]any
	stderr *strings.Builder
}

func start(t *testing.T, bin, dir string, env []string, args ...string) *running {
	t.Helper()
	r := &running{t: t, dir: dir, lines: make(chan map[string]any, 1024), stderr: new(strings.Builder)}
	r.cmd = exec.Command(bin, append([]string{"up", "--dir", dir, "--json"}, args...)...)
	r.cmd.Env = append(os.Environ(), env...)
	r.cmd.Stderr = r.stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
	})
	go func() { // ends with the process
		defer close(r.lines)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			var v map[string]any
			if json.Unmarshal(sc.Bytes(), &v) == nil {
				r.lines <- v
			}
		}
	}()
	return r
}

// round waits for a round of at least the given number.
func (r *running) round(n float64) map[string]any {
	r.t.Helper()
	for v := range r.lines {
		if v["event"] == "round" && v["round"].(float64) >= n {
			return v
		}
	}
	r.t.Fatalf("the run ended before round %v\n%s\n%s", n, r.stderr, r.logs())
	return nil
}

// end waits for the process and returns its summary.
func (r *running) end() map[string]any {
	r.t.Helper()
	var last map[string]any
	for v := range r.lines {
		last = v
	}
	if err := r.cmd.Wait(); err != nil {
		r.t.Fatalf("lode up: %v\n%s\n%s", err, r.stderr, r.logs())
	}
	if last["event"] != "summary" {
		r.t.Fatalf("no summary, last was %v\n%s", last, r.stderr)
	}
	return last
}

func (r *running) logs() string {
	var b strings.Builder
	files, _ := filepath.Glob(filepath.Join(r.dir, "logs", "*.log"))
	for _, f := range files {
		if text := tail(f); text != "" {
			fmt.Fprintf(&b, "%s:\n%s\n", f, text)
		}
	}
	return b.String()
}

// kill ends a member's process as a crash would.
func (r *running) kill(name string) {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name, "lock"))
	if err != nil {
		r.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		r.t.Fatalf("kill %s: %v", name, err)
	}
}

func lode(t *testing.T, bin string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("lode %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// s3 starts a real S3 server and returns the environment that reaches it.
func s3(t *testing.T) []string {
	t.Helper()
	server := os.Getenv("LODE_S3TEST")
	if server == "" {
		t.Skip("LODE_S3TEST names no S3 server; make setup builds one")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, server, "-addr", "127.0.0.1:0", "-dir", t.TempDir(), "-access", "admin", "-secret", "adminsecret", "-bucket", "models")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); cancel(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("S3 server: %v", err)
	}
	go io.Copy(io.Discard, out) // ends with the server
	addr := strings.TrimSpace(line)
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	return []string{"AWS_ENDPOINT_URL=" + addr, "AWS_ACCESS_KEY_ID=admin", "AWS_SECRET_ACCESS_KEY=adminsecret", "AWS_REGION=us-east-1"}
}

// A run of real processes survives kill -9 of a worker, a validator and the
// coordinator, refuses an adversary, and leaves a checkpoint in S3 that an
// independent reader opens and that verifies byte for byte.
func TestWholeRunOverS3(t *testing.T) {
	bin, corpus, env := program(t), text(t), s3(t)
	dir := filepath.Join(t.TempDir(), "run")
	began := time.Now()
	r := start(t, bin, dir, env, "--data", corpus, "--workers", "3", "--validators", "4",
		"--adversaries", "noise=1", "--rounds", "14", "--store", "s3://models/e2e")
	r.round(2)
	r.kill("worker-2")
	r.round(4)
	r.kill("validator-3")
	r.round(6)
	r.kill("coordinator")
	r.round(8)
	sum := r.end()
	t.Logf("%.0f s: %v", time.Since(began).Seconds(), sum)

	if got := sum["rounds"].(float64); got < 14 {
		t.Errorf("%v rounds, want 14", got)
	}
	if now, then := sum["val_loss"].(float64), sum["val_loss_start"].(float64); now > then-1 {
		t.Errorf("held-out loss went from %.3f to %.3f only", then, now)
	}
	if ratio := sum["update_ratio"].(float64); ratio < 100 {
		t.Errorf("updates are %.1f times smaller than fp32 parameters, want 100", ratio)
	}
	for _, w := range sum["workers"].([]any) {
		w := w.(map[string]any)
		accepted := w["accepted"].(float64)
		if w["behaviour"] == "noise" && accepted > 3 {
			t.Errorf("noise was accepted %v times", accepted)
		}
		if w["behaviour"] == "honest" && accepted < 8 {
			t.Errorf("%s was accepted %v times", w["id"], accepted)
		}
	}
	out := lode(t, bin, nil, "verify", dir)
	if !strings.Contains(out, "everything is as it must be") {
		t.Errorf("verify: %s", out)
	}
	one, two := replayed(t, bin, dir, "1", "7"), replayed(t, bin, dir, "2", "8")
	if len(one) < 14 || !slices.Equal(one, two) {
		t.Errorf("state roots depend on processors or order:\n%v\n%v", one, two)
	}

	model := filepath.Join(t.TempDir(), "model")
	lode(t, bin, env, "pull", "s3://models/e2e", "-o", model)
	b, err := os.ReadFile(filepath.Join(model, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := safetensors.Deserialize(b)
	if err != nil {
		t.Fatalf("an independent reader refuses the checkpoint: %v", err)
	}
	if q, ok := st.Tensor("model.layers.0.self_attn.q_proj.weight"); !ok || len(q.Shape()) != 2 {
		t.Errorf("the checkpoint has no query projection: %v", st.Names())
	}
	if out := lode(t, bin, nil, "generate", "--model", model, "--tokens", "20", "KING"); len(out) < 20 {
		t.Errorf("generate wrote %q", out)
	}
}

// replayed returns the state roots of a run, recomputed on so many processors with
// the updates merged in an order drawn by the seed.
func replayed(t *testing.T, bin, dir, processors, seed string) []string {
	t.Helper()
	var report struct {
		Rounds []struct {
			Recomputed bool   `json:"recomputed"`
			State      string `json:"state_root"`
		} `json:"rounds"`
	}
	out := lode(t, bin, []string{"GOMAXPROCS=" + processors}, "verify", dir, "--json", "--shuffle", seed)
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var roots []string
	for i, r := range report.Rounds {
		if !r.Recomputed {
			t.Errorf("round %d was not recomputed", i)
		}
		roots = append(roots, r.State)
	}
	return roots
}

// A run of volunteers is told apart in words and columns, and verifies.
func TestVolunteers(t *testing.T) {
	bin, corpus := program(t), text(t)
	dir := filepath.Join(t.TempDir(), "run")
	up := []string{"up", "--dir", dir, "--data", corpus, "--workers", "1", "--validators", "1", "--rounds", "1"}
	for _, c := range []struct {
		args   []string
		has    string
		hasNot []string
	}{
		{append(slices.Clone(up), "--ledger", "volunteer"), "nobody is paid", []string{"best paid", "coins"}},
		{[]string{"status", dir}, "stake", []string{"balance", "incentive", "dividend"}},
		{[]string{"verify", dir}, "everything is as it must be", nil},
	} {
		out := lode(t, bin, nil, c.args...)
		if !strings.Contains(out, c.has) || slices.ContainsFunc(c.hasNot, func(w string) bool { return strings.Contains(out, w) }) {
			t.Errorf("lode %s, which must hold %q and none of %q:\n%s", c.args[0], c.has, c.hasNot, out)
		}
	}
	for _, flags := range [][]string{{"--ledger", "yuma"}, {"--ledger", "gold"}} {
		if out, err := exec.Command(bin, append(slices.Clone(up), flags...)...).CombinedOutput(); err == nil || !strings.Contains(string(out), "ledger") {
			t.Errorf("%v: %v, %s", flags, err, out)
		}
	}
}

// A run that was interrupted goes on where it stopped; a finished one says so.
func TestResume(t *testing.T) {
	bin, corpus := program(t), text(t)
	dir := filepath.Join(t.TempDir(), "run")
	r := start(t, bin, dir, nil, "--data", corpus, "--workers", "2", "--rounds", "8")
	r.round(2)
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	first := r.end()
	r = start(t, bin, dir, nil)
	line := r.round(0)
	if line["round"].(float64) < first["rounds"].(float64) {
		t.Errorf("went on with round %v after %v rounds", line["round"], first["rounds"])
	}
	rounds := r.end()["rounds"].(float64)
	if rounds < 8 {
		t.Errorf("%v rounds, want 8", rounds)
	}
	if out := lode(t, bin, nil, "up", "--dir", dir); !strings.Contains(out, fmt.Sprintf("finished after %v rounds", rounds)) {
		t.Errorf("a finished run of %v rounds says %q", rounds, out)
	}
	if out := lode(t, bin, nil, "status", dir); !strings.Contains(out, fmt.Sprintf("\n%v rounds finished, ", rounds)) {
		t.Errorf("the status of %v rounds says %q", rounds, out)
	}
	cmd := exec.Command(bin, "up", "--dir", dir, "--seed", "7", "--rounds", "1")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "--new") {
		t.Errorf("another seed in the same folder: %v, %s", err, out)
	}
	elsewhere := filepath.Join(t.TempDir(), "store")
	out, err := exec.Command(bin, "up", "--dir", dir, "--store", elsewhere).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "nothing was written to "+elsewhere) {
		t.Errorf("another store for a finished run: %v, %s", err, out)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("the store was made")
	}
}
