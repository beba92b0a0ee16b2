package cudatest_test

import (
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"unsafe"

	"lode/engine/cuda/cudatest"
	"lode/engine/cuda/driver"
)

// Each of these does one thing wrong, but the first.
const kernels = `
extern "C" __global__ void good(float *x) {
    __shared__ float s[64];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    float v = s[63 - threadIdx.x];
    for (int i = 16; i > 0; i /= 2) v += __shfl_xor_sync(0xffffffffu, v, i);
    x[threadIdx.x] = v;
}
extern "C" __global__ void no_barrier(float *x) {
    __shared__ float s[64];
    s[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = s[63 - threadIdx.x];
}
extern "C" __global__ void unset(float *x) {
    __shared__ float s[64];
    x[threadIdx.x] = s[threadIdx.x];
}
extern "C" __global__ void two_barriers(float *x) {
    if (threadIdx.x < 32) __syncthreads();
    else
        __syncthreads();
}
extern "C" __global__ void some_return(float *x) {
    if (threadIdx.x == 3) return;
    __syncthreads();
}
extern "C" __global__ void half_a_warp(float *x) {
    if (threadIdx.x < 16) x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}
extern "C" __global__ void masked(float *x) { x[threadIdx.x] = __shfl_xor_sync(0xffffu, x[threadIdx.x], 1); }
extern "C" __global__ void blocks(float *x) {
    if (threadIdx.x == 0) x[0] = x[0] * 3 + blockIdx.x;
}
`

// TestStandIn leaves the library's folder at the name in LODE_STAND_IN, for programs that are
// tried by hand: make stand-in.
func TestStandIn(t *testing.T) {
	name := os.Getenv("LODE_STAND_IN")
	if name == "" {
		t.Skip("LODE_STAND_IN names nothing")
	}
	_ = os.Remove(name) // of earlier
	if err := os.Symlink(cudatest.Folder(t, cudatest.Kernels()), name); err != nil {
		t.Fatal(err)
	}
}

