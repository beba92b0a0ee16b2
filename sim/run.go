package sim

// This file runs a whole run in one process.

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"lode/checkpoints"
	"lode/coordinator"
	"lode/coordinator/journal"
	"lode/coordinator/round"
	"lode/data"
	"lode/engine/cpu"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
	"lode/validator"
	"lode/worker"
)

// Options say what is run.
type Options struct {
	// Manifest of the run. Coordinator and Members.Genesis are filled in.
	Manifest   protocol.Manifest
	Initial    tensor.Reader // the parameters that the manifest names; read by all nodes at once
	Source     data.Source
	Index      *data.Index
	Dir        string            // for everybody's files
	Validators int               // each with the same stake
	Conducts   []string          // one per worker; "" or "honest" does as told
	Own        []replica.Samples // each worker's data in private mode; else nil
	// Link changes a worker's way to the coordinator, if it is not nil.
	Link   func(worker int, to replica.Link) replica.Link
	Owner  ed25519.PrivateKey // of all workers; nil: each is its own
	Rounds uint64
	Log    zerolog.Logger
	// Each is called with every finished round, if it is not nil.
	Each func(*round.Machine, round.Summary)
	// Sheets is called with every round once its sheets are shown, if it is not
	// nil.
	Sheets func(*round.Round)
}

// Key returns the key that a role's i-th node has in every run here.
func Key(role string, i int) ed25519.PrivateKey {
	seed := protocol.Hash("sim key", []byte(role), fmt.Append(nil, i))
	return ed25519.NewKeyFromSeed(seed[:])
}

// NodeID returns the id of a role's i-th node.
func NodeID(role string, i int) protocol.NodeID { return id(Key(role, i)) }

func id(k ed25519.PrivateKey) protocol.NodeID {
	return protocol.NodeID(k.Public().(ed25519.PublicKey))
}

const stake = 1_000_000_000_000

// Run runs until so many rounds are final and returns the machine at that point.
// Dir may hold other runs.
func Run(ctx context.Context, o Options) (*round.Machine, error) {
	rules, err := o.rules()
	if err != nil {
		return nil, err
	}
	file, err := journal.Open(filepath.Join(o.Dir, "record.db"))
	if err != nil {
		return nil, err
	}
	defer file.Close() // every write was synced
	c, err := o.coordinator(rules, file)
	if err != nil {
		return nil, err
	}
	return o.play(ctx, rules, c)
}

// rules completes the manifest with those who take part.
func (o Options) rules() (*replica.Rules, error) {
	man := o.Manifest
	man.Coordinator = id(Key("coordinator", 0))
	man.Members.MinWorkers, man.Members.MinValidators = uint32(len(o.Conducts)), uint32(o.Validators)
	man.Members.Genesis = nil
	for i := range o.Validators {
		man.Members.Genesis = append(man.Members.Genesis, protocol.Stake{Node: id(Key("validator", i)), Stake: stake})
	}
	r, err := replica.NewRules(man)
	if err == nil {
		r.Initial = o.Initial
	}
	return r, err
}

// coordinator keeps the run's record in a file.
func (o Options) coordinator(rules *replica.Rules, file *journal.File) (*coordinator.Coordinator, error) {
	record, err := file.Record(rules.Run)
	if err != nil {
		return nil, err
	}
	blobs, err := checkpoints.OpenBlobs(filepath.Join(o.Dir, "payloads"), rules.Run, 1<<30, 1<<40)
	if err != nil {
		return nil, err
	}
	return coordinator.New(coordinator.Config{
		Key: Key("coordinator", 0), Rules: rules, Journal: record, Payloads: blobs, Log: o.Log,
	})
}

