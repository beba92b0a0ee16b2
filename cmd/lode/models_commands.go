package main

// This file holds the commands that get models and use them: pull and generate.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"lode/cmd/lode/internal/audit"
	"lode/cmd/lode/internal/models"
	"lode/protocol"
)

func pullCommand() *cobra.Command {
	var store storeFlags
	var dir, run string
	var step int64
	var trust []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "pull SOURCE",
		Short: "Get a model, verified; goes on where an earlier pull was cut",
		Long: `Get a model from a folder, s3://bucket/prefix, https://host/path, or the link of
a run (lode://KEY@host:port/RUN). Every file is checked against the signed
manifest. From a link, and from the folder of a run or the store in it, the run's
whole record is replayed as well and the model compared with the receipt that the
validators signed. Other stores hold no record: there the coordinator's signature
is all there is. What was checked is printed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkLink(args[0]); err != nil {
				return err
			}
			opt := models.Options{Dir: dir, Store: store.options(), Contact: contact(c.ErrOrStderr())}
			if step >= 0 {
				r := protocol.Round(step)
				opt.Round = &r
			}
			var err error
			if run != "" {
				if opt.Run, err = protocol.ParseRunID(run); err != nil {
					return usagef("--run: %v", err)
				}
			}
			for _, t := range trust {
				id, err := protocol.ParseNodeID(t)
				if err != nil {
					return usagef("--trust: %v", err)
				}
				opt.Trusted = append(opt.Trusted, id)
			}
			if err := ownFolder(dir); err != nil {
				return err
			}
			progress, done := pullProgress(c.ErrOrStderr(), asJSON)
			opt.Progress = progress
			source := storeOf(args[0])
			if run := runOf(source); run != "" {
				opt.Witness = func(ctx context.Context) (*models.Witness, error) { return witness(ctx, run, c.ErrOrStderr()) }
			}
			res, err := models.Pull(c.Context(), source, opt)
			done()
			if err != nil {
				return err
			}
			return printPull(c.OutOrStdout(), res, asJSON)
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "model", "folder for the model")
	c.Flags().Int64Var(&step, "step", -1, "the checkpoint before this round (default: the latest)")
	c.Flags().StringVar(&run, "run", "", "run id, where a store holds several (default: the one written last)")
	c.Flags().StringArrayVar(&trust, "trust", nil, "key that must have signed; may be given several times")
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	store.addS3(c)
	return c
}

// ownFolder refuses a folder with files that no pull put there.
func ownFolder(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) == 0 {
		return err
	}
	for _, mark := range []string{"manifest.json", "*.part", ".tmp"} {
		if ours, _ := filepath.Glob(filepath.Join(dir, mark)); len(ours) > 0 {
			return nil
		}
	}
	return fmt.Errorf("%s is not empty and holds no pulled model: name another folder with -o", dir)
}

// storeOf returns the store inside the folder of a run, if that is what was named.
func storeOf(source string) string {
	inside := filepath.Join(source, "store")
	_, none := os.Stat(filepath.Join(source, "LATEST"))
	if _, err := os.Stat(filepath.Join(inside, "LATEST")); err == nil && none != nil {
		return inside
	}
	return source
}

// runOf returns the folder of the run that a store on this machine lies in, "" if
// it lies in none.
func runOf(store string) string {
	for _, dir := range []string{store, filepath.Dir(filepath.Clean(store))} {
		if _, err := os.Stat(filepath.Join(dir, manifestName)); err == nil {
			return dir
		}
	}
	return ""
}

// witness opens the record in the folder of a run, nil if a coordinator has it
// open and left no link.
func witness(ctx context.Context, dir string, stderr io.Writer) (*models.Witness, error) {
	src, done, err := auditSource(ctx, dir, stderr)
	if errors.Is(err, audit.ErrInUse) {
		return nil, nil //nolint:nilnil // as documented
	}
	if err != nil {
		return nil, err
	}
	return &models.Witness{Manifest: src.Manifest, Entries: src.Record.Entries, Close: done}, nil
}

// pullProgress shows a bar on a terminal, nothing elsewhere.
func pullProgress(w io.Writer, quiet bool) (progress func(models.Stage, int64, int64), done func()) {
	if quiet || !isTerminal(w) {
		return nil, func() {}
	}
	bars := mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
	var bar *mpb.Bar
	var stage models.Stage
	progress = func(s models.Stage, n, total int64) {
		if bar == nil || s != stage {
			if bar != nil {
				bar.Abort(true)
			}
			stage = s
			bar = bars.AddBar(total, mpb.BarRemoveOnComplete(),
				mpb.PrependDecorators(decor.Name(string(s)+" ")), mpb.AppendDecorators(decor.Percentage()))
		}
		bar.SetTotal(total, false)
		bar.SetCurrent(n)
	}
	return progress, func() {
		if bar != nil {
			bar.Abort(true)
		}
		bars.Wait()
	}
}

func printPull(w io.Writer, r models.Result, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintf(w, "model of run %s before round %d is in %s (%s, %s fetched)\n",
		r.Run.Short(), r.Round, r.Dir, bytesText(uint64(r.Bytes)), bytesText(uint64(r.Fetched)))
	fmt.Fprintf(w, "model root %s\n", r.ModelRoot)
	fmt.Fprintf(w, "checked    %s\n", verifiedText(r))
	return nil
}

// verifiedText says in one line whose word a pulled model rests on.
func verifiedText(r models.Result) string {
	var by []string
	for _, s := range r.Signers {
		by = append(by, s.Short())
	}
	signed := strings.Join(by, ", ")
	switch {
	case r.Receipt != nil && r.Receipt.Validators > 0:
		return fmt.Sprintf("every file; receipt of %s with %.4g %% of the stake; record of %d entries",
			plural(r.Receipt.Validators, "validator"), 100*r.Receipt.Share, r.Entries)
	case r.Receipt != nil:
		return fmt.Sprintf("every file; the run's initial parameters, computed again here; record of %d entries", r.Entries)
	case r.Trusted > 0:
		return fmt.Sprintf("every file; signed by %s only, of which you trust %d; no receipt was at hand", signed, r.Trusted)
	}
	return fmt.Sprintf("every file; signed by key %s only: is it the one you trust? (--trust KEY asks; a pull from the run's link compares the validators' receipt)", signed)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printable keeps what a model writes from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func generateCommand() *cobra.Command {
	var dir string
	var s models.Sampling
	var f engineFlags
	c := &cobra.Command{
		Use:   "generate [PROMPT]",
		Short: "Let a model write",
		Long: `Let a model write on from a prompt. --model is a folder that lode pull filled, a
store folder (its latest checkpoint is taken), or any folder with the config.json
and model.safetensors of a Llama; a tokenizer.json beside them says how text becomes
tokens, without one they are bytes. With --engine torch the text is read again for each
token; on a card a model takes the memory of training.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if s.Tokens < 1 || s.Temperature < 0 || s.TopK < 0 {
				return usagef("--tokens must be above 0, --temperature and --top-k not below 0")
			}
			if err := f.check(); err != nil {
				return err
			}
			m, err := models.LoadInto(dir, f.reader)
			if err != nil {
				return err
			}
			defer m.Close()
			if f.passed != nil {
				fmt.Fprintf(c.ErrOrStderr(), "lode: no card is used: %v\n", f.passed)
			}
			prompt := strings.Join(args, "")
			out := c.OutOrStdout()
			fmt.Fprint(out, prompt)
			show := func(piece string) string { return piece }
			if isTerminal(out) {
				show = printable
			}
			err = models.Generate(c.Context(), m, prompt, s, func(piece string) { fmt.Fprint(out, show(piece)) })
			fmt.Fprintln(out)
			return err
		},
	}
	f.addReader(c)
	c.Flags().StringVar(&dir, "model", "model", "folder of the model")
	c.Flags().IntVar(&s.Tokens, "tokens", 256, "how much to write")
	c.Flags().Float64Var(&s.Temperature, "temperature", 0.8, "0 takes the likeliest token each time")
	c.Flags().IntVar(&s.TopK, "top-k", 40, "draw among so many likeliest tokens only; 0 is all")
	c.Flags().Uint64Var(&s.Seed, "seed", 1, "the same seed writes the same text")
	return c
}
