package sim

// This file tests what a run refuses, end to end over QUIC, while a round is in
// progress.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lode/coordinator"
	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
	"lode/transport"
	"lode/validator"
	"lode/worker"

	"lode/engine/cpu"
	"lode/engine/model"
)

// front answers a server's questions with a coordinator.
type front struct {
	*coordinator.Coordinator
	rules    *replica.Rules
	stopping context.Context
}

func (f front) Hello(ctx context.Context, peer protocol.NodeID, h transport.Hello) (transport.Welcome, error) {
	if h.Run != f.rules.Run {
		return transport.Welcome{}, protocol.Refuse(protocol.WrongRun, "run %s is not here", h.Run.Short())
	}
	next, err := f.Arrive(ctx, peer)
	return transport.Welcome{Version: protocol.Version, Run: f.rules.Run, Manifest: protocol.Encode(f.rules.Manifest), Next: next}, err
}

func (f front) Gone(peer protocol.NodeID) { f.Depart(f.stopping, peer) }

func (f front) Follow(ctx context.Context, _ protocol.NodeID, from uint64, send func([]byte) error) error {
	return f.Coordinator.Follow(ctx, from, send)
}

func (f front) Open(ctx context.Context, _ protocol.NodeID, d protocol.Digest) (io.ReadSeekCloser, int64, error) {
	return f.Coordinator.Open(ctx, d)
}

func (f front) Status(context.Context, protocol.NodeID) ([]byte, error) { return []byte("{}"), nil }

// net is a run behind a real socket.
type wired struct {
	*tiny
	t      *testing.T
	server *transport.Server
	hello  transport.Hello
}

func (w *wired) addr() string { return w.server.Addr().String() }

func (w *wired) dial(key ed25519.PrivateKey, server protocol.NodeID, h transport.Hello) (*transport.Client, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), hung)
	defer cancel()
	c, _, err := transport.Dial(ctx, w.addr(), server, key, h, transport.Options{})
	if err == nil {
		w.t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// wire brings up a coordinator behind a socket, an honest worker and a validator.
func wire(t *testing.T) *wired {
	t.Helper()
	y := newTiny(t)
	man := y.rules.Manifest
	man.Members.MinWorkers = 2
	var err error
	if y.rules, err = replica.NewRules(man); err != nil {
		t.Fatal(err)
	}
	w := &wired{tiny: y, t: t, hello: transport.Hello{Version: protocol.Version, Run: y.rules.Run, Role: protocol.Worker}}
	if w.server, err = transport.Listen("127.0.0.1:0", Key("coordinator", 0), transport.Options{}); err != nil {
		t.Fatal(err)
	}
	c, err := coordinator.New(coordinator.Config{
		Key: Key("coordinator", 0), Rules: y.rules, Journal: y.journal, Payloads: y.blobs, Log: y.log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Run(ctx) })
	g.Go(func() error { return w.server.Serve(ctx, front{c, y.rules, ctx}) })
	for _, role := range []protocol.Role{protocol.Validator, protocol.Worker} {
		g.Go(func() error { return w.member(ctx, role) })
	}
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("an honest node failed: %v", err)
		}
		_ = w.server.Close()
	})
	return w
}

func (w *wired) member(ctx context.Context, role protocol.Role) error {
	key, hello := Key(role.String(), 0), w.hello
	hello.Role = role
	s := transport.NewSession(ctx, w.addr(), NodeID("coordinator", 0), key, hello, transport.Options{})
	defer s.Close()
	e, err := cpu.New(w.rules.Model, cpu.Options{Threads: 1})
	if err != nil {
		return err
	}
	defer e.Close()
	if role == protocol.Worker {
		n, err := worker.New(worker.Config{
			Key: key, Name: "honest", Rules: w.rules, Duties: replica.Assigned{Plan: w.plan, Source: w.source}, Engine: e, Link: s, Files: new(drawer), Log: w.log,
		})
		if err != nil {
			return err
		}
		return n.Run(ctx)
	}
	n, err := validator.New(validator.Config{
		Key: key, Name: "validator", Rules: w.rules, Text: replica.Assigned{Plan: w.plan, Source: w.source}, Engine: e, Link: s, Files: new(drawer), Log: w.log,
	})
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// rogue is a worker who joined and means no good. Rounds wait for its commit.
type rogue struct {
	*wired
	*transport.Client
	key ed25519.PrivateKey

	mu    sync.Mutex
	rep   *round.Replica
	final []round.Summary
	grown chan struct{}
}

func newRogue(w *wired) *rogue {
	w.t.Helper()
	r := &rogue{wired: w, key: Key("rogue", 0), rep: round.NewReplica(w.rules.Manifest), grown: make(chan struct{})}
	var err error
	if r.Client, err = w.dial(r.key, NodeID("coordinator", 0), w.hello); err != nil {
		w.t.Fatal(err)
	}
	go func() { // ends with the client
		_ = r.Client.Follow(w.t.Context(), 0, func(entry []byte) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			effects, err := r.rep.Feed(entry)
			for _, e := range effects {
				if m, ok := e.(round.Merged); ok {
					r.final = append(r.final, m.Summary)
				}
			}
			close(r.grown)
			r.grown = make(chan struct{})
			return err
		})
	}()
	enter, err := replica.Enter(round.New(w.rules.Manifest), replica.Entry{Node: r.key, Role: protocol.Worker})
	if err != nil {
		w.t.Fatal(err)
	}
	r.say(protocol.OK, "join", protocol.Sign(r.key, w.rules.Run, 0, protocol.Join{Role: protocol.Worker, Name: "rogue", Enter: enter}))
	return r
}

