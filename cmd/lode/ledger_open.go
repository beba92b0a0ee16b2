package main

// This file holds how a ledger is reached: over the link of a run, or in a snapshot.

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/books"
	"lode/cmd/lode/internal/models"
	"lode/coordinator/round"
	"lode/protocol"
	"lode/transport"
	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

// Whatever package ask asks and answers goes over the wire.
const (
	_ = uint(transport.MaxQuestionLen - ask.MaxQuestion)
	_ = uint(transport.MaxAnswerLen - ask.MaxAnswer)
)

// teller is who answers questions and takes transactions.
type teller interface {
	ask(ctx context.Context, question []byte) ([]byte, error)
	submit(ctx context.Context, tx ledger.Tx) error
}

// remote is the ledger of a run that is on.
type remote struct{ *models.Observer }

func (r remote) ask(ctx context.Context, question []byte) ([]byte, error) {
	b, err := r.Ask(ctx, question)
	if protocol.ReasonOf(err) == protocol.NotFound {
		err = fmt.Errorf("%s does not have that: %w", r.Link.Addr, err)
	}
	return b, err
}

func (r remote) submit(ctx context.Context, tx ledger.Tx) error { return r.Submit(ctx, wrapTx(tx)) }

// wrapTx returns a transaction as the coordinator takes it in a submit request: its own
// encoding, an array of eight, where that of a member's message is one of seven.
func wrapTx(tx ledger.Tx) []byte { return protocol.Encode(tx) }

// still is a ledger that stands still: a snapshot, or that of a run that is stopped.
type still struct{ m *ledger.Machine }

func (s still) ask(_ context.Context, question []byte) ([]byte, error) {
	return ask.Answer(ask.Of(s.m), nil, question)
}

// errStill says that a ledger stands still.
var errStill = errors.New("a stopped run or a snapshot takes no transactions: start it, or name the link of one that is on with --run")

func (still) submit(context.Context, ledger.Tx) error { return errStill }

// ledgerFlags say which ledger is meant and how the answer is printed.
type ledgerFlags struct {
	run, root string
	json      bool
}

func (f *ledgerFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.run, "run", "lode-run", "join link of the run, its folder, or a snapshot that lode ledger export wrote")
	c.Flags().StringVar(&f.root, "root", "", "take answers of the state with this root alone (default: what the ledger says is its state)")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON; amounts are in units of 10⁻⁹ coin")
}

// parseDigest reads a digest as it is printed, or in hexadecimal.
func parseDigest(s string) (d protocol.Digest, err error) {
	if b, err := hex.DecodeString(s); err == nil && len(b) == len(d) {
		return protocol.Digest(b), nil
	}
	id, err := protocol.ParseNodeID(s) // written alike
	if err != nil {
		return d, fmt.Errorf("%q is no digest: it has 52 letters and digits, or 64 hexadecimal digits", s)
	}
	return protocol.Digest(id), nil
}

// counter is a ledger as commands use it.
type counter struct {
	teller
	books.Books
}

// open reaches the ledger. Call done after use.
func (f *ledgerFlags) open(ctx context.Context, stderr io.Writer) (c counter, done func(), err error) {
	var root protocol.Digest
	if f.root != "" {
		if root, err = parseDigest(f.root); err != nil {
			return c, nil, usagef("--root: %v", err)
		}
	}
	l, done, err := openLedger(ctx, f.run, root, stderr)
	if err != nil {
		return c, nil, err
	}
	client := ask.Client{Ask: l.ask, Root: root}
	if r, ok := l.(remote); ok {
		client.Network = networkOf(r.Rules.Manifest)
	}
	return counter{l, books.Books{Client: client}}, done, nil
}

// networkOf returns the ledger that a run has by its manifest, which the link names. What
// is signed there holds nowhere else.
var networkOf = func(man protocol.Manifest) protocol.Digest { return round.Genesis(man).Network() }

