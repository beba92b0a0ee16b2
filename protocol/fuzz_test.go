package protocol

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// decodes checks what must hold for all bytes: an error of the right kind, or a
// value that encodes back to them.
func decodes(t *testing.T, b []byte, v any) bool {
	t.Helper()
	if err := Decode(b, v); err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Fatalf("not an ErrMalformed: %v", err)
		}
		return false
	}
	if !bytes.Equal(Encode(v), b) {
		t.Fatal("what was read does not encode back to the same bytes")
	}
	return true
}

func seeds(f *testing.F, prefix string) {
	num := 0
	for name, b := range readGolden(f) {
		if strings.HasPrefix(name, prefix) {
			f.Add(b)
			f.Add(b[:len(b)/2])
			num++
		}
	}
	if num == 0 {
		f.Fatalf("no golden value begins with %q", prefix)
	}
	f.Add([]byte{})
	f.Add([]byte{0xf6})
	f.Add([]byte{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add(bytes.Repeat([]byte{0x81}, 100))
}

func FuzzDecodeMessage(f *testing.F) {
	seeds(f, "message ")
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		if !decodes(t, b, &m) {
			return
		}
		if _, err := m.Open(m.Run); err != nil && ReasonOf(err) == Internal {
			t.Fatalf("not a refusal: %v", err)
		}
		if body, err := DecodeBody(m.Type, m.Body); err == nil {
			if body.Kind() != m.Type || !bytes.Equal(Encode(body), m.Body) {
				t.Fatalf("kind %d was read as %T", m.Type, body)
			}
		} else if !errors.Is(err, ErrMalformed) {
			t.Fatalf("not an ErrMalformed: %v", err)
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	seeds(f, "entry ")
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Entry
		if !decodes(t, b, &e) {
			return
		}
		before := Chain{Run: RunID{9}, Next: e.Index, Head: e.Parent, Now: e.Now}
		c := before
		if _, err := c.Accept(e); err != nil && c != before {
			t.Fatal("a refused entry moved the chain")
		}
		if ev, err := decodeEvent(e.Type, e.Body); err == nil {
			if kindOf(ev) != e.Type || !bytes.Equal(Encode(ev), e.Body) {
				t.Fatalf("kind %d was read as %T", e.Type, ev)
			}
		} else if !errors.Is(err, ErrMalformed) {
			t.Fatalf("not an ErrMalformed: %v", err)
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	seeds(f, "manifest")
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Manifest
		if !decodes(t, b, &m) {
			return
		}
		if err := m.Validate(); err != nil {
			var fe *FieldError
			if !errors.As(err, &fe) {
				t.Fatalf("not a FieldError: %v", err)
			}
		}
		_ = m.ID()
	})
}

func FuzzParseLink(f *testing.F) {
	l := testLink()
	f.Add(l.Format())
	l.Invite, l.Addr = nil, "[::1]:443"
	f.Add(l.Format())
	f.Add("lode://@:/?invite=")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLink(s)
		if err != nil {
			if !errors.Is(err, ErrLink) {
				t.Fatalf("not an ErrLink: %v", err)
			}
			return
		}
		if l.Format() != s {
			t.Fatalf("%q was read as %q", s, l.Format())
		}
	})
}
