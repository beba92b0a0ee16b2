package main

// This file holds the command that launches a run.

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"lode/checkpoints"
	"lode/cmd/lode/internal/corpora"
	"lode/cmd/lode/internal/plan"
	"lode/coordinator"
	"lode/coordinator/journal"
	"lode/protocol"
	"lode/replica"
	"lode/transport"
	"lode/yuma/ledger/ask"
)

// launchFlags are the choices of the machine that coordinates a run.
type launchFlags struct {
	dir, listen, advertise, level string
	manifest, linkFile            string
	data                          dataFlags
	every                         uint32
	store                         storeFlags
	tied, prune                   bool
}

func coordinatorCommand() *cobra.Command {
	var f launchFlags
	c := &cobra.Command{
		Use:   "coordinator RUN.YAML",
		Short: "Launch a run, or go on with one; prints the link to join it",
		Long: `Launch the run that RUN.YAML describes, or go on with it where it stopped: the
record on disk is the run. With model.from it begins with a model that is there, such
as one of Hugging Face or of another run. Prints one link for workers and one, with an
invitation in it, for validators. lode coordinator init writes a commented
RUN.YAML to begin with.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) == (f.manifest != "") {
				return usagef("name a run.yaml (lode coordinator init > run.yaml makes one)")
			}
			path := ""
			if len(args) == 1 {
				path = args[0]
			}
			return f.launch(tie(c.Context(), c.InOrStdin(), f.tied), path, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&f.dir, "dir", "", "folder for key, record and payloads (default ~/.lode/coordinator)")
	c.Flags().StringVar(&f.listen, "listen", ":4242", "UDP address to listen on")
	c.Flags().StringVar(&f.advertise, "advertise", "", "host:port that others reach this machine by (default: found out)")
	f.data.add(c, "data.path and data.tokenizer of the run.yaml")
	c.Flags().BoolVar(&f.prune, "prune", false, "forget the ledger's blocks once two snapshots lie after them; the record keeps all")
	c.Flags().Uint32Var(&f.every, "checkpoint-every", 50, "rounds between two checkpoints")
	f.store.add(c, "where checkpoints go: a folder or s3://bucket/prefix (default: store in --dir)")
	addLogFlag(c, &f.level)
	addTied(c, &f.tied)
	c.Flags().StringVar(&f.manifest, "manifest", "", "encoded manifest instead of a run.yaml")
	c.Flags().StringVar(&f.linkFile, "link-file", "", "file to write the worker link to once the run can be joined")
	for _, name := range []string{"manifest", "link-file"} {
		_ = c.Flags().MarkHidden(name) // the flags exist
	}
	c.AddCommand(&cobra.Command{
		Use: "init", Short: "Print a commented run.yaml to begin with", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(plan.Template())
			return err
		},
	})
	return c
}

// launch brings a coordinator up and keeps it until ctx ends.
func (f *launchFlags) launch(ctx context.Context, path string, stdout, stderr io.Writer) error {
	log, err := newLog(stderr, f.level)
	if err != nil {
		return err
	}
	g, err := f.read(ctx, path, stderr) // before anything is made
	if err != nil {
		return err
	}
	dir, err := nodeDir(f.dir, "coordinator")
	if err != nil {
		return err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer unlock()
	key, _, err := plan.LoadOrCreateKey(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	invite, err := plan.LoadOrCreateInvite(filepath.Join(dir, "invitation"))
	if err != nil {
		return err
	}
	man, err := g.describe(ctx, key, invite, dir)
	if err != nil {
		return err
	}
	rules, err := replica.NewRules(man)
	if err != nil {
		return err
	}
	shelves := []coordinator.Shelf{newCorpusShelf(g.corpus, log)}
	if shelf, err := openKept(ctx, dir, rules, log); err != nil {
		return err
	} else if shelf != nil {
		shelves = append(shelves, shelf)
	}
	if err := writeFile(filepath.Join(dir, manifestName), protocol.Encode(man)); err != nil {
		return err
	}
	server, err := transport.Listen(f.listen, key, transport.Options{})
	if err != nil {
		return err
	}
	defer server.Close()
	l := launched{dir: dir, key: key, rules: rules, server: server, log: log}
	c, done, err := l.coordinator(ctx, f, g.corpus.File, shelves)
	if err != nil {
		return err
	}
	defer done()
	if err := f.announce(stdout, server, rules, key, invite); err != nil {
		return err
	}
	return l.serve(ctx, c, man)
}

// readPlan reads a run.yaml; none is the default plan.
func readPlan(path string) (plan.Plan, error) {
	if path == "" {
		return plan.Defaults(), nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("run description: %w (lode coordinator init > run.yaml makes one)", err)
	}
	p, err := plan.Parse(b)
	if err != nil {
		return p, fmt.Errorf("%s:\n%w", path, err)
	}
	return p, nil
}

// given is what a run is launched from.
type given struct {
	path   string // of the run.yaml, for errors
	plan   plan.Plan
	man    *protocol.Manifest // made earlier; nil: the plan says
	corpus *corpora.Corpus
	// initial are the parameters that the plan begins with; nil: they are drawn.
	initial *initial
}

// read reads the run.yaml, or the manifest, and opens what it names.
func (f *launchFlags) read(ctx context.Context, path string, stderr io.Writer) (g given, err error) {
	g.path = path
	if g.plan, err = readPlan(path); err != nil {
		return g, err
	}
	from, piece, width := f.data, g.plan.Run.Data.Piece, g.plan.Width()
	if f.manifest != "" {
		man, err := readManifest(f.manifest)
		if err != nil {
			return g, err
		}
		g.man, piece, width = &man, man.Data.Piece, man.Data.Width
		if man.Data.Tokenizer == protocol.TokenRecords {
			from.tokenizer = protocol.TokenRecords
		}
	} else {
		if g.plan.Split != "" {
			return g, fmt.Errorf("%s: data.split is for lode up %s, which deals data to workers of its own; without it data.path is what validators measure on", path, path)
		}
		from.path = cmp.Or(from.path, g.plan.DataPath)
		from.tokenizer = cmp.Or(from.tokenizer, g.plan.Tokenizer)
		if g.initial, err = openInitial(&g.plan, stderr); err != nil {
			return g, err
		}
	}
	g.corpus, err = from.open(ctx, piece, width, &f.store, stderr)
	return g, err
}

// describe makes the manifest, unless it was given, and copies the parameters that the
// run begins with into the folder dir.
func (g given) describe(ctx context.Context, key ed25519.PrivateKey, invite protocol.InviteSeed, dir string) (protocol.Manifest, error) {
	switch {
	case g.man == nil:
		g.plan.Run.Data.Piece = uint32(g.corpus.Index.Piece) // prepared data has its own
		man, err := g.plan.Manifest(nodeIDOf(key), nodeIDOf(invite.Key()), described(g.corpus))
		if err != nil {
			return man, fmt.Errorf("%s:\n%w", g.path, err)
		}
		err = beganAs(dir, man)
		if g.initial != nil {
			if err == nil {
				err = g.initial.keep(ctx, dir)
			}
			err = errors.Join(err, g.initial.Close())
		}
		return man, err
	case g.man.Data.Index != g.corpus.Index.Digest():
		return protocol.Manifest{}, fmt.Errorf("the corpus %s is not the one this run was begun with: bring it back, or begin another run", g.corpus.Name)
	}
	return *g.man, nil
}

// manifestName is the file with the manifest in the folder of a run.
const manifestName = "run.manifest"

func readManifest(path string) (man protocol.Manifest, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return man, fmt.Errorf("manifest: %w", err)
	}
	if err := protocol.Decode(b, &man); err != nil {
		return man, fmt.Errorf("manifest %s: %w", path, err)
	}
	return man, nil
}

// launched is a run being brought up.
type launched struct {
	dir     string
	key     ed25519.PrivateKey
	rules   *replica.Rules
	server  *transport.Server
	archive ask.Archive // of the ledger
	log     zerolog.Logger
}

// payloadBudget bounds the payloads kept on disk, bytes.
const payloadBudget = 64 << 30

// coordinator opens record, payloads and store; done closes them.
func (l *launched) coordinator(ctx context.Context, f *launchFlags, tokenizer []byte, shelves []coordinator.Shelf) (_ *coordinator.Coordinator, done func(), err error) {
	run := l.rules.Run
	file, err := journal.Open(filepath.Join(l.dir, "record.db"))
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = file.Close() } // every write was synced
	defer func() {
		if err != nil {
			done()
		}
	}()
	record, err := file.Record(run)
	if err != nil {
		return nil, nil, err
	}
	archive, err := file.Archive(run)
	if err != nil {
		return nil, nil, err
	}
	l.archive = kept{archive}
	limit := int64(max(l.rules.MaxPayload(0), l.rules.MaxStep(0)))
	blobs, err := checkpoints.OpenBlobs(filepath.Join(l.dir, "payloads"), run, limit, payloadBudget)
	if err != nil {
		return nil, nil, err
	}
	store, err := f.store.open(ctx, filepath.Join(l.dir, "store"))
	if err != nil {
		return nil, nil, err
	}
	publisher, err := coordinator.NewPublisher(coordinator.PublisherConfig{
		Store: store, Key: l.key, Rules: l.rules, Tokenizer: tokenizer, From: localPayloads{blobs}, Scratch: replica.ScratchIn(l.dir), Every: protocol.Round(f.every),
	})
	if err != nil {
		return nil, nil, err
	}
	c, err := coordinator.New(coordinator.Config{
		Key: l.key, Rules: l.rules, Journal: record, Payloads: blobs, Publish: publisher,
		Shelves: shelves, Archive: archive, Prune: f.prune, Log: l.log,
	})
	return c, done, err
}

// serve answers the network until ctx ends, and lets the coordinator finish.
func (l *launched) serve(ctx context.Context, c *coordinator.Coordinator, man protocol.Manifest) error {
	g, ctx := errgroup.WithContext(ctx)
	f := &front{
		Coordinator: c, run: l.rules.Run, manifest: protocol.Encode(man), archive: l.archive,
		refusals: l.server.Refusals, stopping: ctx,
	}
	g.Go(func() error { return c.Run(ctx) })             // ends with ctx
	g.Go(func() error { return l.server.Serve(ctx, f) }) // ends with ctx
	return untilStopped(ctx, func(context.Context) error { return g.Wait() })
}

// announce prints the links.
func (f *launchFlags) announce(stdout io.Writer, server *transport.Server, rules *replica.Rules, key ed25519.PrivateKey, invite protocol.InviteSeed) error {
	addr := f.advertise
	if addr == "" {
		addr = plan.AdvertiseAddr(server.Addr())
	}
	link, err := plan.JoinLink(nodeIDOf(key), addr, rules.Run, nil)
	if err != nil {
		return usagef("--advertise: %v", err)
	}
	invited := link
	invited.Invite = &invite
	fmt.Fprintf(stdout, "run        %s (%s)\n", rules.Manifest.Name, rules.Run.Short())
	if rules.Manifest.Members.OpenWorkers {
		fmt.Fprintf(stdout, "workers    lode worker %s\n", link.Format())
	} else {
		fmt.Fprintf(stdout, "workers    lode worker '%s'\n", invited.Format())
	}
	fmt.Fprintf(stdout, "validators lode validator '%s'\n           (keep this link to yourself: it gives stake)\n", invited.Format())
	fmt.Fprintf(stdout, "model      lode pull %s\n", link.Format())
	if f.linkFile == "" {
		return nil
	}
	return writeFile(f.linkFile, []byte(link.Format()+"\n"))
}

// writeFile replaces a file of the user's own as a whole.
func writeFile(path string, b []byte) error { return replaceFile(path, b, 0o600) }

// replaceFile replaces a file as a whole, or leaves it as it is.
func replaceFile(path string, b []byte, mode os.FileMode) error {
	tmp := fmt.Sprintf("%s.%d.tmp", path, time.Now().UnixNano())
	err := os.WriteFile(tmp, b, mode)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // what is left of it, if anything
	}
	return err
}

// localPayloads fetches payloads from this machine's own disk.
type localPayloads struct{ blobs *checkpoints.Blobs }

// Fetch implements replica.Fetcher.
func (l localPayloads) Fetch(_ context.Context, d protocol.Digest, most int64) ([]byte, error) {
	r, size, err := l.blobs.Open(d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return replica.ReadPayload(r, size, d, most)
}
