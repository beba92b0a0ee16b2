package cuda

// This file holds one pass of a part of a batch through the stages.

import (
	"lode/engine/cuda/driver"
)

// pass is the work on one part of a batch.
type pass struct {
	*Engine
	rows, steps int
	n           int   // positions: rows · steps
	train       bool  // the gradient is wanted
	part        int   // number of the part within its batch, from 1
	number      int   // of all passes, from 1
	ofTargets   int   // of the whole batch: the loss is the mean over so many
	text        *text // that goes on; nil: it is a batch
}

// forward puts the stages into the stream.
func (p *pass) forward() error {
	for _, s := range p.program.stages {
		if err := s.forward(p); err != nil {
			return err
		}
	}
	return nil
}

// refresh has halves be those of the parameters. Steps keep them so, others do not.
func (e *Engine) refresh() error {
	g := e.program
	if !g.half || !e.stale {
		return nil
	}
	if err := e.halve(g.halves, g.params, g.layout.Len()); err != nil {
		return err
	}
	e.stale = false
	return nil
}

// halvesFrom returns where the halves of the parameters from i on are, null if there are none.
func (g *program) halvesFrom(i int) driver.Arg {
	if !g.half {
		return driver.At(0)
	}
	return driver.At(g.halves.at(i))
}

// run puts the whole pass into the stream.
func (p *pass) run() error {
	g := p.program
	if err := p.forward(); err != nil {
		return err
	}
	if err := g.head.run(p); err != nil || !p.train {
		return err
	}
	for i := len(g.stages) - 1; i >= 0; i-- {
		for _, j := range g.stages[i].again {
			if err := g.stages[j].forward(p); err != nil {
				return err
			}
		}
		if back := g.stages[i].backward; back != nil {
			if err := back(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// fresh tells whether nothing of this batch is in a weight's gradient yet: then it is set,
// else added to.
func (p *pass) fresh(w *weight) bool {
	was := w.written
	w.written = p.number
	return p.part == 1 && was != p.number
}

// halve sets n values of to, in bf16, to those of from.
func (e *Engine) halve(to, from buffer, n int) error {
	return e.blocks("halve", ((n+3)/4+threads-1)/threads, to.arg(), from.arg(), driver.Long(int64(n)))
}

// threads of a block where each has one value.
const threads = 256

// kind returns the name of the kernel for values as they are in b.
func (b buffer) kind(kernel string) string {
	if b.half {
		return kernel + "_half"
	}
	return kernel
}

// each launches a kernel with a thread for each of n values. The last argument, n, is added.
func (e *Engine) each(kernel string, n int, args ...driver.Arg) error {
	if n == 0 {
		return nil
	}
	return e.stream.Launch(e.kernels[kernel], driver.Grid{X: (n + threads - 1) / threads, Threads: threads}, append(args, driver.Long(int64(n)))...)
}

// blocks launches a kernel with so many blocks.
func (e *Engine) blocks(kernel string, n int, args ...driver.Arg) error {
	return e.stream.Launch(e.kernels[kernel], driver.Grid{X: n, Threads: threads}, args...)
}

// multiply puts a product into the stream.
func (e *Engine) multiply(x driver.Product) error {
	return e.stream.Multiply(x, e.program.workspace.at(0), e.program.workspace.bytes)
}

// matrix returns a buffer as rows × cols.
func matrix(b buffer, rows, cols int) driver.Matrix {
	return driver.Matrix{At: b.at(0), Rows: rows, Cols: cols, Half: b.half}
}

func flag(on bool) driver.Arg {
	if on {
		return driver.Int(1)
	}
	return driver.Int(0)
}

// one is 1 if on, else 0.
func one(on bool) float32 {
	if on {
		return 1
	}
	return 0
}
