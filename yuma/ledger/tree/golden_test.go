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

var update = flag.Bool("update", false, "write testdata/proofs.json anew")

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

// The format never changes: what is in the file is what is shown today.
func TestGolden(t *testing.T) {
	now, err := json.MarshalIndent(proofs(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenFile, append(now, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.TrimSpace(want), now) {
		t.Error("proofs differ from " + goldenFile)
	}
}
