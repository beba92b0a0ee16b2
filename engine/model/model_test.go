package model

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"lode/tensor"
)

func grouped() Llama {
	m := Default()
	m.Dim, m.Heads, m.KVHeads, m.FFN, m.Tied, m.Layers = 48, 6, 2, 100, false, 2
	return m
}

func TestLayout(t *testing.T) {
	l, err := Layout(grouped())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range l.NumTensors() {
		s, _ := json.Marshal(l.Spec(i).Shape)
		got = append(got, l.Spec(i).Name+string(s))
	}
	layer := func(n string) []string {
		p := "model.layers." + n + "."
		return []string{
			p + "input_layernorm.weight[48]", p + "self_attn.q_proj.weight[48,48]", p + "self_attn.k_proj.weight[16,48]",
			p + "self_attn.v_proj.weight[16,48]", p + "self_attn.o_proj.weight[48,48]", p + "post_attention_layernorm.weight[48]",
			p + "mlp.gate_proj.weight[100,48]", p + "mlp.up_proj.weight[100,48]", p + "mlp.down_proj.weight[48,100]",
		}
	}
	want := append([]string{"model.embed_tokens.weight[256,48]"}, layer("0")...)
	want = append(append(want, layer("1")...), "model.norm.weight[48]", "lm_head.weight[256,48]")
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("layout is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Hidden are the seven matrices of each layer.
func TestHidden(t *testing.T) {
	l, err := Layout(grouped())
	if err != nil {
		t.Fatal(err)
	}
	is, err := Hidden(grouped())
	if err != nil || len(is) != l.NumTensors() {
		t.Fatal(len(is), err)
	}
	num := 0
	for i := range l.NumTensors() {
		s := l.Spec(i)
		hidden := strings.HasSuffix(s.Name, "_proj.weight")
		if is[i] != hidden {
			t.Errorf("%s: hidden is %v", s.Name, !hidden)
		}
		if hidden {
			num++
		}
	}
	if num != 7*grouped().Layers {
		t.Errorf("%d hidden matrices", num)
	}
}

func TestValidateRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Llama){
		"dim 0":         func(m *Llama) { m.Dim = 0 },
		"dim huge":      func(m *Llama) { m.Dim = MaxDim * 2 },
		"odd head":      func(m *Llama) { m.Dim = 92 + 8; m.Heads = 4 },
		"no heads":      func(m *Llama) { m.Heads = 0 },
		"heads uneven":  func(m *Llama) { m.KVHeads = 3 },
		"more kv":       func(m *Llama) { m.KVHeads = 8 },
		"no kv":         func(m *Llama) { m.KVHeads = 0 },
		"no layers":     func(m *Llama) { m.Layers = 0 },
		"layers huge":   func(m *Llama) { m.Layers = math.MaxInt },
		"ffn negative":  func(m *Llama) { m.FFN = -1 },
		"no vocab":      func(m *Llama) { m.Vocab = 0 },
		"context huge":  func(m *Llama) { m.Context = MaxContext + 1 },
		"theta 0":       func(m *Llama) { m.RopeTheta = 0 },
		"theta NaN":     func(m *Llama) { m.RopeTheta = math.NaN() },
		"theta inf":     func(m *Llama) { m.RopeTheta = math.Inf(1) },
		"eps 0":         func(m *Llama) { m.NormEps = 0 },
		"eps NaN":       func(m *Llama) { m.NormEps = math.NaN() },
		"all of it bad": func(m *Llama) { *m = Llama{} },
	} {
		m := Default()
		spoil(&m)
		if m.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := Layout(m); err == nil {
			t.Errorf("%s: has a layout", name)
		}
		if Init(m, [32]byte{}, tensor.Flat(nil)) == nil {
			t.Errorf("%s: was drawn", name)
		}
	}
}

