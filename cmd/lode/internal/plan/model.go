package plan

// This file holds the architecture as a run.yaml describes it.

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"lode/data"
	"lode/engine/model"
	"lode/protocol"
)

// Model is an architecture in the fields of a run.yaml. Each family has its own;
// what the others have is left at its default.
type Model struct {
	Family string
	Llama  model.Llama

	// Of mlp and cnn, see [model.MLP] and [model.CNN].
	Input      []int
	Hidden     []int
	Activation string
	Classes    int
	Outputs    int // of mlp alone
	Filters    []int
	Kernel     int
	Padding    int
	Pool       int
	Mean       bool

	Custom ConfigFile // of torch alone
	From   From
}

// ConfigFile is a config.json and what it holds: a model of a user's own.
type ConfigFile struct {
	Path  string
	Model model.Custom
}

// The families of a run.yaml.
const (
	llama = "llama"
	mlp   = "mlp"
	cnn   = "cnn"
	torch = "torch"
)

// defaultModel is a small byte model, and what the other families begin with is for
// handwritten digits.
func defaultModel() Model {
	digits := model.LeNet(28, 28, 10)
	return Model{
		Family: llama, Llama: model.Default(),
		Input: digits.Input, Hidden: digits.Hidden, Activation: string(digits.Activation), Classes: digits.Classes,
		Filters: digits.Filters, Kernel: digits.Kernel, Padding: digits.Padding, Pool: digits.Pool,
	}
}

// described returns the architecture, nil if there is no such family.
func (m Model) described() model.Model {
	f := model.Activation(m.Activation)
	switch m.Family {
	case llama:
		return m.Llama
	case mlp:
		return model.MLP{Input: m.Input, Hidden: m.Hidden, Activation: f, Classes: m.Classes, Outputs: m.Outputs}
	case cnn:
		return model.CNN{
			Input: m.Input, Filters: m.Filters, Kernel: m.Kernel, Padding: m.Padding, Pool: m.Pool, Mean: m.Mean,
			Hidden: m.Hidden, Activation: f, Classes: m.Classes,
		}
	case torch:
		return m.Custom.Model
	}
	return nil
}

