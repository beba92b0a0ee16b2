package driver_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/cuda/driver"
)

const axpy = `
extern "C" __global__ void axpy(float *y, const float *x, float a, double b, int n, long long step) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i * step] += a * x[i * step] + (float)b;
}
extern "C" __global__ void reversed(float *x) {
    DYNAMIC_SHARED(float, s);
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}
`

var sources = cudatest.Sources{"axpy": axpy}

// use opens the stand-in and its card.
func use(t *testing.T, config string) (*cudatest.Card, *driver.Device) {
	t.Helper()
	c := cudatest.Use(t, sources, config)
	d, err := driver.Open(c.Libraries, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, d
}

func do(t *testing.T, d *driver.Device, f func() error) {
	t.Helper()
	if err := d.Do(f); err != nil {
		t.Fatal(err)
	}
}

// must panics with an error: within Do a test cannot end.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func all(errs ...error) error { return errors.Join(errs...) }

// TestWork moves memory, compiles, launches, waits and records.
func TestWork(t *testing.T) {
	for _, seed := range []string{"order=1", "order=2", "order=3"} {
		t.Run(seed, func(t *testing.T) {
			c, d := use(t, seed)
			do(t, d, func() error { return work(t, c, d) })
		})
	}
}

func work(t *testing.T, c *cudatest.Card, d *driver.Device) error {
	const n = 300
	bytes := int64(4 * n)
	s, other := must(d.NewStream()), must(d.NewStream())
	x, y := must(d.Alloc(bytes)), must(d.Alloc(bytes))
	h := must(d.AllocHost(int(2 * bytes)))
	for i := range n {
		h.Floats()[i] = float32(i)
	}
	ptx := must(c.Libraries.Compile("axpy.cu", axpy, map[string]string{"none.cuh": ""}, "--fmad=false"))
	m := must(d.Load(ptx))
	k := must(m.Kernel("axpy"))
	uploaded, begun, ended := must(d.NewEvent(false)), must(d.NewEvent(true)), must(d.NewEvent(true))
	args := []driver.Arg{driver.At(y), driver.At(x), driver.Float(2), driver.Double(0.5), driver.Int(n), driver.Long(1)}
	launch := func() error { return s.Launch(k, driver.Grid{X: 3, Threads: 128}, args...) }
	err := all(
		begun.Record(other), other.Upload(x, h, bytes), uploaded.Record(other), s.Zero(y, bytes), s.After(uploaded), launch(),
		s.Download(h.From(int(bytes)), y, bytes), ended.Record(s), ended.Wait(),
	)
	for i, v := range h.Floats()[n : 2*n] {
		if want := 2*float32(i) + 0.5; v != want {
			t.Errorf("value %d is %v, want %v", i, v, want)
			break
		}
	}
	if ms, err := ended.Since(begun); err != nil || ms < 0 {
		t.Errorf("%v milliseconds, error %v", ms, err)
	}
	g := must(s.Capture(func() error { return all(s.Copy(x, y, bytes), launch()) })) // y becomes 3y + 0.5
	err = all(err, g.Launch(s), g.Launch(s), s.Download(h, y, bytes), s.Wait())
	for i, v := range h.Floats()[:n] {
		if want := 9*(2*float32(i)+0.5) + 3*0.5 + 0.5; v != want {
			t.Errorf("value %d after the graph is %v, want %v", i, v, want)
			break
		}
	}
	r := must(m.Kernel("reversed"))
	err = all(err, r.AllowDynamic(4*n), s.Launch(r, driver.Grid{X: 1, Threads: 64, Dynamic: 256}, driver.At(y)), s.Download(h.From(int(bytes)), y, bytes), s.Wait())
	for i := range 64 {
		if a, b := h.Floats()[i], h.Floats()[n+63-i]; a != b {
			t.Errorf("value %d turned round is %v, not %v", i, b, a)
			break
		}
	}
	if names := m.Names(); len(names) != 2 || !slices.Contains(names, "axpy") {
		t.Errorf("kernels %q", names)
	}
	free, total, ferr := d.Memory()
	if free <= 0 || free >= total {
		t.Errorf("%d bytes free of %d", free, total)
	}
	return all(err, ferr, other.Wait(), g.Destroy(), uploaded.Destroy(), begun.Destroy(), ended.Destroy(), m.Unload(), s.Destroy(), other.Destroy(), d.FreeHost(h), d.Free(x), d.Free(y))
}

// TestArguments that a kernel does not take never reach the driver.
func TestArguments(t *testing.T) {
	c, d := use(t, "")
	do(t, d, func() error {
		s, m := must(d.NewStream()), must(d.Load(must(c.Libraries.Compile("axpy.cu", axpy, nil))))
		k := must(m.Kernel("axpy"))
		good := []driver.Arg{driver.At(0), driver.At(0), driver.Float(0), driver.Double(0), driver.Int(0), driver.Long(1)}
		for i := range good {
			for _, bad := range []driver.Arg{driver.At(0), driver.Float(0), driver.Double(0), driver.Int(0)} {
				args := slices.Clone(good)
				if args[i] = bad; args[i] == good[i] {
					continue
				}
				func() {
					defer func() {
						if recover() == nil && (i < 5 || bad != driver.At(0)) { // a long long and an address look alike
							t.Errorf("argument %d may be %v", i, bad)
						}
					}()
					if s.Launch(k, driver.Grid{X: 1, Threads: 32}, args...) != nil {
						t.Error("it reached the driver")
					}
				}()
			}
		}
		if _, err := m.Kernel("other"); !errors.Is(err, driver.ErrRefused) {
			t.Errorf("a kernel that there is not: %v", err)
		}
		return all(s.Wait(), m.Unload(), s.Destroy())
	})
}

// TestMultiply compares products in all forms with their definition.
func TestMultiply(t *testing.T) {
	_, d := use(t, "")
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		do(t, d, func() error { return multiply(t, d, r) })
	}
}

