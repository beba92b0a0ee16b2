package replica_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
)

// tape is a record that was written before, and then waits.
type tape [][]byte

func (r tape) Follow(ctx context.Context, from uint64, each func([]byte) error) error {
	for _, e := range r[from:] {
		if err := each(e); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// write returns a record in which one worker and one validator join, and the
// worker then leaves and comes back again and again.
func write(t *testing.T, r *replica.Rules, num int) tape {
	t.Helper()
	chain := protocol.Chain{Run: r.Run, Coordinator: idOf(200)}
	anchor := protocol.Hash("beacon", make([]byte, 32))
	enter, err := replica.Enter(round.New(r.Manifest), replica.Entry{Node: keyOf(1), Role: protocol.Worker})
	if err != nil {
		t.Fatal(err)
	}
	events := []protocol.Event{
		protocol.Genesis{Run: r.Run},
		protocol.Sign(keyOf(100), r.Run, 0, protocol.Join{Role: protocol.Validator, Name: "v", Anchor: anchor}),
		protocol.Sign(keyOf(1), r.Run, 0, protocol.Join{Role: protocol.Worker, Name: "w", Enter: enter}),
	}
	for i := range num {
		if i%2 == 0 {
			events = append(events, protocol.Absent{Node: idOf(1)})
		} else {
			events = append(events, protocol.Present{Node: idOf(1)})
		}
	}
	var out tape
	for _, ev := range events {
		out = append(out, protocol.Encode(chain.Append(keyOf(200), 1, ev)))
	}
	return out
}

var errEnough = errors.New("enough")

func TestFollow(t *testing.T) {
	r := rulesOf(t)
	record := write(t, r, 600) // more than wait in between
	rep := round.NewReplica(r.Manifest)
	for _, half := range []uint64{300, 603} {
		err := replica.Follow(context.Background(), record[:half], rep, func(final []round.Summary) error {
			if rep.Chain.Next == half {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) || rep.Chain.Next != half {
			t.Fatalf("at entry %d: %v", rep.Chain.Next, err)
		}
	}
	if x, ok := rep.Machine.Member(idOf(1)); !ok || !x.Present {
		t.Errorf("the worker is %+v", x)
	}
}

func TestFollowRefuses(t *testing.T) {
	r := rulesOf(t)
	good := write(t, r, 3)
	for name, record := range map[string]tape{
		"a gap":   {good[0], good[2]},
		"a cut":   {good[0], good[1][:9]},
		"nothing": {{}},
	} {
		rep := round.NewReplica(r.Manifest)
		if err := replica.Follow(context.Background(), record, rep, func([]round.Summary) error { return nil }); err == nil {
			t.Errorf("%s is followed", name)
		}
	}
}

func TestFollowEndsWithContext(t *testing.T) {
	r := rulesOf(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		rep := round.NewReplica(r.Manifest)
		err := replica.Follow(ctx, write(t, r, 3), rep, func([]round.Summary) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) || rep.Chain.Next != 6 {
			t.Errorf("after %d entries: %v", rep.Chain.Next, err)
		}
	})
}

// post answers a submission with each of its errors in turn, then takes it.
type post struct {
	answers []error
	got     [][]byte
}

func (p *post) Submit(_ context.Context, message []byte) error {
	p.got = append(p.got, message)
	if len(p.answers) == 0 {
		return nil
	}
	err := p.answers[0]
	p.answers = p.answers[1:]
	return err
}

func (p *post) Put(ctx context.Context, d protocol.Digest, size int64, r io.ReaderAt) error {
	b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil || protocol.Sum(b) != d {
		return errors.Join(err, errors.New("another payload than its digest"))
	}
	return p.Submit(ctx, b)
}

func TestSubmit(t *testing.T) {
	lost := errors.New("connection lost")
	busy := protocol.Refuse(protocol.Busy, "later")
	no := protocol.Refuse(protocol.WrongPhase, "too late")
	msg := protocol.Sign(keyOf(1), protocol.RunID{}, 0, protocol.Reveal{})
	for _, c := range []struct {
		name    string
		answers []error
		tries   int
		want    protocol.Reason
	}{
		{"taken at once", nil, 1, protocol.OK},
		{"lost, then taken", []error{lost, busy, lost, protocol.Refuse(protocol.Internal, "disk")}, 5, protocol.OK},
		{"refused", []error{no}, 1, protocol.WrongPhase},
		{"lost, then refused", []error{lost, no}, 2, protocol.WrongPhase},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &post{answers: c.answers}
			err := replica.Submit(t.Context(), p, msg)
			if protocol.ReasonOf(err) != c.want || len(p.got) != c.tries {
				t.Errorf("%s: %v after %d tries, want %d", c.name, err, len(p.got), c.tries)
			}
			for _, b := range p.got {
				var again protocol.Message
				if err := protocol.Decode(b, &again); err != nil || again.Digest() != msg.Digest() {
					t.Errorf("%s: another message was sent: %v", c.name, err)
				}
			}
			q := &post{answers: c.answers}
			if err := replica.Upload(t.Context(), q, []byte("payload")); protocol.ReasonOf(err) != c.want || len(q.got) != c.tries {
				t.Errorf("%s: upload: %v after %d tries", c.name, err, len(q.got))
			}
		})
	}
}

func TestSubmitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		p := &post{answers: make([]error, 100000)}
		for i := range p.answers {
			p.answers[i] = errors.New("nobody there")
		}
		err := replica.Submit(ctx, p, protocol.Message{})
		// At most five seconds and half as much again lie between two tries.
		if err == nil || len(p.got) < 3600/8 || len(p.got) > 3600 {
			t.Errorf("%d tries in an hour, %v", len(p.got), err)
		}
	})
}
