package main

// This file holds the commands about text: prepare, show, check.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/corpora"
	"lode/data/documents"
	"lode/data/shards"
	"lode/protocol"
)

// findText finds the documents at paths and addresses.
func findText(ctx context.Context, paths []string, store *storeFlags, cache string, stderr io.Writer) (*documents.Set, error) {
	local := make([]string, len(paths))
	for i, path := range paths {
		if local[i] = path; corpora.IsAddress(path) {
			var err error
			w := corpora.Want{Store: store.options(), Cache: cache, Tell: tellTo(stderr)}
			if local[i], err = corpora.Bring(ctx, path, &w); err != nil {
				return nil, err
			}
		}
	}
	return documents.Find(local...)
}

// tellTo writes lines about what takes time.
func tellTo(w io.Writer) func(format string, args ...any) {
	return func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
}

func dataCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "data",
		Short: "Prepare text and examples for training",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(dataPrepareCommand(), dataRecordsCommand(), dataShowCommand(), dataCheckCommand())
	return c
}

// prepareFlags are the choices of lode data prepare.
type prepareFlags struct {
	textFlags
	store               storeFlags
	tokenizer, out      string
	cache               string
	piece, shard, cores int
}

func dataPrepareCommand() *cobra.Command {
	var f prepareFlags
	c := &cobra.Command{
		Use:   "prepare DATA...",
		Short: "Turn text into a folder of tokens that a run starts from at once",
		Long: `Turn text into a folder of tokens with an index and digests. DATA are files and
folders, s3://bucket/prefix or https://host/file (#sha256=HEX behind it is checked):
plain text, JSON lines (.jsonl), Parquet (.parquet), each also behind .gz or .zst,
mixed as you like. Use the folder as --data or data.path of a run.

Stop with Ctrl-C at any time; the same command goes on where it stopped. The same
text, tokenizer and sizes give the same folder on every machine.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), args, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVarP(&f.out, "output", "o", "prepared", "folder for the tokens")
	c.Flags().StringVar(&f.tokenizer, "tokenizer", "bytes", "bytes, or a tokenizer.json (lode tokenizer train makes one)")
	c.Flags().IntVar(&f.piece, "piece", 0, "bytes of a piece, the unit of transfer and assignment (default: 16 KiB, more for text above 1 GB)")
	c.Flags().IntVar(&f.shard, "shard", 256, "MB of a file of tokens")
	c.Flags().IntVar(&f.cores, "threads", 0, "threads that turn text into tokens (default: all processors)")
	c.Flags().StringVar(&f.cache, "cache", "", "folder for what is fetched (default: lode in the user's cache folder)")
	f.textFlags.add(c)
	f.store.addS3(c)
	return c
}

func (f *prepareFlags) run(ctx context.Context, paths []string, stdout, stderr io.Writer) error {
	if f.piece < 0 || f.shard < 1 || f.cores < 0 {
		return usagef("--piece and --threads must not be below 0, --shard must be above 0")
	}
	read, err := f.options(stderr)
	if err != nil {
		return err
	}
	t, file, err := corpora.Tokenizer(f.tokenizer)
	if err != nil {
		return err
	}
	set, err := findText(ctx, paths, &f.store, f.cache, stderr)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return err
	}
	unlock, err := lockDir(f.out)
	if err != nil {
		return err
	}
	defer unlock()
	began := time.Now()
	d, err := shards.Prepare(ctx, f.out, shards.Job{
		Set: set, Read: read, Tokenizer: t, File: file, Piece: f.piece, Shard: uint64(f.shard) << 20, Workers: f.cores,
		Progress: showProgress(stderr, set, began),
	})
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(stderr, "stopped; the same command goes on from here")
		}
		return err
	}
	fmt.Fprintf(stdout, "%s is prepared in %.1f s\n", f.out, time.Since(began).Seconds())
	describeTo(stdout, d)
	return nil
}

// showProgress returns what keeps a line on a terminal up to date, and writes one
// now and then elsewhere.
func showProgress(w io.Writer, set *documents.Set, began time.Time) func(shards.Progress) {
	every, end := 10*time.Second, "\n"
	if isTerminal(w) {
		every, end = 200*time.Millisecond, "\033[K\r"
	}
	next := began.Add(every)
	return func(p shards.Progress) {
		now := time.Now()
		if now.Before(next) {
			return
		}
		next = now.Add(every)
		fmt.Fprintf(w, "%d of %d files, %s of text, %.1f million tokens, %s a second%s", p.Files, len(set.Files),
			bytesText(uint64(p.Tally.Bytes)), float64(p.Tokens)/1e6, bytesText(uint64(float64(p.Tally.Bytes)/now.Sub(began).Seconds())), end)
	}
}

func describeTo(w io.Writer, d *shards.Description) {
	fmt.Fprintf(w, "tokens     %d in %s, %d bytes each, of %d different ones\n", d.Tokens, plural(d.Files(), "file"), d.Width, d.Vocab)
	tokenizer := d.Tokenizer
	if d.Tokenizer != protocol.TokenBytes {
		tokenizer += " " + d.Vocabulary.String()
	}
	fmt.Fprintf(w, "tokenizer  %s\n", tokenizer)
	fmt.Fprintf(w, "text       %d documents, %s, %.2f bytes a token\n", d.Documents, bytesText(uint64(d.Text)), float64(d.Text)/float64(max(d.Tokens, 1)))
	fmt.Fprintf(w, "left out   %d bad files, %d bad records\n", d.BadFiles, d.BadRecords)
	fmt.Fprintf(w, "pieces     %d of %d bytes\n", d.Bytes()/uint64(d.Piece), d.Piece)
	fmt.Fprintf(w, "index      %s\n", d.Index)
}

func dataShowCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show FOLDER",
		Short: "Say what is in a prepared folder",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := shards.Describe(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(d)
			}
			describeTo(c.OutOrStdout(), d)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the description as JSON")
	return c
}

func dataCheckCommand() *cobra.Command {
	var cores int
	c := &cobra.Command{
		Use:   "check FOLDER",
		Short: "Read all of a prepared folder and compare it with its digests",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if cores < 0 {
				return usagef("--threads must not be below 0")
			}
			f, err := shards.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if _, _, err := f.Tokenizer(); err != nil {
				return err
			}
			bad, err := f.Check(c.Context(), threadsOr(cores), func(int, int) {})
			if err != nil {
				return err
			}
			if len(bad) > 0 {
				return fmt.Errorf("%d of %d pieces are not what they were, the first ones %v: remove %s and prepare the data again", len(bad), len(f.Index.Digests), bad[:min(len(bad), 10)], args[0])
			}
			fmt.Fprintf(c.OutOrStdout(), "all %d pieces are what they were\n", len(f.Index.Digests))
			return nil
		},
	}
	c.Flags().IntVar(&cores, "threads", 0, "threads that read (default: all processors)")
	return c
}
