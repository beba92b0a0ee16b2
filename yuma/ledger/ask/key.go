package ask

// This file holds the names of records, for programs and for people.

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"lode/protocol"
	"lode/yuma/ledger"
)

// Table is the letter of one kind of records (docs/economy.md).
type Table byte

// The tables that programs name.
const (
	Accounts     Table = 'a'
	Identities   Table = 'h'
	Totals       Table = 't'
	Pools        Table = 'p'
	Positions    Table = 's'
	LeavingPools Table = 'l'
	Leavings     Table = 'u'
	Runs         Table = 'r'
	Params       Table = 'm'
	Neurons      Table = 'o'
	Proposals    Table = 'v'
	Votes        Table = 'y'
)

const networkKey = "n"

// layout is a table for people: its name, and what the parts of an id are: k is 32
// bytes, a key, r a run, u a uid, # another number.
type layout struct{ name, parts string }

var layouts = map[byte]layout{
	'n': {"network", ""}, 'a': {"account", "k"}, 'h': {"identity", "k"}, 't': {"total", "r"},
	'p': {"pool", "rk"}, 's': {"stake", "rkk"}, 'l': {"leaving-pool", "rk"}, 'u': {"leaving", "rkk"},
	'r': {"run", "r"}, 'z': {"dissolved", "r"}, 'm': {"params", "r"}, 'i': {"manifest", "k"},
	'o': {"neuron", "ru"}, 'k': {"uid", "rk"}, 'w': {"weights", "ru"}, 'b': {"bonds", "ru"}, 'c': {"commits", "rk"},
	'f': {"children", "rk"}, 'g': {"parent", "rkk"}, 'x': {"offence", "kk#"}, 'e': {"escrow", "#"},
	'v': {"proposal", "#"}, 'y': {"vote", "#k"}, 'd': {"agenda", "##"}, 'q': {"proposer", "k"}, 'j': {"bound", "k"},
}

var widths = map[rune]int{'k': 32, 'r': 4, 'u': 2, '#': 8} // bytes

// Key returns the key of a record, or what keys begin with: the table, then parts that
// are a [ledger.Run], a key or digest of 32 bytes, or an unsigned integer of the part's
// width.
func Key(t Table, id ...any) string {
	b := []byte{byte(t)}
	for _, part := range id {
		switch v := part.(type) {
		case ledger.Run:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, v)
		case protocol.NodeID:
			b = append(b, v[:]...)
		case ledger.Coldkey:
			b = append(b, v[:]...)
		case protocol.RunID:
			b = append(b, v[:]...)
		default:
			panic(fmt.Sprintf("ask: %T in a key", part))
		}
	}
	return string(b)
}

// Text names a key for people: the table's name and the parts of the id, between
// slashes; hexadecimal if it is none.
func Text(key string) string {
	if key == "" || layouts[key[0]].name == "" {
		return hex.EncodeToString([]byte(key))
	}
	l := layouts[key[0]]
	s, rest := l.name, key[1:]
	for _, part := range l.parts {
		w := widths[part]
		if len(rest) < w {
			break
		}
		if part == 'k' {
			s += "/" + protocol.NodeID([]byte(rest[:w])).String()
		} else {
			s += "/" + strconv.FormatUint(bigEndian(rest[:w]), 10)
		}
		rest = rest[w:]
	}
	if len(key) != 1+l.length() {
		return hex.EncodeToString([]byte(key))
	}
	return s
}

func (l layout) length() (n int) {
	for _, part := range l.parts {
		n += widths[part]
	}
	return n
}

func bigEndian(s string) (n uint64) {
	for _, c := range []byte(s) {
		n = n<<8 | uint64(c)
	}
	return n
}

// ParseKey reads what [Text] writes, with the table's letter in place of its name too,
// and keys in hexadecimal too. The run 0 may be called root.
func ParseKey(text string) (string, error) {
	name, rest, _ := strings.Cut(text, "/")
	for letter, l := range layouts {
		if name != l.name && name != string([]byte{letter}) {
			continue
		}
		var parts []string
		if rest != "" {
			parts = strings.Split(rest, "/")
		}
		if len(parts) != len(l.parts) {
			return "", fmt.Errorf("%s: %s has %d parts in its key, not %d (docs/economy.md lists them)", text, l.name, len(l.parts), len(parts))
		}
		key := string([]byte{letter})
		for i, part := range l.parts {
			b, err := parsePart(part, parts[i])
			if err != nil {
				return "", fmt.Errorf("%s: %w", text, err)
			}
			key += b
		}
		return key, nil
	}
	return "", fmt.Errorf("%s: there are no records called %q; docs/economy.md lists them", text, name)
}

func parsePart(part rune, s string) (string, error) {
	w := widths[part]
	if part == 'k' {
		if b, err := hex.DecodeString(s); err == nil && len(b) == w {
			return string(b), nil
		}
		id, err := protocol.ParseNodeID(s)
		return string(id[:]), err
	}
	if part == 'r' && s == "root" {
		s = "0"
	}
	n, err := strconv.ParseUint(s, 10, 8*w)
	if err != nil {
		return "", fmt.Errorf("%q is no number of %d bits", s, 8*w)
	}
	return string(binary.BigEndian.AppendUint64(nil, n)[8-w:]), nil
}
