package transport

// This file holds the bytes at the head of every stream: requests and answers.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode"

	"lode/protocol"
)

// kind numbers what a request asks for. The numbers never change.
type kind uint8

const (
	kindHello  kind = 1
	kindSubmit kind = 2
	kindFollow kind = 3
	kindPut    kind = 4
	kindGet    kind = 5
	kindStatus kind = 6
	kindAsk    kind = 7
)

// Bounds in bytes.
const (
	headLen       = 8    // of a request's or an answer's head
	maxSmallBody  = 512  // of every request that is not a message
	maxSmallReply = 512  // of an answer that is a few numbers
	maxDetail     = 1024 // of the text beside a refusal
	// MaxStatusLen bounds the answer to Status.
	MaxStatusLen = 1 << 20
	// MaxQuestionLen bounds what Ask may ask, MaxAnswerLen the answer.
	MaxQuestionLen = 64 << 10
	MaxAnswerLen   = protocol.MaxMessageLen + 64
	// MaxManifestLen bounds the manifest inside a Welcome.
	MaxManifestLen = protocol.MaxMessageLen - 1024
	// MaxPayloadLen bounds what Put and Get may name.
	MaxPayloadLen = protocol.MaxCount
)

// maxBody returns the longest body a request of this kind may declare, and
// whether there is such a kind.
func (k kind) maxBody() (n uint32, ok bool) {
	switch k {
	case kindSubmit:
		return protocol.MaxMessageLen, true
	case kindStatus:
		return 0, true
	case kindAsk:
		return MaxQuestionLen, true
	case kindHello, kindFollow, kindPut, kindGet:
		return maxSmallBody, true
	}
	return 0, false
}

type followBody struct {
	_    struct{} `cbor:",toarray"`
	From uint64
}

type putBody struct {
	_      struct{} `cbor:",toarray"`
	Digest protocol.Digest
	Size   uint64
}

type getBody struct {
	_      struct{} `cbor:",toarray"`
	Digest protocol.Digest
	Offset uint64
}

// lengthBody answers Put with an offset and Get with a size.
type lengthBody struct {
	_ struct{} `cbor:",toarray"`
	N uint64
}

// appendRequest appends the head of a request and its body.
func appendRequest(b []byte, k kind, body []byte) []byte {
	b = append(b, byte(k), 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// readRequest reads the head and the body of a request. A fault of the sender is
// a refusal; a fault of the stream is returned as it is.
func readRequest(r io.Reader) (kind, []byte, error) {
	var head [headLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, cutShort(err, "head of a request")
	}
	k := kind(head[0])
	most, ok := k.maxBody()
	if !ok {
		return 0, nil, protocol.Refuse(protocol.Malformed, "no request has the number %d", head[0])
	}
	if head[1]|head[2]|head[3] != 0 {
		return k, nil, protocol.Refuse(protocol.Malformed, "reserved bytes of a request are not zero")
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if n > most {
		return k, nil, protocol.Refuse(protocol.TooLarge, "body of %d bytes, at most %d are allowed", n, most)
	}
	body, err := readBody(r, int(n))
	return k, body, cutShort(err, "body of a request")
}

// appendAnswer appends the head of an answer and its body: for a refusal the
// detail, cut to maxDetail.
func appendAnswer(b []byte, reason protocol.Reason, body []byte) []byte {
	if reason != protocol.OK && len(body) > maxDetail {
		body = body[:maxDetail]
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(reason))
	b = append(b, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// readAnswer reads an answer whose body is at most most bytes. A refusal comes
// back as the error.
func readAnswer(r io.Reader, most int) ([]byte, error) {
	var head [headLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	reason := protocol.Reason(binary.LittleEndian.Uint16(head[:]))
	if reason != protocol.OK {
		most = maxDetail
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if head[2]|head[3] != 0 || uint64(n) > uint64(most) {
		return nil, fmt.Errorf("%w: answer of %d bytes, at most %d are allowed", protocol.ErrMalformed, n, most)
	}
	body, err := readBody(r, int(n))
	if err != nil {
		return nil, err
	}
	if reason != protocol.OK {
		return nil, &protocol.Refusal{Reason: reason, Detail: clean(string(body))}
	}
	return body, nil
}

// readBody reads n bytes and allocates no more than what has arrived, doubled.
func readBody(r io.Reader, n int) ([]byte, error) {
	const first = 4096
	if n <= first {
		b := make([]byte, n)
		_, err := io.ReadFull(r, b)
		return b, err
	}
	var buf bytes.Buffer
	buf.Grow(first)
	got, err := io.Copy(&buf, io.LimitReader(r, int64(n)))
	if err == nil && got < int64(n) {
		err = io.ErrUnexpectedEOF
	}
	return buf.Bytes(), err
}

// cutShort turns the end of a stream in the middle of something into a refusal.
func cutShort(err error, what string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return protocol.Refuse(protocol.Malformed, "the stream ended inside the %s", what)
	}
	return err
}

// clean makes text from the other side fit for a terminal and a log line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
