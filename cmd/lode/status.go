package main

// This file holds the commands that tell: status and keys.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/audit"
	"lode/cmd/lode/internal/models"
	"lode/cmd/lode/internal/plan"
	"lode/coordinator"
	"lode/coordinator/round"
)

func statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status [LINK|FOLDER]",
		Short: "Show what a run does now: phase, members, balances, stakes",
		Long: `Show what a run does now and whom it waits for, with stakes and, where it pays,
balances, incentive and dividends. LINK is a join link, FOLDER one of lode up; default: lode-run.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := statusFrom(c.Context(), placeOf(args), c.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(s)
			}
			return printStatus(c.OutOrStdout(), s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// placeOf returns the link or folder that was named, by default that of lode up.
func placeOf(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return "lode-run"
}

// statusFrom asks the coordinator of a run that is on, and reads the record of one
// that is stopped.
func statusFrom(ctx context.Context, where string, stderr io.Writer) (s coordinator.Status, err error) {
	src, done, err := auditSource(ctx, where, stderr)
	if err != nil {
		return s, err
	}
	defer done()
	if o, ok := src.Record.(*models.Observer); ok {
		b, err := o.Status(ctx)
		if err != nil {
			return s, err
		}
		if err := json.Unmarshal(b, &s); err != nil {
			return s, fmt.Errorf("the coordinator's answer: %w", err)
		}
		return s, nil
	}
	rep, err := replayOf(ctx, src)
	if err != nil {
		return s, err
	}
	s = coordinator.StatusOf(rep.Machine)
	s.Entries, s.Stopped = rep.Chain.Next, true
	for i := range s.Members {
		s.Members[i].Present = false // whatever the record ends with
	}
	if src.Store == nil { // in a bucket, say
		return s, nil
	}
	// The checkpoint that a stopping coordinator writes is not on the record yet,
	// and one that is may have been removed.
	there, err := src.Store.Rounds(ctx, rep.Machine.Saved())
	if s.Saved = 0; len(there) > 0 {
		s.Saved = there[len(there)-1]
	}
	return s, err
}

// replayOf returns what the record of a stopped run comes to.
func replayOf(ctx context.Context, src audit.Source) (*round.Replica, error) {
	rep := round.NewReplica(src.Manifest)
	return rep, src.Record.Entries(ctx, func(entry []byte) error {
		_, err := rep.Feed(entry)
		return err
	})
}

func printStatus(w io.Writer, s coordinator.Status) error {
	if s.Stopped {
		fmt.Fprintf(w, "run %s (%s) is stopped in round %d, %s", s.Name, s.Run[:8], s.Round, s.Phase)
		s.Waiting, s.Deadline = nil, 0
	} else {
		fmt.Fprintf(w, "run %s (%s): round %d, %s for %.1f s", s.Name, s.Run[:8], s.Round, s.Phase, s.Since)
	}
	if len(s.Waiting) > 0 {
		fmt.Fprintf(w, ", waiting for %s", strings.Join(s.Waiting, ", "))
	}
	if s.Deadline > 0 {
		fmt.Fprintf(w, " (at most %.0f s more)", s.Deadline)
	}
	fmt.Fprintf(w, "\n%d rounds finished, %s %s in %d merged updates, %d refused; sent %s, received %s; held-out loss %.3f nats\n",
		s.Rounds, countText(float64(s.Tokens)), s.Counted, s.Accepted, s.Refused, bytesText(s.UpBytes), bytesText(s.Down), s.HeldOut)
	saved := "no checkpoint yet"
	if s.Saved > 0 {
		saved = fmt.Sprintf("checkpoint before round %d", s.Saved)
	}
	fmt.Fprintf(w, "%s; %d record entries; state root %s\n\n", saved, s.Entries, s.Root[:16])
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "name\trole\tkey\tthere\taccepted\trefused\tlate\tstake")
	if s.Pays {
		fmt.Fprint(t, "\tbalance\tincentive\tdividend")
	}
	for _, m := range s.Members {
		there := "no"
		if m.Present {
			there = "yes"
		}
		late := "-"
		if m.Recent > 0 {
			late = fmt.Sprintf("%d/%d", m.Late, m.Recent)
		}
		fmt.Fprintf(t, "\n%s\t%s\t%s\t%s\t%d\t%d\t%s\t%.2f", m.Name, m.Role, m.Node[:8], there, m.Accepted, m.Refused, late, float64(m.Stake)/coin)
		if s.Pays {
			fmt.Fprintf(t, "\t%.4f\t%.4f\t%.4f", float64(m.Balance)/coin, m.Incentive, m.Dividend)
		}
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	var refused []string
	for reason, n := range s.Refusals {
		refused = append(refused, fmt.Sprintf("%s %d", reason, n))
	}
	if slices.Sort(refused); len(refused) > 0 {
		fmt.Fprintf(w, "\nrefused on the wire: %s\n", strings.Join(refused, ", "))
	}
	return nil
}

func keysCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "keys [worker|validator|coordinator]",
		Short: "Show this machine's keys, or make one",
		Long: `Show the public keys of this machine's nodes. With a role, its key is made if
there is none: the public key is what a run.yaml names as a genesis validator.
Private keys stay in their files.`,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"worker", "validator", "coordinator"},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return makeKey(c.OutOrStdout(), dir, args[0])
			}
			if dir != "" {
				return usagef("--dir goes with a role")
			}
			return listKeys(c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the node's folder (default ~/.lode/ROLE)")
	return c
}

func makeKey(w io.Writer, dir, role string) error {
	dir, err := nodeDir(dir, role)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "key")
	key, created, err := plan.LoadOrCreateKey(file)
	if err != nil {
		return err
	}
	how := "in"
	if created {
		how = "made in"
	}
	fmt.Fprintf(w, "%s  %s key, %s %s\n", nodeIDOf(key), role, how, file)
	return nil
}

func listKeys(w io.Writer) error {
	found := false
	for _, role := range []string{"coordinator", "validator", "worker"} {
		dir, err := inHome(role)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, "key")
		if _, err := os.Stat(file); err != nil {
			continue
		}
		id, err := plan.ShowKey(file)
		if err != nil {
			return err
		}
		found = true
		fmt.Fprintf(w, "%s  %s key, in %s\n", id, role, file)
	}
	if !found {
		fmt.Fprintln(w, "no keys on this machine yet; lode keys worker makes one")
	}
	return nil
}
