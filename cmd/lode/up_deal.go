package main

// This file holds how lode up deals data to its workers for good: a run with data.mode
// private on one machine.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lode/cmd/lode/internal/corpora"
	"lode/cmd/lode/internal/plan"
	"lode/data"
	"lode/data/chance"
	"lode/data/documents"
	"lode/data/examples"
	"lode/data/split"
	"lode/protocol"
)

// A fifth of the data becomes the run's corpus, on which validators measure.
const (
	publicOf    = 5
	publicShare = 1.0 / publicOf
)

// dealt is where the parts of the data lie.
type dealt struct {
	corpus string   // what validators measure on
	own    []string // each worker's
}

// deal deals the data of a plan and returns where its parts lie, below the run's folder.
func (h *house) deal(ctx context.Context, p plan.Plan, workers []string) (d dealt, err error) {
	rule, err := split.ParseRule(p.Split)
	if err != nil {
		return d, err
	}
	ending := ".bin"
	if p.Tokenizer != protocol.TokenRecords {
		ending = ".jsonl"
	}
	d.corpus = filepath.Join(h.dir, "data", "corpus"+ending)
	for _, name := range workers {
		d.own = append(d.own, filepath.Join(h.dir, name, "own"+ending))
	}
	path := h.state.Data
	if corpora.IsAddress(path) {
		w := corpora.Want{Store: h.flags.store.options(), Tell: tellTo(h.stderr)}
		if path, err = corpora.Bring(ctx, path, &w); err != nil {
			return d, err
		}
	}
	files, err := d.create()
	if err != nil {
		return d, err
	}
	if p.Tokenizer == protocol.TokenRecords {
		err = h.dealExamples(ctx, p, path, rule, files)
	} else {
		err = h.dealText(ctx, p, path, files)
	}
	for _, f := range files {
		err = errors.Join(err, f.close())
	}
	if err != nil {
		return d, fmt.Errorf("data.split %s: %w", p.Split, err)
	}
	return d, nil
}

// part is a file being written.
type part struct {
	*bufio.Writer
	file *os.File
	num  int // of its examples or passages
}

func (p *part) close() error { return errors.Join(p.Flush(), p.file.Close()) }

// create makes the files: the corpus first, then each worker's.
func (d dealt) create() (all []*part, err error) {
	for _, path := range append([]string{d.corpus}, d.own...) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		all = append(all, &part{bufio.NewWriter(f), f, 0})
	}
	return all, nil
}

// dealExamples deals pictures, tables or records, and names those that are left out.
func (h *house) dealExamples(ctx context.Context, p plan.Plan, path string, rule split.Rule, to []*part) error {
	inputs, targets := p.Takes()
	skip := h.text().bad == "skip"
	set, err := corpora.OpenExamples(path, inputs, targets, examples.Options{Skip: skip})
	if err != nil {
		return err
	}
	defer set.Close() // only read
	tell := tellTo(h.stderr)
	bad, num := set.Skipped()
	corpora.TellSkipped(tell, bad, num)
	seed := h.dealSeed()
	rest, held, err := split.HeldOut(set.Len(), publicShare, seed)
	if err != nil {
		return err
	}
	lots, err := rule.Deal(set.Examples(), rest, len(to)-1, seed)
	if err != nil {
		return err
	}
	for i, of := range append([][]int{held}, lots...) {
		if len(of) == 0 {
			continue
		}
		own, err := examples.NewOwn(set, of, int(p.Width()), targets.Limit)
		if err != nil {
			return err
		}
		bad, num, err := own.Check(ctx, skip)
		if err != nil {
			return err
		}
		corpora.TellSkipped(tell, bad, num)
		if err := own.Write(to[i]); err != nil {
			return err
		}
		to[i].num = own.Len()
	}
	return h.tellDealt(to, "examples")
}

func (h *house) dealSeed() protocol.Digest {
	return protocol.Hash("lode up deals", fmt.Append(nil, h.state.Seed))
}

