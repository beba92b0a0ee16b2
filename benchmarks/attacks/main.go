// Command attacks trains a small model on handwritten digits by workers of whom
// some lie, under every merge rule and attack, and prints how many digits of the
// test set each model gets right.
//
// Ten workers have unlike shares of the digits, drawn by a Dirichlet distribution
// over labels. In each round a worker takes local steps from the shared model and
// sends what changed, compressed by package gradient; liars see what honest workers
// send and choose their own. Package aggregation combines.
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
	images := f.String("images", "", "images in IDX format, gzipped")
	labels := f.String("labels", "", "labels in IDX format, gzipped")
	s := defaults()
	f.IntVar(&s.liars, "liars", s.liars, "workers of ten that lie")
	f.IntVar(&s.rounds, "rounds", s.rounds, "rounds of training")
	f.Float64Var(&s.alpha, "alpha", s.alpha, "of the Dirichlet distribution: the less, the more unlike the workers")
	send := f.String("send", strings.Join(sendings, ","), "how updates are sent")
	if err := f.Parse(args); err != nil {
		return err
	}
	all, err := readDigits(*images, *labels)
	if err != nil {
		return err
	}
	if s.liars < 0 || 2*s.liars >= numWorkers {
		return fmt.Errorf("%d liars of %d workers: less than half can lie", s.liars, numWorkers)
	}
	for _, how := range strings.Split(*send, ",") {
		s.send = how
		if err := table(ctx, out, s, all); err != nil {
			return err
		}
	}
	return nil
}

// table prints one row for each rule, one column for each attack.
func table(ctx context.Context, out io.Writer, s setting, all digits) error {
	fmt.Fprintf(out, "\n%s, %d of %d workers lie, %d rounds, accuracy on the test digits in percent\n\n| rule |", s.send, s.liars, numWorkers, s.rounds)
	for _, a := range attacks {
		fmt.Fprintf(out, " %s |", a.name)
	}
	fmt.Fprintf(out, "\n|---|%s\n", strings.Repeat("---|", len(attacks)))
	for _, r := range rules {
		if r.notFor == s.send {
			continue
		}
		fmt.Fprintf(out, "| %s |", r.name)
		for _, a := range attacks {
			if err := ctx.Err(); err != nil {
				return err
			}
			s.rule, s.attack = r, a
			right, err := train(s, all)
			if err != nil {
				return fmt.Errorf("%s under %s: %w", r.name, a.name, err)
			}
			fmt.Fprintf(out, " %.1f |", 100*right)
		}
		fmt.Fprintln(out)
	}
	return nil
}
