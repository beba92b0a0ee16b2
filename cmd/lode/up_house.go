package main

// This file holds the folder of a run on one machine and what is in it.

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"lode/cmd/lode/internal/corpora"
	"lode/cmd/lode/internal/plan"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// house is a run on one machine.
type house struct {
	dir      string
	flags    *upFlags
	state    upState
	manifest protocol.Manifest
	rules    *replica.Rules
	corpus   *corpora.Corpus
	stderr   io.Writer // for what takes time
	moved    bool      // --store is another one than last time
	memory   []string  // flags that say how much each process may take
	cards    int64     // bytes of the card for each; 0 if there is none
	unlock   func()
}

// upState is what lode up remembers between two calls, in up.json.
type upState struct {
	Run    string // run id
	Cast   cast
	Ledger string // economy.ledger of the manifest
	Seed   uint64
	Plan   string `json:",omitempty"` // absolute path of the run.yaml; empty: the default run
	Data   string // absolute path or address; empty: the default
	// Corpus is the run's corpus where Data was dealt to workers, Own what each of them
	// got, by name.
	Corpus string            `json:",omitempty"`
	Own    map[string]string `json:",omitempty"`
	// Tokenizer is the absolute path of a file; empty: bytes, or what prepared data
	// brings; or that of records. Field and Bad are as the flags.
	Tokenizer, Field, Bad string
	Store                 string // address of the checkpoints; empty: store in the folder
	Finished              bool   // the last call came to its end
	Rounds                uint64 // rounds that were merged
	// Until and Left say when the run ends: at that many rounds, or after that
	// much more time.
	Until uint64        `json:",omitempty"`
	Left  time.Duration `json:",omitempty"`
}

const stateName = "up.json"

// aim sets when the run ends, from the flags or from what is left of last time.
func (s *upState) aim(f *upFlags) {
	switch {
	case f.changed("rounds") || f.changed("for"):
		s.Until, s.Left = 0, f.length
		if f.rounds > 0 {
			s.Until = s.Rounds + f.rounds
		}
	case s.Finished || s.Until == 0 && s.Left <= 0:
		s.Until, s.Left = 0, defaultLength
	}
	if s.Until == 0 && s.Left <= 0 {
		s.Left = defaultLength
	}
	s.Finished = false
}

