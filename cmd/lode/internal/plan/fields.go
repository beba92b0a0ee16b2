package plan

// This file holds the first half of the table of fields: what is trained on
// what. How the table is read and written knows nothing of single fields.

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"lode/protocol"
)

// field is one line of the table.
type field struct {
	path     string // dotted, as in [protocol.FieldError]
	what     string // meaning and unit
	why      string // of the default
	counts   string // what the manifest counts it in, if not what people write
	get      func(*Plan) string
	set      func(*Plan, scalar) error
	families []string // it is a field of, of the model's; nil: of all
	// list is set instead of get and set for a field that is a list.
	list *list
}

// list is how a field with any number of entries is read and written.
type list struct {
	entry string      // an entry in words
	begin func(*Plan) // makes it an empty one, before the first entry
	read  func(r *reader, path string, entry ast.Node)
	lines func(Plan) []string // each entry as the file has it
	line  bool                // it has a default, and stands in one line
}

// of says whether the field is one of that family of models.
func (f field) of(family string) bool {
	return f.families == nil || slices.Contains(f.families, family)
}

// section returns the path's section, "" at the top, and its last word.
func (f field) section() (section, key string) {
	section, key, ok := strings.Cut(f.path, ".")
	if !ok {
		return "", f.path
	}
	return section, key
}

// stands reports whether the field is that key of that section.
func (f field) stands(section, key string) bool {
	s, k := f.section()
	return s == section && k == key
}

func row[T any](path string, k kind[T], at func(*Plan) *T, what, why string) field {
	if k.unit != "" {
		what += " (" + k.unit + ")"
	}
	return field{
		path: path, what: what, why: why, counts: k.counts,
		get: func(p *Plan) string { return k.format(*at(p)) },
		set: func(p *Plan, s scalar) error {
			v, err := k.parse(s)
			if err == nil {
				*at(p) = v
			}
			return err
		},
	}
}

// sections are the parts of the file in its order, with what each is about.
var sections = []struct{ name, about string }{
	{"", ""},
	{"model", "The architecture. All of it is fixed for the life of the run."},
	{"data", "The corpus, cut into pieces that workers are assigned."},
	{"train", "How a worker trains in each round before it sends one update."},
	{"update", "How updates are compressed."},
	{"merge", "How the accepted updates of a round become one step."},
	{"score", "How validators judge updates."},
	{"timing", "Longest waits. A round goes on as soon as all are ready."},
	{"members", "Who may take part."},
	{"economy", "What is paid."},
}

// table is every field of a run.yaml, in its order.
var table = slices.Concat(heading, architecture, corpus, training, update, merge, score, timing, members, economy)

var heading = []field{
	row("name", text, func(p *Plan) *string { return &p.Run.Name },
		"Name of the run, for people: up to 64 letters, digits, spaces, dots, dashes and underscores.",
		"any name does"),
	row("seed", text, func(p *Plan) *string { return &p.Seed },
		"Text or number that initial parameters and all random choices are derived from.",
		"another seed makes another run, even with all else equal"),
	row("owner", owner, func(p *Plan) *protocol.NodeID { return &p.Run.Owner },
		"Node id that receives the owner's share of what is paid; `coordinator` is the key of the machine that launches the run.",
		"who launches a run usually owns it"),
}

var corpus = []field{
	row("data.path", text, func(p *Plan) *string { return &p.DataPath },
		"Text, on the machine that launches the run: a file or a folder, what lode data prepare made, s3://bucket/prefix or "+
			"https://host/file; go-stdlib is the source of Go's standard library.",
		"it is on every machine that has Go"),
	row("data.mode", text, func(p *Plan) *string { return &p.Run.Data.Mode },
		"How workers come to their data: assigned, the run hands out pieces of its text; or private, each worker has its own, "+
			"which stays on its machine, and validators alone measure on the run's. Private needs score.examine: 0.",
		"lets validators check what was trained on"),
	row("data.split", text, func(p *Plan) *string { return &p.Split },
		"Private, and for lode up alone: how it deals what lies at data.path to its workers: iid, labels:K, dirichlet:A, dirichlet:A:equal or files; "+
			"a fifth is set aside first, for validators. Otherwise \"\".",
		"a run among machines has data on each of them"),
	row("data.tokenizer", text, func(p *Plan) *string { return &p.Tokenizer },
		"How text becomes tokens: bytes, or the path of a tokenizer.json, which model.vocab must fit; prepared data brings its own. "+
			"Or records, which are examples for an mlp or a cnn: the number of the class in one byte, then each value in one byte, 255 for 1.",
		"needs no vocabulary and knows every language"),
	row("data.piece", size, func(p *Plan) *uint32 { return &p.Run.Data.Piece },
		"Length of a piece, the unit of transfer and assignment; above train.inner_steps × train.steps, and a whole number of records",
		"a quick download, and a corpus of some megabytes still has hundreds"),
	row("data.held_out", share, func(p *Plan) *uint32 { return &p.Run.Data.HeldOut },
		"Share at the end of the corpus that nobody trains on, 0.001 to 0.5; the loss on it is what is reported.",
		"enough to measure on, and hardly missed in training"),
}

