package gradient

// This file holds bytes that other implementations of the update format must
// refuse, and that this one does.

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"lode/gradient/vectortest"
	"lode/tensor"
)

// refusal is bytes that are no update, and why.
type refusal struct {
	Name string `json:"name"`
	setting
	Form    string `json:"form"` // plain or wire
	Bytes   string `json:"bytes"`
	Refusal string `json:"refusal"` // malformed or not canonical
}

// refusalOf names the class of an error, "" for none.
func refusalOf(tb testing.TB, err error) string {
	tb.Helper()
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrMalformed):
		return "malformed"
	case errors.Is(err, ErrNotCanonical):
		return "not canonical"
	}
	tb.Fatalf("error without a sentinel: %v", err)
	return ""
}

func refusals(tb testing.TB) []refusal {
	return append(plainRefusals(tb), wireRefusals(tb)...)
}

// plainRefusals breaks each rule of the canonical form alone.
func plainRefusals(tb testing.TB) (all []refusal) {
	row := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{4, 5}})
	vec := layoutOf(tb, tensor.Spec{Name: "b", Shape: []int{3}})
	sparse := func(bits int) Params { return Params{Codec: TopK, K: 1024, Bits: bits, EMin: -10, EMax: 10} }
	cosines := Params{Codec: DCT, K: 1024, Bits: 2, EMin: -10, EMax: 10}
	signs := Params{Codec: Sign, Bits: 1, EMin: -10, EMax: 10}
	bytewise := Params{Codec: Dense, Bits: 8, EMin: -10, EMax: 10}
	halves := Params{Codec: Dense, Bits: 16, EMin: -10, EMax: 10}
	wide := Params{Codec: Dense, Bits: 32, EMin: -10, EMax: 10}
	add := func(name string, l tensor.Layout, p Params, plain string) {
		b := []byte(header + plain)
		_, err := ParsePlain(l, p, b)
		all = append(all, refusal{p.Codec + ": " + name, settingOf(l, p), "plain", hex.EncodeToString(b), refusalOf(tb, err)})
	}
	const at = "\x01\x00\x03\x00\x04\x00\x09\x00\x13\x00"
	const first = "\x00\x00\x01\x00\x02\x00\x03\x00\x04\x00"
	two := sparse(2)
	add("short", row, two, "\x02\xc8\x40"+at+"\x39")
	add("long", row, two, "\x02\xc8\x40"+at+"\x39\x02\x00")
	add("positions equal", row, two, "\x02\xc8\x40\x01\x00\x01\x00\x04\x00\x09\x00\x13\x00\x39\x02")
	add("positions descend", row, two, "\x02\xc8\x40\x03\x00\x01\x00\x04\x00\x09\x00\x13\x00\x39\x02")
	add("position at the end", row, two, "\x02\xc8\x40\x01\x00\x03\x00\x04\x00\x09\x00\x14\x00\x39\x02")
	add("exponent too high", row, two, "\x0b\xc8\x40"+at+"\x39\x02")
	add("exponent too low", row, two, "\xf5\xc8\x40"+at+"\x39\x02")
	add("high not normalised", row, two, "\x02\x7f\x40"+at+"\x39\x02")
	add("low equals high", row, two, "\x02\xc8\xc8"+at+"\x39\x02")
	add("low above high", row, two, "\x02\xc8\xc9"+at+"\x39\x02")
	add("no entry high", row, two, "\x02\xc8\x40"+at+"\x28\x02")
	add("no entry low, low named", row, two, "\x02\xc8\x40"+at+"\x7d\x03")
	add("unused code bits", row, two, "\x02\xc8\x40"+at+"\x39\x06")
	add("sign of a zero", row, two, "\x02\xc8\x00"+first+"\x02\x01")
	add("a zero behind a gap", row, two, "\x02\xc8\x00\x00\x00\x01\x00\x02\x00\x04\x00\x09\x00\x00\x01")
	add("a zero behind the rest", row, two, "\x02\xc8\x00\x00\x00\x01\x00\x02\x00\x09\x00\x0a\x00\x40\x00")
	add("zeros with an exponent", row, two, "\x01\x00\x00"+first+"\x00\x00")
	add("zeros with a low mantissa", row, two, "\x00\x00\x01"+first+"\x00\x00")
	add("zeros with a level", row, two, "\x00\x00\x00"+first+"\x01\x00")
	add("zeros with a sign", row, two, "\x00\x00\x00"+first+"\x02\x00")
	add("zeros elsewhere", row, two, "\x00\x00\x00\x00\x00\x01\x00\x02\x00\x03\x00\x05\x00\x00\x00")
	add("one level, low mantissa", row, sparse(1), "\x02\xc8\x01"+at+"\x1f")
	add("one level, zeros with a sign", row, sparse(1), "\x00\x00\x00"+first+"\x01")
	add("three bits, levels coincide", row, sparse(3), "\x02\xc8\xc6"+at+"\x18\x00")
	add("four bits, levels coincide", row, sparse(4), "\x02\xc8\xc0"+at+"\x70\x00\x00")
	add("exponent above the headroom", row, cosines, "\x07\xc8\x40"+at+"\x39\x02")
	add("unused sign bits", row, signs, "\x02\x80\xff\xff\x1f")
	add("magnitude not normalised", row, signs, "\x02\x7f\xff\xff\x0f")
	add("exponent too high", row, signs, "\x0b\x80\xff\xff\x0f")
	add("zeros with an exponent", row, signs, "\x01\x00\x00\x00\x00")
	add("zeros with a sign", row, signs, "\x00\x00\x01\x00\x00")
	add("mantissa −128", vec, bytewise, "\x00\x80\x7f\x00")
	add("mantissas not normalised", vec, bytewise, "\x00\x01\x3f\x00")
	add("exponent too high", vec, bytewise, "\x0b\x01\x7f\x00")
	add("exponent too low", vec, bytewise, "\xf5\x01\x7f\x00")
	add("zeros with an exponent", vec, bytewise, "\x01\x00\x00\x00")
	given := settingOf(row, Params{Codec: Shared, K: 1024, Bits: 2, EMin: -10, EMax: 10}).supported(tb, 2)
	for _, c := range []struct{ name, plain string }{
		{"short", "\x02\xc8\x40\x39"},
		{"with positions", "\x02\xc8\x40" + at + "\x39\x02"},
		{"unused code bits", "\x02\xc8\x40\x39\x06"},
		{"no entry high", "\x02\xc8\x40\x28\x02"},
		{"sign of a zero", "\x02\xc8\x00\x02\x01"},
		{"zeros with an exponent", "\x01\x00\x00\x00\x00"},
	} {
		l, p := given.open(tb)
		b := []byte(header + c.plain)
		_, err := ParsePlain(l, p, b)
		all = append(all, refusal{"shared: " + c.name, given, "plain", hex.EncodeToString(b), refusalOf(tb, err)})
	}
	one := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{1, 1}})
	add("half, −0", one, halves, "\x00\x80")
	add("half, infinity", one, halves, "\x80\x7f")
	add("half, NaN", one, halves, "\xc0\x7f")
	add("half, too fine", one, halves, "\x00\x3a")
	add("half, too large", one, halves, "\x80\x48")
	add("−0", one, wide, "\x00\x00\x00\x80")
	add("NaN", one, wide, "\x01\x00\x80\x7f")
	add("subnormal", one, wide, "\x01\x00\x00\x00")
	add("a digit too fine", one, wide, "\x01\x00\x80\x3f")
	add("too large", one, wide, "\x00\x00\x80\x48")
	all = append(all, refusal{"no header", settingOf(vec, bytewise), "plain", "", "malformed"})
	return append(all, refusal{"another number of the format", settingOf(vec, bytewise), "plain", "4c47550200000000", "malformed"})
}