// await waits until the record says so and returns the round then.
func (r *rogue) await(what string, yes func(m *round.Machine) bool) *round.Round {
	r.t.Helper()
	late := time.After(hung)
	for {
		r.mu.Lock()
		ok, cur, grown := yes(r.rep.Machine), r.rep.Machine.Current().Clone(), r.grown
		r.mu.Unlock()
		if ok {
			return cur
		}
		select {
		case <-grown:
		case <-late:
			r.t.Fatalf("the run never came to: %s", what)
		}
	}
}

func (r *rogue) owes(n protocol.Round, kind protocol.Kind) *round.Round {
	r.t.Helper()
	return r.await("what is owed", func(m *round.Machine) bool {
		k, ok := m.Owes(id(r.key))
		return ok && k == kind && m.Current().Number == n
	})
}

// outcome waits for the end of round n and returns what became of a worker.
func (r *rogue) outcome(n protocol.Round, w protocol.NodeID) protocol.Reason {
	r.t.Helper()
	r.await("the end of the round", func(m *round.Machine) bool { return m.Current().Number > n })
	r.mu.Lock()
	defer r.mu.Unlock()
	o, _ := r.final[n].Outcome(w)
	return o.Verdict.Reason
}

func (r *rogue) say(want protocol.Reason, what string, m protocol.Message) {
	r.t.Helper()
	r.refused(want, what, func(ctx context.Context) error { return r.Client.Submit(ctx, protocol.Encode(m)) })
}

// refused demands that the server refuses with a reason, and counts it.
func (r *rogue) refused(want protocol.Reason, what string, do func(ctx context.Context) error) {
	r.t.Helper()
	r.refusedAt(false, want, what, do)
}

// refusedAt is refused; what is refused before it is sent no server counts.
func (r *rogue) refusedAt(local bool, want protocol.Reason, what string, do func(ctx context.Context) error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), hung)
	defer cancel()
	before := r.server.Refusals()[want]
	err := do(ctx)
	if got := protocol.ReasonOf(err); got != want {
		r.t.Errorf("%s: %v, want reason %d (%v)", what, err, want, want)
	} else if want != protocol.OK && !local && r.server.Refusals()[want] <= before {
		r.t.Errorf("%s: the refusal was not counted", what)
	}
}

// commit sends an update as payload and commits to it.
func (r *rogue) commit(cur *round.Round, s replica.Sealed, upload bool) {
	r.t.Helper()
	if upload {
		r.refused(protocol.OK, "upload", func(ctx context.Context) error {
			return r.Client.Put(ctx, s.Cipher, int64(len(s.Payload)), bytes.NewReader(s.Payload))
		})
	}
	r.say(protocol.OK, "commit", protocol.Sign(r.key, r.rules.Run, cur.Number, commitTo(cur, s)))
}

func commitTo(cur *round.Round, s replica.Sealed) protocol.Commit {
	return protocol.Commit{StateRoot: cur.Root, Seed: cur.Seed, Plain: s.Plain, Cipher: s.Cipher, Size: uint64(len(s.Payload)), Kept: 1, Tokens: 1}
}

// sealed is an update of a round, of a model with that layout.
func (r *rogue) sealed(cur *round.Round, l tensor.Layout) replica.Sealed {
	r.t.Helper()
	a := make(tensor.Flat, l.Len())
	for i := range a {
		a[i] = float32(i%7) * 1e-3
	}
	u, err := gradient.Encode(l, r.rules.Codec(cur.Number), a)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.rules.Seal(r.key, cur.Number, cur.Root, u)
}

