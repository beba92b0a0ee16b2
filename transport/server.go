package transport

// This file holds the listening side: connections from first datagram to end.

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

// Server listens for the nodes of a run.
type Server struct {
	opt    Options
	id     protocol.NodeID
	socket *socket
	quic   *quic.Transport
	listen *quic.Listener
	seats  seats
	inbox  inbound
	loans  *loans

	mu       sync.Mutex
	refusals map[protocol.Reason]uint64
}

// Listen binds the UDP address addr. Peers are answered once Serve runs.
func Listen(addr string, key ed25519.PrivateKey, opt Options) (*Server, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	cert, err := certificate(key)
	if err != nil {
		return nil, err
	}
	udp, err := resolve(addr)
	if err != nil {
		return nil, err
	}
	s := &Server{
		opt:      opt.orDefault(),
		id:       idOf(key),
		seats:    seats{of: make(map[protocol.NodeID]*seat)},
		inbox:    newInbound(),
		loans:    newLoans(keyLoans, addressLoans, allLoans),
		refusals: make(map[protocol.Reason]uint64),
	}
	// An empty host means every address of both families.
	network := "udp"
	if udp.IP != nil {
		network = family(udp)
	}
	if s.socket, err = openSocket(network, udp); err != nil {
		return nil, fmt.Errorf("listen on UDP %s: %w", addr, err)
	}
	gate := newGate(s.opt, func() { s.count(protocol.Full) })
	reset, token := derivedKeys(key)
	s.quic = &quic.Transport{
		Conn:                s.socket,
		ConnectionIDLength:  8,
		StatelessResetKey:   &reset,
		TokenGeneratorKey:   &token,
		VerifySourceAddress: gate.suspicious,
		ConnContext:         gate.enter,
	}
	s.listen, err = s.quic.Listen(listenTLS(cert, s.count), s.opt.listenConfig(gate))
	if err != nil {
		s.socket.Close()
		return nil, fmt.Errorf("listen on UDP %s: %w", addr, err)
	}
	return s, nil
}

// Addr returns the address the server is bound to.
func (s *Server) Addr() net.Addr { return s.socket.LocalAddr() }

// Refusals returns how often the server has said no so far, by reason.
func (s *Server) Refusals() map[protocol.Reason]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[protocol.Reason]uint64, len(s.refusals))
	for r, n := range s.refusals {
		m[r] = n
	}
	return m
}

func (s *Server) count(r protocol.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals[r]++
}

// Serve answers peers with h until ctx ends. It returns after every call of h
// has returned and the port is free again, with the cause of ctx or the fault
// that ended it. A Server serves once.
func (s *Server) Serve(ctx context.Context, h Handler) error {
	defer s.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var conns sync.WaitGroup
	for range numAcceptors {
		// Ends with ctx or the first fault.
		conns.Go(func() {
			for ctx.Err() == nil {
				conn, err := s.listen.Accept(ctx)
				if err != nil {
					cancel(fmt.Errorf("accept on %s: %w", s.Addr(), err))
					return
				}
				// Ends with the connection, which ends with ctx.
				conns.Go(func() { s.serve(ctx, conn, h) })
			}
		})
	}
	conns.Wait()
	return context.Cause(ctx)
}

// numAcceptors wait for connections at once. quic-go refuses a connection when
// 32 are shaken hands with and not yet accepted; each waiting acceptor is one
// more place, so that a crowd arriving in one instant is let in.
const numAcceptors = 256

// Close frees the port of a server that never served.
func (s *Server) Close() error {
	s.listen.Close()
	s.quic.Close()
	return s.socket.Close()
}

