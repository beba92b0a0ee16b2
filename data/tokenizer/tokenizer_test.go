package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// answers are what the Python package tokenizers said; testdata/make.py asked it.
type answers struct {
	Cases   []string
	Answers map[string][][]int32
	Vocab   map[string]int32 // what training on the cases finds
	Merges  []merge
}

func readAnswers(t *testing.T) (a answers) {
	t.Helper()
	b, err := os.ReadFile("testdata/answers.json")
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil || len(a.Cases) < 200 || len(a.Answers) < 10 {
		t.Fatalf("%d cases of %d tokenizers: %v", len(a.Cases), len(a.Answers), err)
	}
	return a
}

func parseFile(t testing.TB, name string) *BPE {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

func TestTokensAreThoseOfPython(t *testing.T) {
	a := readAnswers(t)
	for name, want := range a.Answers {
		tok := parseFile(t, name)
		wrong := 0
		for i, text := range a.Cases {
			for range 2 { // the second time from memory
				got, err := tok.Encode(nil, []byte(text))
				if (err != nil || !slices.Equal(got, want[i])) && wrong < 3 {
					wrong++
					t.Errorf("%s: %.60q: got %v, want %v, %v", name, text, got, want[i], err)
				}
			}
		}
	}
}

// Byte-level tokenizers without a normalizer give back what they got.
func TestDecodeGivesBackTheText(t *testing.T) {
	a := readAnswers(t)
	for _, name := range []string{"gpt2", "llama3", "starcoder"} {
		tok := parseFile(t, name)
		for i, text := range a.Cases {
			var got []byte
			for _, id := range a.Answers[name][i] {
				got = tok.Decode(got, id)
			}
			if string(got) != text {
				t.Errorf("%s: %.60q became %.60q", name, text, got)
			}
		}
	}
	llama := parseFile(t, "llama2") // a space in front is the tokenizer's
	for i, text := range a.Cases {
		got := []byte{}
		for _, id := range a.Answers["llama2"][i] {
			got = llama.Decode(got, id)
		}
		if want := strings.ReplaceAll(text, "▁", " "); !strings.Contains(text, "</s>") && text != "" && string(got) != " "+want {
			t.Errorf("llama2: %.60q became %.60q", text, got)
		}
	}
}

// Any bytes survive GPT-2's pattern; elsewhere U+FFFD stands for what is no UTF-8.
func TestBytesThatAreNoText(t *testing.T) {
	junk := []byte("a\xff\xfe b\xc3 \xe2\x82")
	for name, want := range map[string]string{"gpt2": string(junk), "llama3": "a\ufffd\ufffd b\ufffd \ufffd\ufffd"} {
		tok := parseFile(t, name)
		ids, err := tok.Encode(nil, junk)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, id := range ids {
			got = tok.Decode(got, id)
		}
		if string(got) != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	text := []byte("a\x00\xff\n")
	ids, err := Bytes{}.Encode([]int32{7}, text)
	if err != nil || !slices.Equal(ids, []int32{7, 'a', 0, 255, '\n'}) {
		t.Errorf("got %v, %v", ids, err)
	}
	var back []byte
	for _, id := range append(ids[1:], -1, 256) {
		back = Bytes{}.Decode(back, id)
	}
	if !bytes.Equal(back, text) || !slices.Equal(Bytes{}.Between(), []int32{'\n'}) {
		t.Errorf("got %q", back)
	}
}

func TestSizesAndEnds(t *testing.T) {
	for name, want := range map[string]struct{ size, between, width int }{
		"gpt2": {800, 0, 2}, "roberta": {801, 0, 2}, "llama3": {800, 1, 2}, "llama2": {900, 2, 2},
	} {
		tok := parseFile(t, name)
		if tok.Size() != want.size || len(tok.Between()) != 1 || int(tok.Between()[0]) != want.between || Width(tok) != want.width {
			t.Errorf("%s: %d tokens, %v between", name, tok.Size(), tok.Between())
		}
		if got := tok.Decode(tok.Decode(nil, -1), int32(want.size)); got != nil {
			t.Errorf("%s: tokens that are none decode to %q", name, got)
		}
	}
	if Width(Bytes{}) != 1 {
		t.Error("bytes are wider than one")
	}
}

// words returns how the splitter cuts text.
func words(s splitter, text []byte) (all []string) {
	_ = s(text, true, func(w []byte) { all = append(all, string(w)) })
	return all
}

// What is done by hand is what the patterns say.
func TestSplitByHandIsThePattern(t *testing.T) {
	for pattern, byHand := range map[string]splitter{
		gpt2Pattern: splitGPT2, llama3Pattern: splitLlama3(3), qwen2Pattern: splitLlama3(1),
	} {
		re := regexp2.MustCompile(pattern, regexp2.None)
		plain := func(text []byte, _ bool, word func([]byte)) error {
			return eachMatch(re, text, func(b []byte, _ bool) { word(b) })
		}
		rng := rand.New(rand.NewPCG(1, 1))
		alphabet := []rune("ab 'stvremldSTVREMLD9²٣\n\r\t.,<é漢\u0301\u00a0\u2003\u200b🙂ⅧſK\x85\u180e  \n\n  ''")
		for range 7_000 {
			var text []byte
			for range rng.IntN(16) {
				text = utf8.AppendRune(text, alphabet[rng.IntN(len(alphabet))])
			}
			if got, want := words(byHand, text), words(plain, text); !slices.Equal(got, want) {
				t.Fatalf("%.20s: %q: got %q, want %q", pattern, text, got, want)
			}
		}
	}
}

// The heap merges as the plain loop does.
func TestLongWordsMergeLikeShortOnes(t *testing.T) {
	tok := parseFile(t, "gpt2")
	rng := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		word := make([]byte, 1+rng.IntN(shortWord))
		for i := range word {
			word[i] = "thean o"[rng.IntN(7)]
		}
		s, l := &scratch{}, &scratch{}
		tok.spellOut(word, s)
		tok.spellOut(word, l)
		if got, want := tok.joinLong(nil, l), tok.join(nil, s); !slices.Equal(got, want) {
			t.Fatalf("%q: got %v, want %v", word, got, want)
		}
	}
}

// A token in no spelling of bytes is no word, as in Python: one file, one answer.
func TestTheSpellingOfBytesCounts(t *testing.T) {
	file := []byte(`{"model":{"type":"BPE","vocab":{"a":0," ":1,"b":2,"Ġ":3},"merges":[]},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false}}`)
	for range 20 { // maps have another order each time
		tok, err := Parse(file)
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := tok.Encode(nil, []byte("a b")); err != nil || !slices.Equal(ids, []int32{0, 3, 2}) {
			t.Fatalf("got %v, %v", ids, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := os.ReadFile("testdata/gpt2.json")
	if err != nil {
		t.Fatal(err)
	}
	change := func(path string, to any) []byte {
		var m map[string]any
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		at := m
		keys := strings.Split(path, ".")
		for _, k := range keys[:len(keys)-1] {
			at = at[k].(map[string]any)
		}
		at[keys[len(keys)-1]] = to
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	type object = map[string]any
	for want, b := range map[string][]byte{
		"unexpected end":      good[:100],
		"only BPE":            change("model.type", "Unigram"),
		"dropout":             change("model.dropout", 0.1),
		"prefix or a suffix":  change("model.end_of_word_suffix", "</w>"),
		"vocabulary is empty": change("model.vocab", object{}),
		"can be 0 to":         change("model.vocab", object{"a": maxTokens}),
		"have number 3":       change("model.vocab", object{"a": 3, "b": 3}),
		"is not in its vocab": change("model.merges", []any{"a zzzz"}),
		"is no pair":          change("model.merges", []any{"abc"}),
		"a merge of 3 tokens": change("model.merges", []any{[]any{"a", "b", "c"}}),
		"unknown":             change("model.unk_token", "nope"),
		"normalizer \"Bert":   change("normalizer", object{"type": "BertNormalizer"}),
		"pre_tokenizer \"Uni": change("pre_tokenizer", object{"type": "UnicodeScripts"}),
		"goes on behind":      change("pre_tokenizer", object{"type": "Sequence", "pretokenizers": []any{object{"type": "ByteLevel"}, object{"type": "Digits"}}}),
		"behavior \"Merged":   change("pre_tokenizer", object{"type": "Split", "behavior": "MergedWithNext", "pattern": object{"String": "x"}}),
		"pattern \"(\"":       change("pre_tokenizer", object{"type": "Split", "behavior": "Isolated", "pattern": object{"Regex": "("}}),
		"has no pattern":      change("pre_tokenizer", object{"type": "Split", "behavior": "Isolated"}),
		"can have 1 to":       change("pre_tokenizer", object{"type": "Split", "behavior": "Isolated", "pattern": object{"Regex": strings.Repeat("a", maxPattern+1)}}),
		"Metaspace of scheme": change("pre_tokenizer", object{"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}),
		"want one character":  change("pre_tokenizer", object{"type": "Metaspace", "replacement": "__", "prepend_scheme": "first"}),
		"makes tokens longer": change("decoder", object{"type": "Sequence", "decoders": []any{object{"type": "Replace", "pattern": object{"String": "a"}, "content": "aa"}}}),
		"has 33 steps":        change("decoder", object{"type": "Sequence", "decoders": slices.Repeat([]any{object{"type": "Fuse"}}, maxSteps+1)}),
		"decoder \"CTC\"":     change("decoder", object{"type": "CTC"}),
		"single_word":         change("added_tokens", []any{object{"id": 1, "content": "x", "single_word": true}}),
		"is added twice":      change("added_tokens", []any{object{"id": 1, "content": "x"}, object{"id": 2, "content": "x"}}),
		"has 513 bytes":       change("added_tokens", []any{object{"id": 1, "content": strings.Repeat("x", maxAddedText+1)}}),
		"adds 65537 tokens":   change("added_tokens", make([]object, maxAdded+1)),
		"number -1":           change("added_tokens", []any{object{"id": -1, "content": "x"}}),
	} {
		tok, err := Parse(b)
		if !errors.Is(err, ErrFile) || tok != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// What a normalizer makes is bounded before it is made, of added tokens and of text.
func TestNormalizersAreBounded(t *testing.T) {
	long := strings.Repeat("a", 200_000)
	one := func(pattern, to string) string {
		return `{"type":"Replace","pattern":` + pattern + `,"content":"` + to + `"}`
	}
	for name, normalizer := range map[string]string{
		"string":  one(`{"String":"a"}`, long),
		"regex":   one(`{"Regex":"a|$"}`, long),
		"prepend": `{"type":"Prepend","prepend":"` + long + `"}`,
		"steps":   `{"type":"Sequence","normalizers":[` + strings.Repeat(one(`{"String":"a"}`, "aaaaaaaa")+",", 20) + one(`{"String":"a"}`, "aa") + `]}`,
	} {
		file := `{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]},"normalizer":` + normalizer
		added := `,"added_tokens":[{"id":2,"normalized":true,"content":"` + long[:maxAddedText] + `"}]}`
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := Parse([]byte(file + added)); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "makes more than 512 bytes") {
			t.Errorf("%s: parse: %v", name, err)
		}
		tok, err := Parse([]byte(file + "}"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := tok.Encode(nil, []byte(long[:1000])); err == nil || !strings.Contains(err.Error(), "makes more than 129536 bytes") {
			t.Errorf("%s: encode: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if most := uint64(64 << 20); after.TotalAlloc-before.TotalAlloc > most {
			t.Errorf("%s: took %d bytes, at most %d", name, after.TotalAlloc-before.TotalAlloc, most)
		}
	}
}

// The limit on time holds for all steps and matches together.
func TestNormalizersStopWhenTimeIsUp(t *testing.T) {
	a := "a"
	for _, p := range []part{{Type: "NFC"}, {Type: "Lowercase"}, {Type: "Replace", Pattern: &pattern{Regex: &a}}, {Type: "Replace", Pattern: &pattern{String: &a}}} {
		n, err := newNormalizer(&p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n([]byte("aaa"), limit{bytes: 10}); !errors.Is(err, errSlow) {
			t.Errorf("%s: %v", p.Type, err)
		}
	}
}

// Of the tokens that begin at one place the longest counts, of equal ones the first.
func TestTheLongestAddedTokenCounts(t *testing.T) {
	tok, err := Parse([]byte(`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"normalizer":{"type":"Lowercase"},"added_tokens":[` +
		`{"id":1,"content":"<X"},{"id":2,"content":"<X>>"},{"id":3,"content":"<Y","normalized":true},{"id":4,"content":"<y","normalized":true}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := tok.Encode(nil, []byte("<X>>a<X>a<Y<y")); err != nil || !slices.Equal(ids, []int32{2, 0, 1, 0, 3, 3}) {
		t.Errorf("got %v, %v", ids, err)
	}
}

func FuzzParse(f *testing.F) {
	const model = `"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3,"<0x20>":4,"▁":5,"?":6},"merges":["a b"],`
	for _, rest := range []string{
		`"byte_fallback":true},"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"NFC"}]}}`,
		`"ignore_merges":true},"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},"added_tokens":[{"id":7,"content":"a b","lstrip":true}]}`,
		`"unk_token":"?","fuse_unk":true},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"Metaspace","replacement":"▁"}]}}`,
		`"dropout":null},"pre_tokenizer":{"type":"Split","behavior":"Isolated","pattern":{"Regex":"\\s+(?!\\S)"}},` +
			`"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"Fuse"}]}}`,
	} {
		f.Add([]byte("{"+model+rest), []byte("a ab  12\xff?"))
	}
	f.Fuzz(func(t *testing.T, b, text []byte) {
		tok, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Fatal(err)
			}
			return
		}
		ids, err := tok.Encode(nil, text)
		if err != nil {
			return
		}
		var back []byte
		for _, id := range ids {
			if id < 0 || int(id) >= tok.Size() {
				t.Fatalf("token %d of %d", id, tok.Size())
			}
			back = tok.Decode(back, id)
		}
		if len(back) > 1<<30 {
			t.Fatal("too long")
		}
	})
}

// FuzzEncode: any bytes come back from a byte-level tokenizer.
func FuzzEncode(f *testing.F) {
	tok := parseFile(f, "gpt2")
	f.Add([]byte("Hello  world\n\xff 'll"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ids, err := tok.Encode(nil, text)
		if err != nil {
			t.Fatal(err)
		}
		var back []byte
		for _, id := range ids {
			back = tok.Decode(back, id)
		}
		if !bytes.Equal(back, text) {
			t.Fatalf("%q became %q", text, back)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	text := bytes.Repeat([]byte("It was the best of times, it was the worst of times; and 1775 was the year of Our Lord.\n"), 1<<13)
	for _, name := range []string{"gpt2", "llama3", "llama2"} {
		tok := parseFile(b, name)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			var ids []int32
			for b.Loop() {
				ids, _ = tok.Encode(ids[:0], text)
			}
		})
	}
}
