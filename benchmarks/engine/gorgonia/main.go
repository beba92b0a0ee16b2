//go:build unix

// Command gorgonia trains the smallest model of `lode bench engine` with what gorgonia
// offers by itself: its own operations, its solver and the BLAS it comes with. It is
// what the operations of lode/engine/cpu are compared with.
//
//	go run ./benchmarks/engine/gorgonia --steps 5
//
// The model has no rotary positions, which gorgonia lacks; they cost little. Ids come
// as one-hot rows.
package main

import (
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// The size 1m.
const (
	dim, layers, heads, ffn, vocab = 128, 4, 4, 384, 256
	rows, steps                    = 8, 128
	n, hd                          = rows * steps, dim / heads
)

func main() {
	count := flag.Int("steps", 5, "steps that count, after one that does not")
	flag.Parse()
	if err := run(*count); err != nil {
		log.Fatal(err)
	}
}

// builder adds nodes to a graph; the first error ends the program.
type builder struct {
	g      *G.ExprGraph
	params G.Nodes
}

func must(n *G.Node, err error) *G.Node {
	if err != nil {
		log.Fatal(err)
	}
	return n
}

func (b *builder) param(init G.InitWFn, shape ...int) *G.Node {
	p := G.NewTensor(b.g, G.Float32, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint("p", len(b.params))), G.WithInit(init))
	b.params = append(b.params, p)
	return p
}

func (b *builder) linear(x *G.Node, out int) *G.Node {
	return must(G.Mul(x, b.param(G.Gaussian(0, 0.02), x.Shape()[1], out)))
}

func (b *builder) norm(x *G.Node) *G.Node {
	mean := must(G.Mean(must(G.Square(x)), 1))
	root := must(G.Reshape(must(G.Sqrt(must(G.Add(mean, G.NewConstant(float32(1e-5)))))), tensor.Shape{n, 1}))
	y := must(G.BroadcastHadamardDiv(x, root, nil, []byte{1}))
	return must(G.BroadcastHadamardProd(y, b.param(G.Ones(), 1, dim), nil, []byte{0}))
}

func (b *builder) attention(h, mask *G.Node) *G.Node {
	part := func() *G.Node {
		q := must(G.Reshape(b.linear(h, dim), tensor.Shape{rows, steps, heads, hd}))
		return must(G.Transpose(q, 0, 2, 1, 3))
	}
	q, k, v := part(), part(), part()
	p := must(G.Mul(must(G.BatchedMatMul(q, k, false, true)), G.NewConstant(float32(1/math.Sqrt(hd)))))
	p = must(G.Reshape(must(G.Add(p, mask)), tensor.Shape{rows * heads * steps, steps}))
	p = must(G.Reshape(must(G.SoftMax(p, 1)), tensor.Shape{rows, heads, steps, steps}))
	o := must(G.Transpose(must(G.BatchedMatMul(p, v)), 0, 2, 1, 3))
	return b.linear(must(G.Reshape(o, tensor.Shape{n, dim})), dim)
}

func (b *builder) feed(h *G.Node) *G.Node {
	gate := b.linear(h, ffn)
	gate = must(G.HadamardProd(gate, must(G.Sigmoid(gate))))
	return b.linear(must(G.HadamardProd(gate, b.linear(h, ffn))), dim)
}

// loss builds the model.
func (b *builder) loss(inputs, targets *G.Node) *G.Node {
	mask := causal(b.g)
	table := b.param(G.Gaussian(0, 0.02), vocab, dim)
	x := must(G.Mul(inputs, table))
	for range layers {
		x = must(G.Add(x, b.attention(b.norm(x), mask)))
		x = must(G.Add(x, b.feed(b.norm(x))))
	}
	logits := must(G.Mul(b.norm(x), must(G.Transpose(table, 1, 0))))
	right := must(G.Sum(must(G.HadamardProd(targets, must(G.LogSoftMax(logits, 1)))), 1))
	return must(G.Neg(must(G.Mean(right))))
}

func causal(g *G.ExprGraph) *G.Node {
	values := make([]float32, rows*heads*steps*steps)
	for i := range values {
		if i%steps > i/steps%steps {
			values[i] = -1e9
		}
	}
	v := tensor.New(tensor.WithShape(rows, heads, steps, steps), tensor.WithBacking(values))
	return G.NewTensor(g, G.Float32, 4, G.WithShape(v.Shape()...), G.WithName("mask"), G.WithValue(v))
}

func run(count int) error {
	b := &builder{g: G.NewGraph()}
	inputs := G.NewMatrix(b.g, G.Float32, G.WithShape(n, vocab), G.WithName("inputs"))
	targets := G.NewMatrix(b.g, G.Float32, G.WithShape(n, vocab), G.WithName("targets"))
	loss := b.loss(inputs, targets)
	var value G.Value
	G.Read(loss, &value)
	if _, err := G.Grad(loss, b.params...); err != nil {
		return err
	}
	vm := G.NewTapeMachine(b.g, G.BindDualValues(b.params...))
	defer vm.Close()
	solver := G.NewAdamSolver(G.WithLearnRate(1e-3))
	var wall, cpu []float64
	for i := range count + 1 {
		in, out := batch(uint64(i))
		if err := G.Let(inputs, in); err != nil {
			return err
		}
		if err := G.Let(targets, out); err != nil {
			return err
		}
		began, used := time.Now(), processor()
		if err := vm.RunAll(); err != nil {
			return err
		}
		if err := solver.Step(G.NodesToValueGrads(b.params)); err != nil {
			return err
		}
		vm.Reset()
		fmt.Printf("step %d: loss %v, %.3f s\n", i, value, time.Since(began).Seconds())
		if i > 0 {
			wall, cpu = append(wall, time.Since(began).Seconds()), append(cpu, (processor()-used).Seconds())
		}
	}
	slices.Sort(wall)
	slices.Sort(cpu)
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return err
	}
	fmt.Printf("gorgonia: %.0f tokens/s, %.0f tokens/CPU-s, %d MB\n", n/wall[len(wall)/2], n/cpu[len(cpu)/2], u.Maxrss>>10)
	return nil
}

// batch returns one-hot rows of the language of lode bench engine.
func batch(i uint64) (inputs, targets *tensor.Dense) {
	r := rand.New(rand.NewPCG(i, 5))
	in, out := make([]float32, n*vocab), make([]float32, n*vocab)
	id := r.IntN(vocab)
	for k := range n {
		in[k*vocab+id] = 1
		id = (5*id + 7 + r.IntN(3)) % vocab
		out[k*vocab+id] = 1
	}
	return tensor.New(tensor.WithShape(n, vocab), tensor.WithBacking(in)), tensor.New(tensor.WithShape(n, vocab), tensor.WithBacking(out))
}

// processor returns the time that all threads have used.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
