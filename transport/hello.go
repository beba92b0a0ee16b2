package transport

// This file holds the two messages that open a connection.

import (
	"fmt"

	"lode/protocol"
)

// MaxSoftwareLen bounds the name of a software, in bytes.
const MaxSoftwareLen = 32

// Hello is what a node says first on a new connection.
type Hello struct {
	_        struct{} `cbor:",toarray"`
	Version  uint16   // protocol version
	Run      protocol.RunID
	Role     protocol.Role
	Software string // for people, at most MaxSoftwareLen bytes
}

// Welcome is the server's answer to a Hello it accepts.
type Welcome struct {
	_        struct{} `cbor:",toarray"`
	Version  uint16   // protocol version
	Run      protocol.RunID
	Manifest []byte // canonical encoding, at most MaxManifestLen bytes
	Next     uint64 // length of the record: the index of the next entry
	Software string // for people, at most MaxSoftwareLen bytes
}

// check refuses a Hello that no server of this version accepts.
func (h Hello) check() error {
	switch {
	case h.Version != protocol.Version:
		return protocol.Refuse(protocol.WrongVersion, "this side speaks version %d of the protocol, the other side version %d", protocol.Version, h.Version)
	case h.Role != protocol.Worker && h.Role != protocol.Validator && h.Role != protocol.Observer:
		return protocol.Refuse(protocol.WrongRole, "no member has the %v", h.Role)
	case len(h.Software) > MaxSoftwareLen:
		return protocol.Refuse(protocol.TooLarge, "name of the software has %d bytes, at most %d are allowed", len(h.Software), MaxSoftwareLen)
	}
	return nil
}

// check refuses a Welcome that does not answer h.
func (w Welcome) check(h Hello) error {
	var manifest protocol.Manifest
	switch {
	case w.Version != protocol.Version:
		return protocol.Refuse(protocol.WrongVersion, "this side speaks version %d of the protocol, the server version %d", protocol.Version, w.Version)
	case w.Run != h.Run:
		return protocol.Refuse(protocol.WrongRun, "the server coordinates run %s, asked for was %s", w.Run.Short(), h.Run.Short())
	case protocol.Decode(w.Manifest, &manifest) != nil || manifest.ID() != w.Run:
		return protocol.Refuse(protocol.WrongRun, "the server's manifest is not the one that run %s is named after", w.Run.Short())
	}
	return nil
}

func decodeHello(b []byte) (h Hello, err error) {
	if err := protocol.Decode(b, &h); err != nil {
		return h, protocol.Refuse(protocol.Malformed, "hello: %v", err)
	}
	h.Software = clean(h.Software)
	return h, h.check()
}

func decodeWelcome(b []byte, h Hello) (w Welcome, err error) {
	if err := protocol.Decode(b, &w); err != nil {
		return w, fmt.Errorf("welcome: %w", err)
	}
	w.Software = clean(w.Software)
	return w, w.check(h)
}