// wireRefusals breaks each rule of the wire form alone.
func wireRefusals(tb testing.TB) (all []refusal) {
	l, p := exampleSetting(tb)
	cols := openExample(tb, mustEncode(tb, l, p, exampleValues).Wire())
	good := joined(framesOf(cols)...)
	add := func(name string, wire []byte) {
		_, err := ParseWire(l, p, wire)
		all = append(all, refusal{name, settingOf(l, p), "wire", hex.EncodeToString(wire), refusalOf(tb, err)})
	}
	// frame puts another frame in the place of the gaps', col another column.
	frame := func(name string, f []byte) {
		frames := framesOf(cols)
		frames[colGaps] = f
		add(name, joined(frames...))
	}
	col := func(name string, i int, content []byte) {
		frames := framesOf(cols)
		frames[i] = frameOf(content)
		add(name, joined(frames...))
	}
	gaps := cols[colGaps]
	size := le32(len(gaps))
	add("empty", nil)
	add("header alone", []byte(header))
	add("another number of the format", append([]byte("LGU\x02"), good[4:]...))
	add("cut in its lengths", good[:8])
	add("cut in its frames", good[:len(good)-1])
	add("a byte too many", append(bytes.Clone(good), 0))
	add("too long", append(bytes.Clone(good), make([]byte, MaxWireLen(l, p))...))
	add("a length not minimal", append(append([]byte(header), good[4]|0x80, 0), good[5:]...))
	add("a length without end", append(append([]byte(header), bytes.Repeat([]byte{0xff}, 10)...), good[5:]...))
	add("a frame longer than what is left", append(append([]byte(header), 0x7f), good[5:]...))
	frame("no frame", nil)
	frame("magic number alone", []byte{0x28, 0xb5, 0x2f, 0xfd})
	frame("another magic number", append([]byte{0x27}, frameOf(gaps)[1:]...))
	frame("a skippable frame", []byte("\x50\x2a\x4d\x18\x00\x00\x00\x00"))
	frame("a skippable frame before", append([]byte("\x50\x2a\x4d\x18\x00\x00\x00\x00"), frameOf(gaps)...))
	frame("two frames", append(frameOf(gaps[:2]), frameOf(gaps[2:])...))
	frame("a skippable frame behind", append(frameOf(gaps), "\x50\x2a\x4d\x18\x00\x00\x00\x00"...))
	frame("a byte behind", append(frameOf(gaps), 0))
	frame("no content size", slowFrame(0x00, []byte{0}, block(0, true, gaps)))
	frame("a content size of 0", slowFrame(0xa0, le32(0), block(0, true, nil)))
	frame("a content size too large", slowFrame(0xa0, le32(1<<20), block(0, true, gaps)))
	frame("a content size of 2^63", slowFrame(0xe0, le32(0), le32(1<<31), block(0, true, gaps)))
	frame("less than its content size", slowFrame(0xa0, size, block(0, true, gaps[1:])))
	frame("more than its content size", slowFrame(0xa0, size, block(0, true, append(bytes.Clone(gaps), 0))))
	frame("a dictionary", slowFrame(0xa1, []byte{1}, size, block(0, true, gaps)))
	frame("the reserved bit", slowFrame(0xa8, size, block(0, true, gaps)))
	frame("a reserved block", slowFrame(0xa0, size, block(3, true, gaps)))
	frame("a block cut off", slowFrame(0xa0, size, block(0, true, gaps)[:4]))
	frame("no last block", slowFrame(0xa0, size, block(0, false, gaps)))
	frame("a header cut off", slowFrame(0xa0, size[:2]))
	frame("a window wider than any column", slowFrame(0x80, []byte{1}, size, block(0, true, gaps)))
	frame("a wrong checksum", slowFrame(0xa4, size, block(0, true, gaps), []byte{1, 2, 3, 4}))
	frame("no checksum where one is said", slowFrame(0xa4, size, block(0, true, gaps)))
	frame("a compressed block of junk", slowFrame(0xa0, size, block(2, true, []byte("junk"))))
	col("a column too short", colScales, nil)
	col("a column too long", colScales, []byte{0, 0})
	col("a position beyond the chunk", colGaps, []byte{0, 0, 0, 5})
	col("a gap of 255 beyond the chunk", colGaps, []byte{0, 0, 0, 255})
	col("an exponent out of bounds", colScales, []byte{1})
	col("a high mantissa not normalised", colScales+1, []byte{127})
	col("a level that nobody takes", colSigns+1, []byte{0})
	col("an unused bit of signs", colSigns, []byte{0x16})
	col("an unused bit of levels", colSigns+1, []byte{0x15})
	return all
}

func TestRefusals(t *testing.T) {
	now := refusals(t)
	if kept := vectortest.Keep(t, *update, "refusals.json", now); !reflect.DeepEqual(kept, now) {
		t.Errorf("what is refused is not what the vectors say: run go test -update")
	}
	for _, r := range now {
		if r.Refusal == "" {
			t.Errorf("%s, %s: accepted", r.Form, r.Name)
		}
	}
}
