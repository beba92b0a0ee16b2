package transport

// This file holds what faults are called: refusals for the peer, and words for
// people in place of QUIC's.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

// Errors that callers tell apart, next to [protocol.Refusal] and [ErrWrongKey].
var (
	// ErrLost says that the connection ended; another one may work.
	ErrLost = errors.New("connection lost")
	// ErrReplaced says that another connection of the same key took over: the
	// key runs in two places.
	ErrReplaced = errors.New("another program has connected with the same key")
	// ErrNobody says that the host is there and nothing listens on the port.
	ErrNobody = errors.New("nothing listens there")
	// ErrSilence says that no answer came at all.
	ErrSilence = errors.New("no answer over UDP")
)

// A connection is closed with the number of a reason, or with one of these.
const (
	codeReplaced quic.ApplicationErrorCode = 0x10000 // a newer connection took the place
	codeStopped  quic.ApplicationErrorCode = 0x10001 // the other side stops
)

// maxPhrase bounds the text of a connection's end, in bytes.
const maxPhrase = 512

// TLS alerts (RFC 8446, section 6) as QUIC carries them (RFC 9001, section 4.8).
const (
	alertBase           quic.TransportErrorCode = 0x100
	alertNoCertificate                          = alertBase + 116
	alertBadCertificate                         = alertBase + 42
	alertNoProtocol                             = alertBase + 120
)

// refusal returns what the peer is told of err.
func refusal(err error) *protocol.Refusal {
	var r *protocol.Refusal
	var s *quic.StreamError
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &s) && s.Remote, errors.Is(err, io.ErrUnexpectedEOF):
		return protocol.Refuse(protocol.Unavailable, "the sender gave up")
	}
	return &protocol.Refusal{Reason: protocol.Internal}
}

// explain turns an error of a live connection's stream into ours.
func explain(err error) error {
	var (
		s *quic.StreamError
		a *quic.ApplicationError
		r *protocol.Refusal
	)
	switch {
	case err == nil || errors.As(err, &r) || errors.Is(err, ErrLost):
		return err
	case errors.As(err, &s) && s.Remote && s.ErrorCode != 0:
		return &protocol.Refusal{Reason: protocol.Reason(s.ErrorCode), Detail: "the server broke off"}
	case errors.As(err, &a) && a.Remote:
		return explainClose(a)
	case errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return err
}

// explainClose reads the code the server ended a connection with.
func explainClose(a *quic.ApplicationError) error {
	switch {
	case a.ErrorCode == codeReplaced:
		return ErrReplaced
	case a.ErrorCode != 0 && a.ErrorCode < codeReplaced:
		return &protocol.Refusal{Reason: protocol.Reason(a.ErrorCode), Detail: clean(a.ErrorMessage)}
	}
	return fmt.Errorf("%w: %s", ErrLost, clean(a.ErrorMessage))
}

// explainDial says in words why no connection to addr came about.
func explainDial(err error, addr string, waited time.Duration) error {
	var t *quic.TransportError
	var r *protocol.Refusal
	switch {
	case errors.As(err, &r):
		return fmt.Errorf("server at %s: %w", addr, r)
	case errors.Is(err, ErrWrongKey), errors.Is(err, ErrNobody), errors.Is(err, ErrReplaced):
		return fmt.Errorf("server at %s: %w", addr, err)
	case errors.As(err, &t):
		return fmt.Errorf("server at %s: %w", addr, explainTLS(t))
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("server at %s: %w", addr, err)
	case errors.As(err, new(*quic.HandshakeTimeoutError)), errors.As(err, new(*quic.IdleTimeoutError)), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("server at %s: %w within %v: the host is down, or a firewall on the way drops UDP to this port (%w)",
			addr, ErrSilence, waited.Round(100*time.Millisecond), err)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Errorf("server at %s: this machine may not or cannot send UDP there: %w", addr, err)
	}
	return fmt.Errorf("server at %s: %w", addr, explain(err))
}

// explainTLS reads the end of a handshake.
func explainTLS(t *quic.TransportError) error {
	switch {
	case t.ErrorCode == alertNoProtocol:
		return protocol.Refuse(protocol.WrongVersion, "the server does not speak %s, which is all this program speaks", protocol.ALPN)
	case t.Remote && t.ErrorCode == quic.ConnectionRefused:
		return protocol.Refuse(protocol.Busy, "the server takes no more connections now, or none from this address")
	case t.Remote && (t.ErrorCode == alertBadCertificate || t.ErrorCode == alertNoCertificate):
		return protocol.Refuse(protocol.BadSignature, "the server does not accept this node's certificate")
	}
	return t
}
