package main

// This file brings up what workers and validators have in common: link, key,
// rules, data, engine, files.

import (
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

	"lode/checkpoints"
	"lode/cmd/lode/internal/corpora"
	"lode/cmd/lode/internal/plan"
	"lode/data"
	"lode/data/tokenizer"
	"lode/engine"
	"lode/protocol"
	"lode/replica"
	"lode/transport"
)

// nodeFlags are the choices of a machine that joins a run.
type nodeFlags struct {
	engineFlags
	dir, name, data, level string
	wallet, passFile       string
	text                   textFlags
	own                    ownFlags // of workers
	tied                   bool     // to the process that started this one
}

func (f *nodeFlags) add(c *cobra.Command, role protocol.Role) {
	c.Flags().StringVar(&f.dir, "dir", "", "folder for key and working files (default ~/.lode/"+role.String()+")")
	c.Flags().StringVar(&f.name, "name", "", "name shown to people (default the machine's)")
	c.Flags().StringVar(&f.data, "data", "", "the run's text or prepared data, if it is on this machine (default: fetched as needed)")
	f.text.add(c)
	f.engineFlags.add(c)
	f.engineFlags.addModel(c)
	c.Flags().StringVar(&f.wallet, "wallet", "", "wallet of this machine that is paid (default: the node's own key is); it signs once, when the node joins")
	addPassFile(c, &f.passFile)
	addLogFlag(c, &f.level)
	addTied(c, &f.tied)
}

// owner unlocks the wallet that is paid, nil if it is the node itself.
func (f *nodeFlags) owner(ctx context.Context, stdin io.Reader, stderr io.Writer) (ed25519.PrivateKey, error) {
	if f.wallet == "" {
		return nil, nil
	}
	sign := signFlags{wallet: f.wallet, passFile: f.passFile}
	s, err := sign.open(stdin, stderr)
	if err != nil {
		return nil, err
	}
	return s.unlock(ctx)
}

// node is a member of a run before it does anything.
type node struct {
	key     ed25519.PrivateKey
	name    string
	link    protocol.Link
	session *transport.Session
	rules   *replica.Rules
	head    uint64
	text    replica.Assigned // the run's corpus; of no use to a worker in private mode
	own     *replica.Private // a worker's own data in private mode; else nil
	closing func()           // closes own data
	how     thrift           // the engine works
	engine  engine.Engine
	dir     string // the run's own, where files are
	pieces  string // where what is fetched is kept
	files   *checkpoints.Dir
	log     zerolog.Logger
	unlock  func()
}

// open does everything that can go wrong before a node takes part. Call close on
// what it returns.
func (f *nodeFlags) open(ctx context.Context, address string, role protocol.Role, stderr io.Writer) (n *node, err error) {
	n = &node{}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.log, err = newLog(stderr, f.level); err != nil {
		return n, err
	}
	if err := errors.Join(f.engineFlags.check(), f.own.check()); err != nil {
		return n, err
	}
	if n.link, err = protocol.ParseLink(address); err != nil {
		return n, usagef("%v", err)
	}
	if n.name, err = nodeName(f.name); err != nil {
		return n, err
	}
	dir, err := nodeDir(f.dir, role.String())
	if err != nil {
		return n, err
	}
	if n.unlock, err = lockDir(dir); err != nil {
		return n, err
	}
	var created bool
	if n.key, created, err = plan.LoadOrCreateKey(filepath.Join(dir, "key")); err != nil {
		return n, err
	}
	if created {
		n.log.Info().Str("file", filepath.Join(dir, "key")).Msg("made a new key: it is this node's identity, keep it")
	}
	if err := n.connect(ctx, role); err != nil {
		return n, err
	}
	// Before anything of the run is allocated.
	if n.how, err = f.engineFlags.plan(n.rules, n.rules.Demand(role)); err != nil {
		return n, err
	}
	n.log.Info().Msg(n.how.String())
	n.dir = filepath.Join(dir, "runs", n.link.Run.String())
	if n.files, err = checkpoints.OpenDir(n.dir); err != nil {
		return n, err
	}
	if err := n.openData(ctx, f, dir, role, stderr); err != nil {
		return n, err
	}
	if err := f.allows(n.rules.Model); err != nil { // before much is fetched
		return n, err
	}
	n.pieces = filepath.Join(dir, "pieces")
	if err := n.bringInitial(ctx); err != nil {
		return n, err
	}
	if n.engine, err = f.engineFlags.open(n.rules, n.how, n.log); err != nil {
		return n, err
	}
	return n, nil
}

func (n *node) close() {
	if n.engine != nil {
		_ = n.engine.Close() // nothing is left to lose
	}
	if n.closing != nil {
		n.closing()
	}
	if n.session != nil {
		_ = n.session.Close()
	}
	if n.unlock != nil {
		n.unlock()
	}
}

// How often a node that cannot connect says why: at first, and then.
const (
	slowConnect = 1500 * time.Millisecond
	stillSlow   = 10 * time.Second
)

