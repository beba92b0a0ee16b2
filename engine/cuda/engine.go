package cuda

// This file holds the engine: its options, and what it is on the card.

import (
	"errors"
	"fmt"
	"slices"

	"lode/engine"
	"lode/engine/cuda/driver"
	"lode/engine/cuda/kernels"
	"lode/engine/model"
	"lode/tensor"
)

// Options are what a machine chooses for its engine, and what its run says.
type Options struct {
	// Libraries are those of NVIDIA. Nil looks for them in driver.Folders.
	Libraries *driver.Libraries
	// Card is the number of the card, from 0.
	Card int
	// MaxBytes bounds what is taken of its memory. Zero is nine tenths of what is free.
	MaxBytes int64
	// Loads are the batches that will come: as many rows as the largest has are worked on
	// at a time, or fewer if that does not fit.
	Loads []model.Load
	// MicroRows is how many rows of a batch are worked on at a time at most. Zero is all.
	MicroRows int
	// Frozen says of each tensor of the model's layout whether it stays as it is.
	// Nil freezes none.
	Frozen []bool
	// NoDecay says of each tensor of the layout whether weight decay leaves it alone.
	// Nil is no matrix; vectors never decay.
	NoDecay []bool
	// Half has values and the factors of products in bf16; sums, parameters, gradient and
	// moments stay float32.
	Half bool
	// Muon says that there will be Muon steps; their memory is planned. Without it is
	// taken when the first comes.
	Muon bool
	// Vectors is how many vectors will be asked for; their memory is kept free.
	Vectors int

	again     bool  // values are computed again even if there is room for them
	headRows  int   // see options; 0 is as usual
	gap       int64 // between buffers, see arena
	workspace int64 // bytes that cuBLASLt may work in; 0 is workspaceBytes
	exchange  int64 // bytes; 0 is exchangeBytes
}

// Engine trains one model on a card. Make one with [New].
type Engine struct {
	arch    model.Model
	trace   *model.Trace
	layout  tensor.Layout
	frozen  []bool
	decays  []bool // by tensor: weight decay moves it
	plan    Plan
	program *program
	muon    *muon
	steps   uint64 // of the optimizer, queued ones included
	passes  int

	counts []int32 // of each token, for the groups of a batch

	params, grads *vector
	vectors       []*vector
	device        *driver.Device
	resources           // what is on the card
	edited        bool  // somebody wrote parameters; see Team
	stale         bool  // and the halves are not theirs yet
	lost          error // nil if it is there
	closed        bool
}

// resources are what an engine has on the card, apart from vectors; they begin anew with it.
type resources struct {
	stream           *driver.Stream
	modules          []*driver.Module
	kernels          map[string]*driver.Kernel
	reading, writing window
	batches          [2]batchWindow
	recorded         recorded
	queue            queue
	exchange         exchange
	numbers          driver.Host // what is waited for at once, such as a loss
}

var (
	_ engine.Engine    = (*Engine)(nil)
	_ engine.Grader    = (*Engine)(nil)
	_ engine.Predictor = (*Engine)(nil)
	_ engine.Reopener  = (*Engine)(nil)
	_ engine.Queuer    = (*Engine)(nil)
	_ engine.Continuer = (*Engine)(nil)
)

// FreeShare is how much of what is free may be taken unless somebody says otherwise, in
// percent.
const FreeShare = 90

// New returns an engine for m whose parameters are all zero.
func New(m model.Model, opt Options) (*Engine, error) {
	e, err := openCard(m, opt, opt.Card)
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	err = e.device.Do(func() error {
		limit, err := e.room(opt)
		if err != nil {
			return err
		}
		return e.begin(opt, limit)
	})
	if err != nil {
		_ = e.Close()
		return nil, fmt.Errorf("cuda: %w", err)
	}
	return e, nil
}

// openCard opens a card and takes nothing of it yet.
func openCard(m model.Model, opt Options, card int) (*Engine, error) {
	e, err := describe(m, opt)
	if err != nil {
		return nil, err
	}
	libs := opt.Libraries
	if libs == nil {
		libs = driver.Find(driver.Folders())
	}
	e.device, err = driver.Open(libs, card)
	return e, err
}