// serve runs one connection to its end.
func (s *Server) serve(ctx context.Context, conn *quic.Conn, h Handler) {
	stop := context.AfterFunc(ctx, func() { conn.CloseWithError(codeStopped, "the server stops") })
	defer stop()
	peer, err := peerOf(conn.ConnectionState().TLS)
	if err != nil {
		panic("transport: handshake let through a peer without a key: " + err.Error())
	}
	st, ok := s.seats.take(peer, s.opt.PerKey)
	if !ok {
		s.hangUp(conn, protocol.Refuse(protocol.Busy, "%d connections of this key exist already", s.opt.PerKey))
		return
	}
	defer s.seats.release(peer, st)
	m := &member{conn: conn, idle: make(chan struct{})}
	joined, err := s.welcome(st, m, peer, h)
	if err == nil {
		s.requests(conn, peer, h)
	} else {
		s.hangUp(conn, err)
	}
	close(m.idle)
	if joined {
		st.leave(m, func() { h.Gone(peer) })
	}
}

// hangUp ends a connection with a reason.
func (s *Server) hangUp(conn *quic.Conn, err error) {
	r := refusal(err)
	s.count(r.Reason)
	detail := r.Detail
	// The phrase has to fit in one datagram.
	if len(detail) > maxPhrase {
		detail = detail[:maxPhrase]
	}
	conn.CloseWithError(quic.ApplicationErrorCode(r.Reason), detail)
}

// welcome reads the Hello and answers it.
func (s *Server) welcome(st *seat, m *member, peer protocol.NodeID, h Handler) (joined bool, err error) {
	ctx, cancel := context.WithTimeout(m.conn.Context(), s.opt.Handshake)
	defer cancel()
	if spoken := m.conn.ConnectionState().TLS.NegotiatedProtocol; spoken != protocol.ALPN {
		return false, protocol.Refuse(protocol.WrongVersion, "this server speaks %s, you speak %s", protocol.ALPN, clean(spoken))
	}
	stream, err := m.conn.AcceptStream(ctx)
	if err != nil {
		return false, protocol.Refuse(protocol.Unavailable, "no hello within %v", s.opt.Handshake)
	}
	// A refused stream stays open: its end would overtake the reason, which
	// closes the connection.
	_ = stream.SetDeadline(time.Now().Add(s.opt.Handshake))
	hello, err := readHello(stream)
	if err != nil {
		return false, err
	}
	w, joined, err := st.join(ctx, m, func() (Welcome, error) { return h.Hello(ctx, peer, hello) })
	if err != nil {
		return joined, err
	}
	if w.Run != hello.Run {
		return joined, protocol.Refuse(protocol.WrongRun, "this is run %s, you ask for %s", w.Run.Short(), hello.Run.Short())
	}
	ticketOf(m.conn.Context()).admit()
	if _, err = stream.Write(appendAnswer(nil, protocol.OK, protocol.Encode(w))); err == nil {
		finish(stream)
	}
	return joined, err
}

func readHello(stream *quic.Stream) (Hello, error) {
	k, body, err := readRequest(stream)
	if err != nil {
		return Hello{}, err
	}
	if k != kindHello {
		return Hello{}, protocol.Refuse(protocol.Malformed, "the first request is not a hello")
	}
	return decodeHello(body)
}

// requests answers the streams of a connection until it ends and every call has
// returned.
func (s *Server) requests(conn *quic.Conn, peer protocol.NodeID, h Handler) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		stream, err := conn.AcceptStream(conn.Context())
		if err != nil {
			return
		}
		// Ends with the stream, which ends with the connection. MaxStreams
		// bounds how many run.
		running.Go(func() {
			defer finish(stream)
			r := request{
				server: s, peer: peer, address: ticketOf(conn.Context()).address, handler: h,
				stream: stream, in: s.opt.reader(stream), out: s.opt.writer(stream),
			}
			r.run()
		})
	}
}

// finish ends both directions of a stream, as far as they have not ended, and
// lets the peer open another.
func finish(stream *quic.Stream) {
	_ = stream.Close()
	stream.CancelRead(0)
	stream.ReleaseStreamCredit()
}
