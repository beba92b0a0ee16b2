package main

// This file holds the command that recomputes a run.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"lode/checkpoints"
	"lode/cmd/lode/internal/audit"
	"lode/cmd/lode/internal/models"
	"lode/protocol"
	"lode/replica"
)

func verifyCommand() *cobra.Command {
	var asJSON bool
	var shuffle uint64
	var from, to int64
	c := &cobra.Command{
		Use:   "verify [LINK|FOLDER]",
		Short: "Recompute a run from its record: merges, pay, checkpoints, byte for byte",
		Long: `Recompute a run: replay its record with every signature and every rule, open each
accepted update, merge again, and compare every step, state root, payment and
checkpoint. LINK is the join link of a run that is on; FOLDER one of lode up or of
a coordinator that is stopped. Default: lode-run.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			src, done, err := auditSource(c.Context(), placeOf(args), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			if from >= 0 && to >= 0 && from > to {
				return usagef("--from %d lies after --to %d", from, to)
			}
			opt := audit.Options{Shuffle: shuffle, From: roundFlag(from), To: roundFlag(to)}
			if w := c.ErrOrStderr(); !asJSON && isTerminal(w) {
				opt.Progress = func(s audit.Stage, done, total uint64) { fmt.Fprintf(w, "\r%s %d/%d\x1b[K", s, done, total) }
				defer fmt.Fprint(w, "\r\x1b[K")
			}
			rep, err := audit.Verify(c.Context(), src, opt)
			if asJSON {
				if e := json.NewEncoder(c.OutOrStdout()).Encode(rep); e != nil {
					return e
				}
				return err
			}
			if err != nil {
				return err
			}
			printAudit(c.OutOrStdout(), rep)
			if !rep.Whole() {
				return fmt.Errorf("%d of %d rounds could not be recomputed, since payloads are missing; what could be checked is as it must be",
					len(rep.Rounds)-rep.Recomputed, len(rep.Rounds))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	c.Flags().Uint64Var(&shuffle, "shuffle", 1, "seed of the order in which updates are merged; 0 is the recorded order")
	c.Flags().Int64Var(&from, "from", -1, "first round to recompute (default: the run's first)")
	c.Flags().Int64Var(&to, "to", -1, "last round to recompute (default: the run's last)")
	return c
}

func roundFlag(n int64) *protocol.Round {
	if n < 0 {
		return nil
	}
	r := protocol.Round(n)
	return &r
}

// auditSource opens a run that is on by its link, or one that is stopped by its
// folder; a folder whose run is on is read over its link.
func auditSource(ctx context.Context, where string, stderr io.Writer) (_ audit.Source, done func(), err error) {
	if err := checkLink(where); err != nil {
		return audit.Source{}, nil, err
	}
	if isLink(where) {
		return liveSource(ctx, where, stderr)
	}
	man, err := folderManifest(where)
	if err != nil {
		return audit.Source{}, nil, err
	}
	dir := where
	if _, err := os.Stat(filepath.Join(where, "coordinator", "record.db")); err == nil {
		dir = filepath.Join(where, "coordinator")
	}
	var store checkpoints.Store
	for _, s := range []string{filepath.Join(where, "store"), filepath.Join(dir, "store")} {
		if _, err := os.Stat(s); err == nil {
			if store, err = checkpoints.OpenDir(s); err != nil {
				return audit.Source{}, nil, err
			}
			break
		}
	}
	disk, err := audit.OpenDisk(man, audit.Paths{
		Record: filepath.Join(dir, "record.db"), Payloads: filepath.Join(dir, "payloads"), Store: store,
	})
	if errors.Is(err, audit.ErrInUse) {
		if link, e := os.ReadFile(filepath.Join(where, "link")); e == nil {
			return liveSource(ctx, strings.TrimSpace(string(link)), stderr)
		}
	}
	if err != nil {
		return audit.Source{}, nil, err
	}
	rules, err := replica.NewRules(man)
	if err == nil {
		_, err = openKept(ctx, dir, rules, zerolog.Nop())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a later checkpoint may be enough
		return audit.Source{}, nil, errors.Join(err, disk.Close())
	}
	disk.Initial = rules.Initial
	return disk.Source, func() { _ = disk.Close() }, nil // it was only read
}

// folderManifest reads the manifest that a coordinator leaves in its folder.
func folderManifest(where string) (protocol.Manifest, error) {
	man, err := readManifest(filepath.Join(where, manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return man, fmt.Errorf("%s is neither a link (lode://…) nor the folder of a run: %w", where, err)
	}
	return man, err
}

func isLink(source string) bool { return strings.HasPrefix(source, "lode://") }

// checkLink refuses a link that is none.
func checkLink(source string) error {
	if !isLink(source) {
		return nil
	}
	if _, err := protocol.ParseLink(source); err != nil {
		return usagef("%v", err)
	}
	return nil
}

// contact says on stderr when a coordinator takes long to answer.
func contact(stderr io.Writer) models.Contact {
	return models.Contact{Software: software(), Slow: func(addr string, left time.Duration) {
		fmt.Fprintf(stderr, "no answer yet from %s (UDP); trying for %v more\n", addr, left)
	}}
}

func liveSource(ctx context.Context, link string, stderr io.Writer) (audit.Source, func(), error) {
	o, err := models.Observe(ctx, link, contact(stderr))
	if err != nil {
		return audit.Source{}, nil, err
	}
	done := func() { _ = o.Close() } // it was only read
	if err := reachInitial(ctx, o); err != nil {
		done()
		return audit.Source{}, nil, err
	}
	return audit.Live(o), done, nil
}

func printAudit(w io.Writer, r audit.Report) {
	fmt.Fprintf(w, "run %s: %d record entries sound, %d of %d rounds recomputed from %d updates (%s read)\n",
		r.Run.Short(), r.Entries, r.Recomputed, len(r.Rounds), r.Updates, bytesText(uint64(r.Bytes)))
	for _, k := range r.Checkpoints {
		how := "equal to the model recomputed here"
		if !k.Recomputed {
			how = "equal to the model the receipts name"
		}
		if k.Gone {
			how = "not compared, it is no longer to be had; a running coordinator serves its newest alone"
		}
		fmt.Fprintf(w, "checkpoint before round %d: %s\n", k.Round, how)
	}
	for _, round := range r.Rounds {
		for _, m := range round.Missing {
			fmt.Fprintf(w, "round %d could not be recomputed: %v\n", round.Round, m)
		}
	}
	fmt.Fprintf(w, "supply %.4f coins = %.4f at genesis + %.4f emitted − %.4f burned\n",
		float64(r.Supply.Genesis+r.Supply.Emitted-r.Supply.Burned)/coin, float64(r.Supply.Genesis)/coin, float64(r.Supply.Emitted)/coin, float64(r.Supply.Burned)/coin)
	if n := len(r.Rounds); n > 0 {
		fmt.Fprintf(w, "state root after round %d: %s\n", r.Rounds[n-1].Round, r.Rounds[n-1].State)
	}
	switch gone := slices.ContainsFunc(r.Checkpoints, func(k audit.Checkpoint) bool { return k.Gone }); {
	case r.Whole() && gone:
		fmt.Fprintln(w, "everything that could be compared is as it must be")
	case r.Whole():
		fmt.Fprintln(w, "everything is as it must be")
	}
}
