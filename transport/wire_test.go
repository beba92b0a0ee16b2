package transport

// This file tests the bytes at the head of streams.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"lode/protocol"
)

// The bytes of version 1, which other programs rely on.
func TestGoldenBytes(t *testing.T) {
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"submit", appendRequest(nil, kindSubmit, []byte("hi")), "\x02\x00\x00\x00\x02\x00\x00\x00hi"},
		{"follow 300", appendRequest(nil, kindFollow, protocol.Encode(followBody{From: 300})), "\x03\x00\x00\x00\x04\x00\x00\x00\x81\x19\x01\x2c"},
		{"put", appendRequest(nil, kindPut, protocol.Encode(putBody{Size: 1})), "\x04\x00\x00\x00\x24\x00\x00\x00\x82\x58\x20" + strings.Repeat("\x00", 32) + "\x01"},
		{"get", appendRequest(nil, kindGet, protocol.Encode(getBody{Offset: 2})), "\x05\x00\x00\x00\x24\x00\x00\x00\x82\x58\x20" + strings.Repeat("\x00", 32) + "\x02"},
		{"status", appendRequest(nil, kindStatus, nil), "\x06\x00\x00\x00\x00\x00\x00\x00"},
		{"ask", appendRequest(nil, kindAsk, []byte("hi")), "\x07\x00\x00\x00\x02\x00\x00\x00hi"},
		{"hello", appendRequest(nil, kindHello, protocol.Encode(Hello{Version: 1, Role: 2, Software: "x"})), "\x01\x00\x00\x00\x27\x00\x00\x00\x84\x01\x58\x20" + strings.Repeat("\x00", 32) + "\x02\x61x"},
		{"answer", appendAnswer(nil, protocol.OK, protocol.Encode(lengthBody{N: 5})), "\x00\x00\x00\x00\x02\x00\x00\x00\x81\x05"},
		{"refusal", appendAnswer(nil, protocol.NotFound, []byte("no")), "\x1e\x00\x00\x00\x02\x00\x00\x00no"},
	}
	for _, test := range tests {
		if string(test.got) != test.want {
			t.Errorf("%s: %q, want %q", test.name, test.got, test.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	long := strings.Repeat("ü\x1b[2J", 1000)
	tests := []struct {
		name  string
		bytes []byte
		most  int
		want  error  // nil is fine
		body  string // or detail
	}{
		{"body", appendAnswer(nil, protocol.OK, []byte("abc")), 3, nil, "abc"},
		{"body too long", appendAnswer(nil, protocol.OK, []byte("abcd")), 3, protocol.ErrMalformed, ""},
		{"reserved", []byte{0, 0, 1, 0, 0, 0, 0, 0}, 3, protocol.ErrMalformed, ""},
		{"short", appendAnswer(nil, protocol.OK, []byte("abc"))[:10], 3, io.ErrUnexpectedEOF, ""},
		{"nothing", nil, 3, io.EOF, ""},
		{"4 GiB", []byte{0, 0, 0, 0, 255, 255, 255, 255}, MaxStatusLen, protocol.ErrMalformed, ""},
		{"detail too long", append([]byte{3, 0, 0, 0, 1, 4, 0, 0}, make([]byte, 1025)...), 3, protocol.ErrMalformed, ""},
	}
	for _, test := range tests {
		b, err := readAnswer(bytes.NewReader(test.bytes), test.most)
		if !errors.Is(err, test.want) || string(b) != test.body && err == nil {
			t.Errorf("%s: %q, %v, want %q, %v", test.name, b, err, test.body, test.want)
		}
	}
	_, err := readAnswer(bytes.NewReader(appendAnswer(nil, protocol.Busy, []byte(long))), 0)
	wantReason(t, err, protocol.Busy)
	if strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > maxDetail+100 {
		t.Errorf("a refusal reaches the terminal as %q", err.Error()[:100])
	}
}

// A declared length allocates nothing by itself.
func TestDeclaredLengthIsNotBelieved(t *testing.T) {
	b := head(kindSubmit, 0, protocol.MaxMessageLen)
	const num = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range num {
		if _, _, err := readRequest(bytes.NewReader(b)); err == nil {
			t.Fatal("read a body that is not there")
		}
	}
	runtime.ReadMemStats(&after)
	allocated := (after.TotalAlloc - before.TotalAlloc) / num
	if allocated > 16<<10 {
		t.Fatalf("%d bytes allocated for a head alone", allocated)
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add(appendRequest(nil, kindHello, protocol.Encode(testHello())))
	f.Add(appendRequest(nil, kindPut, protocol.Encode(putBody{Size: 9})))
	f.Add(head(kindSubmit, 0, 1<<32-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, body, err := readRequest(iotest.OneByteReader(bytes.NewReader(b)))
		if err != nil {
			wantOneOf(t, protocol.ReasonOf(err), protocol.Malformed, protocol.TooLarge)
			return
		}
		if again := appendRequest(nil, k, body); !bytes.HasPrefix(b, again) {
			t.Fatalf("%q reads as what is written %q", b, again)
		}
		switch k {
		case kindHello:
			if h, err := decodeHello(body); err == nil && len(h.Software) > MaxSoftwareLen {
				t.Fatal("a long name passed")
			}
		case kindPut:
			var q putBody
			if protocol.Decode(body, &q) == nil && !bytes.Equal(protocol.Encode(q), body) {
				t.Fatal("two encodings of one request")
			}
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(appendAnswer(nil, protocol.OK, []byte("abc")))
	f.Add(appendAnswer(nil, protocol.Busy, []byte("later")))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := readAnswer(bytes.NewReader(b), 100)
		if err == nil && (len(body) > 100 || !bytes.HasPrefix(b, appendAnswer(nil, protocol.OK, body))) {
			t.Fatalf("%q reads as %q", b, body)
		}
		if _, err := decodeWelcome(b, testHello()); err == nil {
			t.Fatal("welcomed without a manifest")
		}
	})
}

func FuzzReadEntries(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00a\x00\x00\x00\x00\x1e\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(binary.LittleEndian.AppendUint32(nil, protocol.MaxMessageLen+1))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		err := readEntries(bytes.NewReader(b), func(e []byte) error {
			if len(e) == 0 {
				t.Fatal("an empty entry")
			}
			again = append(binary.LittleEndian.AppendUint32(again, uint32(len(e))), e...)
			return nil
		})
		if err == nil {
			t.Fatal("entries ended without an error")
		}
		if !bytes.HasPrefix(b, again) {
			t.Fatalf("%q reads as %q", b, again)
		}
	})
}

func wantOneOf(t *testing.T, got protocol.Reason, want ...protocol.Reason) {
	t.Helper()
	for _, r := range want {
		if got == r {
			return
		}
	}
	t.Fatalf("reason %v", got)
}
