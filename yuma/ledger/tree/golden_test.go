package tree

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"lode/protocol"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

const goldenFile = "testdata/proofs.json"

// golden is one proof as other programs check it, in hexadecimal.
type golden struct {
	Root, Key, Proof string
	Present          bool
	Value            string
}

// proofs are those of trees of 0, 1, 2 and 50 keys.
func proofs() (all []golden) {
	for _, n := range []int{0, 1, 2, 50} {
		var tr Tree
		for i := range n {
			tr.Put(fmt.Sprintf("key %03d", 7*i), fmt.Sprint(i*i))
		}
		root := tr.Root()
		for _, key := range []string{"key 000", "key 007", "key 008", "key 343", "other"} {
			v, ok := tr.Get(key)
			all = append(all, golden{
				hex.EncodeToString(root[:]), hex.EncodeToString([]byte(key)),
				hex.EncodeToString(protocol.Encode(tr.Prove(key))), ok, hex.EncodeToString([]byte(v)),
			})
		}
	}
	return all
}

const spansFile = "testdata/spans.json"

// goldenSpan is the proof of one span, in hexadecimal.
type goldenSpan struct {
	Root, Prefix, From, Span string
	Keys                     []string // that it shows
}

func spans(t *testing.T) (all []goldenSpan) {
	for _, n := range []int{0, 1, 50} {
		var tr Tree
		for i := range n {
			tr.Put(fmt.Sprintf("key %03d", 7*i), fmt.Sprint(i*i))
		}
		root := tr.Root()
		for _, c := range [][2]string{{"", ""}, {"key 0", ""}, {"key 0", "key 05"}, {"key 9", ""}, {"other", ""}} {
			p := tr.ProveSpan(c[0], c[1], 5, 1<<20)
			pairs, err := p.Check(root, c[0], c[1])
			if err != nil {
				t.Fatal(err)
			}
			keys := []string{}
			for _, pair := range pairs {
				keys = append(keys, string(pair.Key))
			}
			all = append(all, goldenSpan{hex.EncodeToString(root[:]), c[0], c[1], hex.EncodeToString(protocol.Encode(p)), keys})
		}
	}
	return all
}

// The formats never change: what is in the files is what is shown today.
func TestGolden(t *testing.T) {
	for file, v := range map[string]any{goldenFile: proofs(), spansFile: spans(t)} {
		now, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(file, append(now, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.TrimSpace(want), now) {
			t.Error("proofs differ from " + file)
		}
	}
}
