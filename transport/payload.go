package transport

// This file holds the transfer of payloads, resumable in both directions.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

// Put brings the payload of size bytes in r to the server, beginning where the
// server stands. After an error another Put continues. The server verifies the
// digest.
func (c *Client) Put(ctx context.Context, digest protocol.Digest, size int64, r io.ReaderAt) error {
	if size < 0 || size > MaxPayloadLen {
		return protocol.Refuse(protocol.TooLarge, "payload of %d bytes", size)
	}
	body := protocol.Encode(putBody{Digest: digest, Size: uint64(size)})
	return c.request(ctx, kindPut, body, func(s *quic.Stream) error {
		offset, err := readLength(s)
		if err != nil {
			return err
		}
		if offset > uint64(size) {
			return fmt.Errorf("%w: the server claims %d bytes of a payload of %d", protocol.ErrMalformed, offset, size)
		}
		if err := c.sendPart(s, io.NewSectionReader(r, int64(offset), size-int64(offset))); err != nil {
			return err
		}
		end, err := readLength(s)
		if err == nil && end != uint64(size) {
			err = protocol.Refuse(protocol.Unavailable, "the server kept %d of %d bytes", end, size)
		}
		return err
	})
}

// sendPart writes the rest of a payload and closes the stream for writing.
func (c *Client) sendPart(s *quic.Stream, part *io.SectionReader) error {
	out := c.opt.writer(s)
	out.pace.end = time.Now().Add(c.opt.MaxTransfer)
	n, err := io.CopyBuffer(out, onlyReader{part}, make([]byte, copyLen(part.Size())))
	if err != nil {
		return heard(s, err)
	}
	if n < part.Size() {
		return fmt.Errorf("payload to send: %w after %d of %d bytes", io.ErrUnexpectedEOF, n, part.Size())
	}
	// A server that has stopped reading says why in its answer.
	_ = s.Close()
	return nil
}

// onlyReader hides the other methods of a reader, so that copying uses the
// buffer it is given.
type onlyReader struct{ io.Reader }

// Get writes the payload named digest to w, from byte offset on, and returns how
// many bytes it wrote, also beside an error. The caller verifies the digest.
func (c *Client) Get(ctx context.Context, digest protocol.Digest, offset int64, w io.Writer) (n int64, err error) {
	err = c.get(ctx, digest, offset, MaxPayloadLen, w, &n)
	return n, err
}

// Fetch returns the payload named digest, verified, if it has at most maxSize
// bytes.
func (c *Client) Fetch(ctx context.Context, digest protocol.Digest, maxSize int64) ([]byte, error) {
	var buf bytes.Buffer
	var n int64
	if err := c.get(ctx, digest, 0, maxSize, &buf, &n); err != nil {
		return nil, err
	}
	return verified(digest, buf.Bytes())
}

func verified(digest protocol.Digest, b []byte) ([]byte, error) {
	if protocol.Sum(b) != digest {
		return nil, protocol.Refuse(protocol.WrongContent, "payload %s came with other bytes than it is named after", digest.Short())
	}
	return b, nil
}

func (c *Client) get(ctx context.Context, digest protocol.Digest, offset, most int64, w io.Writer, n *int64) error {
	if offset < 0 {
		return protocol.Refuse(protocol.NotFound, "no payload has a byte %d", offset)
	}
	body := protocol.Encode(getBody{Digest: digest, Offset: uint64(offset)})
	return c.request(ctx, kindGet, body, func(s *quic.Stream) error {
		_ = s.Close()
		size, err := readLength(s)
		if err != nil {
			return err
		}
		if size > uint64(most) {
			return protocol.Refuse(protocol.TooLarge, "payload of %d bytes, at most %d are wanted", size, most)
		}
		if size < uint64(offset) {
			return fmt.Errorf("%w: the server sends byte %d of a payload of %d", protocol.ErrMalformed, offset, size)
		}
		in := c.opt.reader(s)
		in.pace.end = time.Now().Add(c.opt.MaxTransfer)
		rest := int64(size) - offset
		*n, err = io.CopyBuffer(onlyWriter{w}, &exactReader{r: in, left: rest}, make([]byte, copyLen(rest)))
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: the server ended the payload early", ErrLost)
		}
		return err
	})
}

// onlyWriter hides the other methods of a writer, as onlyReader does.
type onlyWriter struct{ io.Writer }

func readLength(r io.Reader) (uint64, error) {
	b, err := readAnswer(r, maxSmallReply)
	if err != nil {
		return 0, err
	}
	var l lengthBody
	err = protocol.Decode(b, &l)
	return l.N, err
}