var training = []field{
	row("train.inner_steps", whole, func(p *Plan) *uint32 { return &p.Run.Train.InnerSteps },
		"Optimizer steps between two merges.", "rounds of seconds on a processor; with more, traffic is rarer and merges are older"),
	row("train.rows", whole, func(p *Plan) *uint32 { return &p.Run.Train.Rows },
		"Sequences in a batch; a batch has at most 1,048,576 tokens.", "a batch of 512 tokens"),
	row("train.steps", whole, func(p *Plan) *uint32 { return &p.Run.Train.Steps },
		"Tokens of a training sequence; at most model.context. Of records 1.", "attention stays cheap on a processor"),
	row("train.optimizer", text, func(p *Plan) *string { return &p.Run.Train.Optimizer },
		"Steps of a worker: adamw; or muon, which moves the matrices within layers by orthogonal steps, and the rest by adamw.",
		"muon learns more of each token, but takes longer over small batches"),
	row("train.rate", number, func(p *Plan) *float64 { return &p.Run.Train.Rate },
		"Learning rate at its peak, above 0, at most 1.", "suits a model this small; larger ones want 1e-3 and less"),
	row("train.warmup", whole, func(p *Plan) *uint32 { return &p.Run.Train.Warmup },
		"Rounds over which the rate rises to its peak.", "the first steps of Adam are the rashest"),
	row("train.schedule", text, func(p *Plan) *string { return &p.Run.Train.Schedule },
		"The rate after those rounds: constant; linear or cosine, which fall until round train.rounds; or wsd, which stays and falls over the last train.decay_share of them.",
		"a run may then go on for as long as it likes"),
	row("train.rounds", whole, func(p *Plan) *uint32 { return &p.Run.Train.Rounds },
		"linear, cosine, wsd: rounds that the schedule spans, warm-up included; the run goes on after them. Otherwise 0.", "a constant rate has no end"),
	row("train.final_rate", share, func(p *Plan) *uint32 { return &p.Run.Train.FinalRate },
		"linear, cosine, wsd: the rate from round train.rounds on, as a share of train.rate, 0 to 1; at 0 nothing is learnt then. Otherwise 0.", "a constant rate has no end"),
	row("train.decay_share", share, func(p *Plan) *uint32 { return &p.Run.Train.DecayShare },
		"wsd: share of train.rounds at their end over which the rate falls in a straight line, above 0, up to 1; 0.1 to 0.2 is usual. Otherwise 0.", "a constant rate has no end"),
	row("train.beta1", number, func(p *Plan) *float64 { return &p.Run.Train.Beta1 },
		"AdamW's memory of the gradient, below 1.", "the one of the AdamW paper"),
	row("train.beta2", number, func(p *Plan) *float64 { return &p.Run.Train.Beta2 },
		"AdamW's memory of the squared gradient, below 1.", "usual for language models; forgets spikes sooner than 0.999"),
	row("train.weight_decay", number, func(p *Plan) *float64 { return &p.Run.Train.WeightDecay },
		"Pull of matrices towards zero, in proportion to the rate, from 0 to 1.", "light: a model this small hardly overfits"),
	row("train.clip_norm", number, func(p *Plan) *float64 { return &p.Run.Train.ClipNorm },
		"Gradients longer than this are shortened to it; 0 is off.", "usual for language models"),
	row("train.proximal", number, func(p *Plan) *float64 { return &p.Run.Train.Proximal },
		"FedProx's pull of the inner steps towards the parameters that the round began with, 0.001 to 1 is usual; 0 is off.", "helps where workers have very different data of their own"),
	{
		path: "train.only", list: patterns(func(p *Plan) *[]string { return &p.Run.Train.Only }),
		what: "Tensors that are trained and exchanged, as patterns of their names, such as \"model.layers.*.mlp.*\"; " +
			"the others keep their first values. With no pattern all are trained.",
		why: "a model that begins untrained needs all of it",
	},
	{
		path: "train.no_decay", list: patterns(func(p *Plan) *[]string { return &p.Run.Train.NoDecay }),
		what: "Matrices that train.weight_decay leaves alone, as patterns of their names, such as \"*embed*\". " +
			"Vectors, that is norms and biases, never decay.",
		why: "all matrices decay",
	},
}
