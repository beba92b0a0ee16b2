package plan

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("update", false, "rewrite the faults that texts must have")

// TestFaults holds each text of testdata/faults.txt to the complete error that
// stands below it. With -update it writes what it got; read the difference line by
// line.
func TestFaults(t *testing.T) {
	const path = "testdata/faults.txt"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(b), "\n== ")
	var out strings.Builder
	out.WriteString(head)
	num := 0
	for c := range strings.SplitSeq(rest, "\n== ") {
		name, c, _ := strings.Cut(c, "\n")
		text, want, ok := strings.Cut(c, "---- faults\n")
		if !ok {
			t.Fatalf("%s: no line says where the faults begin", name)
		}
		num++
		want = strings.TrimRight(want, "\n")
		_, err := Parse([]byte(text))
		got := "none"
		if err != nil {
			got = err.Error()
			var f Faults
			if !errors.As(err, &f) || len(f) == 0 {
				t.Errorf("%s: the error is a %T", name, err)
			}
		}
		if got != want {
			t.Errorf("%s:\n%s\ngot\n%s\n\nwant\n%s", name, text, got, want)
		}
		out.WriteString("\n== " + name + "\n" + text + "---- faults\n" + got + "\n")
	}
	if num < 60 {
		t.Errorf("only %d texts: the file was not understood", num)
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot stand in a text file of the repository, or is too long for it.
func TestFaultsOfOddTexts(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"not UTF-8":         {"name: \xff\n", "1:7: the file is not UTF-8 text"},
		"half a letter":     {"name: é\xc3", "1:8: the file is not UTF-8 text"},
		"NUL":               {"seed: 1\nname: a\x00b\n", "2:8: the file is not UTF-8 text"},
		"line ends of DOS":  {"name: x\r\nmodel:\r\n  dim: 97\r\n", "3:8: model.dim: is 97, must be an even multiple of 4 heads"},
		"byte order mark":   {"\ufeffnmae: x\n", "1:1: nmae: unknown key; did you mean name?"},
		"no last line end":  {"name: ''", "1:7: name: must have 1 to 64 letters, digits, spaces, dots, dashes or underscores"},
		"tab":               {"model:\n \tdim: 9\n", "2:2: a tab indents the line: YAML wants spaces"},
		"long line":         {"# one\n# " + strings.Repeat("x", 5000), "2:4097: the line has 5002 bytes, at most 4096 are allowed"},
		"long file":         {strings.Repeat("# x\n", 1<<18+1), "the file has 1048580 bytes, at most 1048576 are allowed"},
		"long unknown key":  {strings.Repeat("k", 100) + ": 1\n", "1:1: " + strings.Repeat("k", 40) + "…: unknown key"},
		"long value":        {"owner: " + strings.Repeat("v", 4000), "1:8: owner: node id \"" + strings.Repeat("v", 60) + "…\" has 4000 characters, want 52"},
		"escapes in a key":  {"\"na\\e[1mme\": 2\n", `1:1: na\x1b[1mme: unknown key`},
		"escapes in values": {"train: {rows: \"\\e[31m\"}\n", `1:15: train.rows: must be a whole number, but "\x1b[31m" stands in quotes`},
		"nested lists":      {strings.Repeat("[", 4000), "1:9: lists and sections are nested too deep"},
		"nested dashes":     {strings.Repeat("- ", 2000), "1:19: lists and sections are nested too deep"},
		"nested lines":      {"a:\n b:\n  c:\n   d:\n    e:\n     f:\n      g:\n       h:\n        i:\n", "9:9: lists and sections are nested too deep"},
		"many keys":         {strings.Repeat("a: 1\n", 10_001), "10001:2: the file has more keys and values than any plan"},
		"many values":       {strings.Repeat("[]\n", 40_000), "32001:1: the file has more keys and values than any plan"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", name, err, c.want)
		}
	}
}

func TestManyFaultsAreCut(t *testing.T) {
	_, err := Parse([]byte(strings.Repeat("zzz: 1\n", 500)))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxFaults+1 || lines[0] != "1:1: zzz: unknown key" || lines[1] != "2:1: zzz: stands here a second time, first in line 1" ||
		lines[maxFaults] != "and 450 more faults" {
		t.Errorf("got %d lines, the last ones %q", len(lines), lines[len(lines)-2:])
	}
}

func TestNearest(t *testing.T) {
	names := []string{"rows", "rate", "steps", "inner_steps", "warmup", "weight_decay"}
	for typed, want := range map[string]string{
		"row": "rows", "raet": "rate", "step": "steps", "inner-steps": "inner_steps", "innerSteps": "inner_steps", "warm_up": "warmup",
		"wieght_decya": "weight_decay", "decay": "", "r": "", "": "", "x": "", "ros": "rows", "temperature": "",
	} {
		if got := nearest(typed, names); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}
