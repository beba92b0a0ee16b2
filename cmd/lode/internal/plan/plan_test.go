package plan

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lode/data"
	"lode/engine"
	"lode/engine/model"
	"lode/protocol"
)

func TestTemplateIsTheDefaults(t *testing.T) {
	text := Template()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, Defaults()) {
		t.Errorf("got %+v", p)
	}
	if p, err = Parse(nil); err != nil || !reflect.DeepEqual(p, Defaults()) {
		t.Errorf("nothing at all: got %+v and %v", p, err)
	}
	num := 0
	for line := range bytes.Lines(text) {
		if len(bytes.TrimRight(line, "\n")) > commentWidth+3 { // × and – have more bytes than columns
			t.Errorf("too wide: %s", line)
		}
		if bytes.Contains(line, []byte("#")) {
			num++
		}
	}
	if num < len(table) {
		t.Errorf("%d lines of comment for %d fields", num, len(table))
	}
}

func TestEachFieldSaysWhatAndWhy(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range table {
		if len(f.what) < 10 || len(f.why) < 3 || strings.HasSuffix(f.why, ".") || seen[f.path] {
			t.Errorf("%s: what %q, why %q", f.path, f.what, f.why)
		}
		seen[f.path] = true
		section, _ := f.section()
		if !slices.ContainsFunc(sections, func(s struct{ name, about string }) bool { return s.name == section }) {
			t.Errorf("%s stands in no section", f.path)
		}
	}
}

// completed are the fields of a manifest that the launching machine fills in.
var completed = []string{"Version", "Coordinator", "Seed", "Model.Config", "Model.Initial", "Model.Pieces", "Data.Tokenizer", "Data.Vocabulary", "Data.Width", "Data.Index", "Data.Bytes", "Members.Invitation"}

// leaves calls visit with every number, text, flag and id below v.
func leaves(v reflect.Value, path string, visit func(path string, v reflect.Value)) {
	if v.Kind() != reflect.Struct {
		visit(path, v)
		return
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Name != "_" {
			leaves(v.Field(i), strings.TrimPrefix(path+"."+f.Name, "."), visit)
		}
	}
}

// Every field of the manifest is in the table, or it could not be written.
func TestTableCoversTheManifest(t *testing.T) {
	num := 0
	p := Defaults()
	leaves(reflect.ValueOf(&p.Run).Elem(), "", func(path string, v reflect.Value) {
		before := p.Text()
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		switch v.Kind() {
		case reflect.String:
			v.SetString("other")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Float64:
			v.SetFloat(v.Float() + 1)
		case reflect.Int32, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Uint16, reflect.Uint32, reflect.Uint64:
			v.SetUint(v.Uint() + 1)
		case reflect.Array:
			v.Index(0).SetUint(7)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		default:
			t.Fatalf("%s is a %s: this test does not know it", path, v.Kind())
		}
		if same := bytes.Equal(before, p.Text()); same != slices.Contains(completed, path) {
			t.Errorf("%s: changing it changes nothing in the file: %v", path, same)
		}
		v.Set(old)
		num++
	})
	others := 4 // seed's text, data.path, data.split and data.tokenizer stand beside the manifest
	for _, f := range table {
		if section, _ := f.section(); section == "model" {
			others++ // they make Model.Config
		}
	}
	if num != len(table)-others+len(completed) {
		t.Errorf("%d fields of the manifest, %d of the table", num, len(table))
	}
}

