// Command learning measures what compression, outer steps and the number of
// inner steps win and lose on real training: it trains the default byte model by
// several workers in one process, with the codecs and merges of a real run but
// without a network, and writes loss and bytes.
//
// Settings are read from a plan, JSON objects one a line (see setting.go), and
// results appended to a file, one JSON object a line as each run ends. What
// stands there already is not run again, so the command may be stopped and
// started at will. The same setting gives the same losses and bytes on one
// machine; processors differ in the last digits.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"lode/engine/model"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "learning:", err)
		os.Exit(1)
	}
}

// command is the program with its arguments and output.
func command(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("learning", flag.ContinueOnError)
	data := flags.String("data", "", "text to train on; its last 5 % are held out")
	plan := flags.String("plan", "plan.jsonl", "settings to run, one a line")
	results := flags.String("results", "results.jsonl", "results, one a line; new ones are appended")
	table := flags.Bool("table", false, "run nothing, print the results as a Markdown table")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *table {
		all, err := readResults(*results)
		if err != nil {
			return err
		}
		return writeTable(out, all)
	}
	t, err := readText(*data)
	if err != nil {
		return err
	}
	todo, err := readPlan(*plan)
	if err != nil {
		return err
	}
	return runAll(ctx, todo, *results, model.Default(), t, out)
}

// runAll runs what has no result yet and appends one line for each.
func runAll(ctx context.Context, todo []setting, results string, m model.Llama, t text, out io.Writer) error {
	if err := dropTornLine(results); err != nil {
		return err
	}
	done, err := readResults(results)
	if err != nil {
		return err
	}
	seen := map[setting]bool{}
	for _, r := range done {
		seen[r.Setting] = true
	}
	for _, s := range todo {
		if seen[s] {
			continue
		}
		r, err := run(ctx, s, m, t)
		if err != nil {
			return fmt.Errorf("%s, seed %d: %w", s.Name, s.Seed, err)
		}
		if err := appendResult(results, r); err != nil {
			return err
		}
		seen[s] = true
		fmt.Fprintln(out, r)
	}
	return nil
}