// describe checks what is asked for, without a card.
func describe(m model.Model, opt Options) (*Engine, error) {
	if opt.MicroRows < 0 || opt.MaxBytes < 0 || opt.Vectors < 0 {
		return nil, fmt.Errorf("%d rows at a time, %d bytes, %d vectors: want at least 0", opt.MicroRows, opt.MaxBytes, opt.Vectors)
	}
	if _, ok := m.(model.Outside); ok {
		return nil, model.ErrOutside
	}
	trace, err := model.TraceOf(m)
	if err != nil {
		return nil, err
	}
	l, err := trace.Layout()
	if err != nil {
		return nil, err
	}
	n := l.NumTensors()
	if len(opt.Frozen) != 0 && len(opt.Frozen) != n || len(opt.NoDecay) != 0 && len(opt.NoDecay) != n {
		return nil, fmt.Errorf("told of %d tensors whether they are frozen and of %d whether they decay, the model has %d", len(opt.Frozen), len(opt.NoDecay), n)
	}
	inputs, _ := m.Takes()
	e := &Engine{arch: m, trace: trace, frozen: slices.Clone(opt.Frozen), counts: make([]int32, inputs.Limit)}
	if len(e.frozen) == 0 {
		e.frozen = make([]bool, n)
	}
	if !slices.Contains(e.frozen, false) {
		return nil, errors.New("every tensor is frozen")
	}
	e.layout = l.Freeze(e.frozen)
	for t := range n {
		e.decays = append(e.decays, len(l.Spec(t).Shape) > 1 && (len(opt.NoDecay) == 0 || !opt.NoDecay[t]))
	}
	return e, nil
}

// room returns how many bytes of the card may be taken. Like all that follows, but for what
// implements engine.Engine, it runs on the thread that owns the card.
func (e *Engine) room(opt Options) (int64, error) {
	free, _, err := e.device.Memory()
	if opt.MaxBytes > 0 {
		return min(free, opt.MaxBytes), err
	}
	return free / 100 * FreeShare, err
}

// begin plans the card's memory and takes it.
func (e *Engine) begin(opt Options, limit int64) (err error) {
	if e.program, e.muon, e.plan, err = build(e.arch, e.trace, e.layout, e.frozen, opt, limit); err != nil {
		return err
	}
	e.params, e.grads = &vector{e: e, place: &e.program.params}, &vector{e: e, place: &e.program.grads}
	return e.take(opt.Muon)
}

// take gets everything on the card, which then holds zeros where it matters.
func (e *Engine) take(muon bool) (err error) {
	defer func() {
		if err != nil {
			e.give()
		}
	}()
	e.stale = true
	d, g := e.device, e.program
	if err := g.memory.allocate(d); err != nil {
		return err
	}
	if muon {
		if err := e.muon.memory.allocate(d); err != nil {
			return err
		}
	}
	if e.stream, err = d.NewStream(); err != nil {
		return err
	}
	if err := e.load(); err != nil {
		return err
	}
	if err := e.openWindows(); err != nil {
		return err
	}
	if err := e.queue.open(d); err != nil {
		return err
	}
	if err := e.openExchange(); err != nil {
		return err
	}
	e.recorded = recorded{}
	for to, bytes := range map[*driver.Host]int{
		&e.reading.host: 4 * windowValues, &e.writing.host: 4 * windowValues, &e.numbers: 4 * 8,
	} {
		if *to, err = d.AllocHost(bytes); err != nil {
			return err
		}
	}
	for _, b := range []buffer{g.params, g.grads, g.first, g.second, g.outcome} {
		if err := e.stream.Zero(b.at(0), b.bytes); err != nil {
			return err
		}
	}
	if err := e.uploadBytes(g.runs.at(0), bytesOf(e.allRuns())); err != nil {
		return err
	}
	for _, c := range g.constants {
		if err := e.upload(c.to.at(0), c.fill()); err != nil {
			return err
		}
	}
	return nil
}

// plainShared is the shared memory that a kernel may have without asking.
const plainShared = 48 << 10

