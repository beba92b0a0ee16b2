package storetest_test

import (
	"testing"

	"lode/checkpoints"
	"lode/checkpoints/storetest"
)

// An implementation calls Run from a test of its own.
func Example() {
	_ = func(t *testing.T) {
		store, err := checkpoints.OpenDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		storetest.Run(t, store, 1<<20)
	}
}
