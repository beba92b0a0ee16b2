package round_test

// This file puts into words what comes of the lines of scripts: effects, and
// answers to questions.

import (
	"fmt"
	"time"

	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
)

// describe says all of an effect that is no digest.
func (s *stage) describe(e round.Effect) (lines []string) {
	switch e := e.(type) {
	case round.Entered:
		return []string{fmt.Sprintf("> entered round %d %v", e.Round, e.Phase)}
	case round.Wake:
		return []string{"> wake " + since(e.At)}
	case round.Sealed:
		return nil // told with the round
	case round.Merged:
		return s.summary(&e.Summary)
	}
	return []string{fmt.Sprintf("> %T", e)}
}

func since(t protocol.Instant) string {
	if t == 0 {
		return "never"
	}
	return time.Duration(t.Sub(start)).String()
}

func (s *stage) summary(m *round.Summary) (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf("> "+format, args...)) }
	add("merged round %d opened %s closed %s roster %d loss %d → %d, held out %d",
		m.Round, since(m.Opened), since(m.Closed), len(m.Workers), m.Before, m.After, m.HeldOut)
	for _, o := range m.Outcomes {
		add("  %s %v, %s, norm %.6g, clip %.6f, score %d", s.p.name(o.Worker), o.Verdict.Reason,
			map[bool]string{true: "revealed", false: "hidden"}[o.Revealed],
			o.Verdict.Norm.Float64(gradient.Params{}), float64(o.Verdict.Clip)/float64(gradient.Unclipped), o.Verdict.Score)
	}
	for _, e := range m.Due {
		switch e.What {
		case "epoch":
			add("  epoch %d pays %d", e.Number, e.Amount)
		case "incentive", "dividend":
			add("  %s earns %s %d", s.p.name(e.Hot), e.What, e.Amount)
		default:
			add("  %s", e.What)
		}
	}
	return lines
}

// kindNames are the words of owes.
var kindNames = map[protocol.Kind]string{
	protocol.KindJoin: "join", protocol.KindCommit: "commit", protocol.KindListSignature: "sign", protocol.KindReveal: "reveal",
	protocol.KindAttestation: "attest", protocol.KindSheetCommit: "sheet", protocol.KindSheetReveal: "show",
	protocol.KindProposal: "propose", protocol.KindCoSign: "cosign",
}

// ask answers a question about the machine.
func (s *stage) ask(verb string, rest []string) (lines []string) {
	m := s.p.machine
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf("= "+format, args...)) }
	switch verb {
	case "owes":
		for _, name := range s.who(rest[0]) {
			kind, ok := m.Owes(s.p.id(name))
			if rest[0] == "proposer" || rest[0] == "others" { // who that is hangs on digests
				name = rest[0]
			}
			add("%s owes %s", name, map[bool]string{true: kindNames[kind], false: "nothing"}[ok])
		}
	case "holds":
		for _, name := range s.who(rest[0]) {
			h := m.Holding(s.p.id(name))
			add("%s stake %d balance %d", name, h.Stake, h.Balance)
		}
	case "state":
		r := m.Current()
		phase, until := m.Phase()
		add("round %d %v until %s, %d workers, %d validators, %d commits, %d candidates",
			r.Number, phase, since(until), len(r.Workers), len(r.Seats), len(r.Entries), len(r.Candidates))
	case "counts":
		add("%+v", m.Counts())
	}
	return lines
}
