package transport

// This file holds who is on the other side: self-signed Ed25519 certificates
// and TLS pinned to their keys.

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

// ErrWrongKey says that the server holds another key than the link names.
var ErrWrongKey = errors.New("the server holds another key than the link says")

func idOf(key ed25519.PrivateKey) protocol.NodeID {
	return protocol.NodeID(key.Public().(ed25519.PublicKey))
}

func checkKey(key ed25519.PrivateKey) error {
	if len(key) != ed25519.PrivateKeySize {
		return fmt.Errorf("node key has %d bytes, want %d", len(key), ed25519.PrivateKeySize)
	}
	return nil
}

// certificate returns a self-signed certificate of key. Nobody checks its dates:
// they lie far apart so that a wrong clock stops nobody.
func certificate(key ed25519.PrivateKey) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of the node key: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// peerOf returns the node a handshake was made with: exactly one certificate,
// Ed25519, signed by itself. TLS has shown that the peer holds its key.
func peerOf(state tls.ConnectionState) (id protocol.NodeID, err error) {
	if len(state.PeerCertificates) != 1 {
		return id, fmt.Errorf("%d certificates, want one", len(state.PeerCertificates))
	}
	cert := state.PeerCertificates[0]
	key, ok := cert.PublicKey.(ed25519.PublicKey)
	if !ok || len(key) != ed25519.PublicKeySize {
		return id, fmt.Errorf("certificate holds a key of type %T, want Ed25519", cert.PublicKey)
	}
	if err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
		return id, fmt.Errorf("certificate is not signed by its own key: %w", err)
	}
	return protocol.NodeID(key), nil
}

func baseTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{cert},
		NextProtos:             []string{protocol.ALPN},
		SessionTicketsDisabled: true,
	}
}

// dialTLS trusts exactly the key of server.
func dialTLS(cert tls.Certificate, server protocol.NodeID) *tls.Config {
	c := baseTLS(cert)
	// Names and authorities mean nothing here: VerifyConnection replaces them.
	c.InsecureSkipVerify = true
	c.ServerName = "lode"
	c.VerifyConnection = func(state tls.ConnectionState) error {
		id, err := peerOf(state)
		if err != nil {
			return err
		}
		if id != server {
			return fmt.Errorf("%w (it holds %s, the link says %s)", ErrWrongKey, id, server)
		}
		return nil
	}
	return c
}

// listenTLS takes any key; refused is told of every peer that has none.
func listenTLS(cert tls.Certificate, refused func(protocol.Reason)) *tls.Config {
	c := baseTLS(cert)
	c.ClientAuth = tls.RequireAnyClientCert
	c.VerifyConnection = func(state tls.ConnectionState) error {
		_, err := peerOf(state)
		if err != nil {
			refused(protocol.BadSignature)
		}
		return err
	}
	c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		return otherVersion(c, info.SupportedProtos), nil
	}
	return c
}

// otherVersion lets a peer of another protocol version through the handshake, so
// that it can be told both versions instead of a bare alert.
func otherVersion(c *tls.Config, offered []string) *tls.Config {
	other := ""
	for _, name := range offered {
		if name == protocol.ALPN {
			return nil
		}
		if strings.HasPrefix(name, "lode/") {
			other = name
		}
	}
	if other == "" {
		return nil
	}
	c = c.Clone()
	c.GetConfigForClient = nil
	c.NextProtos = []string{other}
	return c
}

// Secrets of a server that outlive a restart are derived from its key: resets
// tell clients of connections it has forgotten, tokens show their addresses.
func derivedKeys(key ed25519.PrivateKey) (quic.StatelessResetKey, quic.TokenGeneratorKey) {
	seed := key.Seed()
	return quic.StatelessResetKey(protocol.Hash("stateless reset", seed)),
		quic.TokenGeneratorKey(protocol.Hash("address token", seed))
}