// TestInitGolden pins the bits. The root was computed by this package on amd64;
// TestInitExact computes single values in another way.
func TestInitGolden(t *testing.T) {
	for name, c := range map[string]struct {
		m    Model
		want string
	}{
		"lenet":   {LeNet(28, 28, 10), "6405ff0238af5a3d95ad4b0522f63f928f54a5a3add160ee162991db7d1a029f"},
		"table":   {table(), "7cb6b81c269f741c07787ce510d6daef451a1f78bc9445cb681ae9bbc298925a"},
		"default": {Default(), "8047d662a2258afd1940d62d19df3908c1ba5e524e51fef04a4b30cd358494ac"},
		"grouped": {grouped(), "8cfdbe30e2d68f570afd912ddffa9ffeaa5afd46f60ed9ef3f693bd42f0b886d"},
	} {
		l, err := Layout(c.m)
		if err != nil {
			t.Fatal(err)
		}
		flat := make(tensor.Flat, l.Len())
		if err := Init(c.m, sha256.Sum256([]byte("golden")), flat); err != nil {
			t.Fatal(err)
		}
		root, err := tensor.Root(l, flat)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(root[:]); got != c.want {
			t.Errorf("%s: root is %s, want %s", name, got, c.want)
		}
	}
}

// TestInitExact redoes one tensor with 200-bit arithmetic and single roundings,
// as the rule in the document of Init says.
func TestInitExact(t *testing.T) {
	m := Default()
	l, err := Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	flat := make(tensor.Flat, l.Len())
	seed := [32]byte{5}
	if err := Init(m, seed, flat); err != nil {
		t.Fatal(err)
	}
	const name = "model.layers.1.mlp.down_proj.weight"
	for i := range l.NumTensors() {
		if l.Spec(i).Name != name {
			continue
		}
		a := new(big.Float).SetPrec(200).Quo(big.NewFloat(6), big.NewFloat(5*256*2*3))
		span, _ := a.Sqrt(a).Float64()
		unit, _ := new(big.Float).Quo(big.NewFloat(span), big.NewFloat(1<<24)).Float32()
		gen := rand.NewChaCha8(sha256.Sum256(append(seed[:], name...)))
		vals := flat[l.Offset(i) : l.Offset(i)+l.Spec(i).Len()]
		for j := 0; j < len(vals); j += 2 {
			bits := gen.Uint64()
			for k, u := range []int64{int64(bits >> 8 & 0xFFFFFF), int64(bits >> 40)} {
				p := new(big.Float).SetPrec(200).Mul(big.NewFloat(float64(2*u+1-1<<24)), big.NewFloat(float64(unit)))
				if want, _ := p.Float32(); vals[j+k] != want {
					t.Fatalf("value %d is %v, want %v", j+k, vals[j+k], want)
				}
			}
		}
		return
	}
	t.Fatal("no such tensor")
}

// TestInitSpread checks mean and variance of each matrix, and that norms are one.
func TestInitSpread(t *testing.T) {
	m := Default()
	l, _ := Layout(m)
	flat := make(tensor.Flat, l.Len())
	if err := Init(m, [32]byte{3}, flat); err != nil {
		t.Fatal(err)
	}
	for i := range l.NumTensors() {
		s := l.Spec(i)
		var sum, squares float64
		for _, v := range flat[l.Offset(i) : l.Offset(i)+s.Len()] {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		n := float64(s.Len())
		want, mean := 1.0, 1.0
		if len(s.Shape) == 2 {
			mean, want = 0, 2/(5*float64(s.Shape[1]))
			if strings.Contains(s.Name, "o_proj") || strings.Contains(s.Name, "down_proj") {
				want /= 6
			}
		}
		if math.Abs(sum/n-mean) > 5*math.Sqrt(want/n)*float64(len(s.Shape)-1) || math.Abs(squares/n/want-1) > 0.05 {
			t.Errorf("%s: mean %v, mean square %v, want %v and %v", s.Name, sum/n, squares/n, mean, want)
		}
	}
}

type refusing struct{ after int }

var errFull = errors.New("full")

func (r *refusing) WriteChunk(tensor.Chunk, []float32) error {
	if r.after--; r.after < 0 {
		return errFull
	}
	return nil
}

func TestInitReportsWriter(t *testing.T) {
	for after := range 5 {
		if err := Init(Default(), [32]byte{}, &refusing{after}); !errors.Is(err, errFull) {
			t.Fatalf("after %d chunks: error is %v", after, err)
		}
	}
}

func TestConfigGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/config.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := Default().Config(); string(got) != string(want) {
		t.Fatalf("config is\n%s\nwant\n%s", got, want)
	}
}

func TestConfigComesBack(t *testing.T) {
	for _, m := range []Llama{Default(), grouped()} {
		got, err := ParseConfig(m.Config())
		if err != nil {
			t.Fatal(err)
		}
		if got != m {
			t.Fatalf("config came back as %+v, want %+v", got, m)
		}
	}
}