// load has the driver compile the kernels.
func (e *Engine) load() error {
	e.kernels = map[string]*driver.Kernel{}
	for _, name := range kernels.Names() {
		m, err := e.device.Load(kernels.PTX(name))
		if err != nil {
			return fmt.Errorf("kernels of %s: %w", name, err)
		}
		e.modules = append(e.modules, m)
		for _, k := range m.Names() {
			if e.kernels[k], err = m.Kernel(k); err != nil {
				return err
			}
			if n := e.program.dynamic[k]; n > plainShared {
				if err := e.kernels[k].AllowDynamic(n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// uploadBytes waits until they are there.
func (e *Engine) uploadBytes(to driver.Pointer, b []byte) error {
	for len(b) > 0 {
		n := copy(e.writing.host.Bytes(), b)
		if err := e.stream.Upload(to, e.writing.host, int64(n)); err != nil {
			return err
		}
		if err := e.stream.Wait(); err != nil {
			return err
		}
		to, b = to.Plus(int64(n)), b[n:]
	}
	return nil
}

// give gives back what take took, and the memory of vectors. A card that is lost has
// nothing any more.
func (e *Engine) give() error {
	var errs []error
	if e.stream != nil {
		errs = append(errs, e.stream.Wait())
	}
	errs = append(errs, e.recorded.destroy()...)
	for _, m := range e.modules {
		errs = append(errs, m.Unload())
	}
	for i := range e.batches {
		errs = append(errs, e.batches[i].close(e.device)...)
	}
	errs = append(errs, e.queue.close(e.device)...)
	errs = append(errs, e.exchange.close(e.device)...)
	for _, h := range []driver.Host{e.reading.host, e.writing.host, e.numbers} {
		if h.There() {
			errs = append(errs, e.device.FreeHost(h))
		}
	}
	if e.stream != nil {
		errs = append(errs, e.stream.Destroy())
	}
	errs = append(errs, e.program.memory.free(e.device), e.muon.memory.free(e.device), e.program.recall.memory.free(e.device))
	for _, v := range e.vectors {
		errs = append(errs, v.memory.free(e.device))
	}
	e.resources = resources{}
	return errors.Join(errs...)
}

// Plan returns what is taken of the card's memory.
func (e *Engine) Plan() Plan { return e.plan }

// Card says what the engine works on.
func (e *Engine) Card() driver.Info { return e.device.Info() }

// Layout implements engine.Engine.
func (e *Engine) Layout() tensor.Layout { return e.layout }

// Takes implements engine.Engine.
func (e *Engine) Takes() (inputs, targets engine.Port) { return e.arch.Takes() }

// ready returns why nothing can be asked of the engine.
func (e *Engine) ready() error {
	if e.closed {
		return engine.ErrClosed
	}
	return e.lost
}

// do runs f on the thread that owns the card.
func (e *Engine) do(f func() error) error {
	if err := e.ready(); err != nil {
		return err
	}
	err := e.device.Do(f)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("cuda: %w", err)
	if errors.Is(err, engine.ErrLost) {
		e.lost = err
	}
	return err
}

// Reopen implements engine.Reopener. It does nothing to an engine that is not lost.
func (e *Engine) Reopen() error {
	if e.closed {
		return engine.ErrClosed
	}
	if e.lost == nil {
		return nil
	}
	if err := e.revive(); err != nil {
		return err
	}
	return e.retake()
}

// revive opens the card anew, with nothing on it.
func (e *Engine) revive() error {
	_ = e.device.Do(e.give) // of a card that is lost there is nothing to give back
	if err := e.device.Reopen(); err != nil {
		return fmt.Errorf("cuda: %w", err)
	}
	return nil
}

// retake takes everything anew.
func (e *Engine) retake() error {
	err := e.device.Do(func() error {
		e.forget()
		if err := e.take(false); err != nil {
			return err
		}
		for _, v := range e.vectors {
			if err := v.memory.allocate(e.device); err != nil {
				return errors.Join(err, e.give())
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cuda: %w: %w", engine.ErrLost, err)
	}
	e.lost, e.steps = nil, 0
	return nil
}

// forget drops what went with the card.
func (e *Engine) forget() {
	e.resources = resources{}
	e.program.memory.base, e.muon.memory.base, e.program.recall.memory.base = 0, 0, 0
	e.program.recall.begun++ // the text is lost
	for _, v := range e.vectors {
		v.memory.base = 0
	}
}

// Close implements engine.Engine.
func (e *Engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	var err error
	if e.program != nil {
		err = e.device.Do(e.give)
	}
	if cerr := e.device.Close(); err == nil {
		err = cerr
	}
	if err != nil && !errors.Is(err, engine.ErrLost) {
		return fmt.Errorf("cuda: %w", err)
	}
	return nil
}
