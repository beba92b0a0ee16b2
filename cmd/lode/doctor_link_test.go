package main

// This file tests what the doctor finds on the way to a coordinator.

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"

	"lode/engine/cuda/cudatest"
	"lode/protocol"
	"lode/yuma/ledger"
)

// Status implements transport.Teller; the clerk's clock stands in 1970.
func (c *clerk) Status(context.Context, protocol.NodeID) ([]byte, error) {
	return json.Marshal(map[string]float64{"clock": 60})
}

// The doctor goes to a coordinator, sees that its clock is another, and says of each step
// what to do where it fails.
func TestDoctorLink(t *testing.T) {
	t.Setenv("LODE_CUDA_PATH", t.TempDir())
	var c clerk
	c.open(t, ledger.DefaultGenesis("town"))
	seen := func(link string) map[string]finding {
		t.Helper()
		all, err := linkFindings(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]finding{}
		for _, f := range all {
			found[f.What] = f
		}
		return found
	}
	found := seen(c.link)
	for what, want := range map[string]state{"name": isGood, "coordinator": isGood, "way": isGood, "clocks": isAbsent} {
		if found[what].State != want {
			t.Errorf("%s: %+v", what, found[what])
		}
	}
	if !strings.Contains(found["clocks"].Text, "one of them should be set") {
		t.Errorf("clocks: %+v", found["clocks"])
	}
	link, err := protocol.ParseLink(c.link)
	if err != nil {
		t.Fatal(err)
	}
	link.Coordinator[0] ^= 1
	if f := seen(link.Format())["coordinator"]; f.State != isBad {
		t.Errorf("another key: %+v", f)
	}
	quiet, err := net.ListenPacket("udp", "127.0.0.1:0") // takes packets and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	link.Addr = quiet.LocalAddr().String()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := linkFindings(ctx, link.Format()); !errors.Is(err, context.Canceled) {
		t.Errorf("a visit that was ended: %v", err)
	}
	if text := noAnswer(context.DeadlineExceeded, "host", "4433"); !strings.Contains(text, "4433/udp") {
		t.Error(text)
	}
	if code, _, errs := call(t, "doctor", "nonsense"); code != exitUsage {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// What a card computes wrong is found: here losses that nothing is near enough to.
func TestTrialFindsWrongLosses(t *testing.T) {
	trial := trials[0]
	trial.within = -1
	libs := cudatest.Use(t, cudatest.Kernels(), "").Libraries
	if _, err := trial.run(t.Context(), libs, []int{0}); err == nil || !strings.Contains(err.Error(), "please report it") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tryCards(ctx, libs, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a trial that was ended: %v", err)
	}
}
