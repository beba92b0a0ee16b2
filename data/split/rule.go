package split

// This file holds rules, and how people write them.

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"lode/data/chance"
	"lode/protocol"
)

// Rule says how examples are dealt; it is made by [ParseRule]. The zero Rule is IID.
type Rule struct {
	kind   kind
	labels int     // byLabel: of each client
	alpha  float64 // dirichlet; infinite: every client has the same shares
	equal  bool    // dirichlet: clients have equally many examples
}

type kind int

const (
	iid kind = iota
	byLabel
	dirichlet
	byGroup
)

// Bounds on the numbers of a rule.
const (
	MaxClients = 1 << 20
	minAlpha   = 1e-3
	maxAlpha   = 1e6
)

// ErrRule is wrapped by every error about rules.
var ErrRule = errors.New("cannot split the examples so")

// Forms says how rules are written, for people.
const Forms = `iid              every client an equal share of all
labels:K         every client K labels; each label's examples go in equal parts to
                 those that have it
dirichlet:A      of each label shares drawn from a Dirichlet distribution with
                 parameter A (0.1 is very uneven, inf is even); sizes differ
dirichlet:A:equal  the same, but every client has as many examples
files            whole files or folders, the next always to who has the fewest examples`

// ParseRule reads a rule as [Forms] says.
//
// A is the parameter of each client, or label, of a symmetric Dirichlet distribution.
// Hsu, Qi and Brown (arXiv:1909.06335, section 2) write Dir(αp) with p the shares of
// labels in all: their α is A times the number of labels.
func ParseRule(s string) (Rule, error) {
	name, rest, has := strings.Cut(s, ":")
	number, more, _ := strings.Cut(rest, ":")
	switch {
	case s == "iid":
		return Rule{}, nil
	case s == "files":
		return Rule{kind: byGroup}, nil
	case name == "labels" && has:
		k, err := strconv.Atoi(rest)
		if err != nil || k < 1 || k > MaxClients {
			return Rule{}, fmt.Errorf("%w: %q: labels:K takes a number of labels from 1", ErrRule, s)
		}
		return Rule{kind: byLabel, labels: k}, nil
	case name == "dirichlet" && has && (more == "equal" || strings.Count(s, ":") == 1):
		a, err := strconv.ParseFloat(number, 64)
		if err != nil || !(a >= minAlpha && a <= maxAlpha || math.IsInf(a, 1)) {
			return Rule{}, fmt.Errorf("%w: %q: dirichlet:A takes a number from %g to %g, or inf", ErrRule, s, minAlpha, maxAlpha)
		}
		return Rule{kind: dirichlet, alpha: a, equal: more == "equal"}, nil
	}
	return Rule{}, fmt.Errorf("%w: no rule %.40q; there are iid, labels:K, dirichlet:A, dirichlet:A:equal and files", ErrRule, s)
}

// String returns the rule as it is written.
func (r Rule) String() string {
	switch r.kind {
	case byLabel:
		return fmt.Sprintf("labels:%d", r.labels)
	case dirichlet:
		s := "dirichlet:" + strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(r.alpha, 'g', -1, 64)), "+")
		if r.equal {
			s += ":equal"
		}
		return s
	case byGroup:
		return "files"
	}
	return "iid"
}

// Example is what a split looks at of one example.
type Example struct {
	Label int // from 0; the same for all where targets are not labels
	Group int // from 0: the file or folder it came from
}

// Deal gives each of the examples that from names, by its place in all, to one of so
// many clients. A client may be left with none where sizes differ.
func (r Rule) Deal(all []Example, from []int, clients int, seed protocol.Digest) ([][]int, error) {
	if clients < 1 || clients > MaxClients {
		return nil, fmt.Errorf("%w: %d clients, want 1 to %d", ErrRule, clients, MaxClients)
	}
	if len(from) < clients {
		return nil, fmt.Errorf("%w: %d examples for %d clients", ErrRule, len(from), clients)
	}
	d := dealing{all, permuted(from, chance.New("split order", seed)), make([][]int, clients), seed}
	switch r.kind {
	case byLabel:
		return d.to, d.byLabel(r.labels)
	case byGroup:
		return d.to, d.byGroup()
	case dirichlet:
		if r.equal {
			d.dirichletEqual(r.alpha)
		} else {
			d.dirichlet(r.alpha)
		}
		return d.to, nil
	}
	d.cut(d.from, d.everybody())
	return d.to, nil
}
