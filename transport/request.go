package transport

// This file holds how a server answers one request.

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

// request is one stream being answered.
type request struct {
	server  *Server
	peer    protocol.NodeID
	address netip.Prefix // that the connection began from
	handler Handler
	stream  *quic.Stream
	in      *pacedReader
	out     *pacedWriter
}

func (r *request) run() {
	k, body, err := readRequest(r.in)
	if err != nil {
		r.refuse(err)
		return
	}
	switch k {
	case kindSubmit:
		err = r.submit(body)
	case kindFollow:
		err = r.follow(body)
	case kindPut:
		err = r.put(body)
	case kindGet:
		err = r.get(body)
	case kindStatus:
		err = r.status()
	case kindAsk:
		err = r.ask(body)
	default:
		err = protocol.Refuse(protocol.Malformed, "a hello was said already")
	}
	if err != nil {
		r.refuse(err)
	}
}

// refuse answers with a refusal and tells a peer that is still sending to stop.
func (r *request) refuse(err error) {
	if r.stream.Context().Err() != nil {
		return // nobody is listening any more
	}
	no := refusal(err)
	r.server.count(no.Reason)
	r.stream.CancelRead(quic.StreamErrorCode(no.Reason))
	_, _ = r.out.Write(appendAnswer(nil, no.Reason, []byte(no.Detail)))
}

func (r *request) answer(body []byte) error {
	_, err := r.out.Write(appendAnswer(nil, protocol.OK, body))
	return err
}

// ended demands that the peer sends nothing more.
func (r *request) ended() error {
	var b [1]byte
	switch n, err := r.in.Read(b[:]); {
	case n > 0:
		return protocol.Refuse(protocol.Malformed, "bytes after the end of the request")
	case err == io.EOF:
		return nil
	default:
		return err
	}
}

// decodeEnded reads the body of a request that nothing follows.
func (r *request) decodeEnded(body []byte, v any) error {
	if err := protocol.Decode(body, v); err != nil {
		return protocol.Refuse(protocol.Malformed, "%v", err)
	}
	return r.ended()
}

func (r *request) submit(body []byte) error {
	if err := r.ended(); err != nil {
		return err
	}
	if err := r.server.inbox.take(r.peer, r.address, time.Now()); err != nil {
		return err
	}
	if err := r.handler.Submit(r.stream.Context(), r.peer, body); err != nil {
		return err
	}
	return r.answer(nil)
}

func (r *request) status() error {
	if err := r.ended(); err != nil {
		return err
	}
	b, err := r.handler.Status(r.stream.Context(), r.peer)
	if err != nil {
		return err
	}
	if len(b) > MaxStatusLen {
		return protocol.Refuse(protocol.Internal, "the status has %d bytes", len(b))
	}
	return r.answer(b)
}

// ask hands a question on. To answer one may cost more than to check a message, so
// it counts as one.
func (r *request) ask(question []byte) error {
	if err := r.ended(); err != nil {
		return err
	}
	h, ok := r.handler.(Asker)
	if !ok {
		return protocol.Refuse(protocol.NotFound, "nobody answers questions here")
	}
	if err := r.server.inbox.take(r.peer, r.address, time.Now()); err != nil {
		return err
	}
	b, err := h.Ask(r.stream.Context(), r.peer, question)
	if err != nil {
		return err
	}
	if len(b) > MaxAnswerLen {
		return protocol.Refuse(protocol.Internal, "the answer has %d bytes", len(b))
	}
	return r.answer(b)
}

// follow sends entries, each behind its length, and ends with a length of zero
// and an answer that says why.
func (r *request) follow(body []byte) error {
	var q followBody
	if err := r.decodeEnded(body, &q); err != nil {
		return err
	}
	out := newEntryWriter(r.out)
	err := r.handler.Follow(r.stream.Context(), r.peer, q.From, out.send)
	if cut := out.close(); cut != nil {
		// The peer stopped taking: nothing more can be said on this stream but
		// the number.
		no := refusal(cut)
		r.server.count(no.Reason)
		r.stream.CancelWrite(quic.StreamErrorCode(no.Reason))
		return nil
	}
	if _, werr := r.out.Write(binary.LittleEndian.AppendUint32(nil, 0)); werr != nil {
		return nil
	}
	if err == nil {
		return r.answer(nil)
	}
	return err
}

func (r *request) put(body []byte) error {
	var q putBody
	if err := protocol.Decode(body, &q); err != nil {
		return protocol.Refuse(protocol.Malformed, "%v", err)
	}
	if q.Size > MaxPayloadLen {
		return protocol.Refuse(protocol.TooLarge, "payload of %d bytes", q.Size)
	}
	ctx, size := r.stream.Context(), int64(q.Size)
	offset, err := r.handler.PutOffset(ctx, r.peer, q.Digest, size)
	if err != nil {
		return err
	}
	if offset < 0 || offset > size {
		return protocol.Refuse(protocol.Internal, "more of the payload is here than there is")
	}
	if err := r.answer(protocol.Encode(lengthBody{N: uint64(offset)})); err != nil {
		return err
	}
	r.in.pace.end = time.Now().Add(r.server.opt.MaxTransfer)
	if offset < size || size == 0 {
		rest := &exactReader{r: r.in, left: size - offset}
		if offset, err = r.handler.Put(ctx, r.peer, q.Digest, size, offset, rest); err != nil {
			return err
		}
	}
	if offset == size {
		if err := r.ended(); err != nil {
			return err
		}
	}
	return r.answer(protocol.Encode(lengthBody{N: uint64(offset)}))
}

func (r *request) get(body []byte) error {
	var q getBody
	if err := r.decodeEnded(body, &q); err != nil {
		return err
	}
	// A client takes the silence of a StallWindow for a stall.
	ctx := r.stream.Context()
	reader := &loan{key: r.peer, address: r.address, member: r.handler.Member(ctx, r.peer)}
	place, err := r.server.loans.take(ctx, reader, r.server.opt.StallWindow/2)
	if err != nil {
		return err
	}
	defer r.server.loans.giveBack(place)
	f, size, err := r.handler.Open(r.stream.Context(), r.peer, q.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	if q.Offset > uint64(size) {
		return protocol.Refuse(protocol.NotFound, "the payload has %d bytes, asked for was byte %d", size, q.Offset)
	}
	offset := int64(q.Offset)
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	if err := r.answer(protocol.Encode(lengthBody{N: uint64(size)})); err != nil {
		return err
	}
	r.out.pace.end = time.Now().Add(r.server.opt.MaxTransfer)
	if _, err := io.CopyBuffer(r.out, &exactReader{r: f, left: size - offset}, make([]byte, copyLen(size-offset))); err != nil {
		// The content has begun, so only the number of the reason can follow.
		no := refusal(err)
		r.server.count(no.Reason)
		r.stream.CancelWrite(quic.StreamErrorCode(no.Reason))
	}
	return nil
}

// copyLen returns the length of a buffer to copy n bytes with.
func copyLen(n int64) int64 { return max(512, min(n, 128<<10)) }

// exactReader reads exactly left bytes of r: an early end is an error.
type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	if int64(len(b)) > e.left {
		b = b[:e.left]
	}
	n, err := e.r.Read(b)
	e.left -= int64(n)
	if err == io.EOF {
		err = nil
		if e.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}
