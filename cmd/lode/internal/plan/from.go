package plan

// This file holds what a run begins with, where it is not drawn from the seed.

import (
	"errors"
	"fmt"
	"strings"

	"lode/cmd/lode/internal/pretrained"
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
)

// From is where a run's first parameters come from.
type From struct {
	Path   string      // file or folder; "": they are drawn from the seed
	Config string      // path of the config.json beside them; "": there is none
	Model  model.Model // what that says; nil: there is none

	Root, Pieces protocol.Digest // once [Plan.Give] has said what the parameters are
}

// Give says what the parameters at Model.From are.
func (p *Plan) Give(g replica.Given) {
	p.Model.From.Root, p.Model.From.Pieces = g.Root, g.Index.Digest()
}

// Described returns the architecture of a plan that was read without faults.
func (p *Plan) Described() model.Model { return p.Model.described() }

// theSeed stands for parameters that are drawn.
const theSeed = "seed"

var from = kind[From]{
	parse: func(s scalar) (From, error) {
		path, err := text.parse(s)
		switch {
		case err != nil:
			return From{}, err
		case path == theSeed && !s.quoted:
			return From{}, nil
		case path == "":
			return From{}, fmt.Errorf("is empty: name a folder or a safetensors file, or say %s", theSeed)
		case strings.Contains(path, "://"):
			return From{}, errors.New("is an address: bring what is there to this machine (lode pull ADDRESS -o FOLDER), and name the folder")
		}
		found, err := pretrained.Find(path)
		if err != nil {
			return From{}, fmt.Errorf("cannot be read: %w", err)
		}
		f := From{Path: path}
		if found.Config == nil {
			return f, nil
		}
		f.Config = found.ConfigPath()
		if f.Model, err = model.ParseConfig(found.Config); err != nil {
			return From{}, fmt.Errorf("lies beside a %s that cannot be used: %s", f.Config, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		return f, nil
	},
	format: func(f From) string {
		if f.Path == "" {
			return theSeed
		}
		s := text.format(f.Path)
		if s == theSeed {
			s = `"` + s + `"`
		}
		return s
	},
}

// adopt takes over the architecture that stands beside the first parameters, and reports
// fields that say another. A model of one's own whose config is named has that.
func (r *reader) adopt() {
	f := r.plan.Model.From
	if f.Model == nil || r.plan.Model.Family == torch && r.plan.Model.Custom.Path != "" {
		return
	}
	said := r.plan
	r.plan.Model = f.architecture()
	for _, field := range architecture {
		at, stands := r.places[field.path]
		if !stands || field.path == "model.from" || !field.of(r.plan.Model.Family) && field.path != "model.family" {
			continue
		}
		if a, b := field.value(&said), field.value(&r.plan); a != b {
			r.fault(at, field.path, "is %s, but %s says %s: leave it out", a, f.Config, b)
		}
	}
}

// architecture returns the model as fields have it.
func (f From) architecture() Model {
	m := defaultModel()
	m.From, m.Family = f, f.Model.Family()
	switch a := f.Model.(type) {
	case model.Llama:
		m.Llama = a
	case model.MLP:
		m.Input, m.Hidden, m.Activation, m.Classes, m.Outputs = a.Input, a.Hidden, string(a.Activation), a.Classes, a.Outputs
	case model.CNN:
		m.Input, m.Filters, m.Kernel, m.Padding, m.Pool, m.Mean = a.Input, a.Filters, a.Kernel, a.Padding, a.Pool, a.Mean
		m.Hidden, m.Activation, m.Classes = a.Hidden, string(a.Activation), a.Classes
	case model.Custom:
		m.Custom = ConfigFile{f.Config, a}
	}
	return m
}
