package torch

// This file holds the engine: its options, and how a process becomes one.

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"lode/engine"
	"lode/engine/model"
	"lode/engine/process"
	"lode/gradient"
	"lode/tensor"
)

// Options are what a machine chooses for its engine, and what its run says.
type Options struct {
	// Python is the interpreter. Empty means that of the environment variable
	// LODE_PYTHON, or else python3 in the PATH.
	Python string
	// Numpy works with numpy instead of PyTorch.
	Numpy bool
	// Device is cuda, cuda:1, mps or cpu. Empty means the best there is.
	Device string
	// Precision is that of a pass: float32, or bf16 for mixed precision by autocast
	// (with numpy float64 instead). Empty means float32. Parameters are float32 always.
	Precision string
	// Ranks is how many processes of this machine share the rows of a batch, one for each
	// of its GPUs. Zero means one.
	Ranks int
	// Shard cuts the model over all these processes, instead of giving each the whole.
	Shard bool
	// Meet is HOST:PORT of this machine, at which processes of others join, see
	// python/lode/engine/follow.py. Empty means none do.
	Meet string
	// Threads is how many threads the processor's part of the work has. Zero means one.
	Threads int
	// Frozen says of each tensor of the model's layout whether it stays as it is.
	// Nil freezes none.
	Frozen []bool
	// NoDecay says of each tensor of the layout whether weight decay leaves it alone.
	// Nil is no matrix; vectors never decay.
	NoDecay []bool
	// Patience is how long there may be no sign of progress; see process.Command.
	Patience time.Duration
	Log      zerolog.Logger // of what the process says

	apart bool  // tensors are copies on the processor too, as on a device
	idle  *idle // where processes wait for the next engine; nil: they end with theirs
}

// idle are processes that wait, each with its memory. A test opens engines by the
// hundred, and PyTorch takes seconds to load.
type idle struct {
	processes []*process.Process
	memories  []*process.Memory
}

// Engine trains one model in another process. Make one with [New].
type Engine struct {
	arch   model.Model
	hidden []bool // of each tensor: Muon's
	opt    Options
	layout tensor.Layout
	shared bool // the process works in the shared memory
	device string

	process *process.Process
	memory  *process.Memory
	params  []float32 // length D
	grads   []float32 // length D
	moments engine.Moments
	ahead   map[string]bool // "params" or "moments" that were written here since

	mu     sync.Mutex
	behind bool // the process has newer values of all of these; views may ask at once

	lost   error // nil if there is a process
	closed bool
}

var (
	_ engine.Engine   = (*Engine)(nil)
	_ engine.Reopener = (*Engine)(nil)
)

// New starts an engine for m whose parameters are all zero.
func New(m model.Model, opt Options) (*Engine, error) {
	l, err := model.Layout(m)
	if err != nil {
		return nil, fmt.Errorf("torch: %w", err)
	}
	hidden, err := model.Hidden(m)
	if err != nil {
		return nil, fmt.Errorf("torch: %w", err)
	}
	if opt.Frozen != nil && len(opt.Frozen) != l.NumTensors() {
		return nil, fmt.Errorf("torch: told of %d tensors whether they are frozen, the model has %d", len(opt.Frozen), l.NumTensors())
	}
	if opt.NoDecay != nil && len(opt.NoDecay) != l.NumTensors() {
		return nil, fmt.Errorf("torch: told of %d tensors whether they decay, the model has %d", len(opt.NoDecay), l.NumTensors())
	}
	e := &Engine{arch: m, hidden: hidden, opt: opt, layout: l.Freeze(opt.Frozen), ahead: map[string]bool{}}
	e.opt.Frozen, e.opt.NoDecay = slices.Clone(opt.Frozen), slices.Clone(opt.NoDecay)
	trained := engine.NumTrained(e.layout)
	if trained == 0 {
		return nil, errors.New("torch: every tensor is frozen")
	}
	if i := opt.idle; i != nil && len(i.processes) > 0 {
		last := len(i.processes) - 1
		e.process, e.memory = i.processes[last], i.memories[last]
		i.processes, i.memories = i.processes[:last], i.memories[:last]
	} else if e.memory, err = process.NewMemory(); err != nil {
		return nil, fmt.Errorf("torch: %w", err)
	}
	values, err := e.memory.Grow(2 * (l.Len() + trained))
	if err == nil {
		e.params, values = values[:l.Len():l.Len()], values[l.Len():]
		e.grads, values = values[:l.Len():l.Len()], values[l.Len():]
		e.moments = engine.Moments{First: values[:trained:trained], Second: values[trained:]}
		err = e.start()
	}
	if err != nil {
		_ = e.Close()
		return nil, fmt.Errorf("torch: %w", err)
	}
	return e, nil
}

// start starts a process, unless one waited, and opens the model in it.
func (e *Engine) start() error {
	if e.process == nil {
		if err := e.spawn(); err != nil {
			return err
		}
	}
	if err := e.open(); err != nil {
		e.process.Close()
		e.process = nil
		return err
	}
	e.ahead["params"], e.ahead["moments"] = true, true
	return nil
}

// spawn starts an interpreter on this program's own files.
func (e *Engine) spawn() error {
	dir, err := installed()
	if err != nil {
		return err
	}
	python, err := e.interpreter()
	if err != nil {
		return err
	}
	e.process, err = process.Start(process.Command{
		Path: python, Args: []string{"-u", dir}, Env: e.environment(), Memory: e.memory, Patience: e.opt.Patience, Log: e.opt.Log, Folder: e.opt.Ranks > 1 || e.opt.Shard,
	})
	return err
}

