package replica_test

import (
	"bytes"
	"testing"

	"lode/gradient"
	"lode/protocol"
	"lode/replica"
)

// sealed is one worker's committed update and everything needed to open it.
type sealed struct {
	round   protocol.Round
	worker  protocol.NodeID
	commit  protocol.Commit
	key     [32]byte
	payload []byte
}

func seal(t *testing.T, r *replica.Rules, n protocol.Round, worker byte) sealed {
	t.Helper()
	return sealUpdate(r, n, worker, updateOf(t, r, r.Codec(n), uint64(worker)))
}

func sealUpdate(r *replica.Rules, n protocol.Round, worker byte, u *gradient.Update) sealed {
	root := protocol.Digest{1}
	s := r.Seal(keyOf(worker), n, root, u)
	return sealed{
		round: n, worker: idOf(worker), payload: s.Payload,
		commit: protocol.Commit{StateRoot: root, Plain: s.Plain, Cipher: s.Cipher, Size: uint64(len(s.Payload))},
		key:    protocol.PayloadKey(keyOf(worker), r.Run, n, s.Plain),
	}
}

// swap replaces the payload by one that the commit was made for.
func (s *sealed) swap(payload []byte) {
	s.payload, s.commit.Cipher, s.commit.Size = payload, protocol.Sum(payload), uint64(len(payload))
}

func TestSealAndOpen(t *testing.T) {
	r := rulesOf(t)
	for n := range protocol.Round(3) { // more is kept in round 0
		s, again := seal(t, r, n, 1), seal(t, r, n, 1)
		if !bytes.Equal(s.payload, again.payload) || s.commit != again.commit {
			t.Error("the same update gives another payload")
		}
		if len(s.payload) > r.MaxPayload(n) {
			t.Errorf("round %d: %d bytes, at most %d are said to be possible", n, len(s.payload), r.MaxPayload(n))
		}
		u, err := r.Open(r.Codec(s.round), s.round, s.worker, s.commit, s.key, s.payload)
		if err != nil {
			t.Fatal(err)
		}
		if want := updateOf(t, r, r.Codec(n), 1); !bytes.Equal(u.Plain(), want.Plain()) || protocol.Sum(u.Plain()) != s.commit.Plain {
			t.Error("another update comes out")
		}
		if bytes.Contains(s.payload, u.Wire()) {
			t.Error("the payload can be read without its key")
		}
	}
	a, b := seal(t, r, 1, 1), seal(t, r, 2, 1)
	if a.key == b.key || a.commit.Cipher == b.commit.Cipher {
		t.Error("two rounds share a key or a payload")
	}
}

func TestOpenRefuses(t *testing.T) {
	r := rulesOf(t)
	header := func(s *sealed, p protocol.Digest) protocol.Header {
		return protocol.Header{Run: r.Run, Round: s.round, Node: s.worker, StateRoot: s.commit.StateRoot, Plain: p}
	}
	for _, c := range []struct {
		name   string
		want   protocol.Reason
		change func(s *sealed)
	}{
		{"cut", protocol.WrongContent, func(s *sealed) { s.payload = s.payload[:len(s.payload)-1] }},
		{"longer", protocol.WrongContent, func(s *sealed) { s.payload = append(s.payload, 0) }},
		{"changed", protocol.WrongContent, func(s *sealed) { s.payload[len(s.payload)/2] ^= 1 }},
		{"of another size", protocol.WrongContent, func(s *sealed) { s.commit.Size++ }},
		{"nothing at all", protocol.NotOpened, func(s *sealed) { s.swap(nil) }},
		{"a header that never ends", protocol.NotOpened, func(s *sealed) { s.swap([]byte{255, 255, 1}) }},
		{"committed to damaged", protocol.NotOpened, func(s *sealed) {
			s.payload[len(s.payload)-1] ^= 1
			s.swap(s.payload)
		}},
		{"committed to cut", protocol.NotOpened, func(s *sealed) { s.swap(s.payload[:len(s.payload)-1]) }},
		{"under another key", protocol.NotOpened, func(s *sealed) { s.key[0] ^= 1 }},
		{"of another worker", protocol.NotOpened, func(s *sealed) { s.worker = idOf(2) }},
		{"of another round", protocol.NotOpened, func(s *sealed) { s.round++ }},
		{"from another state", protocol.NotOpened, func(s *sealed) { s.commit.StateRoot[0] ^= 1 }},
		{"of another content", protocol.NotOpened, func(s *sealed) { s.commit.Plain[0] ^= 1 }},
		{"no update", protocol.BadUpdate, func(s *sealed) {
			s.swap(protocol.Seal(s.key, header(s, s.commit.Plain), []byte("not an update")))
		}},
		{"empty content", protocol.BadUpdate, func(s *sealed) { s.swap(protocol.Seal(s.key, header(s, s.commit.Plain), nil)) }},
		{"of another codec", protocol.BadUpdate, func(s *sealed) {
			u := updateOf(t, r, r.Codec(0), 1)
			s.commit.Plain = protocol.Sum(u.Plain())
			s.swap(protocol.Seal(s.key, header(s, s.commit.Plain), u.Wire()))
		}},
		{"other than committed", protocol.WrongContent, func(s *sealed) {
			s.swap(protocol.Seal(s.key, header(s, s.commit.Plain), updateOf(t, r, r.Codec(1), 9).Wire()))
		}},
		{"too large", protocol.TooLarge, func(s *sealed) {
			s.swap(protocol.Seal(s.key, header(s, s.commit.Plain), make([]byte, r.MaxPayload(1))))
		}},
	} {
		s := seal(t, r, 1, 1)
		c.change(&s)
		u, err := r.Open(r.Codec(s.round), s.round, s.worker, s.commit, s.key, s.payload)
		if got := protocol.ReasonOf(err); got != c.want || u != nil {
			t.Errorf("a payload that is %s: got %v (%v), want %v", c.name, got, err, c.want)
		}
	}
}