// tellDealt says who got how much, and refuses to leave somebody with nothing.
func (h *house) tellDealt(to []*part, what string) error {
	sizes := make([]int, len(to)-1)
	for i, p := range to[1:] {
		if sizes[i] = p.num; p.num == 0 {
			return fmt.Errorf("%s got none of the %s: take fewer workers, another split or another --seed", h.state.Cast.Workers[i], what)
		}
	}
	fmt.Fprintf(h.stderr, "%d %s are set aside for validators, workers have %v for themselves\n", to[0].num, what, sizes)
	return nil
}

// dealtField is the field of a JSON line that a passage is in: the one that text is read
// from unless somebody says otherwise.
const dealtField = "text"

// passageLen is the longest passage of text that is dealt as one, bytes.
const passageLen = 4096

// dealText deals text in passages, or in whole files; a passage in five is the corpus's.
func (h *house) dealText(ctx context.Context, p plan.Plan, path string, to []*part) error {
	if p.Split != "iid" && p.Split != "files" {
		return errors.New("text has no labels to go by: it can be iid or files")
	}
	paths := []string{path}
	if path == "" {
		c, err := data.OpenDefault(ctx)
		if err != nil {
			return err
		}
		paths = c.Paths()
	}
	set, err := documents.Find(paths...)
	if err != nil {
		return err
	}
	if p.Split == "files" && len(set.Files) < len(to)-1 {
		return fmt.Errorf("%d files for %d workers", len(set.Files), len(to)-1)
	}
	opt, err := h.text().options(h.stderr)
	if err != nil {
		return err
	}
	d := &textDealer{to: to, seed: h.dealSeed()}
	d.byFile = p.Split == "files"
	// Read hands batches on file after file, so each file is read by itself.
	for i := range set.Files {
		one := documents.Set{Files: set.Files[i : i+1]}
		_, err := one.Read(ctx, opt, documents.Position{}, documents.Tally{}, func(b *documents.Batch) error {
			for _, part := range b.Parts {
				if err := d.passages(part.Text, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return h.tellDealt(to, "passages")
}

// textDealer deals passages.
type textDealer struct {
	to     []*part
	seed   protocol.Digest
	byFile bool
	num    int   // dealt so far
	deal   []int // of the next ones
}

// passages cuts text of a file, at lines where there are any.
func (d *textDealer) passages(text []byte, file int) error {
	for len(text) > 0 {
		n := len(text)
		if n > passageLen {
			n = passageLen
			if at := bytes.LastIndexByte(text[:n], '\n'); at >= 0 {
				n = at + 1
			} else {
				for n > passageLen-4 && text[n]&0xc0 == 0x80 { // within a character
					n--
				}
			}
		}
		to := d.next()
		if d.byFile && to > 0 {
			to = 1 + file%(len(d.to)-1)
		}
		line, err := json.Marshal(map[string]string{dealtField: string(text[:n])})
		if err != nil {
			return err
		}
		if _, err := d.to[to].Write(append(line, '\n')); err != nil {
			return err
		}
		d.to[to].num++
		text = text[n:]
	}
	return nil
}

// next returns whose the next passage is: of as many as there are workers times five, in
// an order drawn for each so many, a fifth the corpus's and the others equally many.
func (d *textDealer) next() int {
	workers := len(d.to) - 1
	if len(d.deal) == 0 {
		all := workers * publicOf
		for _, x := range chance.New("deal passages", d.seed, d.num).Permuted(all, all) {
			to := 0
			if x >= workers {
				to = 1 + x%workers
			}
			d.deal = append(d.deal, to)
		}
	}
	to := d.deal[0]
	d.deal = d.deal[1:]
	d.num++
	return to
}

// lastTrained returns the last line that a worker printed about its own data, nil if there
// is none in the end of its log.
func lastTrained(log string) *trainedLine {
	f, err := os.Open(log)
	if err != nil {
		return nil
	}
	defer f.Close() // only read
	const most = 64 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return nil
		}
	}
	var last *trainedLine
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var l trainedLine
		if json.Unmarshal(sc.Bytes(), &l) == nil && l.Event == "trained" {
			last = &l
		}
	}
	return last
}