// doors are connections that must not come about.
func (r *rogue) doors() {
	key, server := Key("stranger", 0), NodeID("coordinator", 0)
	with := func(change func(*transport.Hello)) transport.Hello { h := r.hello; change(&h); return h }
	for what, c := range map[string]struct {
		want  protocol.Reason
		hello transport.Hello
	}{
		"another run":     {protocol.WrongRun, with(func(h *transport.Hello) { h.Run[0] ^= 1 })},
		"another version": {protocol.WrongVersion, with(func(h *transport.Hello) { h.Version++ })},
		"no role":         {protocol.WrongRole, with(func(h *transport.Hello) { h.Role = 77 })},
	} {
		r.refusedAt(c.want != protocol.WrongRun, c.want, what, func(context.Context) error { _, err := r.dial(key, server, c.hello); return err })
	}
	if _, err := r.dial(key, NodeID("nobody", 0), r.hello); !errors.Is(err, transport.ErrWrongKey) {
		r.t.Errorf("a server with another key: %v", err)
	}
	conn, err := net.Dial("udp", r.addr())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	rng := rand.NewChaCha8([32]byte{5})
	for n := range 300 {
		junk := make([]byte, 1+n*4)
		_, _ = rng.Read(junk)
		if n%2 == 0 {
			junk[0] |= 0xc0 // as a QUIC long header
		}
		_, _ = conn.Write(junk) // the system may say that nobody listens
	}
}

// messages are what a member must not get onto the record while round cur trains.
func (r *rogue) messages(cur *round.Round, honest protocol.Commit) {
	run, n := r.rules.Run, cur.Number
	good := commitTo(cur, r.sealed(cur, r.rules.Layout))
	with := func(change func(*protocol.Commit)) protocol.Commit { c := good; change(&c); return c }
	altered := func(change func(*protocol.Message)) protocol.Message {
		m := protocol.Sign(r.key, run, n, good)
		change(&m)
		return m
	}
	for _, c := range []struct {
		what string
		want protocol.Reason
		m    protocol.Message
	}{
		{"another roster's seed", protocol.WrongState, protocol.Sign(r.key, run, n, with(func(c *protocol.Commit) { c.Seed[0] ^= 1 }))},
		{"another state root", protocol.WrongState, protocol.Sign(r.key, run, n, with(func(c *protocol.Commit) { c.StateRoot[0] ^= 1 }))},
		{"another round", protocol.WrongRound, protocol.Sign(r.key, run, n+1, good)},
		{"somebody else's ciphertext", protocol.Copied, protocol.Sign(r.key, run, n, with(func(c *protocol.Commit) { c.Cipher = honest.Cipher }))},
		{"somebody else's update", protocol.Copied, protocol.Sign(r.key, run, n, with(func(c *protocol.Commit) { c.Plain = honest.Plain }))},
		{"an impossible loss", protocol.Malformed, protocol.Sign(r.key, run, n, with(func(c *protocol.Commit) { c.Loss = protocol.MaxNanoNats + 1 }))},
		{"nothing at all", protocol.Malformed, protocol.Sign(r.key, run, n, with(func(c *protocol.Commit) { c.Size = 0 }))},
		{"another run", protocol.WrongRun, protocol.Sign(r.key, protocol.RunID{1}, n, good)},
		{"another version", protocol.WrongVersion, altered(func(m *protocol.Message) { m.Version++ })},
		{"a broken signature", protocol.BadSignature, altered(func(m *protocol.Message) { m.Sig[3] ^= 1 })},
		{"a body that was changed", protocol.BadSignature, altered(func(m *protocol.Message) {
			m.Round = n + 1
			m.Round--
			m.Body = append([]byte{}, m.Body...)
			m.Body[9] ^= 1
		})},
		{"another sender's message", protocol.WrongCredential, protocol.Sign(Key("worker", 0), run, n, good)},
		{"a key before the list is signed", protocol.WrongPhase, protocol.Sign(r.key, run, n, protocol.Reveal{})},
		{"a validator's message", protocol.NotMember, protocol.Sign(r.key, run, n, protocol.ListSignature{})},
		{"a second join", protocol.Duplicate, protocol.Sign(r.key, run, 0, protocol.Join{Role: protocol.Worker, Name: "again"})},
		{"a join as something else", protocol.WrongRole, protocol.Sign(r.key, run, 0, protocol.Join{Role: protocol.Validator, Name: "again", Anchor: protocol.Digest{1}})},
	} {
		r.say(c.want, c.what, c.m)
	}
	for what, c := range map[string]struct {
		want protocol.Reason
		b    []byte
	}{
		"junk":             {protocol.Malformed, []byte("not a message")},
		"nothing":          {protocol.Malformed, nil},
		"bytes at the end": {protocol.Malformed, append(protocol.Encode(protocol.Sign(r.key, run, n, good)), 0)},
		"a long junk":      {protocol.Malformed, make([]byte, protocol.MaxMessageLen)},
	} {
		r.refused(c.want, what, func(ctx context.Context) error { return r.Client.Submit(ctx, c.b) })
	}
}

