package plan

// This file writes plans as commented files.

import (
	"bytes"
	"fmt"
	"strings"
)

// commentWidth is how far comments reach, in characters.
const commentWidth = 88

// Template returns the default plan as a run.yaml: each field with its meaning,
// its unit, its default and why that.
func Template() []byte { return Defaults().Text() }

// Text returns the plan as a run.yaml, with the same comments, with the fields of
// its family of models. Parsing it gives
// the plan again; a Run.Seed that was set is not in it.
func (p Plan) Text() []byte {
	var b bytes.Buffer
	b.WriteString("# A run of lode. Every field may be left out: then it has its default.\n" +
		"# Nothing here can be changed once the run has begun.\n")
	defaults := Defaults()
	for _, s := range sections {
		indent := ""
		b.WriteByte('\n')
		if s.name != "" {
			comment(&b, "", s.about)
			fmt.Fprintf(&b, "%s:\n", s.name)
			indent = "  "
		}
		for _, f := range table {
			section, key := f.section()
			if section != s.name || !f.of(p.Model.Family) {
				continue
			}
			comment(&b, indent, fmt.Sprintf("%s Default %s: %s.", sentence(f.what), f.value(&defaults), f.why))
			if f.list == nil {
				fmt.Fprintf(&b, "%s%s: %s\n", indent, key, f.get(&p))
				continue
			}
			if f.list.line {
				fmt.Fprintf(&b, "%s%s: %s\n", indent, key, f.value(&p))
				continue
			}
			writeList(&b, indent+key, f.list.lines(p))
		}
	}
	return b.Bytes()
}

// value returns the field's value as messages cite it.
func (f field) value(p *Plan) string {
	switch {
	case f.list == nil:
		return f.get(p)
	case !f.list.line:
		return "none"
	}
	return "[" + strings.Join(f.list.lines(*p), ", ") + "]"
}

func writeList(b *bytes.Buffer, key string, lines []string) {
	if len(lines) == 0 {
		fmt.Fprintf(b, "%s: []\n", key)
		return
	}
	fmt.Fprintf(b, "%s:\n", key)
	for _, l := range lines {
		fmt.Fprintf(b, "    - %s\n", l)
	}
}

// sentence ends a text with a full stop if it has none.
func sentence(s string) string {
	return strings.TrimSuffix(s, ".") + "."
}

// comment writes text as comment lines.
func comment(b *bytes.Buffer, indent, text string) {
	line := ""
	flush := func() {
		if line != "" {
			fmt.Fprintf(b, "%s#%s\n", indent, line)
		}
	}
	for w := range strings.FieldsSeq(text) {
		if line != "" && len(indent)+len(line)+len(w)+2 > commentWidth {
			flush()
			line = ""
		}
		line += " " + w
	}
	flush()
}