// fit reports what is wrong with the architecture, with the paths of its fields.
func (m Model) fit() error {
	d := m.described()
	if d == nil {
		return &protocol.FieldError{Field: "model.family", Fault: fmt.Sprintf("is %q; there are %s, %s, %s and %s", m.Family, llama, mlp, cnn, torch)}
	}
	if m.Family == torch && m.Custom.Path == "" {
		return &protocol.FieldError{Field: "model.config", Fault: "is missing: name the file that lode describe has written"}
	}
	var errs []error
	for _, err := range causes(d.Validate()) {
		if f := (*model.Fault)(nil); errors.As(err, &f) {
			err = &protocol.FieldError{Field: "model." + f.Field, Fault: f.Text}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// config returns what the manifest says of the architecture. Of one with faults that
// is the default's; fit reports the faults.
func (m Model) config() protocol.Model {
	if m.fit() != nil {
		m = defaultModel()
	}
	return protocol.Model{Config: string(m.described().Config()), Initial: m.From.Root, Pieces: m.From.Pieces}
}

// vocab returns how many tokens the model knows, and the field that says so.
func (m Model) vocab() (tokens int, field string) {
	switch m.Family {
	case llama:
		return m.Llama.Vocab, "model.vocab"
	case torch:
		if m.Custom.Path != "" {
			return m.Custom.Model.Inputs.Limit, "model.config"
		}
	}
	return data.Vocab, "model.family" // it takes no tokens, which is another fault
}

var configFile = kind[ConfigFile]{
	parse: func(s scalar) (ConfigFile, error) {
		f, err := text.parse(s)
		if err != nil {
			return ConfigFile{}, err
		}
		m, err := readConfig(f)
		return ConfigFile{f, m}, err
	},
	format: func(f ConfigFile) string { return text.format(f.Path) },
}

// readConfig reads the file with a model of a user's own.
func readConfig(path string) (m model.Custom, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return m, fmt.Errorf("cannot be read: %w (lode describe writes such a file)", err)
	}
	if !info.Mode().IsRegular() || info.Size() > model.MaxConfig {
		return m, fmt.Errorf("is no file of at most %d bytes", model.MaxConfig)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return m, fmt.Errorf("cannot be read: %w", err)
	}
	parsed, err := model.ParseConfig(b)
	if err != nil {
		return m, err
	}
	m, own := parsed.(model.Custom)
	if !own {
		return m, fmt.Errorf("holds a model of family %s: say so in model.family", parsed.Family())
	}
	return m, nil
}

var (
	ofLlama    = []string{llama}
	ofExamples = []string{mlp, cnn}
	ofMLP      = []string{mlp}
	ofCNN      = []string{cnn}
	ofTorch    = []string{torch}
)

// only says of which families the fields are.
func only(families []string, fields ...field) []field {
	for i := range fields {
		fields[i].families = families
	}
	return fields
}

var architecture = slices.Concat(
	[]field{
		row("model.family", text, func(p *Plan) *string { return &p.Model.Family },
			"Architecture: llama for text, mlp for tables and flat pictures, cnn for pictures, torch for a PyTorch model of your own. Each has fields of its own.",
			"text needs no labels, and checkpoints load in other programs"),
		row("model.from", from, func(p *Plan) *From { return &p.Model.From },
			"What the run begins with: `seed`, from which parameters are drawn; or parameters that are there already, exactly: "+
				"a folder that lode pull or lode train left, one of Hugging Face, or a safetensors file. A config.json beside them says all other fields of model.",
			"nothing has to be there"),
	},
	only(ofLlama,
		row("model.dim", count, func(p *Plan) *int { return &p.Model.Llama.Dim },
			"Width; an even multiple of heads.", "a model of 0.36 million parameters learns on two cores within minutes"),
		row("model.layers", count, func(p *Plan) *int { return &p.Model.Llama.Layers },
			"Transformer blocks.", "attention builds on attention, and a round stays short"),
		row("model.heads", count, func(p *Plan) *int { return &p.Model.Llama.Heads },
			"Attention heads.", "24 values a head"),
		row("model.kv_heads", count, func(p *Plan) *int { return &p.Model.Llama.KVHeads },
			"Heads for keys and values; divides heads.", "as many as heads: sharing them only saves memory in long contexts"),
		row("model.ffn", count, func(p *Plan) *int { return &p.Model.Llama.FFN },
			"Hidden width of the gated feed-forward block.", "8/3 of dim, usual for gated blocks"),
		row("model.vocab", count, func(p *Plan) *int { return &p.Model.Llama.Vocab },
			"Number of tokens the model knows; at least the tokenizer's.", "one for each byte"),
		row("model.context", count, func(p *Plan) *int { return &p.Model.Llama.Context },
			"Longest sequence, tokens.", "some lines of text; train.steps may be shorter"),
		row("model.tied", yesNo, func(p *Plan) *bool { return &p.Model.Llama.Tied },
			"Whether the output layer shares the embedding", "saves vocab × dim parameters, which counts in small models"),
		row("model.theta", number, func(p *Plan) *float64 { return &p.Model.Llama.RopeTheta },
			"Base of the rotary position embedding.", "usual for contexts up to some thousand tokens"),
		row("model.norm_eps", number, func(p *Plan) *float64 { return &p.Model.Llama.NormEps },
			"Added to the mean square in RMS normalisation.", "usual for this family"),
	),
	only(ofExamples,
		field{
			path: "model.input", list: counts(func(p *Plan) *[]int { return &p.Model.Input }),
			what: "Shape of an example: [columns] of a table, [channels, height, width] of a picture.", why: "handwritten digits",
		}),
	only(ofCNN,
		field{
			path: "model.filters", list: counts(func(p *Plan) *[]int { return &p.Model.Filters }),
			what: "Filters of each convolution; after each come the activation and a pool.", why: "those of LeNet-5",
		},
		row("model.kernel", count, func(p *Plan) *int { return &p.Model.Kernel },
			"Side of the convolutions' windows.", "that of LeNet-5"),
		row("model.padding", count, func(p *Plan) *int { return &p.Model.Padding },
			"Zeros around what they see; below kernel.", "the convolution keeps the picture's size"),
		row("model.pool", count, func(p *Plan) *int { return &p.Model.Pool },
			"Side of the pools' windows.", "halves height and width"),
		row("model.mean", yesNo, func(p *Plan) *bool { return &p.Model.Mean },
			"Whether pools take the mean instead of the largest", "the largest learns faster on most pictures"),
	),
	only(ofExamples,
		field{
			path: "model.hidden", list: counts(func(p *Plan) *[]int { return &p.Model.Hidden }),
			what: "Widths of the hidden layers, of a cnn those after its convolutions; [] has none.", why: "that of LeNet-5",
		},
		row("model.activation", text, func(p *Plan) *string { return &p.Model.Activation },
			"Between layers: relu or gelu.", "cheap, and enough for small networks"),
		row("model.classes", count, func(p *Plan) *int { return &p.Model.Classes },
			"Classes to tell apart; an mlp with 0 predicts model.outputs numbers instead.", "ten digits"),
	),
	only(ofMLP,
		row("model.outputs", count, func(p *Plan) *int { return &p.Model.Outputs },
			"Numbers to predict where model.classes is 0.", "classes are predicted"),
	),
	only(ofTorch,
		row("model.config", configFile, func(p *Plan) *ConfigFile { return &p.Model.Custom },
			"File with the model, as lode describe writes it; see docs/pytorch.md.", "the program cannot guess yours"),
	),
)
