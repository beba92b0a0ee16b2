package transport

// This file holds the dialling side: one connection and its requests.

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

// Client is one connection to a server. Its methods may be called by many
// goroutines; every call is a stream of its own.
type Client struct {
	opt    Options
	conn   *quic.Conn
	quic   *quic.Transport
	socket *socket
	done   chan struct{}
}

// Dial connects to the server at addr (host:port) that holds the key server, as
// the node of key, and says hello.
func Dial(ctx context.Context, addr string, server protocol.NodeID, key ed25519.PrivateKey, hello Hello, opt Options) (*Client, Welcome, error) {
	if err := checkKey(key); err != nil {
		return nil, Welcome{}, err
	}
	if err := hello.check(); err != nil {
		return nil, Welcome{}, err
	}
	cert, err := certificate(key)
	if err != nil {
		return nil, Welcome{}, err
	}
	to, err := resolve(addr)
	if err != nil {
		return nil, Welcome{}, err
	}
	start := time.Now()
	c, err := open(ctx, to, opt.orDefault(), func(t *quic.Transport, ctx context.Context, config *quic.Config) (*quic.Conn, error) {
		return t.Dial(ctx, to, dialTLS(cert, server), config)
	})
	if err != nil {
		return nil, Welcome{}, explainDial(err, addr, time.Since(start))
	}
	w, err := c.hello(ctx, hello)
	if err != nil {
		c.Close()
		return nil, Welcome{}, explainDial(err, addr, time.Since(start))
	}
	return c, w, nil
}

// open makes the socket and the QUIC connection under a client.
func open(ctx context.Context, to *net.UDPAddr, opt Options, dial func(*quic.Transport, context.Context, *quic.Config) (*quic.Conn, error)) (*Client, error) {
	s, err := openSocket(family(to), nil)
	if err != nil {
		return nil, fmt.Errorf("open a UDP socket: %w", err)
	}
	c := &Client{opt: opt, socket: s, quic: &quic.Transport{Conn: s, ConnectionIDLength: 8}, done: make(chan struct{})}
	dctx, cancel := context.WithCancelCause(ctx)
	stop := probe(to, func() { cancel(ErrNobody) })
	c.conn, err = dial(c.quic, dctx, opt.dialConfig())
	stop()
	cancel(nil)
	if err != nil {
		c.quic.Close()
		s.Close()
		return nil, err
	}
	// Ends with the connection.
	go c.tidy()
	return c, nil
}

// tidy frees the socket when the connection has ended.
func (c *Client) tidy() {
	<-c.conn.Context().Done()
	c.quic.Close()
	c.socket.Close()
	close(c.done)
}

// probe sends single bytes, which no server answers, from a connected socket:
// there the system reports that nothing listens, which it does not on the socket
// QUIC uses. The report may be lost, so it asks again. nobody is called at most
// once, and not after stop has returned.
func probe(to *net.UDPAddr, nobody func()) (stop func()) {
	c, err := net.DialUDP(family(to), nil, to)
	if err != nil {
		return func() {}
	}
	ended := make(chan struct{})
	// Ends when stop closes the socket.
	go func() {
		defer close(ended)
		for {
			_, err := c.Write([]byte{0})
			if err == nil {
				_ = c.SetReadDeadline(time.Now().Add(probeEvery))
				_, err = c.Read(make([]byte, 1))
			}
			switch {
			case errors.Is(err, syscall.ECONNREFUSED):
				nobody()
				return
			case !errors.Is(err, os.ErrDeadlineExceeded):
				return
			}
		}
	}()
	return func() { c.Close(); <-ended }
}

const probeEvery = 100 * time.Millisecond

// hello opens the conversation. Until it is answered nothing is known of what
// the server thinks of this node.
func (c *Client) hello(ctx context.Context, h Hello) (w Welcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Handshake)
	defer cancel()
	err = c.request(ctx, kindHello, protocol.Encode(h), func(s *quic.Stream) error {
		_ = s.Close()
		b, err := readAnswer(s, protocol.MaxMessageLen)
		if err != nil {
			return err
		}
		w, err = decodeWelcome(b, h)
		return err
	})
	return w, err
}

