package plan

// This file holds the kinds of values: how text becomes each, and back.

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"lode/protocol"
)

// scalar is one value as it stands in the file.
type scalar struct {
	text   string
	quoted bool // so it is text, whatever it looks like
}

// kind is a kind of value. What format writes, parse reads back as the same.
type kind[T any] struct {
	unit   string // said after the meaning in comments, "" if the meaning says it
	counts string // what the manifest counts it in, where that is not what people write
	parse  func(scalar) (T, error)
	format func(T) string
}

var (
	decimal = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
	digits  = regexp.MustCompile(`^[+-]?(0|[1-9][0-9]*(_[0-9]+)*)$`)
	length  = regexp.MustCompile(`^([0-9_]+) ?(B|KiB|MiB|GiB)?$`)
	plain   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	amount  = regexp.MustCompile(`^([0-9_]+)(?:\.([0-9]{1,9}))?$`)
)

var units = map[string]uint64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

// show returns the value as messages cite it.
func (s scalar) show() string {
	t := s.text
	if r := []rune(t); len(r) > 40 {
		t = string(r[:40]) + "…"
	}
	return strconv.Quote(t)
}

// bare refuses quotes around what is no text.
func (s scalar) bare(want string) error {
	if s.quoted {
		return fmt.Errorf("must be %s, but %s stands in quotes", want, s.show())
	}
	return nil
}

var text = kind[string]{
	parse: func(s scalar) (string, error) { return s.text, nil },
	format: func(s string) string {
		if plain.MatchString(s) && s != "null" {
			return s
		}
		return strconv.QuoteToASCII(s) // every escape it writes is one of YAML's
	},
}

var yesNo = kind[bool]{
	unit:   "true or false",
	format: strconv.FormatBool,
	parse: func(s scalar) (bool, error) {
		if s.quoted || s.text != "true" && s.text != "false" {
			return false, fmt.Errorf("must be true or false, not %s", s.show())
		}
		return s.text == "true", nil
	},
}

// integer reads a whole number from lo to hi.
func integer(s scalar, lo, hi int64) (int64, error) {
	const want = "a whole number"
	if err := s.bare(want); err != nil {
		return 0, err
	}
	if !digits.MatchString(s.text) {
		return 0, fmt.Errorf("must be %s, not %s", want, s.show())
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s.text, "_", ""), 10, 64)
	switch {
	case strings.HasPrefix(s.text, "-") && lo == 0 && n != 0:
		return 0, fmt.Errorf("must not be negative: %s", s.show())
	case err != nil || n < lo || n > hi:
		return 0, fmt.Errorf("is far out of range: %s", s.show())
	}
	return n, nil
}

var whole = kind[uint32]{
	parse:  func(s scalar) (uint32, error) { n, err := integer(s, 0, math.MaxUint32); return uint32(n), err },
	format: func(n uint32) string { return strconv.FormatUint(uint64(n), 10) },
}

var count = kind[int]{
	parse:  func(s scalar) (int, error) { n, err := integer(s, 0, math.MaxInt32); return int(n), err },
	format: strconv.Itoa,
}

var signed = kind[int32]{
	parse: func(s scalar) (int32, error) {
		n, err := integer(s, math.MinInt32, math.MaxInt32)
		return int32(n), err
	},
	format: func(n int32) string { return strconv.Itoa(int(n)) },
}

var number = kind[float64]{
	parse: func(s scalar) (float64, error) {
		const want = "a number"
		if err := s.bare(want); err != nil {
			return 0, err
		}
		if !decimal.MatchString(s.text) {
			return 0, fmt.Errorf("must be %s, not %s", want, s.show())
		}
		x, err := strconv.ParseFloat(s.text, 64)
		if err != nil {
			return 0, fmt.Errorf("is too large: %s", s.show())
		}
		if x == 0 {
			return 0, nil // −0 too, which has another encoding and would make another run
		}
		return x, nil
	},
	format: func(x float64) string {
		if x == 0 || x >= 1e-4 && x < 1e7 {
			return strconv.FormatFloat(x, 'f', -1, 64)
		}
		return strings.NewReplacer("e-0", "e-", "e+0", "e", "e+", "e").Replace(strconv.FormatFloat(x, 'g', -1, 64))
	},
}

// fraction reads a number of 1/65536 from lo to hi whole ones.
func fraction(s scalar, lo, hi float64) (int64, error) {
	x, err := number.parse(s)
	if err != nil {
		return 0, err
	}
	switch {
	case x < 0 && lo == 0:
		return 0, fmt.Errorf("must not be negative: %s", s.show())
	case x < lo || x > hi:
		return 0, fmt.Errorf("is far out of range: %s", s.show())
	}
	n := int64(protocol.Q16(math.Abs(x)))
	if x < 0 {
		n = -n
	}
	if n == 0 && x != 0 {
		return 0, fmt.Errorf("must be 0 or at least 1/65536, not %s", s.show())
	}
	return n, nil
}

