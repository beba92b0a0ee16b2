// Command lode trains open models on the machines of anyone who joins: it launches
// runs, joins them as a worker or validator, and fetches what they made.
package main

// This file holds the entry: signals, exit codes, the list of commands.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes. Anything that ends as asked is 0, and so is a node or a whole run
// that is stopped with Ctrl-C or SIGTERM.
const (
	exitFailed      = 1   // the thing asked for did not work
	exitUsage       = 2   // the command line is wrong
	exitInterrupted = 130 // Ctrl-C or SIGTERM came before it was done
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main with its surroundings as arguments.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends at once.
	context.AfterFunc(ctx, stop)
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	out := &printed{w: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		if err = out.fault(); err == nil {
			return 0
		}
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "lode: %v\n", err)
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "lode: %v\n", err)
	return exitFailed
}

// printed is the standard output, which remembers that it could not be written.
type printed struct {
	w   io.Writer
	mu  sync.Mutex
	err error
}

func (p *printed) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = cmp.Or(p.err, err)
	return n, err
}

func (p *printed) fault() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// usageError is a command line that cannot be carried out.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "lode",
		Short: "Train open models on the machines of anyone who joins",
		Long: `Lode trains open models on the machines of anyone who joins. Workers train locally
and send compressed updates; validators score them, pay by Yuma consensus, and vouch
for every merge; checkpoints can be pulled and verified by anyone. Training is on the
processor, on an NVIDIA card, or with PyTorch on whatever that has.

Try it on this machine:   lode up
See what this one has:    lode doctor
Join a run:               lode worker lode://KEY@host:port/RUN
Train on this one alone:  lode train
Launch a run:             lode coordinator init > run.yaml; lode coordinator run.yaml
Get a model:              lode pull SOURCE
Own what you earn:        lode wallet new`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%v (see %s --help)", err, c.CommandPath())
	})
	root.AddCommand(upCommand(), coordinatorCommand(), workerCommand(), validatorCommand(),
		pullCommand(), generateCommand(), verifyCommand(), statusCommand(), keysCommand(),
		dataCommand(), tokenizerCommand(),
		walletCommand(), stakeCommand(), unstakeCommand(), delegateCommand(), runsCommand(), voteCommand(), ledgerCommand(),
		yumaCommand(), trainCommand(), describeCommand(), benchCommand(), doctorCommand())
	wrapArgs(root)
	return root
}

// wrapArgs makes wrong arguments usage errors, for c and what is below it.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usagef("%v (see %s --help)", err, c.CommandPath())
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// version is the module's version where the binary was built from a release, the
// commit where it was built from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	if v == "" {
		v = "(devel)"
	}
	return v
}

// software is what nodes tell each other they run; at most 32 bytes.
func software() string {
	s := "lode " + version()
	return s[:min(len(s), 32)]
}
