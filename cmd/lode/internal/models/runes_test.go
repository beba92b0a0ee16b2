package models

// This file tests joining bytes to characters.

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRunes(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"ab", []string{"a", "b"}},
		{"é€😀", []string{"é", "€", "😀"}},
		{"\xffa", []string{"\ufffd", "a"}},
		{"\xe2\x82a", []string{"\ufffd\ufffda"}},
		{"\xe2\x82", []string{"\ufffd"}}, // cut at the end
		{"\xf0\x9f\x98\x80\xc3", []string{"😀", "\ufffd"}},
		{"\xed\xa0\x80", []string{"\ufffd\ufffd", "\ufffd"}}, // a surrogate half
		{"", nil},
	} {
		var r runes
		var got []string
		for _, b := range []byte(c.in) {
			if s := r.add(b); s != "" {
				got = append(got, s)
			}
		}
		if s := r.flush(); s != "" {
			got = append(got, s)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzRunes(f *testing.F) {
	f.Add("a\xe2\x82é")
	f.Fuzz(func(t *testing.T, in string) {
		var r runes
		var got strings.Builder
		for _, b := range []byte(in) {
			got.WriteString(r.add(b))
			if len(r.held) >= utf8.UTFMax {
				t.Fatalf("holds %q", r.held)
			}
		}
		got.WriteString(r.flush())
		if utf8.ValidString(in) && got.String() != in || !utf8.ValidString(got.String()) {
			t.Errorf("%q became %q", in, got.String())
		}
	})
}