// request opens a stream, sends a request and hands the stream to talk, which
// must close it for writing. When ctx ends, so does the stream.
func (c *Client) request(ctx context.Context, k kind, body []byte, talk func(*quic.Stream) error) error {
	s, err := c.conn.OpenStreamSync(ctx)
	if err != nil {
		return c.fault(ctx, err)
	}
	abort := func() { s.CancelRead(0); s.CancelWrite(0) }
	stop := context.AfterFunc(ctx, abort)
	defer stop()
	err = c.send(s, appendRequest(nil, k, body))
	if err == nil {
		err = talk(s)
	}
	if err != nil {
		abort()
		return c.fault(ctx, err)
	}
	s.CancelRead(0)
	return nil
}

func (c *Client) send(s *quic.Stream, b []byte) error {
	if _, err := c.opt.writer(s).Write(b); err != nil {
		return heard(s, err)
	}
	return nil
}

// heard returns the refusal the server sent before it stopped reading, if err
// says that it did and the answer is whole; else err.
func heard(s *quic.Stream, err error) error {
	var stopped *quic.StreamError
	if !errors.As(err, &stopped) || !stopped.Remote {
		return err
	}
	var no *protocol.Refusal
	if _, answer := readAnswer(s, maxSmallReply); errors.As(answer, &no) {
		return no
	}
	return err
}

// fault names the error of a call.
func (c *Client) fault(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.As(err, new(*protocol.Refusal)) {
		return context.Cause(ctx)
	}
	return explain(err)
}

// Submit hands one signed and encoded message to the server. A refusal comes
// back as a [*protocol.Refusal].
func (c *Client) Submit(ctx context.Context, message []byte) error {
	if len(message) > protocol.MaxMessageLen {
		return protocol.Refuse(protocol.TooLarge, "message of %d bytes, at most %d are allowed", len(message), protocol.MaxMessageLen)
	}
	return c.request(ctx, kindSubmit, message, func(s *quic.Stream) error {
		_ = s.Close()
		_, err := readAnswer(s, 0)
		return err
	})
}

// Status returns the server's state as JSON for people.
func (c *Client) Status(ctx context.Context) (b []byte, err error) {
	err = c.request(ctx, kindStatus, nil, func(s *quic.Stream) error {
		_ = s.Close()
		b, err = readAnswer(s, MaxStatusLen)
		return err
	})
	return b, err
}

// Ask asks the server a question of at most MaxQuestionLen bytes.
func (c *Client) Ask(ctx context.Context, question []byte) (b []byte, err error) {
	if len(question) > MaxQuestionLen {
		return nil, protocol.Refuse(protocol.TooLarge, "question of %d bytes, at most %d are allowed", len(question), MaxQuestionLen)
	}
	err = c.request(ctx, kindAsk, question, func(s *quic.Stream) error {
		_ = s.Close()
		b, err = readAnswer(s, MaxAnswerLen)
		return err
	})
	return b, err
}

// Follow calls each with every entry of the record from index from on, in order,
// until ctx, the connection or each ends it. The entry is each's to keep.
func (c *Client) Follow(ctx context.Context, from uint64, each func(entry []byte) error) error {
	var stopped error // by each, and so no fault of the connection
	err := c.request(ctx, kindFollow, protocol.Encode(followBody{From: from}), func(s *quic.Stream) error {
		_ = s.Close()
		return readEntries(s, func(entry []byte) error {
			stopped = each(entry)
			return stopped
		})
	})
	if stopped != nil {
		return stopped
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the server stopped sending the record", ErrLost)
	}
	return err
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, nil while it lives.
func (c *Client) Err() error {
	if c.conn.Context().Err() == nil {
		return nil
	}
	return explain(context.Cause(c.conn.Context()))
}

// Stats returns the bytes sent and received in QUIC packets so far.
func (c *Client) Stats() (bytesSent, bytesReceived int64) {
	st := c.conn.ConnectionStats()
	return int64(st.BytesSent), int64(st.BytesReceived)
}

// Close ends the connection and waits until its port is free.
func (c *Client) Close() error {
	err := c.conn.CloseWithError(0, "")
	<-c.done
	return err
}
