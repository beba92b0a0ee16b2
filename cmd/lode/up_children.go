package main

// This file holds the processes of a run on one machine.

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"lode/protocol"
)

// family is the processes of a run. They end with this one, however it ends: each
// reads a pipe from it.
type family struct {
	dir  string
	env  []string
	tell func(format string, args ...any)
	fail func(error)

	wg sync.WaitGroup

	mu       sync.Mutex
	stopping bool
	running  map[string]*exec.Cmd
	cpu      map[string]time.Duration // of processes that ended, by name
	peak     map[string]int64         // resident bytes, by name
}

func newFamily(dir string, env []string, tell func(string, ...any), fail func(error)) *family {
	return &family{
		dir: dir, env: env, tell: tell, fail: fail, running: map[string]*exec.Cmd{},
		cpu: map[string]time.Duration{}, peak: map[string]int64{},
	}
}

const (
	lively   = 10 * time.Second // a process that lived so long was up
	hopeless = 4                // times in a row that it may end sooner
)

// keep starts a process and starts it again when it ends by itself, until
// stopped. One that never comes up fails the whole family.
func (f *family) keep(name string, args ...string) {
	f.wg.Add(1)
	go func() { // ends after stop
		defer f.wg.Done()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		log := newWarnings(f.logFile(name))
		f.wg.Go(func() { f.warn(ctx, name, log) })
		pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(200*time.Millisecond), backoff.WithMaxElapsedTime(0))
		quick, told := 0, ""
		for {
			began := time.Now()
			err := f.once(name, args)
			f.mu.Lock()
			stopping := f.stopping
			f.mu.Unlock()
			if stopping {
				return
			}
			why := lastLine(f.logFile(name), err)
			if time.Since(began) > lively {
				pause.Reset()
				quick = 0
			}
			if quick++; quick == hopeless {
				f.fail(fmt.Errorf("%s cannot run: %s\n(its log is %s)", name, why, f.logFile(name)))
				return
			}
			if why != told { // a full disk ends it again and again
				f.tell("%s ended, starting it again: %s", name, why)
				told = why
			}
			time.Sleep(pause.NextBackOff())
		}
	}()
}

func (f *family) logFile(name string) string { return filepath.Join(f.dir, "logs", name+".log") }

// once runs a process to its end.
func (f *family) once(name string, args []string) error {
	if err := os.MkdirAll(filepath.Join(f.dir, "logs"), 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(f.logFile(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append(args, "--with-parent")...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), f.env...)
	apart(cmd)
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer pipe.Close()
	f.mu.Lock()
	if f.stopping {
		f.mu.Unlock()
		return nil
	}
	if err := cmd.Start(); err != nil {
		f.mu.Unlock()
		return err
	}
	f.running[name] = cmd
	f.mu.Unlock()
	err = cmd.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.running, name)
	f.cpu[name] += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	f.peak[name] = max(f.peak[name], peakOf(cmd.ProcessState))
	return err
}

// stop ends all processes in order of prefix, each group before the next, and
// waits for them.
func (f *family) stop(prefixes ...string) {
	f.mu.Lock()
	f.stopping = true
	f.mu.Unlock()
	for _, p := range append(prefixes, "") {
		f.signal(p, os.Interrupt)
		for deadline := time.Now().Add(stopPatience); f.alive(p) && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		f.signal(p, os.Kill)
	}
	f.wg.Wait()
}

// stopPatience is how long a process gets to end by itself: the coordinator
// writes a last checkpoint.
const stopPatience = 20 * time.Second

func (f *family) signal(prefix string, sig os.Signal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, cmd := range f.running {
		if strings.HasPrefix(name, prefix) {
			_ = cmd.Process.Signal(sig) // it may have ended
		}
	}
}

func (f *family) alive(prefix string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.running {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// used returns the processor time of all processes that ended, in all and each.
func (f *family) used() (all time.Duration, each []processUse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(f.cpu)) {
		all += f.cpu[name]
		each = append(each, processUse{Name: name, CPUSeconds: f.cpu[name].Seconds(), PeakBytes: f.peak[name]})
	}
	return all, each
}

// awaitLink waits until the coordinator has written its link.
func awaitLink(ctx context.Context, path string) (protocol.Link, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, err := os.ReadFile(path); err == nil {
			return protocol.ParseLink(strings.TrimSpace(string(b)))
		}
		select {
		case <-ctx.Done():
			return protocol.Link{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// lastLine returns the error that an ended process printed last, or how it ended.
func lastLine(log string, err error) string {
	lines := strings.Split(tail(log), "\n")
	if last := lines[len(lines)-1]; err != nil && strings.HasPrefix(last, "lode: ") && err.Error() != "signal: killed" {
		return strings.TrimPrefix(last, "lode: ")
	}
	if err != nil {
		return err.Error()
	}
	return "it ended by itself"
}

// tail returns the last lines of a log, for an error about its process.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 2000
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	b, _ := io.ReadAll(f)
	return strings.TrimSpace(string(b))
}

// start brings the coordinator up, then everybody else. It returns the link.
func (h *house) start(ctx context.Context, fam *family) (protocol.Link, error) {
	linkFile := filepath.Join(h.dir, "link")
	_ = os.Remove(linkFile) // of last time
	port, err := freePort()
	if err != nil {
		return protocol.Link{}, err
	}
	args := []string{
		"coordinator", "--manifest", h.manifestFile(), "--dir", filepath.Join(h.dir, "coordinator"),
		"--listen", port, "--link-file", linkFile, "--log-level", h.flags.level,
	}
	args = append(args, h.text().args()...)
	store := h.flags.store
	if store.url == "" {
		store.url = filepath.Join(h.dir, "store")
	}
	fam.keep("coordinator", append(args, store.args()...)...)
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	link, err := awaitLink(wait, linkFile)
	if err != nil {
		if ctx.Err() != nil {
			return link, ctx.Err()
		}
		return link, fmt.Errorf("the coordinator did not come up:\n%s", tail(fam.logFile("coordinator")))
	}
	for _, name := range h.state.Cast.Validators {
		fam.keep(name, h.memberArgs("validator", name, link)...)
	}
	for _, name := range h.state.Cast.Workers {
		args := h.memberArgs("worker", name, link)
		if own := h.state.Own[name]; own != "" {
			args = append(args, "--data", own, "--json")
		}
		if conduct := h.state.Cast.Conduct[name]; conduct != "" {
			args = append(args, "--conduct", conduct)
		}
		fam.keep(name, args...)
	}
	return link, nil
}

func (h *house) memberArgs(role, name string, link protocol.Link) []string {
	args := []string{
		role, link.Format(), "--dir", filepath.Join(h.dir, name), "--name", name,
		"--threads", "1", "--log-level", h.flags.level,
	}
	return append(append(args, h.flags.engine.shared(h.cards)...), h.memory...)
}

// freePort returns a loopback address with a port that is free now, so that a
// restarted coordinator is found where it was.
func freePort() (string, error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.LocalAddr().String(), nil
}
