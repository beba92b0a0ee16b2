package plan

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// Whatever is read, Parse returns: a plan that is written and read back as the
// same, or faults that lie within the text.
func FuzzParse(f *testing.F) {
	f.Add(Template())
	for _, s := range []string{
		"a: [1, {b: c}]", "- - x", "? a", "name: |\n x", "a: &b c\nd: *b", "{a: 'b", "\"\\x41\": 1", "--- a\n...\n", "members:\n  genesis:\n  - {key: a}",
		"timing: {train: 5s}\n#x", ": :\n", "!!map {}", "a:\n\tb: c", "model:\n  dim: 98", "<<: {a: b}", "'': ''", "economy: {cap: 3.5}", "[,]", "-\n-", "a: >-\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err == nil {
			again, err := Parse(p.Text())
			if err != nil || !reflect.DeepEqual(again, p) {
				t.Fatalf("%+v\nis written\n%s\nwhich reads %v\n%+v", p, p.Text(), err, again)
			}
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 || !reflect.DeepEqual(p, Plan{}) {
			t.Fatalf("got %+v and %#v", p, err)
		}
		lines := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) + 2
		for _, f := range faults {
			if f.Line < 0 || f.Line > lines || f.Column < 0 || (f.Line == 0) != (f.Column == 0) || f.Text == "" || strings.ContainsAny(f.String(), "\n\x1b") {
				t.Fatalf("fault %#v in a text of %d lines", f, lines)
			}
		}
	})
}