// TestParseConfigOfOthers: files as other programs write them, see the first
// field of each.
func TestParseConfigOfOthers(t *testing.T) {
	files, err := os.ReadDir("testdata/foreign")
	if err != nil || len(files) == 0 {
		t.Fatal("no foreign files", err)
	}
	for _, f := range files {
		data, err := os.ReadFile("testdata/foreign/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseConfig(data)
		if err != nil {
			t.Errorf("%s: %v", f.Name(), err)
			continue
		}
		want := Llama{Dim: 2048, Layers: 22, Heads: 32, KVHeads: 4, FFN: 5632, Vocab: 32000, Context: 2048, RopeTheta: 10000, NormEps: 1e-5}
		if m != want {
			t.Errorf("%s: %+v, want %+v", f.Name(), m, want)
		}
	}
}

func TestParseConfigRefuses(t *testing.T) {
	good := string(Default().Config())
	swap := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("nothing to swap: %s", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	for name, bad := range map[string]string{
		"empty":             "",
		"null":              "null",
		"array":             "[" + good + "]",
		"cut short":         good[:len(good)-3],
		"followed":          good + "{}",
		"too long":          good + strings.Repeat(" ", MaxConfig),
		"unknown field":     swap(`{`, `{"sliding_window": 128,`),
		"field twice":       swap(`{`, `{"hidden_size": 96,`),
		"other family":      swap(`"llama"`, `"mistral"`),
		"no family":         swap(`"model_type": "llama",`, ``),
		"other class":       swap(`LlamaForCausalLM`, `LlamaModel`),
		"other activation":  swap(`"silu"`, `"gelu"`),
		"bias":              swap(`"attention_bias": false`, `"attention_bias": true`),
		"mlp bias":          swap(`"mlp_bias": false`, `"mlp_bias": true`),
		"rope scaling":      swap(`"rope_scaling": null`, `"rope_scaling": {"factor": 2}`),
		"dropout":           swap(`{`, `{"attention_dropout": 0.1,`),
		"head dim":          swap(`"head_dim": 24`, `"head_dim": 32`),
		"size as text":      swap(`"hidden_size": 96`, `"hidden_size": "96"`),
		"size with part":    swap(`"hidden_size": 96`, `"hidden_size": 96.5`),
		"size missing":      swap(`"hidden_size": 96,`, ``),
		"size huge":         swap(`"hidden_size": 96`, `"hidden_size": 1e30`),
		"size negative":     swap(`"hidden_size": 96`, `"hidden_size": -96`),
		"heads zero":        swap(`"num_attention_heads": 4`, `"num_attention_heads": 0`),
		"theta huge":        swap(`"rope_theta": 10000`, `"rope_theta": 1e999`),
		"rope type":         swap(`"rope_theta": 10000`, `"rope_parameters": {"rope_theta": 10000, "rope_type": "yarn"}`),
		"rope parameters":   swap(`"rope_theta": 10000`, `"rope_parameters": {"rope_theta": 10000, "factor": 4}`),
		"two thetas differ": swap(`{`, `{"rope_parameters": {"rope_theta": 20000},`),
		"tied as number":    swap(`"tie_word_embeddings": true`, `"tie_word_embeddings": 1`),
	} {
		if m, err := ParseConfig([]byte(bad)); err == nil {
			t.Errorf("%s: accepted as %+v", name, m)
		}
	}
}

func TestConfigOfInvalidModelPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	Llama{}.Config()
}

// FuzzParseConfig: what is accepted is valid and comes back from what is written.
func FuzzParseConfig(f *testing.F) {
	f.Add(Default().Config())
	f.Add(grouped().Config())
	f.Add([]byte(`{"model_type":"llama","hidden_size":4,"num_attention_heads":1,"num_hidden_layers":1,"intermediate_size":1,"vocab_size":1,"max_position_embeddings":1,"rope_parameters":{"rope_theta":5}}`))
	f.Add([]byte(`{"model_type":null}`))
	for _, c := range examples {
		f.Add(c.m.Config())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseConfig(data)
		if err != nil {
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		if again, err := ParseConfig(m.Config()); err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v came back as %+v, %v", m, again, err)
		}
	})
}
