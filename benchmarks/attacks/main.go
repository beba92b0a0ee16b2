// Command attacks trains a small model on handwritten digits by workers of whom
// some lie, under merge rules and attacks, and prints how many digits of the test
// set each model gets right.
//
// Ten workers have unlike shares of the digits, drawn by a Dirichlet distribution
// over labels. In each round a worker takes local steps with momentum from the
// shared model and sends what changed, compressed by package gradient; liars see
// what honest workers send and choose their own. Package validator/score accepts and
// clips, package aggregation combines.
//
//	attacks -images t10k-images-idx3-ubyte.gz -labels t10k-labels-idx1-ubyte.gz
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "attacks:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("attacks", flag.ContinueOnError)
	s := defaults()
	images := f.String("images", "", "images in IDX format, gzipped")
	labels := f.String("labels", "", "labels in IDX format, gzipped")
	liars := f.String("liars", "1,2,3,4", "workers of ten that lie, a table for each number")
	send := f.String("send", strings.Join(sendings, ","), "how updates are sent")
	which := f.String("rules", "core", "which rules: core, the four that should withstand, or others")
	seeds := f.Int("seeds", 1, "trainings whose mean is printed")
	f.IntVar(&s.rounds, "rounds", s.rounds, "rounds of training")
	f.Float64Var(&s.alpha, "alpha", s.alpha, "of the Dirichlet distribution: the less, the more unlike the workers")
	known := f.Bool("published", false, "only the run that ByzFL publishes")
	if err := f.Parse(args); err != nil {
		return err
	}
	tables, err := tablesOf(s, *seeds, *which, strings.Split(*send, ","), strings.Split(*liars, ","))
	if err != nil {
		return err
	}
	all, err := readDigits(*images, *labels)
	if err != nil {
		return err
	}
	if *known {
		return published(out, all)
	}
	for _, t := range tables {
		if err := t.fill(ctx, all); err != nil {
			return err
		}
		t.print(out)
	}
	return nil
}

// tablesOf returns an empty table for each way of sending and number of liars.
func tablesOf(s setting, seeds int, which string, sends, liars []string) ([]table, error) {
	if s.rounds < 1 || seeds < 1 || s.alpha <= 0 {
		return nil, fmt.Errorf("%d rounds, %d seeds, alpha %v: all must be above 0", s.rounds, seeds, s.alpha)
	}
	if which != "core" && which != "others" {
		return nil, fmt.Errorf("rules %q: want core or others", which)
	}
	var tables []table
	for _, how := range sends {
		if s.send = how; !slices.Contains(sendings, how) {
			return nil, fmt.Errorf("updates sent %q: want some of %s", how, strings.Join(sendings, ", "))
		}
		for _, num := range liars {
			var err error
			if s.liars, err = strconv.Atoi(num); err != nil || s.liars < 1 || 2*s.liars >= s.workers {
				return nil, fmt.Errorf("%q liars of %d workers: want 1 or more, less than half", num, s.workers)
			}
			tables = append(tables, table{setting: s, seeds: seeds, rules: rulesOf(which == "core")})
		}
	}
	return tables, nil
}