// random changes fields of the default plan to other valid values.
func random(rng *rand.Rand) Plan {
	p := Defaults()
	r := &p.Run
	p.Seed = []string{"7", "null", "a: b # c", "é\x7f\U0001F600\u2028\n\t\"'", "-", "true", "coordinator", " x "}[rng.IntN(8)]
	p.DataPath = []string{"/data/a b", "go-stdlib", "C:\\x", "~", "*x", "- y"}[rng.IntN(6)]
	p.Tokenizer = []string{"bytes", "/a/tokenizer.json", "x y"}[rng.IntN(3)]
	r.Name = []string{"A b.c-d_9", "null", "1e3", "-"}[rng.IntN(4)]
	if rng.IntN(2) == 0 {
		r.Owner = protocol.NodeID{byte(1 + rng.IntN(9))}
	}
	p.Model.Llama.RopeTheta, p.Model.Llama.NormEps = 1+rng.Float64()*1e8, 1e-12+rng.Float64()*1e-3
	r.Train.Rate, r.Train.Beta1, r.Train.WeightDecay = rng.Float64()/2+1e-9, rng.Float64()*0.9999, rng.Float64()
	p.Model.Llama.Tied, r.Members.OpenWorkers = rng.IntN(2) == 0, rng.IntN(2) == 0
	r.Data.Piece = 641 + rng.Uint32N(1<<24-641)
	r.Data.HeldOut = 66 + rng.Uint32N(32700)
	r.Update.Decay, r.Merge.Rate = rng.Uint32N(65537), 1+rng.Uint32N(4*65536)
	r.Merge.ClipNorms, r.Merge.Senders, r.Merge.Rule = rng.IntN(2) == 0, rng.IntN(2) == 0, []string{"mean", "median", "sign-majority"}[rng.IntN(3)]
	r.Merge.Optimizer, r.Merge.Momentum, r.Merge.Second, r.Merge.FloorExp = "fedyogi", rng.Uint32N(65470), 1+rng.Uint32N(65529), -rng.Int32N(37)
	r.Score.WorkGate = rng.Int32N(2*65536) - 65536
	for range rng.IntN(3) {
		r.Train.Only = append(r.Train.Only, []string{"*", "model.layers.[01].*", `model\.norm.weight`, "model.norm.w?ight"}[rng.IntN(4)])
	}
	r.Timing.Train = protocol.Span(1e8 + rng.Int64N(86400e9-1e8))
	r.Timing.Grace = protocol.Span(1+rng.Int64N(3600)) * protocol.Second
	r.Economy.Emission, r.Members.InvitedStake = rng.Uint64N(1e9), rng.Uint64N(1e13)
	if rng.IntN(3) == 0 {
		r.Economy.Ledger, r.Economy.Emission = protocol.LedgerVolunteer, 0
	}
	for i := range rng.IntN(4) {
		r.Members.Genesis = append(r.Members.Genesis, protocol.Stake{Node: protocol.NodeID{byte(i + 1)}, Stake: 1 + rng.Uint64N(1e15)})
	}
	if rng.IntN(3) == 0 {
		examples(&p, rng)
	}
	return p
}

// examples makes the plan one of records, for models with lists of all lengths.
func examples(p *Plan, rng *rand.Rand) {
	p.Model.Llama = model.Default() // whose fields are not written
	p.Model.Family, p.Model.Input = cnn, []int{3, 10 + rng.IntN(9), 11}
	p.Model.Hidden = make([]int, rng.IntN(3))
	for i := range p.Model.Hidden {
		p.Model.Hidden[i] = 1 + rng.IntN(99)
	}
	p.Model.Activation, p.Model.Classes = []string{"relu", "gelu"}[rng.IntN(2)], 1+rng.IntN(256)
	if rng.IntN(2) == 0 {
		p.Model.Family, p.Model.Input = mlp, []int{1 + rng.IntN(99)}
	} else {
		p.Model.Filters, p.Model.Kernel, p.Model.Padding = []int{4}, 3, rng.IntN(3)
		p.Model.Pool, p.Model.Mean = 1+rng.IntN(3), rng.IntN(2) == 0
	}
	p.Tokenizer, p.Run.Train.Steps, p.Run.Train.Only = protocol.TokenRecords, 1, nil
	p.Run.Data.Piece = p.Width() * 100
}

// TestManifestOfRecords: the manifest says how long a record is, and the corpus is to
// be cut like that.
func TestManifestOfRecords(t *testing.T) {
	p := Defaults()
	examples(&p, rand.New(rand.NewPCG(1, 1)))
	ix := index(t, 10, int(p.Run.Data.Piece))
	if _, err := p.Manifest(protocol.NodeID{1}, protocol.NodeID{2}, Corpus{Index: ix}); !errors.Is(err, data.ErrPlan) {
		t.Errorf("records in a corpus of bytes: %v", err)
	}
	ix.Width = int(p.Width())
	man, err := p.Manifest(protocol.NodeID{1}, protocol.NodeID{2}, Corpus{Index: ix})
	if err != nil || man.Data.Width != p.Width() || man.Model.Config != string(p.Model.described().Config()) {
		t.Errorf("got %+v, %v", man, err)
	}
}

func TestTextReadsBackAsThePlan(t *testing.T) {
	for i := range uint64(200) {
		p := random(rand.New(rand.NewPCG(i, 0)))
		got, err := Parse(p.Text())
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Fatalf("seed %d: %v\ngot  %+v\nwant %+v", i, err, got, p)
		}
	}
}