// house opens the folder and takes up the run in it, or begins one.
func (f *upFlags) house(ctx context.Context, who cast, stderr io.Writer) (*house, error) {
	dir, err := nodeDir(f.dir, "")
	if err != nil {
		return nil, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	h := &house{flags: f, dir: dir, stderr: stderr, unlock: unlock}
	if err := h.open(ctx, who); err != nil {
		unlock()
		return nil, err
	}
	return h, nil
}

func (h *house) open(ctx context.Context, who cast) error {
	from := h.flags.data
	want := upState{Cast: who, Ledger: h.flags.ledger, Seed: h.flags.seed, Data: from.path, Field: from.field, Bad: from.bad}
	var err error
	if want.Data != "" && !corpora.IsAddress(want.Data) {
		if want.Data, err = filepath.Abs(want.Data); err != nil {
			return err
		}
	}
	if t := from.tokenizer; t != "" && t != protocol.TokenBytes {
		if want.Tokenizer, err = filepath.Abs(t); err != nil {
			return err
		}
	}
	if h.flags.plan != "" {
		if want.Plan, err = filepath.Abs(h.flags.plan); err != nil {
			return err
		}
	}
	found, err := h.load()
	if err != nil && !h.flags.anew {
		return err
	}
	want.Store = h.flags.store.url
	if !found || h.flags.anew {
		return h.begin(ctx, want)
	}
	if h.flags.changed("store") {
		h.moved = h.state.Store != h.flags.store.url
		h.state.Store = h.flags.store.url
	}
	h.flags.store.url = h.state.Store
	if err := h.same(want); err != nil {
		return err
	}
	return h.reopen(ctx)
}

func (h *house) load() (found bool, err error) {
	b, err := os.ReadFile(filepath.Join(h.dir, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &h.state)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w (--new begins a new run)", filepath.Join(h.dir, stateName), err)
	}
	return true, nil
}

func (h *house) save() error {
	b, err := json.MarshalIndent(h.state, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(h.dir, stateName), append(b, '\n'))
}

// same refuses flags that ask for another run than the one in the folder.
func (h *house) same(want upState) error {
	var other []string
	f := h.flags
	if (f.changed("workers") || f.changed("validators") || f.changed("adversaries")) && !reflect.DeepEqual(want.Cast, h.state.Cast) {
		other = append(other, fmt.Sprintf("%d validators and %d workers", len(h.state.Cast.Validators), len(h.state.Cast.Workers)))
	}
	if want.Plan != "" && want.Plan != h.state.Plan {
		other = append(other, "the plan "+cmp.Or(h.state.Plan, "of lode up itself"))
	}
	if f.changed("ledger") && want.Ledger != h.state.Ledger {
		other = append(other, "ledger "+h.state.Ledger)
	}
	if f.changed("seed") && want.Seed != h.state.Seed {
		other = append(other, fmt.Sprintf("seed %d", h.state.Seed))
	}
	if f.changed("data") && want.Data != h.state.Data {
		other = append(other, "data "+orDefaultCorpus(h.state.Data))
	}
	if f.changed("tokenizer") && want.Tokenizer != h.state.Tokenizer {
		other = append(other, "tokenizer "+cmp.Or(h.state.Tokenizer, protocol.TokenBytes))
	}
	if f.changed("field") && want.Field != h.state.Field {
		other = append(other, "field "+h.state.Field)
	}
	if len(other) > 0 {
		return fmt.Errorf("%s holds a run with %s: go on with it by leaving that flag out, begin a new run with --new, or name another folder with --dir",
			h.flags.dir, strings.Join(other, ", "))
	}
	return nil
}

func orDefaultCorpus(path string) string {
	if path == "" {
		return "(the Go standard library)"
	}
	return path
}

func (h *house) manifestFile() string { return filepath.Join(h.dir, manifestName) }

// begin makes keys and manifest of a new run.
func (h *house) begin(ctx context.Context, want upState) error {
	h.state = want
	p, err := h.plan()
	if err != nil {
		return err
	}
	if p.Run.Merge.MaxSamples == 0 && slices.Contains(slices.Collect(maps.Values(want.Cast.Conduct)), "boast") {
		return usagef("--adversaries boast: updates weigh alike in this run (merge.max_samples 0), so there is nothing to boast of")
	}
	if p.Split != "" {
		d, err := h.deal(ctx, p, want.Cast.Workers)
		if err != nil {
			return err
		}
		h.state.Corpus, h.state.Own = d.corpus, map[string]string{}
		for i, name := range want.Cast.Workers {
			h.state.Own[name] = d.own[i]
		}
	}
	if err := h.openCorpus(ctx, p.Run.Data.Piece, p.Width()); err != nil {
		return err
	}
	key, _, err := plan.LoadOrCreateKey(h.keyFile("coordinator"))
	if err != nil {
		return err
	}
	invite, err := plan.LoadOrCreateInvite(filepath.Join(h.dir, "coordinator", "invitation"))
	if err != nil {
		return err
	}
	if p.Run.Data.Piece = uint32(h.corpus.Index.Piece); want.Plan == "" {
		p.Model.Llama.Vocab = h.corpus.Tokenizer.Size()
	}
	if err := h.keepInitial(ctx, &p); err != nil {
		return err
	}
	p.Run.Members.Genesis, p.Run.Members.OpenWorkers = nil, true // all are of this machine
	p.Run.Members.MinWorkers, p.Run.Members.MinValidators = uint32(len(want.Cast.Workers)), uint32(len(want.Cast.Validators))
	for _, name := range want.Cast.Validators {
		k, _, err := plan.LoadOrCreateKey(h.keyFile(name))
		if err != nil {
			return err
		}
		p.Run.Members.Genesis = append(p.Run.Members.Genesis, protocol.Stake{Node: nodeIDOf(k), Stake: max(p.Run.Members.InvitedStake, 1)})
	}
	if h.manifest, err = p.Manifest(nodeIDOf(key), nodeIDOf(invite.Key()), described(h.corpus)); err != nil {
		return err
	}
	if h.rules, err = replica.NewRules(h.manifest); err != nil {
		return err
	}
	h.state.Run = h.rules.Run.String()
	if err := writeFile(h.manifestFile(), protocol.Encode(h.manifest)); err != nil {
		return err
	}
	return h.save()
}

// keepInitial copies the parameters that a plan begins with to where the coordinator
// serves them from, if they are given.
func (h *house) keepInitial(ctx context.Context, p *plan.Plan) error {
	in, err := openInitial(p, h.stderr)
	if err != nil || in == nil {
		return err
	}
	return errors.Join(in.keep(ctx, h.coordinatorDir()), in.Close())
}

func (h *house) coordinatorDir() string { return filepath.Join(h.dir, "coordinator") }

// first gives an engine the parameters that the run began with.
func (h *house) first(ctx context.Context, to tensor.Writer) error {
	if _, err := openKept(ctx, h.coordinatorDir(), h.rules, zerolog.Nop()); err != nil {
		return err
	}
	return h.rules.Begin(to)
}

// plan is what the run is begun from: the run.yaml, as far as no flag says otherwise, or
// the default run.
func (h *house) plan() (plan.Plan, error) {
	f := h.flags
	p, err := readPlan(h.state.Plan)
	if err != nil {
		return p, err
	}
	if h.state.Plan == "" || f.changed("seed") {
		p.Run.Seed = protocol.Hash("seed", []byte(fmt.Sprint(h.state.Seed)))
	}
	if h.state.Plan == "" || f.changed("ledger") {
		p.Run.Economy.Ledger = h.state.Ledger
	}
	if h.state.Ledger = p.Run.Economy.Ledger; h.state.Ledger == protocol.LedgerVolunteer {
		p.Run.Economy.Emission = 0
	}
	if h.state.Plan == "" {
		p.Run.Name = "lode-up"
		return p, nil
	}
	if !f.changed("data") && p.DataPath != plan.StandardLibrary {
		if h.state.Data = p.DataPath; !corpora.IsAddress(p.DataPath) {
			if h.state.Data, err = filepath.Abs(p.DataPath); err != nil {
				return p, err
			}
		}
	}
	switch {
	case f.changed("tokenizer"):
		p.Tokenizer = f.data.tokenizer
	case p.Tokenizer == protocol.TokenRecords:
		h.state.Tokenizer = p.Tokenizer
	case p.Tokenizer != protocol.TokenBytes:
		h.state.Tokenizer, err = filepath.Abs(p.Tokenizer)
	}
	if p.Run.Data.Mode == protocol.DataPrivate && p.Split == "" && err == nil {
		err = fmt.Errorf("%s: data.mode is private: say with data.split how lode up deals the data to its workers", f.plan)
	}
	return p, err
}

func (h *house) keyFile(name string) string { return filepath.Join(h.dir, name, "key") }

// text is what the run is on, as flags.
func (h *house) text() *dataFlags {
	s := h.state
	if s.Corpus != "" { // dealt text, which has a field of its own
		s.Data, s.Field = s.Corpus, dealtField
	}
	return &dataFlags{path: s.Data, tokenizer: s.Tokenizer, textFlags: textFlags{cmp.Or(s.Field, asText.field), cmp.Or(s.Bad, "skip")}}
}

func (h *house) openCorpus(ctx context.Context, piece, width uint32) (err error) {
	h.corpus, err = h.text().open(ctx, piece, width, &h.flags.store, h.stderr)
	return err
}

// reopen takes up the run that the folder holds.
func (h *house) reopen(ctx context.Context) (err error) {
	if h.manifest, err = readManifest(h.manifestFile()); err != nil {
		return err
	}
	if h.rules, err = replica.NewRules(h.manifest); err != nil {
		return err
	}
	if h.rules.Run.String() != h.state.Run {
		return fmt.Errorf("%s and %s are of different runs (--new begins a new one)", h.manifestFile(), stateName)
	}
	if err := h.openCorpus(ctx, h.manifest.Data.Piece, h.manifest.Data.Width); err != nil {
		return err
	}
	if h.corpus.Index.Digest() != h.manifest.Data.Index {
		return fmt.Errorf("%s has changed since the run began: bring the old content back, or begin a new run with --new", h.corpus.Name)
	}
	return nil
}

// offerMore says that the run is finished and asks whether to go on.
func offerMore(h *house, stdin io.Reader, stdout io.Writer, quiet bool) (bool, error) {
	if quiet {
		_, err := fmt.Fprintf(stdout, "{\"event\":\"finished\",\"rounds\":%d}\n", h.state.Rounds)
		return false, err
	}
	fmt.Fprintf(stdout, "The run in %s is finished after %d rounds. More: lode up --rounds N, or --for 90s. Anew: lode up --new.\n", h.flags.dir, h.state.Rounds)
	if !isTerminal(stdout) {
		return false, nil
	}
	fmt.Fprint(stdout, "Train another 3 minutes now? [y/N] ")
	line, _ := bufio.NewReader(stdin).ReadString('\n')
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y"), nil
}