func multiply(t *testing.T, d *driver.Device, r *rand.Rand) error {
	m, n, k := 1+r.IntN(9), 1+r.IntN(9), 1+r.IntN(9)
	const room = 64 // values for each matrix
	s := must(d.NewStream())
	p, h := must(d.Alloc(6*4*room*4)), must(d.AllocHost(6*4*room*4))
	vals := h.Floats()
	for i := range vals {
		vals[i] = float32(r.IntN(9) - 4)
	}
	shift := r.IntN(3)
	at := func(i int) driver.Pointer { return p.Plus(int64(4 * (4*room*i + shift))) }
	of := func(i, row, col, step int) float32 { return vals[4*room*i+shift+row*step+col] }
	to := driver.Matrix{At: at(0), Rows: m, Cols: n, Step: n + r.IntN(3)}
	a, b := driver.Matrix{At: at(1), Rows: m, Cols: k, Step: k + r.IntN(3)}, driver.Matrix{At: at(2), Rows: k, Cols: n}
	turnA, turnB := r.IntN(2) == 0, r.IntN(2) == 0
	if turnA {
		a = driver.Matrix{At: at(1), Rows: k, Cols: m}.T()
	}
	if turnB {
		b = driver.Matrix{At: at(2), Rows: n, Cols: k, Step: k + 1}.T()
	}
	x := driver.Product{To: to, A: a, B: b, Alpha: float32(r.IntN(3)), Beta: float32(r.IntN(3)), TF32: r.IntN(2) == 0}
	add, bias := 0, r.IntN(2) == 0
	if r.IntN(2) == 0 {
		add, x.Add = 3, at(3)
	}
	if bias {
		x.Bias = p.Plus(4 * 4 * room * 4)
	}
	alpha := x.Alpha
	if alpha == 0 {
		alpha = 1
	}
	want := make([]float32, m*n)
	for i := range m {
		for j := range n {
			sum := x.Beta * of(add, i, j, to.Step)
			if bias {
				sum += vals[4*room*4+j]
			}
			for l := range k {
				va, vb := of(1, i, l, a.Step), of(2, l, j, n)
				if turnA {
					va = of(1, l, i, m)
				}
				if turnB {
					vb = of(2, j, l, k+1)
				}
				sum += alpha * va * vb
			}
			want[i*n+j] = sum
		}
	}
	err := all(s.Upload(p, h, int64(len(h.Bytes()))), s.Multiply(x, p.Plus(5*4*room*4), 1024), s.Download(h, p, 4*room*4), s.Wait())
	for i := range m {
		for j := range n {
			if got := of(0, i, j, to.Step); got != want[i*n+j] {
				t.Errorf("%+v: value %d,%d is %v, want %v", x, i, j, got, want[i*n+j])
			}
		}
	}
	return all(err, d.Free(p), d.FreeHost(h), s.Destroy())
}

