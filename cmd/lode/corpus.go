package main

// This file holds the flags by which the text of a run is named.

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/corpora"
	"lode/cmd/lode/internal/plan"
	"lode/data/documents"
	"lode/protocol"
)

// textFlags say how documents are read.
type textFlags struct{ field, bad string }

func (f *textFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.field, "field", "text", "field of JSON records, or column of Parquet tables, that holds the text")
	c.Flags().StringVar(&f.bad, "bad", "skip", "what to do with bad files and records: skip, naming them, or refuse")
}

// asText reads documents as without flags.
var asText = textFlags{field: "text", bad: "skip"}

// maxNamed is how many bad files and records are named.
const maxNamed = 20

// options checks the flags. Bad files and records are named on w.
func (f *textFlags) options(w io.Writer) (documents.Options, error) {
	if f.bad != "skip" && f.bad != "refuse" {
		return documents.Options{}, usagef("--bad is %q, it can be skip or refuse", f.bad)
	}
	tell, num := tellTo(w), 0
	return documents.Options{Field: f.field, Refuse: f.bad == "refuse", Tell: func(fault documents.Fault) {
		switch num++; {
		case num <= maxNamed:
			tell("left out: %v", fault)
		case num == maxNamed+1:
			tell("left out: more, which are counted only")
		}
	}}, nil
}

// dataFlags name the text of a run.
type dataFlags struct {
	path, tokenizer string
	textFlags
}

func (f *dataFlags) add(c *cobra.Command, without string) {
	c.Flags().StringVar(&f.path, "data", "",
		"text to train on: a file or folder of text, JSON lines or Parquet, also packed; what lode data prepare made; s3://bucket/prefix or https://host/file (default: "+without+")")
	c.Flags().StringVar(&f.tokenizer, "tokenizer", "", "tokenizer.json (default: bytes are tokens; prepared data brings its own)")
	f.textFlags.add(c)
}

// open opens the text, in pieces of that many bytes unless it was prepared; or
// records of that width.
func (f *dataFlags) open(ctx context.Context, piece, width uint32, store *storeFlags, stderr io.Writer) (*corpora.Corpus, error) {
	read, err := f.options(stderr)
	if err != nil {
		return nil, err
	}
	t, records := f.tokenizer, 0
	if t == protocol.TokenRecords {
		t, records = "", int(width)
	}
	return corpora.Open(ctx, corpora.Want{
		Path: f.path, Tokenizer: t, Records: records, Piece: int(piece), Read: read,
		Store: store.options(), Lock: lockDir, Tell: tellTo(stderr),
	})
}

// args repeats the flags for another process.
func (f *dataFlags) args() []string {
	args := []string{"--field", f.field, "--bad", f.bad}
	if f.path != "" {
		args = append(args, "--data", f.path)
	}
	if f.tokenizer != "" {
		args = append(args, "--tokenizer", f.tokenizer)
	}
	return args
}

// described is a corpus as a plan takes it.
func described(c *corpora.Corpus) plan.Corpus {
	d := plan.Corpus{Index: c.Index, Vocabulary: c.Vocabulary()}
	if c.Tokenizer != nil {
		d.Tokens = c.Tokenizer.Size()
	}
	return d
}