// run runs a kernel on 64 values 0, 1, 2, … and returns what became of them.
func run(t *testing.T, c *cudatest.Card, kernel string, grid int) (after []float32, err error) {
	t.Helper()
	d, err := driver.Open(c.Libraries, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return after, d.Do(func() error {
		s, err := d.NewStream()
		if err != nil {
			return err
		}
		p, err := d.Alloc(256)
		if err != nil {
			return err
		}
		h, err := d.AllocHost(256)
		if err != nil {
			return err
		}
		for i := range 64 {
			h.Floats()[i] = float32(i)
		}
		ptx, err := c.Libraries.Compile("kernels.cu", kernels, nil)
		if err != nil {
			return err
		}
		m, err := d.Load(ptx)
		if err != nil {
			return err
		}
		k, err := m.Kernel(kernel)
		if err != nil {
			return err
		}
		for _, f := range []func() error{
			func() error { return s.Upload(p, h, 256) },
			func() error { return s.Launch(k, driver.Grid{X: grid, Threads: 64}, driver.At(p)) },
			func() error { return s.Download(h, p, 256) },
			s.Wait,
		} {
			if err := f(); err != nil {
				return err
			}
		}
		after = append(after, h.Floats()...)
		for _, f := range []func() error{m.Unload, s.Destroy, func() error { return d.Free(p) }, func() error { return d.FreeHost(h) }} {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	})
}

// The stand-in must run what is right and notice what is wrong, whatever the order.
func TestKernelsRun(t *testing.T) {
	for _, order := range []string{"order=1", "order=2", "order=3"} {
		c := cudatest.Use(t, cudatest.Sources{"kernels": kernels}, "")
		c.Configure(order)
		got, err := run(t, c, "good", 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if want := float32(32*31/2 + 32*32*(1-i/32)); v != want {
				t.Fatalf("%s: value %d is %v, want %v", order, i, v, want)
			}
		}
		got, err = run(t, c, "no_barrier", 1)
		if err != nil {
			t.Fatal(err)
		}
		if unset := count(got, func(i int, v float32) bool { return v != float32(63-i) }); unset == 0 {
			t.Errorf("%s: a barrier that is missing is not seen", order)
		}
		if got, err = run(t, c, "unset", 1); err != nil || count(got, func(_ int, v float32) bool { return v == v }) > 0 {
			t.Errorf("%s: shared memory is not poisoned: %v", order, err)
		}
	}
}

func count(all []float32, f func(int, float32) bool) (n int) {
	for i, v := range all {
		if f(i, v) {
			n++
		}
	}
	return n
}

// Blocks run in an order that the seed decides.
func TestBlocksComeInAnyOrder(t *testing.T) {
	seen := map[float32]bool{}
	for _, order := range []string{"order=1", "order=2", "order=3", "order=4"} {
		got, err := run(t, cudatest.Use(t, cudatest.Sources{"kernels": kernels}, order), "blocks", 4)
		if err != nil {
			t.Fatal(err)
		}
		seen[got[0]] = true
	}
	if len(seen) < 2 {
		t.Error("four seeds, one order")
	}
}

func TestFaultyKernelsAreFound(t *testing.T) {
	for kernel, says := range map[string]string{
		"two_barriers": "different barriers", "some_return": "never come", "half_a_warp": "never come", "masked": "not all of its 32",
	} {
		c := cudatest.Use(t, cudatest.Sources{"kernels": kernels}, "")
		if _, err := run(t, c, kernel, 1); err == nil {
			t.Errorf("%s has run", kernel)
		}
		if text := c.Faults(); !strings.Contains(text, says) || !strings.Contains(text, "kernels.cu") {
			t.Errorf("%s: the stand-in says %q, want a word of %q and the place", kernel, text, says)
		}
	}
}

// The host cannot touch the device's memory, and finds no old values in new memory.
func TestMemoryIsApart(t *testing.T) {
	c := cudatest.Use(t, cudatest.Sources{"kernels": kernels}, "")
	d, err := driver.Open(c.Libraries, 0)
	if err != nil {
		t.Fatal(err)
	}
	var p driver.Pointer
	if err := d.Do(func() (err error) { p, err = d.Alloc(64); return err }); err != nil {
		t.Fatal(err)
	}
	func() {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if recover() == nil {
				t.Error("the host has read the device's memory")
			}
		}()
		t.Log(**(**float32)(unsafe.Pointer(&p)))
	}()
	if err := d.Do(func() error { return d.Free(p) }); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Misuse of the libraries is found.
func TestMisuseIsFound(t *testing.T) {
	for says, misuse := range map[string]func(d *driver.Device) error{
		"which is not allocated": func(d *driver.Device) error {
			p, err := d.Alloc(64)
			if err != nil {
				return err
			}
			if err := d.Free(p); err != nil {
				return err
			}
			return d.Free(p)
		},
		"not in one live allocation": func(d *driver.Device) error {
			p, err := d.Alloc(64)
			if err != nil {
				return err
			}
			s, err := d.NewStream()
			if err != nil {
				return err
			}
			return s.Copy(p, p.Plus(32), 64)
		},
		"there is not": func(d *driver.Device) error {
			s, err := d.NewStream()
			if err != nil {
				return err
			}
			if err := s.Destroy(); err != nil {
				return err
			}
			return s.Wait()
		},
		"was not recorded": func(d *driver.Device) error {
			s, err := d.NewStream()
			if err != nil {
				return err
			}
			e, err := d.NewEvent(false)
			if err != nil {
				return err
			}
			return s.After(e)
		},
	} {
		c := cudatest.Use(t, cudatest.Sources{"kernels": kernels}, "")
		d, err := driver.Open(c.Libraries, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Do(func() error { return misuse(d) }); err == nil {
			t.Errorf("%s: done", says)
		}
		_ = d.Close()
		if text := c.Faults(); !strings.Contains(text, says) {
			t.Errorf("the stand-in says %q, want a word of %q", text, says)
		}
	}
}