// play starts everybody and follows the record until so many rounds are final.
func (o Options) play(ctx context.Context, rules *replica.Rules, c *coordinator.Coordinator) (*round.Machine, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Run(ctx) })
	s := stage{o: o, rules: rules, to: c}
	for i := range o.Validators {
		g.Go(func() error { return s.arrived(ctx, Key("validator", i), func() error { return s.validator(ctx, i) }) })
	}
	for i, conduct := range o.Conducts {
		g.Go(func() error {
			return s.arrived(ctx, Key("worker", i), func() error { return s.worker(ctx, i, conduct) })
		})
	}
	rep := round.NewReplica(rules.Manifest)
	shown := protocol.Digest{}
	g.Go(func() error { // its end ends the others: nobody fails before it is known
		return replica.Follow(ctx, link{to: c}, rep, func(final []round.Summary) error {
			for _, f := range final {
				if o.Each != nil {
					o.Each(rep.Machine, f)
				}
			}
			if cur := rep.Machine.Current(); o.Sheets != nil && cur.Decision != (protocol.Digest{}) && cur.Decision != shown {
				shown = cur.Decision
				o.Sheets(cur)
			}
			if rep.Machine.Counts().Rounds >= o.Rounds {
				return errEnough
			}
			return nil
		})
	})
	if err := g.Wait(); err != nil && !errors.Is(err, errEnough) && !errors.Is(err, context.Canceled) {
		return rep.Machine, err
	}
	return rep.Machine, nil
}

var errEnough = errors.New("enough rounds")

// stage is what nodes share.
type stage struct {
	o     Options
	rules *replica.Rules
	to    *coordinator.Coordinator
}

// arrived runs a node while the coordinator counts it as connected.
func (s stage) arrived(ctx context.Context, key ed25519.PrivateKey, run func() error) error {
	if _, err := s.to.Arrive(ctx, id(key)); err != nil {
		if ctx.Err() != nil { // the coordinator may have heard it first
			return ctx.Err()
		}
		return err
	}
	defer s.to.Depart(ctx, id(key))
	return run()
}

// member is what a worker and a validator have in common.
type member struct {
	key    ed25519.PrivateKey
	name   string
	text   replica.Assigned
	engine *cpu.Engine
	files  *checkpoints.Dir
}

// member makes a role's i-th member; its engine is to be closed.
func (s stage) member(role string, i int) (m member, err error) {
	m.key, m.name = Key(role, i), fmt.Sprintf("%s-%d", role, i+1)
	plan, err := data.NewPlan(s.o.Index, s.rules.Manifest.Data, s.rules.Manifest.Train)
	if err != nil {
		return m, err
	}
	m.text = s.rules.Assigned(plan, s.o.Source)
	if m.files, err = checkpoints.OpenDir(filepath.Join(s.o.Dir, m.name, "runs", s.rules.Run.String())); err != nil {
		return m, err
	}
	m.engine, err = cpu.New(s.rules.Model, cpu.Options{Frozen: s.rules.Frozen, NoDecay: s.rules.NoDecay})
	return m, err
}

// keptBack is the share of its own data that a worker measures with.
const keptBack = 0.1

func (s stage) worker(ctx context.Context, i int, conduct string) error {
	how, err := worker.NewConduct(conduct)
	if err != nil {
		return err
	}
	m, err := s.member("worker", i)
	if err != nil {
		return err
	}
	defer m.engine.Close()
	cfg := worker.Config{
		Key: m.key, Owner: s.o.Owner, Name: m.name, Rules: s.rules, Duties: m.text, Engine: m.engine,
		Link: link{to: s.to, node: id(m.key)}, Files: m.files, Log: s.o.Log, Conduct: how,
	}
	if s.o.Own != nil {
		if cfg.Duties, err = s.rules.Private(id(m.key), s.o.Own[i], keptBack); err != nil {
			return err
		}
	}
	if s.o.Link != nil {
		cfg.Link = s.o.Link(i, cfg.Link)
	}
	w, err := worker.New(cfg)
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

func (s stage) validator(ctx context.Context, i int) error {
	m, err := s.member("validator", i)
	if err != nil {
		return err
	}
	defer m.engine.Close()
	v, err := validator.New(validator.Config{
		Key: m.key, Name: m.name, Rules: s.rules, Text: m.text, Engine: m.engine,
		Link: link{to: s.to, node: id(m.key)}, Files: m.files, Log: s.o.Log,
	})
	if err != nil {
		return err
	}
	return v.Run(ctx)
}
