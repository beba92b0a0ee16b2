package driver_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/cuda/driver"
)

// party are devices with a stream and n values each, of which device i begins with i+1.
type party struct {
	devices []*driver.Device
	streams []*driver.Stream
	values  []driver.Pointer
	hosts   []driver.Host
	n       int
}

func newParty(t *testing.T, c *cudatest.Card, num, n int) *party {
	t.Helper()
	p := &party{n: n}
	for i := range num {
		d, err := driver.Open(c.Libraries, i)
		if err != nil {
			t.Fatal(err)
		}
		do(t, d, func() error {
			s, v, h := must(d.NewStream()), must(d.Alloc(int64(4*n))), must(d.AllocHost(4*n))
			for j := range h.Floats() {
				h.Floats()[j] = float32(i + 1)
			}
			p.devices, p.streams, p.values, p.hosts = append(p.devices, d), append(p.streams, s), append(p.values, v), append(p.hosts, h)
			return s.Upload(v, h, int64(4*n))
		})
	}
	return p
}

// addends are the values of all.
func (p *party) addends() (all []driver.Addend) {
	for i, s := range p.streams {
		all = append(all, driver.Addend{Stream: s, At: p.values[i], N: p.n})
	}
	return all
}

// ring joins all.
func (p *party) ring(t *testing.T) (r *driver.Ring) {
	t.Helper()
	do(t, p.devices[0], func() (err error) {
		r, err = driver.NewRing(p.devices)
		return err
	})
	return r
}

// has fails where a device has other values.
func (p *party) has(t *testing.T, want float32) {
	t.Helper()
	for i, d := range p.devices {
		h, s := p.hosts[i], p.streams[i]
		do(t, d, func() error { return all(s.Download(h, p.values[i], int64(4*p.n)), s.Wait()) })
		for j, v := range h.Floats() {
			if v != want {
				t.Fatalf("value %d of device %d is %v, want %v", j, i, v, want)
			}
		}
	}
}

// close gives back all of it.
func (p *party) close(t *testing.T) {
	t.Helper()
	for i, d := range p.devices {
		if err := d.Do(func() error {
			return all(p.streams[i].Wait(), p.streams[i].Destroy(), d.Free(p.values[i]), d.FreeHost(p.hosts[i]))
		}); err != nil && !errors.Is(err, engine.ErrLost) {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRing adds up, with float32 and float64 in one go.
func TestRing(t *testing.T) {
	for seed := range 3 {
		c := cudatest.Use(t, sources, fmt.Sprintf("devices=3 order=%d", seed))
		p := newParty(t, c, 3, 300)
		r := p.ring(t)
		doubles := p.addends()
		for i, d := range p.devices {
			do(t, d, func() error {
				if err := p.streams[i].Wait(); err != nil { // the host's memory is on its way
					return err
				}
				p.hosts[i].Doubles()[0] = 0.25
				doubles[i] = driver.Addend{Stream: p.streams[i], At: must(d.Alloc(8)), N: 1, Double: true}
				return p.streams[i].Upload(doubles[i].At, p.hosts[i], 8)
			})
		}
		do(t, p.devices[0], func() error { return r.Sum(p.addends(), doubles) })
		p.has(t, 6)
		for i, d := range p.devices {
			do(t, d, func() error {
				err := all(p.streams[i].Download(p.hosts[i], doubles[i].At, 8), p.streams[i].Wait(), d.Free(doubles[i].At))
				if v := p.hosts[i].Doubles()[0]; v != 0.75 {
					t.Errorf("the sum of device %d is %v", i, v)
				}
				return err
			})
		}
		do(t, p.devices[0], r.Close)
		p.close(t)
	}
}

// TestRingIsAborted: who waits for a device that is lost waits until then.
func TestRingIsAborted(t *testing.T) {
	c := cudatest.Use(t, sources, "devices=2 nccl_lose=1")
	p := newParty(t, c, 2, 8)
	r := p.ring(t)
	do(t, p.devices[0], func() error { return r.Sum(p.addends()) })
	waits := make(chan error)
	go func() { waits <- p.devices[0].Do(p.streams[0].Wait) }() // ends with the abort
	if err := p.devices[1].Do(p.streams[1].Wait); !errors.Is(err, engine.ErrLost) {
		t.Errorf("the one that is lost: %v", err)
	}
	select {
	case err := <-waits:
		t.Errorf("the other did not wait: %v", err)
	default:
	}
	r.Abort()
	if err := <-waits; err != nil {
		t.Errorf("the other: %v", err)
	}
	p.close(t)
}

// TestRingRefuses says what NCCL says.
func TestRingRefuses(t *testing.T) {
	for config, says := range map[string]string{
		"devices=2 nccl_init=2": "ncclCommInitAll: refused (unhandled system error",
		"devices=2 nccl=21500":  "NCCL 2.15.0, wanted is 2.16.0",
		"devices=2 nccl_fail=1": "ncclAllReduce: refused (internal error",
	} {
		c := cudatest.Use(t, sources, config)
		p := newParty(t, c, 2, 8)
		err := p.devices[0].Do(func() error {
			r, err := driver.NewRing(p.devices)
			if err == nil {
				err = r.Sum(p.addends())
				r.Abort()
			}
			return err
		})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", config, err)
		}
		p.close(t)
	}
}

// TestPeers copies from card to card, and through the host where there is no way.
func TestPeers(t *testing.T) {
	for config, direct := range map[string]bool{"devices=2": true, "devices=2 peers=0": false} {
		c := cudatest.Use(t, sources, config)
		p := newParty(t, c, 2, 8)
		if can, err := c.Libraries.Reaches(0, 1); can != direct || err != nil {
			t.Errorf("%s: %v, %v", config, can, err)
		}
		do(t, p.devices[0], func() error { return p.streams[0].Wait() })
		do(t, p.devices[1], func() error {
			for range 2 { // the second time it is said already
				if can, err := p.devices[1].Reach(p.devices[0]); can != direct || err != nil {
					t.Errorf("%s: %v, %v", config, can, err)
				}
			}
			return p.streams[1].CopyFrom(p.devices[0], p.values[1], p.values[0], 32)
		})
		p.has(t, 1)
		p.close(t)
	}
	c := cudatest.Use(t, sources, "devices=2")
	p := newParty(t, c, 2, 8)
	do(t, p.devices[1], func() error { return p.streams[1].CopyFrom(p.devices[0], p.values[1], p.values[0], 32) })
	if text := c.Faults(); !strings.Contains(text, "could reach") {
		t.Errorf("who does not say that a card reaches another is not found: %q", text)
	}
	p.close(t)
}
