package process

// This file holds the process: how it is started, called and ended.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"lode/engine"
)

// Command says what is run.
type Command struct {
	Path   string
	Args   []string // without the program's name
	Env    []string // added to this program's own
	Memory *Memory  // handed over as descriptor 3
	// Folder asks for a folder for the process and what it starts, that no other user of
	// the machine may enter. The environment variable LODE_FOLDER names it; it is removed
	// when the process ends.
	Folder bool
	// Patience is how long it may neither answer nor report progress. Zero means
	// [Patience].
	Patience time.Duration
	Log      zerolog.Logger // of what it writes to standard error
}

// Patience is long enough for a library to compile what it needs, and short beside
// what a round takes.
const Patience = 5 * time.Minute

// lastWords bounds the wait for the rest of what an ended process wrote.
const lastWords = 2 * time.Second

// Refusal is an error that the process answered with: it did not do what it was
// called for and can be called again.
type Refusal struct{ Reason string }

// Error implements error.
func (r *Refusal) Error() string { return r.Reason }

// Process is a running command. Make one with [Start].
type Process struct {
	cmd      *exec.Cmd
	patience time.Duration
	folder   string   // its own, or empty
	in, out  *os.File // its standard input and output
	answers  chan answer
	ended    chan struct{} // closed when answers end; then fault says why
	fault    error
	words    words
	reading  sync.WaitGroup
	calls    uint64
	doing    string // what it last reported
	lost     error
}

// Start starts a command and waits for its hello. What it fails with is
// engine.ErrLost if there was a process.
func Start(c Command) (*Process, error) {
	p := &Process{
		cmd: exec.Command(c.Path, c.Args...), patience: c.Patience,
		answers: make(chan answer), ended: make(chan struct{}), doing: "its start",
	}
	if p.patience == 0 {
		p.patience = Patience
	}
	if err := p.start(c); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	hello, err := p.await()
	if err == nil && (hello.Hello != version || hello.ID != 0) {
		err = p.lose(fmt.Errorf("it speaks version %d of the protocol, not %d", hello.Hello, version))
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return p, nil
}

// start runs the command with a pipe for each of its standard files.
func (p *Process) start(c Command) (err error) {
	var theirs, ours []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
		for _, f := range ours {
			if err != nil {
				f.Close()
			}
		}
	}()
	pipe := func(reads bool) (*os.File, *os.File, error) { // ours, theirs
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		if !reads {
			r, w = w, r
		}
		ours, theirs = append(ours, r), append(theirs, w)
		return r, w, nil
	}
	var in, out, words, stdin, stdout, stderr *os.File
	if in, stdin, err = pipe(false); err != nil {
		return err
	}
	if out, stdout, err = pipe(true); err != nil {
		return err
	}
	if words, stderr, err = pipe(true); err != nil {
		return err
	}
	p.in, p.out = in, out
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, stdout, stderr
	p.cmd.Env = append(os.Environ(), c.Env...)
	if c.Folder {
		if p.folder, err = os.MkdirTemp("", "lode-engine-"); err != nil { // for this user alone
			return err
		}
		p.cmd.Env = append(p.cmd.Env, "LODE_FOLDER="+p.folder)
	}
	if c.Memory != nil {
		p.cmd.ExtraFiles = []*os.File{c.Memory.file}
	}
	ownGroup(p.cmd)
	if err := p.cmd.Start(); err != nil {
		p.clear()
		return err
	}
	p.reading.Go(func() { // ends with the process's standard error
		defer words.Close()
		p.words.listen(words, c.Log)
	})
	go func() { // ends with the process's standard output, or with ours of it
		defer out.Close()
		p.read(out)
	}()
	return nil
}

// read hands on answers until there are no more.
func (p *Process) read(out *os.File) {
	for {
		a, err := readFrame(out)
		if err != nil {
			p.fault = err
			close(p.ended)
			return
		}
		p.answers <- a // taken by await, or by Close
	}
}

// Call calls the process and decodes its result.
func (p *Process) Call(name string, args, result any) error {
	if p.lost != nil {
		return p.lost
	}
	p.calls++
	p.doing = name
	// A process that hangs does not read either.
	if err := p.in.SetWriteDeadline(time.Now().Add(p.patience)); err != nil {
		return p.lose(err)
	}
	if err := writeFrame(p.in, call{p.calls, name, args}); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("it did not take a call of %s in %v", name, p.patience)
		}
		return p.lose(err)
	}
	a, err := p.await()
	if err != nil {
		return err
	}
	switch {
	case a.ID != p.calls || a.Hello != 0:
		return p.lose(fmt.Errorf("it answered call %d with an answer to call %d", p.calls, a.ID))
	case a.Error != nil && a.Result == nil:
		return &Refusal{*a.Error}
	case a.Error != nil || a.Result == nil:
		return p.lose(errors.New("it answered with neither a result nor an error"))
	}
	if err := strict.Unmarshal(a.Result, result); err != nil {
		return p.lose(fmt.Errorf("result of %s: %w", name, err))
	}
	return nil
}

// await returns the next answer that is no report.
func (p *Process) await() (answer, error) {
	limit := time.NewTimer(p.patience)
	defer limit.Stop()
	for {
		select {
		case a := <-p.answers:
			if a.Progress == nil {
				return a, nil
			}
			p.doing = *a.Progress
			limit.Reset(p.patience)
		case <-p.ended:
			return answer{}, p.lose(p.fault)
		case <-limit.C:
			return answer{}, p.lose(fmt.Errorf("no sign of progress for %v, since %s", p.patience, p.doing))
		}
	}
}

// lose ends the process and returns the error that says why, also from now on.
func (p *Process) lose(cause error) error {
	how := p.end()
	if errors.Is(cause, io.EOF) || errors.Is(cause, syscall.EPIPE) {
		cause = errors.New("its process ended")
	}
	p.lost = fmt.Errorf("%w: %w (%s)%s", engine.ErrLost, cause, how, &p.words)
	return p.lost
}

// end kills the process with all that it started, and says how it ended.
func (p *Process) end() string {
	p.in.Close()
	killGroup(p.cmd)
	p.out.Close() // what left the group may hold the other end
	for open := true; open; {
		select {
		case <-p.answers:
		case <-p.ended:
			open = false
		}
	}
	_ = p.cmd.Wait() // the state says it
	p.clear()
	heard := make(chan struct{})
	go func() { p.reading.Wait(); close(heard) }() // ends with the process's standard error
	select {
	case <-heard:
	case <-time.After(lastWords): // somebody else holds it open
	}
	return p.cmd.ProcessState.String()
}

// clear removes the folder.
func (p *Process) clear() {
	if p.folder != "" {
		_ = os.RemoveAll(p.folder) // nothing in it is of use to anybody
	}
}

// Close ends the process.
func (p *Process) Close() {
	if p.lost == nil {
		p.end()
		p.lost = engine.ErrClosed
	}
}

// ID returns the number by which the system knows the process.
func (p *Process) ID() int { return p.cmd.Process.Pid }