// formatQ16 returns the shortest decimal that reads back as n/65536. Five
// decimals always do: they are finer than half a step.
func formatQ16(n int64) string {
	for places := 0; ; places++ {
		s := strconv.FormatFloat(float64(n)/65536, 'f', places, 64)
		if x, err := strconv.ParseFloat(s, 64); err != nil || math.RoundToEven(x*65536) == float64(n) {
			return s
		}
	}
}

var share = kind[uint32]{
	parse:  func(s scalar) (uint32, error) { n, err := fraction(s, 0, 65535); return uint32(n), err },
	format: func(n uint32) string { return formatQ16(int64(n)) },
}

var signedShare = kind[int32]{
	parse:  func(s scalar) (int32, error) { n, err := fraction(s, -32767, 32767); return int32(n), err },
	format: func(n int32) string { return formatQ16(int64(n)) },
}

var size = kind[uint32]{
	unit: "bytes, or with KiB or MiB",
	parse: func(s scalar) (uint32, error) {
		m := length.FindStringSubmatch(s.text)
		if m == nil || !digits.MatchString(m[1]) {
			return 0, fmt.Errorf("must be a length such as 4096 or 16KiB, not %s", s.show())
		}
		n, err := strconv.ParseUint(strings.ReplaceAll(m[1], "_", ""), 10, 32)
		if err != nil || n*units[m[2]] > math.MaxUint32 {
			return 0, fmt.Errorf("is too long: %s", s.show())
		}
		return uint32(n * units[m[2]]), nil
	},
	format: func(n uint32) string {
		for _, u := range []string{"GiB", "MiB", "KiB"} {
			if v := uint64(n); v > 0 && v%units[u] == 0 {
				return strconv.FormatUint(v/units[u], 10) + u
			}
		}
		return whole.format(n)
	},
}

var span = kind[protocol.Span]{
	unit: "a time such as 500ms, 60s or 2m", counts: "seconds",
	parse: func(s scalar) (protocol.Span, error) {
		d, err := time.ParseDuration(s.text)
		switch {
		case decimal.MatchString(s.text):
			return 0, fmt.Errorf("has no unit: write %ss if seconds are meant", s.text)
		case err != nil:
			return 0, fmt.Errorf("must be a time such as 500ms, 60s or 2m, not %s", s.show())
		}
		return protocol.Span(d), nil
	},
	format: func(d protocol.Span) string {
		if d%protocol.Second == 0 {
			return strconv.FormatInt(int64(d/protocol.Second), 10) + "s"
		}
		return time.Duration(d).String()
	},
}

// maxCoins keeps an amount within 2^61 units, the manifest's own bound.
const maxCoins = 1 << 61 / coin

var coins = kind[uint64]{
	unit: "coins, up to 9 decimals",
	parse: func(s scalar) (uint64, error) {
		m := amount.FindStringSubmatch(s.text)
		if m == nil || !digits.MatchString(m[1]) {
			return 0, fmt.Errorf("must be an amount of coins with at most 9 decimals, not %s", s.show())
		}
		n, err := strconv.ParseUint(strings.ReplaceAll(m[1], "_", ""), 10, 64)
		if err != nil || n >= maxCoins {
			return 0, fmt.Errorf("must be below %d coins, not %s", uint64(maxCoins), s.show())
		}
		n *= coin
		if m[2] != "" {
			part, _ := strconv.ParseUint((m[2] + "00000000")[:9], 10, 64) // nine digits always parse
			n += part
		}
		return n, nil
	},
	format: func(n uint64) string {
		s := strconv.FormatUint(n/coin, 10)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "_" + s[i:]
		}
		if n%coin != 0 {
			s += strings.TrimRight(fmt.Sprintf(".%09d", n%coin), "0")
		}
		return s
	},
}

// supply is an amount that is not 0.
var supply = kind[uint64]{
	unit: coins.unit, format: coins.format,
	parse: func(s scalar) (uint64, error) {
		n, err := coins.parse(s)
		if err == nil && n == 0 {
			err = errors.New("must be above 0")
		}
		return n, err
	},
}

// theCoordinator stands for the key of the machine that launches the run.
const theCoordinator = "coordinator"

var owner = kind[protocol.NodeID]{
	parse: func(s scalar) (protocol.NodeID, error) {
		if s.text == theCoordinator {
			return protocol.NodeID{}, nil
		}
		return node.parse(s)
	},
	format: func(n protocol.NodeID) string {
		if n == (protocol.NodeID{}) {
			return theCoordinator
		}
		return n.String()
	},
}

var node = kind[protocol.NodeID]{
	parse:  func(s scalar) (protocol.NodeID, error) { return protocol.ParseNodeID(s.text) },
	format: protocol.NodeID.String,
}
