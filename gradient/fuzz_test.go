package gradient

// This file fuzzes the decoders. Inputs are bytes under one of many settings, whose
// number comes first, so that one target serves all codecs. Seeds are the vectors of
// testdata, what must be refused among them.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"lode/gradient/column/columntest"
	"lode/gradient/vectortest"
	"lode/tensor"
)

// opened is a setting ready for use.
type opened struct {
	l tensor.Layout
	p Params
}

// openAll opens settings: those of the vectors, in whose order they stand, and maybe
// one with a full chunk for each codec.
func openAll(tb testing.TB, f vectortest.Settings[setting]) []opened {
	all := make([]opened, len(f))
	for i, s := range f {
		all[i].l, all[i].p = s.open(tb)
	}
	return all
}

func pick(all []opened, i uint8) (tensor.Layout, Params) {
	o := all[int(i)%len(all)]
	return o.l, o.p
}

// seed adds what the vectors hold of one form and returns their settings.
func seed(f *testing.F, form string) []opened {
	var all vectortest.Settings[setting]
	for _, r := range vectortest.Read[refusal](f, "refusals.json") {
		if i := all.Add(r.setting); r.Form == form {
			f.Add(i, vectortest.Bytes(f, r.Bytes))
		}
	}
	for _, v := range vectortest.Read[vector](f, "updates.json") {
		forms := map[string][]string{"plain": {v.Plain}, "wire": v.Wires}[form]
		for _, b := range forms {
			f.Add(all.Add(v.setting), vectortest.Bytes(f, b))
		}
	}
	l := layoutOf(f, tensor.Spec{Name: "w", Shape: []int{3, 2000}}, tensor.Spec{Name: "b", Shape: []int{30}})
	for _, p := range codecsUnderTest {
		s := settingOf(l, p)
		if p.Codec == Shared {
			s = s.supported(f, 1)
		}
		_, p = s.open(f)
		u := mustEncode(f, l, p, dyadic(1, l.Len()))
		f.Add(all.Add(s), map[string][]byte{"plain": u.Plain(), "wire": u.Wire()}[form])
	}
	return openAll(f, all)
}

// What arrives decodes to something canonical that travels unchanged or is refused
// with a sentinel, and takes no more memory than the setting says, whatever it claims.
func FuzzParseWire(f *testing.F) {
	settings := seed(f, "wire")
	f.Fuzz(func(t *testing.T, i uint8, wire []byte) {
		l, p := pick(settings, i)
		bound := PlainLen(l, p) + MaxWireLen(l, p) + columntest.Slack
		if n, yes := columntest.Exceeds(bound, func() { _, _ = ParseWire(l, p, wire) }); yes {
			t.Fatalf("%d bytes allocated for %d, at most %d", n, len(wire), bound)
		}
		checkParsed(t, l, p, wire)
	})
}

// A plain form that is accepted is the only one of what it decodes to, also when it
// is read window by window from where it is stored.
func FuzzParsePlain(f *testing.F) {
	settings := seed(f, "plain")
	f.Fuzz(func(t *testing.T, i uint8, plain []byte) {
		l, p := pick(settings, i)
		u, err := ParsePlain(l, p, plain)
		if len(plain) == PlainLen(l, p) && bytes.HasPrefix(plain, []byte(header)) {
			if stored := loadAll(t, l, p, plain); (stored == nil) != (err == nil) {
				t.Fatalf("stored: error %v, in memory: %v", stored, err)
			}
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotCanonical) {
				t.Fatalf("error without a sentinel: %v", err)
			}
			return
		}
		if !bytes.Equal(u.Plain(), plain) {
			t.Fatalf("plain form %x became %x", plain, u.Plain())
		}
		checkParsed(t, l, p, u.Wire())
	})
}

// loadAll reads a stored update one chunk after another.
func loadAll(tb testing.TB, l tensor.Layout, p Params, plain []byte) error {
	s, err := NewStored(l, p, bytes.NewReader(plain))
	if err != nil {
		tb.Fatal(err)
	}
	var part *Part
	for c := range l.Chunks() {
		if part, err = s.Load(c, c, part); err != nil {
			return err
		}
	}
	return nil
}

// Whatever is encoded, if it is finite, has a canonical form.
func FuzzEncode(f *testing.F) {
	var all vectortest.Settings[setting]
	for _, v := range vectortest.Read[vector](f, "updates.json") {
		f.Add(all.Add(v.setting), vectortest.Bytes(f, v.Values))
	}
	settings := openAll(f, all)
	f.Fuzz(func(t *testing.T, i uint8, bits []byte) {
		l, p := pick(settings, i)
		a, finite := make(tensor.Flat, l.Len()), true
		for c := range l.Chunks() {
			for i := c.Offset; i < c.Offset+c.Len && 4*i+4 <= len(bits); i++ {
				a[i] = math.Float32frombits(binary.BigEndian.Uint32(bits[4*i:]))
				frozen := l.Spec(c.Tensor).Kind == tensor.Frozen
				finite = finite && (frozen || math.Float32bits(a[i])&magnitudeMask < notFinite)
			}
		}
		u, err := Encode(l, p, a)
		if finite != (err == nil) || err != nil && !errors.Is(err, ErrNotFinite) {
			t.Fatalf("finite: %v, error %v", finite, err)
		}
		if err != nil {
			return
		}
		if _, err := ParsePlain(l, p, u.Plain()); err != nil {
			t.Fatal(err)
		}
		checkParsed(t, l, p, u.Wire())
	})
}
