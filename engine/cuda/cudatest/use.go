package cudatest

// This file holds what tests ask of the library.

import (
	"os"
	"strings"
	"testing"
	"unsafe"

	"lode/engine/cuda/driver"
)

// Card is the library, in use by one test.
type Card struct {
	Libraries                                   *driver.Libraries
	Folder                                      string // where it lies
	real                                        bool   // it is NVIDIA's
	t                                           testing.TB
	configure, faults, calls, forget, interpret uintptr
}

// Use returns the library with these kernels, configured by NAME=NUMBER pairs: memory (bytes), lose
// (the number of the call that finds its device lost), heals (whether it can be opened
// again), driver, blas, nccl (versions), devices, capability, order (seed), peers (whether
// devices reach each other), unlike (whether the last has more processors), nccl_init (what
// ncclCommInitAll returns), nccl_fail, nccl_lose (the number of the sum that is refused, or in
// which the last device is lost). At its end the test fails if it did something wrong or
// gave something not back. Where tests run on a card, see [Real], it returns NVIDIA's
// libraries, and skips what only the stand-in can do.
func Use(t testing.TB, sources Sources, config string) *Card {
	t.Helper()
	if Real() {
		return useReal(t, sources, config)
	}
	dir := Folder(t, sources)
	c := &Card{t: t, Folder: dir}
	lib, err := open(dir + "/libcuda.so.1")
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]*uintptr{"fakeConfigure": &c.configure, "fakeFaults": &c.faults, "fakeCalls": &c.calls, "fakeForget": &c.forget, "fakeInterpret": &c.interpret} {
		if *to, err = symbol(lib, name); err != nil {
			t.Fatal(err)
		}
	}
	c.Forget() // what a test before may have left
	c.Configure(config)
	c.Libraries = driver.Find([]string{dir})
	if asPTX.Load() > 0 || os.Getenv("LODE_PTX") == "1" {
		c.Interpret(nil)
	}
	t.Cleanup(func() {
		if text := c.Faults(); text != "" {
			t.Errorf("the stand-in for the driver says:\n%s", text)
		}
	})
	return c
}

// Configure changes what the library is like; what is not named is as at the beginning.
func (c *Card) Configure(config string) {
	c.t.Helper()
	if c.real {
		c.needStandIn(config)
		return
	}
	b := append([]byte(config), 0)
	if r := call(c.configure, uintptr(unsafe.Pointer(&b[0]))); r != 0 {
		c.t.Fatalf("%q cannot be configured", config)
	}
}

// Faults returns what was done wrong since it was last asked, and what is held now.
func (c *Card) Faults() string {
	if c.real {
		return ""
	}
	b := make([]byte, 1<<16)
	n := call(c.faults, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return strings.TrimSpace(string(b[:n]))
}

// Forget drops what is held and was done wrong.
func (c *Card) Forget() {
	if !c.real {
		call(c.forget)
	}
}

// Calls returns how many calls there were since it was configured.
func (c *Card) Calls() int {
	if c.real {
		c.needStandIn("calls")
	}
	n := call(c.calls)
	return int(n)
}