// Every share that can be stood for is written so that it is read back.
func TestSharesReadBack(t *testing.T) {
	for n := int64(-70000); n <= 70000; n++ {
		s := scalar{text: formatQ16(n)}
		if got, err := signedShare.parse(s); err != nil || int64(got) != n {
			t.Fatalf("%d/65536 is written %s and read as %d, %v", n, s.text, got, err)
		}
		if len(s.text) > len("-1.00000") {
			t.Fatalf("%d/65536 is written %s", n, s.text)
		}
	}
}

func index(t *testing.T, pieces, size int) *data.Index {
	t.Helper()
	return &data.Index{Bytes: uint64(pieces * size), Piece: size, Width: 1, Digests: make([]protocol.Digest, pieces)}
}

func TestManifestIsComplete(t *testing.T) {
	me, invites, friend := protocol.NodeID{1}, protocol.NodeID{2}, protocol.NodeID{3}
	p := Defaults()
	p.Run.Members.Genesis = []protocol.Stake{{Node: friend, Stake: 5}}
	p.Run.Train.Only = []string{"*"}
	ix := index(t, 10, 16<<10)
	man, err := p.Manifest(me, invites, Corpus{Index: ix, Tokens: 256})
	if err != nil {
		t.Fatal(err)
	}
	if man.Version != protocol.Version || man.Coordinator != me || man.Owner != me || man.Members.Invitation != invites ||
		man.Data.Index != ix.Digest() || man.Data.Bytes != ix.Bytes || man.Seed == (protocol.Digest{}) {
		t.Errorf("got %+v", man)
	}
	if man.Members.Genesis[0].Stake = 6; p.Run.Members.Genesis[0].Stake != 5 {
		t.Error("the manifest shares the plan's list")
	}
	if man.Train.Only[0] = "?"; p.Run.Train.Only[0] != "*" {
		t.Error("the manifest shares the plan's list of patterns")
	}
	man.Members.Genesis[0].Stake, man.Train.Only[0] = 5, "*"
	again, err := p.Manifest(me, invites, Corpus{Index: ix, Tokens: 256})
	if err != nil || again.ID() != man.ID() {
		t.Errorf("the same plan made another run (%v)", err)
	}
	p.Seed = "other"
	if other, err := p.Manifest(me, invites, Corpus{Index: ix, Tokens: 256}); err != nil || other.ID() == man.ID() || other.Seed == man.Seed {
		t.Errorf("another seed made the same run (%v)", err)
	}
	p.Run.Seed, p.Run.Owner = protocol.Digest{9}, friend
	if set, err := p.Manifest(me, invites, Corpus{Index: ix, Tokens: 256}); err != nil || set.Seed != p.Run.Seed || set.Owner != friend {
		t.Errorf("seed or owner that were set were not kept: %v", err)
	}
}

// Data with a tokenizer's file names it, and the model must have all its tokens.
func TestManifestNamesTheTokenizer(t *testing.T) {
	me, invites := protocol.NodeID{1}, protocol.NodeID{2}
	ix := &data.Index{Bytes: 10 * 16 << 10, Piece: 16 << 10, Width: 2, Digests: make([]protocol.Digest, 10)}
	c := Corpus{Index: ix, Vocabulary: protocol.Digest{7}, Tokens: 4096}
	p := Defaults()
	p.Tokenizer = "tokenizer.json"
	_, err := p.Manifest(me, invites, c)
	var f *protocol.FieldError
	if !errors.As(err, &f) || f.Field != "model.vocab" || !strings.Contains(f.Fault, "has 4096 tokens") {
		t.Errorf("got %v", err)
	}
	p.Model.Llama.Vocab = 4096
	man, err := p.Manifest(me, invites, c)
	if err != nil || man.Data.Tokenizer != protocol.TokenFile || man.Data.Vocabulary != c.Vocabulary || man.Data.Width != 2 {
		t.Errorf("%+v, %v", man.Data, err)
	}
}