// TestRefusals says why a card cannot be used, and what to do.
func TestRefusals(t *testing.T) {
	open := func(l *driver.Libraries, ordinal int) error {
		d, err := driver.Open(l, ordinal)
		if err == nil {
			_ = d.Close()
		}
		return err
	}
	for _, c := range []struct {
		config  string
		ordinal int
		kind    error
		says    string
	}{
		{"devices=0", 0, driver.ErrAbsent, "nvidia-smi"},
		{"driver=11080", 0, driver.ErrTooOld, "525"},
		{"blas=111100", 0, driver.ErrTooOld, "pip install nvidia-cublas-cu12"},
		{"capability=75", 0, driver.ErrTooOld, "7.5"},
		{"devices=2", 2, driver.ErrAbsent, "there are 2"},
		{"", -1, driver.ErrAbsent, "lode doctor"},
		{"lose=1", 0, engine.ErrLost, "nvidia-smi"},
	} {
		card := cudatest.Use(t, sources, c.config)
		card.Configure(c.config)
		err := open(card.Libraries, c.ordinal)
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %q, want %v and a word of %q", c.config, err, c.kind, c.says)
		}
	}
	empty := t.TempDir()
	err := open(driver.Find([]string{empty}), 0)
	if !errors.Is(err, driver.ErrAbsent) || !strings.Contains(err.Error(), "install") || !strings.Contains(err.Error(), empty+", where alone LODE_CUDA_PATH") ||
		!strings.Contains(err.Error(), "libcublasLt") || strings.Contains(err.Error(), "\n") {
		t.Errorf("without libraries: %v", err)
	}
	if err := open(driver.Find([]string{cudatest.Bare(t)}), 0); !errors.Is(err, driver.ErrTooOld) || !strings.Contains(err.Error(), "has no cu") {
		t.Errorf("without most functions: %v", err)
	}
}

// TestMemory ends with a clear error, and the device goes on.
func TestMemory(t *testing.T) {
	_, d := use(t, "memory=100000")
	do(t, d, func() error {
		p := must(d.Alloc(60000))
		if _, err := d.Alloc(60000); !errors.Is(err, driver.ErrMemory) || !strings.Contains(err.Error(), "--card-memory") {
			t.Errorf("error %v", err)
		}
		return d.Free(p)
	})
}

// TestLost loses the device at each call in turn; it comes back, or says that it cannot.
func TestLost(t *testing.T) {
	if cudatest.Real() {
		t.Skip("a card cannot be told to be lost")
	}
	for at, ended := 1, false; !ended; at++ {
		t.Run(strconv.Itoa(at), func(t *testing.T) { ended = lose(t, at) })
	}
}

// lose loses the device at call number at and says whether there were fewer calls.
func lose(t *testing.T, at int) bool {
	c, d := use(t, "")
	c.Configure("lose=" + strconv.Itoa(at))
	some := func() error {
		s, err := d.NewStream()
		if err != nil {
			return err
		}
		p, err := d.Alloc(64)
		if err != nil {
			return err
		}
		return all(s.Zero(p, 64), s.Wait(), s.Destroy(), d.Free(p))
	}
	err := d.Do(some)
	if err == nil {
		if at < 5 {
			t.Errorf("only %d calls were tried", at)
		}
		return true
	}
	if !errors.Is(err, engine.ErrLost) || !errors.Is(d.Do(some), engine.ErrLost) {
		t.Fatalf("lost at call %d: %v", at, err)
	}
	c.Configure("heals=0 lose=1")
	if err := d.Reopen(); err == nil || errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), "start the program anew") {
		t.Fatalf("lost for good at call %d: %v", at, err)
	}
	c.Configure("")
	if err := d.Reopen(); err != nil {
		t.Fatal(err)
	}
	if err := d.Do(some); err != nil {
		t.Fatalf("opened again after call %d: %v", at, err)
	}
	return false
}

// TestHeld finds what was not given back.
func TestHeld(t *testing.T) {
	c := cudatest.Use(t, sources, "")
	d, err := driver.Open(c.Libraries, 0)
	if err != nil {
		t.Fatal(err)
	}
	do(t, d, func() error { _, err := d.NewStream(); return err })
	if err := d.Close(); err == nil {
		t.Error("a stream was not given back and nothing said so")
	}
	if c.Faults() == "" {
		t.Error("the stand-in has not noticed")
	}
	c.Forget()
}

// TestCompile says what NVRTC says.
func TestCompile(t *testing.T) {
	c := cudatest.Use(t, sources, "")
	if _, err := c.Libraries.Compile("bad.cu", "#error", nil); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "#error") {
		t.Errorf("error %v", err)
	}
	if _, err := driver.Find([]string{t.TempDir()}).Compile("a.cu", "", nil); !errors.Is(err, driver.ErrAbsent) {
		t.Errorf("without NVRTC: %v", err)
	}
}