// environment bounds the threads of the libraries. They sleep while they wait, unless
// the user says otherwise: where others use the processors too, spinning costs more than
// the work.
func (e *Engine) environment() (env []string) {
	for _, name := range []string{"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"} {
		env = append(env, name+"="+strconv.Itoa(max(1, e.opt.Threads)))
	}
	if _, said := os.LookupEnv("OMP_WAIT_POLICY"); !said {
		env = append(env, "OMP_WAIT_POLICY=passive")
	}
	return env
}

// interpreter finds a Python.
func (e *Engine) interpreter() (string, error) {
	name := e.opt.Python
	if name == "" {
		name = os.Getenv("LODE_PYTHON")
	}
	if name == "" {
		name = "python3"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("no Python: %w; install it, or name one that has PyTorch", err)
	}
	return path, nil
}

// spec is a tensor as it travels.
type spec struct {
	Name   string `cbor:"name"`
	Shape  []int  `cbor:"shape"`
	Frozen bool   `cbor:"frozen"`
	Hidden bool   `cbor:"hidden"`
	Decays bool   `cbor:"decays"`
	// Of a model of the user's own, before it is known.
	Embedding bool    `cbor:"embedding"`
	Value     float64 `cbor:"value"`
	Spread    float64 `cbor:"spread"`
}

// opened is what the process says of a model.
type opened struct {
	Tensors []spec `cbor:"tensors"`
	Device  string `cbor:"device"`
	Shared  bool   `cbor:"shared"`
	Source  string `cbor:"source"` // SHA-256 of a user's file
}

// open has the process open the model and share the memory, and checks that it has
// the tensors that the model has.
func (e *Engine) open() error {
	ours := make([]spec, e.layout.NumTensors())
	for t := range ours {
		s := e.layout.Spec(t)
		ours[t] = spec{
			Name: s.Name, Shape: s.Shape, Frozen: s.Kind == tensor.Frozen, Hidden: e.hidden[t],
			Decays: len(s.Shape) > 1 && (e.opt.NoDecay == nil || !e.opt.NoDecay[t]),
		}
	}
	o, err := e.opt.ask(e.process, travelling(e.arch, ours))
	if err != nil {
		return err
	}
	specs := make([]tensor.Spec, len(o.Tensors))
	for t, s := range o.Tensors {
		specs[t] = tensor.Spec{Name: s.Name, Shape: s.Shape}
		if t < len(ours) {
			specs[t].Kind = e.layout.Spec(t).Kind // not the process's to say
		}
	}
	l, err := tensor.NewLayout(specs...)
	if err != nil {
		return fmt.Errorf("its model: %w", err)
	}
	if !gradient.SameLayout(l, e.layout) {
		return fmt.Errorf("its model has %d parameters in %d tensors, ours %d in %d; or they differ in name or shape",
			l.Len(), l.NumTensors(), e.layout.Len(), e.layout.NumTensors())
	}
	e.device, e.shared = o.Device, o.Shared
	length := 2 * (len(e.params) + len(e.moments.First))
	return e.process.Call("attach", map[string]any{"tensors": ours, "length": length}, &struct{}{})
}

// ProcessID returns the number by which the system knows the process, 0 if it is lost.
func (e *Engine) ProcessID() int {
	if e.process == nil {
		return 0
	}
	return e.process.ID()
}

// Usage returns the most bytes that the process has held so far, on its device too, and
// the time that processors gave it.
func (e *Engine) Usage() (peak int64, cpu time.Duration, err error) {
	if err := e.ready(); err != nil {
		return 0, 0, err
	}
	var u struct {
		Peak int64 `cbor:"peak"`
		CPU  int64 `cbor:"cpu"`
	}
	err = e.call("usage", struct{}{}, &u)
	return u.Peak, time.Duration(u.CPU), err
}

// Device says in words what the engine works on.
func (e *Engine) Device() string { return e.device }

// Layout implements engine.Engine.
func (e *Engine) Layout() tensor.Layout { return e.layout }

// Takes implements engine.Engine.
func (e *Engine) Takes() (inputs, targets engine.Port) { return e.arch.Takes() }

// Reopen implements engine.Reopener. It does nothing to an engine that is not lost.
func (e *Engine) Reopen() error {
	if e.closed {
		return engine.ErrClosed
	}
	if e.lost == nil {
		return nil
	}
	e.moments.Steps = 0
	clear(e.moments.First)
	clear(e.moments.Second)
	e.behind = false
	if err := e.start(); err != nil {
		return fmt.Errorf("torch: %w: %w", engine.ErrLost, err)
	}
	e.lost = nil
	return nil
}

// Close implements engine.Engine.
func (e *Engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	e.params, e.grads, e.moments = nil, nil, engine.Moments{}
	if i := e.opt.idle; i != nil && e.process != nil && e.lost == nil {
		i.processes, i.memories = append(i.processes, e.process), append(i.memories, e.memory)
		return nil
	}
	if e.process != nil {
		e.process.Close()
	}
	return e.memory.Close()
}

// ready returns why nothing can be asked of the engine.
func (e *Engine) ready() error {
	if e.closed {
		return engine.ErrClosed
	}
	return e.lost
}

// call calls the process.
func (e *Engine) call(name string, args, result any) error {
	err := e.process.Call(name, args, result)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("torch: %w", err)
	if errors.Is(err, engine.ErrLost) {
		e.lost, e.process = err, nil
	}
	return err
}

// finite reports whether x is a number.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