func TestManifestRefuses(t *testing.T) {
	me, invites, fits := protocol.NodeID{1}, protocol.NodeID{2}, index(t, 10, 16<<10)
	for name, c := range map[string]struct {
		change     func(*Plan)
		invitation protocol.NodeID
		index      *data.Index
		is         error
		want       string
	}{
		"nobody can validate":    {func(*Plan) {}, protocol.NodeID{}, fits, nil, "members.genesis: is empty and nobody is invited"},
		"nobody can join":        {func(p *Plan) { p.Run.Members.OpenWorkers = false }, protocol.NodeID{}, fits, nil, "members.open_workers"},
		"other pieces":           {func(*Plan) {}, invites, index(t, 10, 8<<10), data.ErrPlan, "in pieces of"},
		"one piece":              {func(*Plan) {}, invites, index(t, 1, 16<<10), data.ErrPlan, "leave none to train on"},
		"no corpus":              {func(*Plan) {}, invites, index(t, 0, 16<<10), nil, "data.bytes: is 0"},
		"no seed":                {func(p *Plan) { p.Seed = "" }, invites, fits, nil, "seed: has 0 bytes"},
		"a seed that is no text": {func(p *Plan) { p.Seed = "\xff" }, invites, fits, nil, "seed: is not UTF-8"},
		"no such tensor":         {func(p *Plan) { p.Run.Train.Only = []string{"*", "lm_head.*"} }, invites, fits, nil, "train.only[1]: \"lm_head.*\" is no tensor's name"},
		"too large a model": {func(p *Plan) {
			p.Model.Llama = model.Llama{Dim: 1 << 16, Layers: 1 << 10, Heads: 1, KVHeads: 1, FFN: 1 << 18, Vocab: 256, Context: 64, RopeTheta: 1e4, NormEps: 1e-5}
		}, invites, fits, nil, "layout: more than"},
	} {
		p := Defaults()
		c.change(&p)
		man, err := p.Manifest(me, c.invitation, Corpus{Index: c.index, Tokens: 256})
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) || man.Name != "" {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	p := Defaults()
	p.Run.Name, p.Run.Train.Rate = "", 2
	_, err := p.Manifest(me, invites, Corpus{Index: fits, Tokens: 256})
	var f *protocol.FieldError
	if !errors.As(err, &f) || !strings.Contains(fmt.Sprint(err), "name: ") || !strings.Contains(fmt.Sprint(err), "train.rate: ") {
		t.Errorf("two faults: got %v", err)
	}
}

// As many validators as a manifest may name fit into the bounds of the parser.
func TestMostValidators(t *testing.T) {
	p := Defaults()
	p.Run.Members.MaxMembers = protocol.MaxListLen
	for i := range protocol.MaxListLen {
		p.Run.Members.Genesis = append(p.Run.Members.Genesis, protocol.Stake{Node: protocol.NodeID{byte(i), byte(i >> 8), 1}, Stake: coin + 1})
	}
	text := p.Text()
	got, err := Parse(text)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Fatal(err)
	}
	head, list, _ := strings.Cut(string(text), "genesis:\n")
	list = strings.NewReplacer("- {key", "- key", ", stake", "\n      stake", "}", "").Replace(list)
	if got, err := Parse([]byte(head + "genesis:\n" + list)); err != nil || !reflect.DeepEqual(got, p) {
		t.Fatal(err)
	}
}

// A run.yaml takes a model of one's own out of its file.
func TestModelOfOnesOwn(t *testing.T) {
	tokens := engine.Port{Shape: []int{64}, Series: true, Limit: 256}
	own := model.Custom{
		Factory: "nano:build", Source: strings.Repeat("ab", 32), Inputs: tokens, Targets: tokens,
		Tensors: []model.CustomTensor{{Name: "w", Shape: []int{4, 4}, Spread: 1}},
	}
	file := filepath.Join(t.TempDir(), "nano.json")
	parse := func(config []byte) (Plan, error) {
		t.Helper()
		if err := os.WriteFile(file, config, 0o600); err != nil {
			t.Fatal(err)
		}
		return Parse([]byte("model: {family: torch, config: " + strconv.Quote(file) + "}\n"))
	}
	p, err := parse(own.Config())
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Model.config().Config; got != string(own.Config()) {
		t.Errorf("the manifest gets %s", got)
	}
	if !bytes.Contains(p.Text(), []byte(file)) {
		t.Error("the file is not written")
	}
	own.Inputs.Limit, own.Targets.Limit = 11, 11
	for says, config := range map[string][]byte{
		"is 11, but the tokenizer":                                     own.Config(),
		"holds a model of family llama":                                model.Default().Config(),
		fmt.Sprintf("is no file of at most %d bytes", model.MaxConfig): bytes.Repeat([]byte(" "), model.MaxConfig+1),
		"not a JSON object":                                            []byte("[]"),
	} {
		if _, err := parse(config); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %q", err, says)
		}
	}
}
