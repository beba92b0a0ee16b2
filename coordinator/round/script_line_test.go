package round_test

// This file reads the lines of scripts: verb, subject and options, and the
// manifest that they set.

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lode/protocol"
)

// stage is a play with its manifest still open until the first event.
type stage struct {
	man protocol.Manifest
	p   *play
	err error // the first mistake in reading a line
}

// words of a line: its subject and its key=value options.
type options map[string]string

func (s *stage) line(words []string) ([]string, error) {
	verb, rest := words[0], words[1:]
	if verb == "set" {
		return nil, s.set(rest)
	}
	if s.p == nil {
		var err error
		if s.p, err = newPlay(s.man); err != nil {
			return nil, err
		}
	}
	switch verb {
	case "at":
		d, err := time.ParseDuration(strings.Join(rest, ""))
		s.p.now = start.Add(protocol.Span(d))
		return nil, err
	case "mute": // validators say no weights of themselves
		s.p.mute = true
		return nil, nil
	case "speak":
		s.p.mute = false
		return nil, nil
	case "rounds":
		return s.rounds(rest)
	case "owes", "holds", "state", "counts":
		return s.ask(verb, rest), nil
	}
	return s.events(verb, rest)
}

// rounds lets everybody who is there do his part of so many rounds, and tells
// where that leads.
func (s *stage) rounds(rest []string) ([]string, error) {
	n, err := strconv.Atoi(strings.Join(rest, ""))
	if err != nil {
		return nil, err
	}
	for range n {
		for _, part := range []string{
			"commit workers", "sign validators", "reveal listed", "attest validators",
			"sheet validators", "show validators", "propose proposer", "cosign validators",
		} {
			verb, subject, _ := strings.Cut(part, " ")
			there := slices.DeleteFunc(s.who(subject), func(name string) bool {
				x, ok := s.p.machine.Member(s.p.id(name))
				return !ok || !x.Present
			})
			lines, err := s.events(verb, []string{strings.Join(there, ",")})
			if err != nil {
				return nil, err
			}
			for _, l := range lines {
				if !strings.HasPrefix(l, ">") {
					return nil, fmt.Errorf("%s: %s", part, l)
				}
			}
		}
	}
	return s.ask("state", nil), nil
}

// events carries out a line that stands for one event, or one for each of
// several nodes.
func (s *stage) events(verb string, rest []string) (lines []string, err error) {
	opt, plain := options{}, []string{}
	for _, w := range rest {
		if k, v, ok := strings.Cut(w, "="); ok {
			opt[k] = v
		} else {
			plain = append(plain, w)
		}
	}
	subjects := []string{""}
	switch verb {
	case "genesis", "tick", "resumed", "published":
	default:
		if len(plain) == 0 {
			return nil, errors.New("who?")
		}
		subjects = s.who(plain[len(plain)-1])
		if len(subjects) == 0 {
			lines = append(lines, "= nobody")
		}
	}
	for _, who := range subjects {
		ev := s.event(verb, who, plain, opt)
		if s.err != nil {
			return nil, s.err
		}
		effects, err := s.p.step(ev)
		var f fault
		if errors.As(err, &f) {
			return nil, err
		}
		if err != nil {
			r := protocol.ReasonOf(err)
			lines = append(lines, fmt.Sprintf("! refused %d %v", r, r))
			continue
		}
		var said []string
		for _, e := range effects {
			said = append(said, s.describe(e)...)
		}
		// Sealing is entered a second time if the first proposer drawn is absent.
		lines = append(lines, slices.Compact(said)...)
	}
	return lines, nil
}

// who resolves a subject: names joined by commas, all, proposer, or others.
func (s *stage) who(subject string) (names []string) {
	r := s.p.machine.Current()
	switch subject {
	case "workers":
		for _, w := range r.Workers {
			names = append(names, s.p.name(w))
		}
	case "listed":
		for i := range r.Entries {
			names = append(names, s.p.name(r.Entries[i].Worker))
		}
		return names
	case "validators", "others":
		for i := range r.Seats {
			if n := r.Seats[i].Node; subject != "others" || n != r.Proposer() {
				names = append(names, s.p.name(n))
			}
		}
	case "proposer":
		return []string{s.p.name(r.Proposer())}
	default:
		return strings.Split(subject, ",")
	}
	slices.Sort(names)
	return names
}

func (s *stage) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *stage) number(opt options, key string, fallback int64) int64 {
	v, ok := opt[key]
	if !ok {
		return fallback
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		s.fail("%s: %v", key, err)
	}
	return n
}

func (s *stage) span(words []string) protocol.Span {
	d, err := time.ParseDuration(strings.Join(words, ""))
	if err != nil {
		s.fail("%v", err)
	}
	return protocol.Span(d)
}

// other is a digest that nothing else has.
var other = protocol.Hash("test other")

func (s *stage) digest(opt options, key string, fallback protocol.Digest) protocol.Digest {
	if v, ok := opt[key]; ok {
		return protocol.Hash("test option", []byte(v))
	}
	return fallback
}

// set changes the manifest before the play begins.
func (s *stage) set(words []string) error {
	if s.p != nil {
		return errors.New("the play has begun")
	}
	for _, w := range words {
		key, v, _ := strings.Cut(w, "=")
		n, _ := strconv.ParseUint(v, 10, 64)
		d, _ := time.ParseDuration(v)
		m := &s.man
		switch key {
		case "workers":
			m.Members.MinWorkers = uint32(n)
		case "validators":
			m.Members.MinValidators = uint32(n)
		case "members":
			m.Members.MaxMembers = uint32(n)
		case "open":
			m.Members.OpenWorkers = v == "yes"
		case "genesis":
			for _, g := range strings.Split(v, ",") {
				name, stake, _ := strings.Cut(g, ":")
				n, err := strconv.ParseUint(stake, 10, 64)
				if err != nil {
					return err
				}
				m.Members.Genesis = append(m.Members.Genesis, protocol.Stake{Node: idOf(name), Stake: n})
			}
		case "invited-stake":
			m.Members.InvitedStake = n
		case "host":
			seed := protocol.InviteSeed(protocol.Hash("test invitation", []byte(v)))
			m.Members.Invitation = protocol.NodeID(seed.Key()[32:])
		case "fraction":
			m.Members.Fraction = protocol.Q16(float64(n) / 100)
		case "max-samples":
			m.Data.Mode, m.Merge.MaxSamples = protocol.DataPrivate, uint32(n)
		case "examine":
			m.Score.Examine = uint32(n)
		case "tempo":
			m.Economy.Tempo = uint32(n)
		case "ledger":
			m.Economy.Ledger = v
		case "emission":
			m.Economy.Emission = n
		case "train":
			m.Timing.Train = protocol.Span(d)
		case "phase":
			m.Timing.Phase = protocol.Span(d)
		case "grace":
			m.Timing.Grace = protocol.Span(d)
		default:
			return fmt.Errorf("nothing is called %q", key)
		}
	}
	return nil
}
