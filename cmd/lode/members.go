package main

// This file holds the commands that join a run: worker and validator.

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"lode/protocol"
	"lode/replica"
	"lode/validator"
	"lode/worker"
)

func workerCommand() *cobra.Command {
	var f nodeFlags
	var conduct string
	c := &cobra.Command{
		Use:   "worker LINK",
		Short: "Join a run as a worker: train, send updates, earn",
		Long: `Join a run as a worker. The link, lode://KEY@host:port/RUN, is printed by the
coordinator. Only outbound connections are made. Stop with Ctrl-C and start
again at any time: the worker goes on in the same round with the same key.

In a run with data.mode private each worker trains on data of its own, which --data
names and which stays on this machine: text, JSON lines or Parquet where the run
trains on text; pictures as IDX or PNG folders, tables as CSV, or records where it
trains on examples. docs/federated.md says more.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			how, err := worker.NewConduct(conduct)
			if err != nil {
				return usagef("--conduct: %v", err)
			}
			owner, err := f.owner(c.Context(), c.InOrStdin(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			ctx := tie(c.Context(), c.InOrStdin(), f.tied)
			n, err := f.open(ctx, args[0], protocol.Worker, c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer n.close()
			return n.work(ctx, &f.engineFlags, protocol.Worker, func() (member, error) {
				return worker.New(worker.Config{
					Key: n.key, Owner: owner, Name: n.name, Invite: n.link.Invite, Rules: n.rules, Duties: n.duties(),
					Engine: n.engine, Link: n.session, Files: n.files, Log: n.log, Conduct: how, Head: n.head, Tell: f.own.tell(c.OutOrStdout()),
				})
			})
		},
	}
	f.add(c, protocol.Worker)
	f.own.add(c)
	c.Flags().StringVar(&conduct, "conduct", "honest", "how to behave, for test runs: honest, noise, freerider, copycat, inflate or boast")
	_ = c.Flags().MarkHidden("conduct") // the flag exists
	return c
}

func validatorCommand() *cobra.Command {
	var f nodeFlags
	c := &cobra.Command{
		Use:   "validator LINK",
		Short: "Join a run as a validator: score updates, vouch for merges, earn",
		Long: `Join a run as a validator. Validators need stake: either the run's manifest
names their key (lode keys shows it), or the link holds an invitation
(lode://KEY@host:port/RUN?invite=...). Only outbound connections are made.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			owner, err := f.owner(c.Context(), c.InOrStdin(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			ctx := tie(c.Context(), c.InOrStdin(), f.tied)
			n, err := f.open(ctx, args[0], protocol.Validator, c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer n.close()
			return n.work(ctx, &f.engineFlags, protocol.Validator, func() (member, error) {
				return validator.New(validator.Config{
					Key: n.key, Owner: owner, Name: n.name, Invite: n.link.Invite, Rules: n.rules, Text: n.text,
					Engine: n.engine, Link: n.session, Files: n.files, Scratch: replica.ScratchIn(n.dir), Log: n.log, Head: n.head,
				})
			})
		},
	}
	f.add(c, protocol.Validator)
	return c
}

// member takes part in a run until something cannot be mended by trying again.
type member interface{ Run(context.Context) error }

// work makes a member of the node's engine and runs it until ctx ends. One that loses a
// card which nobody insisted on is made anew with the processor, and goes on from disk.
func (n *node) work(ctx context.Context, f *engineFlags, role protocol.Role, open func() (member, error)) error {
	for {
		m, err := open()
		if err != nil {
			return err
		}
		n.log.Info().Str("run", n.rules.Manifest.Name).Str("id", n.link.Run.Short()).Str("coordinator", n.link.Addr).
			Str("key", nodeIDOf(n.key).Short()).Msgf("connected to the run as %v", role)
		if err = untilStopped(ctx, m.Run); !f.outlives(err) {
			return f.advise(err)
		}
		_ = errors.Join(n.engine.Close(), n.session.Close()) // one is lost, the other says how long the record is
		if err := n.connect(ctx, role); err != nil {
			return err
		}
		if err := n.bringInitial(ctx); err != nil { // the rules are others
			return err
		}
		if n.engine, err = f.openInstead(n.rules, n.how, err, n.log); err != nil {
			return err
		}
	}
}

// untilStopped runs until it fails or ctx ends, which is no failure.
func untilStopped(ctx context.Context, run func(context.Context) error) error {
	err := run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}