// connect opens the session and checks that the manifest is the link's run.
func (n *node) connect(ctx context.Context, role protocol.Role) error {
	n.session = transport.NewSession(ctx, n.link.Addr, n.link.Coordinator, n.key,
		transport.Hello{Version: protocol.Version, Run: n.link.Run, Role: role, Software: software()}, transport.Options{})
	welcome, err := awaitWelcome(ctx, n.session, func(trouble error) {
		n.log.Warn().Err(trouble).Str("coordinator", n.link.Addr).
			Msg("no answer yet over UDP, trying on: is the address right, is the port open on the way, is the coordinator running?")
	})
	if err != nil {
		return fmt.Errorf("join %s: %w", n.link.Addr, err)
	}
	var man protocol.Manifest
	if err := protocol.Decode(welcome.Manifest, &man); err != nil {
		return fmt.Errorf("manifest of the run: %w", err)
	}
	if man.ID() != n.link.Run || man.Coordinator != n.link.Coordinator {
		return fmt.Errorf("%s serves the manifest of another run than the link names", n.link.Addr)
	}
	if n.rules, err = replica.NewRules(man); err != nil {
		return err
	}
	n.head = welcome.Next
	return nil
}

// awaitWelcome waits for the first connection and tells now and then that it does,
// with the trouble known by then, if any.
func awaitWelcome(ctx context.Context, s *transport.Session, tell func(error)) (transport.Welcome, error) {
	for pause := slowConnect; ; pause = stillSlow {
		wait, cancel := context.WithTimeout(ctx, pause)
		w, err := s.Welcome(wait)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return w, err
		}
		tell(s.Trouble())
	}
}

// openData opens what the node trains or measures on; dir is where it may keep some.
func (n *node) openData(ctx context.Context, f *nodeFlags, dir string, role protocol.Role, stderr io.Writer) error {
	private := n.rules.Manifest.Data.Mode == protocol.DataPrivate
	switch {
	case private && role == protocol.Worker:
		return n.openOwn(ctx, f, filepath.Join(dir, "own"), stderr)
	case f.own.given():
		return usagef("--split, --part, --target, --classes and --keep-back are for workers of runs with data.mode private")
	}
	return n.openCorpus(ctx, f, filepath.Join(dir, "pieces"), stderr)
}

// openCorpus opens the corpus where it is on this machine, and otherwise a cache
// in front of the coordinator.
func (n *node) openCorpus(ctx context.Context, f *nodeFlags, cache string, stderr io.Writer) error {
	man := n.rules.Manifest
	raw, err := n.session.Fetch(ctx, man.Data.Index, data.MaxIndexLen)
	if err != nil {
		return fmt.Errorf("index of the corpus: %w", err)
	}
	ix, err := data.ParseIndex(raw)
	if err != nil {
		return err
	}
	plan, err := data.NewPlan(ix, man.Data, man.Train)
	if err != nil {
		return err
	}
	file, err := n.fetchTokenizer(ctx)
	if err != nil {
		return fmt.Errorf("tokenizer of the run: %w", err)
	}
	if f.data != "" {
		read, err := f.text.options(stderr)
		if err != nil {
			return err
		}
		c, err := corpora.Open(ctx, corpora.Want{
			Path: f.data, File: file, Records: recordsOf(man.Data), Index: ix, Piece: ix.Piece, Read: read, Lock: lockDir, Tell: tellTo(stderr),
		})
		if err != nil {
			return err
		}
		n.text = n.rules.Assigned(plan, c.Source)
		return nil
	}
	fetch := func(ctx context.Context, d protocol.Digest) ([]byte, error) {
		return n.session.Fetch(ctx, d, int64(man.Data.Piece))
	}
	src, err := data.NewCached(ix, fetch, replica.PieceBytes, cache)
	n.text = n.rules.Assigned(plan, src)
	return err
}

// recordsOf returns the bytes of a record, 0 if the data is text.
func recordsOf(d protocol.Data) int {
	if d.Tokenizer == protocol.TokenRecords {
		return int(d.Width)
	}
	return 0
}

// fetchTokenizer fetches the file of the run's tokenizer and checks that the model
// has its tokens; nil if tokens are bytes.
func (n *node) fetchTokenizer(ctx context.Context) ([]byte, error) {
	man := n.rules.Manifest
	if man.Data.Tokenizer != protocol.TokenFile {
		return nil, nil
	}
	b, err := n.session.Fetch(ctx, man.Data.Vocabulary, protocol.MaxTokenizer)
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.Parse(b)
	if err != nil {
		return nil, err
	}
	if inputs, _ := n.rules.Model.Takes(); t.Size() > inputs.Limit {
		return nil, fmt.Errorf("it has %d tokens, the model %d", t.Size(), inputs.Limit)
	}
	return b, nil
}

// nodeDir returns a node's folder, made if need be.
func nodeDir(given, role string) (string, error) {
	if given == "" {
		var err error
		if given, err = inHome(role); err != nil {
			return "", fmt.Errorf("keys and working files: name a folder with --dir: %w", err)
		}
	}
	dir, err := filepath.Abs(given)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("folder for keys and working files: %w", err)
	}
	return dir, nil
}

// inHome returns the path of a name below this user's folder of keys and files.
func inHome(name string) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home folder: %w", err)
	}
	return filepath.Join(home, ".lode", name), nil
}

// nodeName returns the name a node shows to people.
func nodeName(given string) (string, error) {
	if given != "" {
		if !protocol.IsNodeName(given) {
			return "", usagef("--name must have 1 to %d letters, digits, spaces, dots, dashes or underscores", protocol.MaxNodeName)
		}
		return given, nil
	}
	host, _ := os.Hostname()
	if len(host) > protocol.MaxNodeName {
		host = host[:protocol.MaxNodeName]
	}
	if !protocol.IsNodeName(host) {
		host = "node"
	}
	return host, nil
}