// payloads are uploads that must not be kept.
func (r *rogue) payloads(cur *round.Round) {
	put := func(c *transport.Client, d protocol.Digest, size int64, b []byte) func(context.Context) error {
		return func(ctx context.Context) error { return c.Put(ctx, d, size, bytes.NewReader(b)) }
	}
	content := []byte("payload")
	digest, most := protocol.Sum(content), 3*int64(r.rules.MaxPayload(cur.Number))
	stranger, err := r.dial(Key("stranger", 1), NodeID("coordinator", 0), r.hello)
	if err != nil {
		r.t.Fatal(err)
	}
	r.refused(protocol.NotExpected, "a stranger's payload", put(stranger, digest, int64(len(content)), content))
	r.refused(protocol.TooLarge, "a payload above the allowance", put(r.Client, protocol.Digest{1}, most+1, make([]byte, most+1)))
	r.refusedAt(true, protocol.TooLarge, "a payload above everything", put(r.Client, protocol.Digest{1}, 1<<40+1, nil))
	r.refused(protocol.WrongContent, "a payload with another digest", put(r.Client, protocol.Digest{2}, int64(len(content)), content))
	r.refused(protocol.NotFound, "a payload that is not here", func(ctx context.Context) error {
		_, err := r.Client.Fetch(ctx, protocol.Digest{3}, 100)
		return err
	})
	stranger2 := protocol.Sign(Key("stranger", 1), r.rules.Run, cur.Number, protocol.Commit{StateRoot: cur.Root, Size: 1})
	r.refused(protocol.NotMember, "a stranger's commit", func(ctx context.Context) error { return stranger.Submit(ctx, protocol.Encode(stranger2)) })
}

// Everything that is wrong is refused with its number, counted, and does not keep
// the round from its end; what can only be found out when it is opened costs the
// sender the round, and nobody else.
func TestRefusals(t *testing.T) {
	r := newRogue(wire(t))
	me, honest := id(r.key), NodeID("worker", 0)
	other, err := model.Layout(modelOf(t, r.rules))
	if err != nil {
		t.Fatal(err)
	}

	cur := r.owes(0, protocol.KindCommit)
	first := commitTo(cur, r.sealed(cur, r.rules.Layout))
	r.await("the honest commit", func(m *round.Machine) bool { return m.Current().Entry(honest) != nil })
	r.mu.Lock()
	theirs := r.rep.Machine.Current().Entry(honest).Commit
	r.mu.Unlock()
	r.doors()
	r.messages(cur, theirs)
	r.payloads(cur)

	reveal := func(n protocol.Round, s replica.Sealed) protocol.Message {
		return protocol.Sign(r.key, r.rules.Run, n, protocol.Reveal{Key: protocol.PayloadKey(r.key, r.rules.Run, n, s.Plain)})
	}
	want := []protocol.Reason{protocol.BadUpdate, protocol.Unavailable, protocol.NotOpened, protocol.NotOpened}
	for n := range protocol.Round(len(want)) {
		cur = r.owes(n, protocol.KindCommit)
		s := r.sealed(cur, r.rules.Layout)
		upload := true
		switch n {
		case 0:
			s = r.sealed(cur, other) // sound, but of another model
		case 1:
			upload = false
			r.say(protocol.WrongRound, "a commit of an earlier round", protocol.Sign(r.key, r.rules.Run, 0, first))
		case 3:
			cur.Number++ // sealed for another round
			s = r.sealed(cur, r.rules.Layout)
			cur.Number--
		}
		r.commit(cur, s, upload)
		r.owes(n, protocol.KindReveal)
		m := reveal(n, s)
		if n == 2 {
			m = protocol.Sign(r.key, r.rules.Run, n, protocol.Reveal{Key: [32]byte{1}})
		}
		r.say(protocol.OK, "key", m)
		if got := r.outcome(n, me); got != want[n] {
			t.Errorf("round %d: the rogue's update ended as %v, want %v", n, got, want[n])
		}
		if got := r.outcome(n, honest); got != protocol.OK {
			t.Errorf("round %d: the honest update ended as %v", n, got)
		}
	}
}

// modelOf is a model like the run's, but narrower.
func modelOf(t *testing.T, r *replica.Rules) model.Llama {
	t.Helper()
	m := r.Model.(model.Llama)
	m.FFN /= 2
	return m
}