func openLedger(ctx context.Context, where string, root protocol.Digest, stderr io.Writer) (teller, func(), error) {
	if err := checkLink(where); err != nil {
		return nil, nil, err
	}
	if !isLink(where) {
		info, err := os.Stat(where)
		if err == nil && info.Mode().IsRegular() {
			return openSnapshot(where, root)
		}
	}
	src, done, err := auditSource(ctx, where, stderr)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("no run in %s: start one with lode up, or name another with --run: %w", where, err)
	}
	if err != nil {
		return nil, nil, err
	}
	if o, ok := src.Record.(*models.Observer); ok {
		return remote{o}, done, nil
	}
	defer done()
	rep, err := replayOf(ctx, src)
	if err != nil {
		return nil, nil, err
	}
	return still{rep.Machine.Ledger()}, func() {}, nil
}

// maxSnapshot bounds the snapshots that are read, bytes: ten million records.
const maxSnapshot = 2 << 30

func openSnapshot(path string, root protocol.Digest) (teller, func(), error) {
	if root == (protocol.Digest{}) {
		return nil, nil, usagef("%s is a snapshot: say the root of its state with --root, lode ledger export printed it", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() // only read: closing loses nothing
	data, err := io.ReadAll(io.LimitReader(f, maxSnapshot+1))
	if err == nil && len(data) > maxSnapshot {
		err = fmt.Errorf("it is larger than %s", bytesText(maxSnapshot))
	}
	var m *ledger.Machine
	if err == nil {
		m, err = ledger.Restore(data, root)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return still{m}, func() {}, nil
}

// whole returns the whole ledger: as it stands still, or after the last block of a run
// that is on.
func (c counter) whole(ctx context.Context, stderr io.Writer) (m *ledger.Machine, err error) {
	switch t := c.teller.(type) {
	case still:
		m = t.m
	case remote:
		var last time.Time
		told := func(height, of uint64) {
			if now := time.Now(); now.Sub(last) > time.Second {
				last = now
				fmt.Fprintf(stderr, "block %d of %d\n", height, of)
			}
		}
		open := ask.Client{Ask: t.ask} // any state: the blocks lead to one that has ended
		if m, err = open.CatchUp(ctx, round.Genesis(t.Rules.Manifest), told); err != nil {
			return nil, err
		}
	}
	if root := c.Client.Root; root != (protocol.Digest{}) && m.Root() != root {
		return nil, fmt.Errorf("the state after block %d is %s, not %s", m.Network().Height, m.Root(), root)
	}
	return m, nil
}

// show prints JSON, or a table that fill writes with tabs between columns.
func (f *ledgerFlags) show(w io.Writer, v any, fill func(t io.Writer)) error {
	if f.json {
		return json.NewEncoder(w).Encode(v)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fill(t)
	return t.Flush()
}

// parseRun reads the number of a run; root is 0.
func parseRun(s string) (ledger.Run, error) {
	if s == "root" {
		return ledger.Root, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, usagef("%q is no run: give its number (lode runs lists them) or root", s)
	}
	return ledger.Run(n), nil
}

// runOr reads the number of a run; without one it is the only run that goes on.
func (c counter) runOr(ctx context.Context, s string) (ledger.Run, error) {
	if s != "" {
		return parseRun(s)
	}
	p, err := c.Client.Scan(ctx, ask.Key(ask.Runs), "", 2)
	if err != nil {
		return 0, err
	}
	if len(p.Records) != 1 {
		return 0, usagef("there is not one run but another number of them: say which with --on N, or --on root (lode runs lists them)")
	}
	return parseRun(strings.TrimPrefix(ask.Text(string(p.Records[0].Key)), "run/"))
}

// parseHot reads a hotkey.
func parseHot(s string) (ledger.Hotkey, error) {
	h, err := protocol.ParseNodeID(s)
	if err != nil {
		return h, usagef("%q is no hotkey: it has 52 letters and digits (lode delegate show lists those of the ledger, lode keys those of this machine)", s)
	}
	return h, nil
}
