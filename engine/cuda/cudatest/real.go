package cudatest

// This file has tests run on a card instead of the stand-in.

import (
	"os"
	"slices"
	"strings"
	"testing"

	"lode/engine/cuda/driver"
	"lode/engine/cuda/kernels"
)

// Real says whether tests run on card 0 of this machine, by NVIDIA's libraries where
// driver.Folders finds them: LODE_TEST_CARD is 1.
func Real() bool { return os.Getenv("LODE_TEST_CARD") == "1" }

func useReal(t testing.TB, sources Sources, config string) *Card {
	t.Helper()
	c := &Card{t: t, real: true, Libraries: driver.Find(driver.Folders())}
	for name := range sources {
		if !slices.Contains(kernels.Names(), name) {
			c.needStandIn("kernels of its own, " + name)
		}
	}
	if err := c.Libraries.Usable(0); err != nil {
		t.Fatalf("LODE_TEST_CARD is 1, and %v", err)
	}
	c.Configure(config)
	return c
}

// needStandIn skips a test that asks for more than an order of threads, which a card has of
// its own.
func (c *Card) needStandIn(config string) {
	c.t.Helper()
	if config != "" && !strings.HasPrefix(config, "order=") {
		c.t.Skipf("asks the stand-in for %q, which a card cannot be told", config)
	}
}
