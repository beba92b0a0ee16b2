package plan

// This file holds the lists: how an entry of each is read, and how it is written.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"lode/protocol"
)

// patterns are those of names of tensors that stand at a place of the plan.
func patterns(at func(*Plan) *[]string) *list {
	return &list{
		entry: "PATTERN",
		begin: func(p *Plan) { *at(p) = nil },
		read: func(r *reader, path string, n ast.Node) {
			s, _ := r.scalar(path, n)
			*at(&r.plan) = append(*at(&r.plan), s.text)
		},
		lines: func(p Plan) (lines []string) {
			for _, s := range *at(&p) {
				lines = append(lines, text.format(s))
			}
			return lines
		},
	}
}

// counts are whole numbers that stand at a place of the plan.
func counts(at func(*Plan) *[]int) *list {
	return &list{
		entry: "NUMBER",
		begin: func(p *Plan) { *at(p) = []int{} },
		line:  true,
		read: func(r *reader, path string, n ast.Node) {
			s, ok := r.scalar(path, n)
			if !ok {
				return
			}
			v, err := count.parse(s)
			if err != nil {
				r.fault(r.places[path], path, "%v", err)
				return
			}
			*at(&r.plan) = append(*at(&r.plan), v)
		},
		lines: func(p Plan) (lines []string) {
			for _, v := range *at(&p) {
				lines = append(lines, count.format(v))
			}
			return lines
		},
	}
}

// validators are those with stake from the start.
var validators = list{
	entry: "{key: NODE-ID, stake: COINS}",
	begin: func(p *Plan) { p.Run.Members.Genesis = nil },
	read: func(r *reader, path string, n ast.Node) {
		r.plan.Run.Members.Genesis = append(r.plan.Run.Members.Genesis, r.validator(path, n))
	},
	lines: func(p Plan) (lines []string) {
		for _, s := range p.Run.Members.Genesis {
			lines = append(lines, fmt.Sprintf("{key: %s, stake: %s}", node.format(s.Node), coins.format(s.Stake)))
		}
		return lines
	},
}

// validator reads one of them.
func (r *reader) validator(path string, n ast.Node) (v protocol.Stake) {
	at, before := r.places[path], len(r.faults)
	missing := []string{"key", "stake"}
	r.mapping(path, n, at, func(key string, value ast.Node, _ place) bool {
		i := slices.Index(missing, key)
		if i < 0 {
			return false
		}
		missing = slices.Delete(missing, i, i+1)
		sub := join(path, key)
		s, ok := r.scalar(sub, value)
		if !ok {
			return true
		}
		var err error
		if key == "key" {
			v.Node, err = node.parse(s)
		} else {
			v.Stake, err = coins.parse(s)
		}
		if err != nil {
			r.fault(r.places[sub], sub, "%v", err)
		}
		return true
	}, func(string) string { return "; a validator has key and stake" })
	if len(r.faults) == before && len(missing) > 0 {
		r.fault(at, path, "has no %s", strings.Join(missing, " and no "))
	}
	r.failed[path] = len(r.faults) > before
	return v
}
