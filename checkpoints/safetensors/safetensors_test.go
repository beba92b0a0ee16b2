package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	peer "github.com/nlpodyssey/safetensors"

	"lode/tensor"
)

func testLayout(t testing.TB) tensor.Layout {
	t.Helper()
	// Names that sort unlike the layout, a tensor of several chunks with a short
	// last one, and names that JSON has to escape.
	l, err := tensor.NewLayout(
		tensor.Spec{Name: "z.weight", Shape: []int{3, 3000}},
		tensor.Spec{Name: "a<\"\\\u2028ü", Shape: []int{1}},
		tensor.Spec{Name: "m", Shape: []int{2, 1, 5}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testModel(l tensor.Layout) tensor.Flat {
	m := make(tensor.Flat, l.Len())
	for i := range m {
		m[i] = float32(i) / 3
	}
	m[0], m[1], m[2], m[3] = float32(math.Inf(1)), math.Float32frombits(0x7fc00001), float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32
	return m
}

func encode(t testing.TB, l tensor.Layout, src tensor.Reader, meta map[string]string) []byte {
	t.Helper()
	h, err := ForLayout(l, meta)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := Write(&buf, h, l, src); err != nil {
		t.Fatal(err)
	}
	if int64(buf.Len()) != h.Size() {
		t.Fatalf("file has %d bytes, Size says %d", buf.Len(), h.Size())
	}
	return buf.Bytes()
}

func bits(f []float32) []uint32 {
	b := make([]uint32, len(f))
	for i, v := range f {
		b[i] = math.Float32bits(v)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	l := testLayout(t)
	src := testModel(l)
	file := encode(t, l, src, map[string]string{"format": "pt"})
	h, err := Parse(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if h.Meta()["format"] != "pt" || !bytes.Equal(h.Encode(), file[:h.DataStart()]) {
		t.Error("the header does not encode back to its bytes")
	}
	got := make(tensor.Flat, l.Len())
	m, err := Gather(l, nil, Part{bytes.NewReader(file), h})
	if err != nil {
		t.Fatal(err)
	}
	if err := tensor.Copy(l, got, m); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(bits(got), bits(src)) {
		t.Error("values differ")
	}
	back, err := h.Layout()
	if err != nil || back.NumTensors() != l.NumTensors() || back.Spec(0).Name != l.Spec(0).Name {
		t.Errorf("layout of the file: %v", err)
	}
}

// A layout in another order reads the same tensors.
func TestModelReordered(t *testing.T) {
	l := testLayout(t)
	src := testModel(l)
	file := encode(t, l, src, nil)
	h, err := Parse(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	other, err := tensor.NewLayout(l.Spec(2), l.Spec(0), l.Spec(1))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Gather(other, nil, Part{bytes.NewReader(file), h})
	if err != nil {
		t.Fatal(err)
	}
	got := make(tensor.Flat, other.Len())
	if err := tensor.Copy(other, got, m); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(src[l.Offset(2):], src[:l.Offset(2)])
	if !slices.Equal(bits(got), bits(want)) {
		t.Error("values differ")
	}
}

func TestModelRefusesOtherTensors(t *testing.T) {
	l := testLayout(t)
	file := encode(t, l, testModel(l), nil)
	h, err := Parse(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for name, specs := range map[string][]tensor.Spec{
		"fewer":         {l.Spec(0), l.Spec(1)},
		"other shape":   {l.Spec(0), l.Spec(1), {Name: "m", Shape: []int{10}}},
		"other name":    {l.Spec(0), l.Spec(1), {Name: "n", Shape: []int{2, 1, 5}}},
		"one more":      {l.Spec(0), l.Spec(1), l.Spec(2), {Name: "n", Shape: []int{1}}},
		"one different": {l.Spec(0), l.Spec(1), {Name: "q", Shape: []int{1}}},
	} {
		other, err := tensor.NewLayout(specs...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Gather(other, nil, Part{bytes.NewReader(file), h}); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if err := Write(&bytes.Buffer{}, h, other, testModel(other)); err == nil {
			t.Errorf("%s: Write accepts it", name)
		}
	}
}

func TestInts(t *testing.T) {
	h, err := New(nil, Entry{Name: "m", DType: I64, Shape: []int{4}})
	if err != nil {
		t.Fatal(err)
	}
	want := []int64{0, -1, math.MinInt64, math.MaxInt64}
	file := EncodeInts(h.Encode(), want)
	if h, err = Parse(bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
	got := make([]int64, 4)
	if DecodeInts(got, file[h.DataStart():]); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if _, err := h.Layout(); err == nil {
		t.Error("integers are accepted as parameters")
	}
}

// The other Go implementation reads our files, and we read its.
func TestAgainstPeer(t *testing.T) {
	l := testLayout(t)
	src := testModel(l)
	file := encode(t, l, src, map[string]string{"format": "pt"})
	st, err := peer.Deserialize(file)
	if err != nil {
		t.Fatal(err)
	}
	views := map[string]peer.TensorView{}
	for i := range l.NumTensors() {
		name := l.Spec(i).Name
		v, ok := st.Tensor(name)
		if !ok || v.DType() != peer.F32 {
			t.Fatalf("the peer does not find %q", name)
		}
		for j, d := range v.Shape() {
			if int(d) != l.Spec(i).Shape[j] {
				t.Errorf("shape of %q: %v", name, v.Shape())
			}
		}
		var want []byte
		for _, x := range src[l.Offset(i) : l.Offset(i)+l.Spec(i).Len()] {
			want = binary.LittleEndian.AppendUint32(want, math.Float32bits(x))
		}
		if !bytes.Equal(v.Data(), want) {
			t.Errorf("the peer reads other values of %q", name)
		}
		views[name] = v
	}
	theirs, err := peer.Serialize(views, map[string]string{"k": "v"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := Parse(bytes.NewReader(theirs), int64(len(theirs)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Gather(l, nil, Part{bytes.NewReader(theirs), h})
	if err != nil {
		t.Fatal(err)
	}
	got := make(tensor.Flat, l.Len())
	if err := tensor.Copy(l, got, m); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(bits(got), bits(src)) || h.Meta()["k"] != "v" {
		t.Error("we read other values than the peer wrote")
	}
}

// raw builds a file from a header text and a number of data bytes.
func raw(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

const good = `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}`

func TestParseRefuses(t *testing.T) {
	if _, err := parse(raw(good, 16)); err != nil {
		t.Fatal("the good file:", err)
	}
	if _, err := parse(raw("{}", 0)); err != nil {
		t.Fatal("a file without tensors:", err)
	}
	one := func(fields string) []byte { return raw(`{"a":{`+fields+`}}`, 8) }
	swap := func(old, new string) []byte { return raw(strings.Replace(good, old, new, 1), 16) }
	for name, file := range map[string][]byte{
		"empty":              {},
		"short":              make([]byte, 7),
		"no header":          make([]byte, 8),
		"length past end":    binary.LittleEndian.AppendUint64(nil, 1),
		"length too large":   binary.LittleEndian.AppendUint64(nil, math.MaxUint64),
		"length negative":    append(binary.LittleEndian.AppendUint64(nil, 1<<63), good...),
		"data missing":       raw(good, 15),
		"data left over":     raw(good, 17),
		"not JSON":           raw("hello", 0),
		"array":              raw("[]", 0),
		"leading space":      raw(" "+good, 16),
		"trailing bytes":     raw(good+"x", 16),
		"second value":       raw(good+"{}", 16),
		"trailing comma":     raw(good[:len(good)-1]+",}", 16),
		"not UTF-8":          swap(`"a"`, "\"\xff\""),
		"key twice":          swap(`"b"`, `"a"`),
		"key twice, escaped": swap(`"b"`, `"\u0061"`),
		"field twice":        one(`"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]`),
		"field missing":      one(`"dtype":"F32","shape":[2]`),
		"field unknown":      one(`"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1`),
		"type unknown":       one(`"dtype":"F64","shape":[1],"data_offsets":[0,8]`),
		"type lower":         one(`"dtype":"f32","shape":[2],"data_offsets":[0,8]`),
		"type number":        one(`"dtype":1,"shape":[2],"data_offsets":[0,8]`),
		"shape null":         one(`"dtype":"F32","shape":null,"data_offsets":[0,8]`),
		"shape empty":        one(`"dtype":"F32","shape":[],"data_offsets":[0,8]`),
		"shape zero":         one(`"dtype":"F32","shape":[0],"data_offsets":[0,8]`),
		"shape negative":     one(`"dtype":"F32","shape":[-2],"data_offsets":[0,8]`),
		"shape twice minus":  one(`"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]`),
		"shape fraction":     one(`"dtype":"F32","shape":[2.0],"data_offsets":[0,8]`),
		"shape exponent":     one(`"dtype":"F32","shape":[2e0],"data_offsets":[0,8]`),
		"shape text":         one(`"dtype":"F32","shape":["2"],"data_offsets":[0,8]`),
		"shape overflow":     one(`"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]`),
		"shape deep":         one(`"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]`),
		"shape mismatch":     one(`"dtype":"F32","shape":[3],"data_offsets":[0,8]`),
		"offsets one":        one(`"dtype":"F32","shape":[2],"data_offsets":[8]`),
		"offsets three":      one(`"dtype":"F32","shape":[2],"data_offsets":[0,8,8]`),
		"offsets backwards":  one(`"dtype":"F32","shape":[2],"data_offsets":[8,0]`),
		"offsets huge":       one(`"dtype":"F32","shape":[2],"data_offsets":[9223372036854775800,9223372036854775807]`),
		"offsets past int64": one(`"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551624]`),
		"minus zero":         one(`"dtype":"F32","shape":[2],"data_offsets":[-0,8]`),
		"overlap":            swap(`[8,16]`, `[4,12]`),
		"same place":         raw(strings.Replace(good, `"I64","shape":[1],"data_offsets":[8,16]`, `"F32","shape":[2],"data_offsets":[0,8]`, 1), 8),
		"hole":               raw(strings.Replace(good, `[8,16]`, `[16,24]`, 1), 24),
		"hole at begin":      raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}`, 16),
		"name empty":         swap(`"a"`, `""`),
		"name long":          swap(`"a"`, `"`+strings.Repeat("n", 257)+`"`),
		"meta not object":    raw(`{"__metadata__":[]}`, 0),
		"meta not text":      raw(`{"__metadata__":{"a":1}}`, 0),
		"meta twice":         raw(`{"__metadata__":{},"__metadata__":{}}`, 0),
		"meta key twice":     raw(`{"__metadata__":{"a":"1","a":"2"}}`, 0),
		"entry not object":   raw(`{"a":1}`, 0),
		"nested deep":        raw(strings.Repeat(`{"a":`, 20000)+strings.Repeat(`}`, 20000), 0),
	} {
		if h, err := parse(file); err == nil {
			t.Errorf("%s: accepted as %+v", name, h)
		}
	}
}

func parse(file []byte) (Header, error) { return Parse(bytes.NewReader(file), int64(len(file))) }

func TestNewRefuses(t *testing.T) {
	for name, entries := range map[string][]Entry{
		"type":     {{Name: "a", DType: "F64", Shape: []int{1}}},
		"twice":    {{Name: "a", DType: F32, Shape: []int{1}}, {Name: "a", DType: F32, Shape: []int{1}}},
		"reserved": {{Name: metaKey, DType: F32, Shape: []int{1}}},
		"encoding": {{Name: "\xff", DType: F32, Shape: []int{1}}},
		"shape":    {{Name: "a", DType: F32, Shape: []int{0}}},
	} {
		if _, err := New(nil, entries...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(map[string]string{"a": "\xff"}); err == nil {
		t.Error("a note that is not UTF-8: accepted")
	}
	if _, err := New(map[string]string{"a": strings.Repeat("x", MaxHeader)}); err == nil {
		t.Error("a header past its bound: accepted")
	}
}

type brokenReader struct{ err error }

func (b brokenReader) ReadChunk(tensor.Chunk, []float32) error { return b.err }

func TestWriteReportsItsSource(t *testing.T) {
	l := testLayout(t)
	h, err := ForLayout(l, nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("source broke")
	if err := Write(&bytes.Buffer{}, h, l, brokenReader{broken}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// Whatever is accepted describes the file exactly and can be written again.
func FuzzParse(f *testing.F) {
	f.Add(raw(good, 16))
	f.Add(raw(`{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}  `, 8))
	f.Add(raw(`{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[1],"data_offsets":[4,6]}}  `, 6))
	f.Add(raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\u0061":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}`, 16))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := parse(file)
		if err != nil {
			return
		}
		if h.Size() != int64(len(file)) {
			t.Fatalf("size %d of a file of %d bytes", h.Size(), len(file))
		}
		readAll(t, h, file)
		again, err := New(h.Meta(), h.Entries()...)
		if err != nil {
			t.Fatalf("accepted, but cannot be written: %v", err)
		}
		if !slices.EqualFunc(again.Entries(), h.Entries(), func(a, b Entry) bool {
			return a.Name == b.Name && a.DType == b.DType && slices.Equal(a.Shape, b.Shape) && a.Begin == b.Begin && a.End == b.End
		}) {
			t.Fatal("written again, the tensors lie elsewhere")
		}
		canonical := append(again.Encode(), file[h.DataStart():]...)
		if _, err := parse(canonical); err != nil {
			t.Fatalf("the canonical form is refused: %v", err)
		}
	})
}

// readAll reads every tensor of numbers, and spares the others.
func readAll(t *testing.T, h Header, file []byte) {
	t.Helper()
	var specs []tensor.Spec
	integers := map[string]bool{}
	for _, e := range h.Entries() {
		if integers[e.Name] = e.DType == I64; !integers[e.Name] {
			specs = append(specs, tensor.Spec{Name: e.Name, Shape: e.Shape})
		}
	}
	l, err := tensor.NewLayout(specs...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Gather(l, func(name string) bool { return integers[name] }, Part{bytes.NewReader(file), h})
	if err != nil {
		t.Fatal(err)
	}
	if err := tensor.Copy(l, make(tensor.Flat, l.Len()), m); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkWrite(b *testing.B) {
	l, err := tensor.NewLayout(tensor.Spec{Name: "w", Shape: []int{4 << 20}})
	if err != nil {
		b.Fatal(err)
	}
	h, err := ForLayout(l, nil)
	if err != nil {
		b.Fatal(err)
	}
	src := make(tensor.Flat, l.Len())
	b.SetBytes(h.Size())
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(discard{}, h, l, src); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
