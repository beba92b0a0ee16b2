package transport

// This file tests the limits on how many messages come.

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"lode/protocol"
)

// A bucket holds what comes in during burstOver, and fills at its rate.
func TestMeter(t *testing.T) {
	const rate = 4
	most := rate * int(burstOver/time.Second)
	m := newMeter[string](rate)
	now := time.Unix(1_000_000, 0)
	drain := func(k string) (n int) {
		for m.take(k, now) {
			n++
		}
		return n
	}
	if n := drain("a"); n != most {
		t.Fatalf("%d at once, want %d", n, most)
	}
	if n := drain("b"); n != most {
		t.Errorf("%d of another at once, want %d", n, most)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{
		{0, 0}, {time.Second / rate / 2, 0}, {time.Second / rate / 2, 1}, {time.Second, rate}, {3 * time.Second, 3 * rate}, {time.Hour, most}, {-time.Minute, 0},
	} {
		now = now.Add(c.after)
		if n := drain("a"); n != c.want {
			t.Errorf("%d after %v, want %d", n, c.after, c.want)
		}
	}
}

// Only those who took something lately are remembered.
func TestMeterForgets(t *testing.T) {
	m := newMeter[int](1)
	now := time.Unix(1_000_000, 0)
	for i := range 10_000 {
		if !m.take(i, now) {
			t.Fatalf("%d: its first was refused", i)
		}
		now = now.Add(time.Second / 10)
	}
	if n := len(m.full); n > 200 { // ten come and go within each second
		t.Errorf("%d are remembered", n)
	}
	for m.take(1, now) {
	}
	for i := range 1000 {
		m.take(i, now)
	}
	if m.take(1, now) {
		t.Error("one that had its fill was forgotten")
	}
}

// An address bears what its keys bear together, and no more.
func TestInbound(t *testing.T) {
	in := newInbound()
	now := time.Unix(1_000_000, 0)
	here, there := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	const perKey, perAddress = keyMessages * int(burstOver/time.Second), addressMessages * int(burstOver/time.Second)
	taken := 0
	for key := range byte(250) {
		for range perKey + 10 {
			err := in.take(protocol.NodeID{key}, here, now)
			if err == nil {
				taken++
			} else if protocol.ReasonOf(err) != protocol.Busy {
				t.Fatal(err)
			}
		}
	}
	if taken != perAddress {
		t.Errorf("%d were taken from one address, want %d", taken, perAddress)
	}
	if err := in.take(protocol.NodeID{251}, there, now); err != nil {
		t.Errorf("elsewhere: %v", err)
	}
	if err := in.take(protocol.NodeID{1}, here, now.Add(burstOver)); err != nil {
		t.Errorf("later: %v", err)
	}
}

// Messages that come too fast do not reach the program; a session that is told so
// waits and gets its message through, and others do not notice.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("sends hundreds of messages")
	}
	d := newDesk()
	p := start(t, local, d, Options{})
	ctx := testContext(t)
	c := p.dial(t, 1, Options{})
	began := time.Now()
	refused := 0
	const sent = 2 * keyMessages * int(burstOver/time.Second)
	for i := range sent {
		if err := c.Submit(ctx, fmt.Append(nil, i)); err != nil {
			wantReason(t, err, protocol.Busy)
			refused++
		}
	}
	most := keyMessages * (burstOver + time.Since(began) + time.Second).Seconds()
	if taken := float64(sent - refused); refused == 0 || taken > most {
		t.Errorf("%v of %d were taken, at most %v should be", taken, sent, most)
	}
	if got := len(d.messages); got != sent-refused {
		t.Errorf("%d messages arrived, %d were taken", got, sent-refused)
	}
	if n := p.Refusals()[protocol.Busy]; n != uint64(refused) {
		t.Errorf("%d refusals were counted, %d heard", n, refused)
	}
	if err := p.dial(t, 2, Options{}).Submit(ctx, []byte("of another")); err != nil {
		t.Errorf("another key: %v", err)
	}
	c.Close()
	receive(t, d.gone) // a connection anew is no way around
	s := p.session(t, 1, brisk)
	for i := range 2 * keyMessages {
		if err := s.Submit(ctx, fmt.Append(nil, "patient", i)); err != nil {
			t.Fatal(err)
		}
	}
}
