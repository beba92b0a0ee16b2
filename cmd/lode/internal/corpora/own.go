package corpora

// This file holds opening data that one worker has to itself.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lode/data"
	"lode/data/documents"
	"lode/data/examples"
	"lode/data/split"
	"lode/engine"
	"lode/protocol"
	"lode/replica"
)

// Own says which data a worker has to itself, and of which run.
type Own struct {
	Want     // Path, File, Read, Cache, Lock and Tell
	Manifest protocol.Manifest
	Inputs   engine.Port // of the run's model
	Targets  engine.Port
	Split    string       // how the data is dealt to several workers; "": all is this one's
	Portion  data.Portion // which of them this one is
	Seed     protocol.Digest
	Target   string   // column of a table with the label
	Classes  []string // names of labels that are no numbers
}

// OpenOwn opens a worker's own data as samples of its run. What does not fit the run is
// an error, before anybody hears of the worker.
func OpenOwn(ctx context.Context, o Own) (s replica.Samples, closing func(), err error) {
	if o.Tell == nil {
		o.Tell = func(string, ...any) {}
	}
	if IsAddress(o.Path) {
		if o.Path, err = Bring(ctx, o.Path, &o.Want); err != nil {
			return nil, nil, err
		}
	}
	if o.Manifest.Data.Tokenizer == protocol.TokenRecords {
		s, closing, err = o.examples(ctx)
	} else {
		s, closing, err = o.text(ctx)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("own data at %s: %w", o.Path, err)
	}
	return s, closing, nil
}

// text opens text, of which pieces or whole files are dealt.
func (o *Own) text(ctx context.Context) (replica.Samples, func(), error) {
	part := o.Portion
	files := []string{o.Path}
	switch o.Split {
	case "", "iid":
	case "files":
		var err error
		if files, err = o.files(); err != nil {
			return nil, nil, err
		}
		part = data.Portion{}
	default:
		return nil, nil, fmt.Errorf("text has no labels that a split by %s could go by: it can be iid or files", o.Split)
	}
	c, err := o.corpus(ctx, files)
	if err != nil {
		return nil, nil, err
	}
	s, err := data.NewOwn(c.Index, c.Source, o.Manifest.Data, o.Manifest.Train, part, o.Seed)
	if err == nil && c.Vocabulary() != o.Manifest.Data.Vocabulary {
		err = fmt.Errorf("it was prepared with another tokenizer than the run's")
	}
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return s, c.Close, nil
}

// samplesPerPiece is how many samples a piece of own text has: few, so that little is
// read for one, and little text too short.
const samplesPerPiece = 16

// corpus opens these files and folders of text.
func (o *Own) corpus(ctx context.Context, paths []string) (*Corpus, error) {
	d := o.Manifest.Data
	w := o.Want
	w.Piece = max(data.MinPiece, (samplesPerPiece*int(o.Manifest.Train.Steps)+1)*int(d.Width))
	w.Piece += (int(d.Width) - w.Piece%int(d.Width)) % int(d.Width)
	if o.Split != "files" {
		return Open(ctx, w)
	}
	t, file, err := w.tokenizer()
	if err != nil {
		return nil, err
	}
	set, err := documents.Find(paths...)
	if err != nil {
		return nil, err
	}
	return w.documents(ctx, set, o.Path, t, file)
}

// files returns the files that are this worker's.
func (o *Own) files() (mine []string, err error) {
	set, err := documents.Find(o.Path)
	if err != nil {
		return nil, err
	}
	all, from := make([]split.Example, len(set.Files)), make([]int, len(set.Files))
	for i := range all {
		all[i].Group, from[i] = i, i
	}
	rule, err := split.ParseRule("files")
	if err != nil {
		return nil, err
	}
	dealt, err := rule.Deal(all, from, o.Portion.Of, o.Seed)
	if err != nil {
		return nil, err
	}
	for _, i := range dealt[o.Portion.Number-1] {
		mine = append(mine, set.Files[i].Path)
	}
	return mine, nil
}

// examples opens pictures, tables or records, and reads all that are this worker's once.
func (o *Own) examples(ctx context.Context) (replica.Samples, func(), error) {
	set, err := OpenExamples(o.Path, o.Inputs, o.Targets, examples.Options{Skip: !o.Read.Refuse, Target: o.Target, Classes: o.Classes})
	if err != nil {
		return nil, nil, err
	}
	bad, num := set.Skipped()
	TellSkipped(o.Tell, bad, num)
	closing := func() { _ = set.Close() } // only read
	own, err := o.deal(set)
	if err == nil {
		err = o.check(ctx, own)
	}
	if err != nil {
		closing()
		return nil, nil, err
	}
	return own, closing, nil
}

// OpenExamples opens whatever kind of examples a path holds, for a model that takes
// those inputs and predicts those targets: records if it is a file of another kind than
// package examples reads otherwise.
func OpenExamples(path string, inputs, targets engine.Port, opt examples.Options) (*examples.Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	other := strings.Contains(name, "images") || strings.HasSuffix(strings.TrimSuffix(name, ".gz"), ".csv")
	if info.Mode().IsRegular() && !other {
		return examples.OpenRecords(path, inputs.Shape, targets.Limit)
	}
	return examples.Open(path, opt)
}

// deal returns the examples that are this worker's.
func (o *Own) deal(set *examples.Set) (*examples.Own, error) {
	mine := make([]int, set.Len())
	for i := range mine {
		mine[i] = i
	}
	if o.Split != "" {
		rule, err := split.ParseRule(o.Split)
		if err != nil {
			return nil, err
		}
		dealt, err := rule.Deal(set.Examples(), mine, o.Portion.Of, o.Seed)
		if err != nil {
			return nil, err
		}
		mine = dealt[o.Portion.Number-1]
	}
	if len(o.Classes) == 0 && !set.Numbered() {
		return nil, fmt.Errorf("labels are %s and no numbers: say which is 0, 1 and so on with --classes, as the whole run has them", someOf(set.Classes()))
	}
	if len(mine) == 0 {
		return nil, fmt.Errorf("part %d of %d has no example in it", o.Portion.Number, o.Portion.Of)
	}
	return examples.NewOwn(set, mine, int(o.Manifest.Data.Width), o.Targets.Limit)
}

// someOf names the first few of names.
func someOf(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// check reads all examples once and names those that are left out.
func (o *Own) check(ctx context.Context, own *examples.Own) error {
	bad, num, err := own.Check(ctx, !o.Read.Refuse)
	TellSkipped(o.Tell, bad, num)
	return err
}

// TellSkipped names what is left out of examples: the first of so many.
func TellSkipped(tell func(format string, args ...any), bad []examples.Fault, num int) {
	for _, b := range bad {
		tell("left out: %v", b)
	}
	if num > len(bad) {
		tell("left out: %d more", num-len(bad))
	}
}
