package round_test

// This file makes the events of scripts: what nodes say and the coordinator sees.

import (
	"strconv"
	"strings"

	"lode/protocol"
)

func (s *stage) event(verb, who string, plain []string, opt options) protocol.Event {
	p := s.p
	switch verb {
	case "genesis":
		if _, ok := opt["run"]; ok {
			return protocol.Genesis{Run: protocol.RunID(other)}
		}
		return protocol.Genesis{Run: p.chain.Run}
	case "tick":
		return protocol.Tick{}
	case "resumed":
		return protocol.Resumed{Outage: s.span(plain)}
	case "published":
		return protocol.Published{Round: protocol.Round(s.number(opt, "round", 0)), Manifest: other}
	case "present":
		return protocol.Present{Node: p.id(who)}
	case "absent":
		return protocol.Absent{Node: p.id(who)}
	}
	if asked := s.asked(verb, who, opt); asked != nil {
		return s.transaction(who, asked)
	}
	body := s.body(verb, who, plain, opt)
	if s.err != nil {
		return nil
	}
	run, r := p.chain.Run, p.machine.Current().Number
	if verb == "join" {
		r = 0
	}
	if opt["run"] == "other" {
		run = protocol.RunID(other)
	}
	p.id(who)
	msg := protocol.Sign(keyOf(who), run, protocol.Round(s.number(opt, "round", int64(r))), body)
	if v, ok := opt["version"]; ok { // signed as it stands, by a program of another version
		n, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			s.fail("version: %v", err)
		}
		msg.Version = uint16(n)
	}
	if from, ok := opt["signed-by"]; ok {
		msg.Sig = protocol.Sign(keyOf(from), run, msg.Round, body).Sig
	}
	if opt["body"] == "cut" {
		msg = protocol.Sign(keyOf(who), run, msg.Round, cut{body})
	}
	return msg
}

// cut is a body whose encoding is that of no message.
type cut struct{ body protocol.Body }

func (c cut) Kind() protocol.Kind { return c.body.Kind() }

func (s *stage) body(verb, who string, plain []string, opt options) protocol.Body {
	p, r := s.p, s.p.machine.Current()
	switch verb {
	case "join":
		return s.join(who, plain, opt)
	case "commit":
		c := p.commitOf(who)
		c.StateRoot = s.digest(opt, "root", c.StateRoot)
		c.Plain, c.Cipher = s.digest(opt, "plain", c.Plain), s.digest(opt, "cipher", c.Cipher)
		c.Size, c.Loss = uint64(s.number(opt, "size", int64(c.Size))), protocol.NanoNats(s.number(opt, "loss", int64(c.Loss)))
		c.Samples = uint32(s.number(opt, "samples", int64(c.Samples)))
		if of, ok := opt["copy"]; ok {
			c = p.commitOf(of)
		}
		return c
	case "sign":
		return protocol.ListSignature{List: s.digest(opt, "list", r.List)}
	case "reveal":
		return protocol.Reveal{Key: s.digest(opt, "key", protocol.Digest{1})}
	case "attest":
		return s.attestation(who, opt)
	case "sheet":
		sheet := s.sheet(opt)
		p.sheets[who] = sheet
		d := sheet.Digest(idOf(who))
		if opt["digest"] == "zero" {
			d = protocol.Digest{}
		}
		return protocol.SheetCommit{Sheet: d}
	case "show":
		sheet := p.sheets[who]
		if opt["sheet"] == "other" {
			sheet.Salt[0]++
		}
		return protocol.SheetReveal{Sheet: sheet}
	case "propose":
		return protocol.Proposal{Receipt: s.receipt(opt)}
	case "cosign":
		c := protocol.CoSign{
			Before: protocol.NanoNats(s.number(opt, "before", 2e9)), After: protocol.NanoNats(s.number(opt, "after", 1e9)),
			HeldOut: protocol.NanoNats(s.number(opt, "held-out", 3e9)),
		}
		if r.Proposal != nil {
			c.Receipt = r.Proposal.Digest()
		}
		c.Receipt = s.digest(opt, "receipt", c.Receipt)
		return c
	}
	s.fail("no such event")
	return nil
}

func (s *stage) join(who string, plain []string, opt options) protocol.Body {
	j := protocol.Join{Name: who}
	switch plain[0] {
	case "worker":
		j.Role = protocol.Worker
	case "validator":
		j.Role = protocol.Validator
		j.Anchor = s.p.anchor(who, int(s.number(opt, "chain", 0)))
	case "observer":
		j.Role = protocol.Observer
	default:
		s.fail("role %q", plain[0])
	}
	switch opt["anchor"] {
	case "none":
		j.Anchor = protocol.Digest{}
	case "some":
		j.Anchor = other
	}
	if v, ok := opt["name"]; ok {
		j.Name = v
	}
	if whose, ok := opt["invite"]; ok { // of the host, or of a stranger
		seed := protocol.InviteSeed(protocol.Hash("test invitation", []byte(whose)))
		j.Invitation = seed.Invite(s.p.chain.Run, idOf(who))
		s.p.invite = &seed
	}
	j.Enter = s.p.enter(who, j.Role)
	s.p.invite = nil
	return j
}

func (s *stage) attestation(who string, opt options) protocol.Body {
	r := s.p.machine.Current()
	a := protocol.Attestation{List: s.digest(opt, "list", r.List), Preimage: s.digest(opt, "preimage", s.p.preimage(who))}
	for i := range r.Entries {
		e := &r.Entries[i]
		f := opened(e)
		for _, key := range []string{"all", s.p.name(e.Worker)} {
			if v, ok := opt[key]; ok {
				f = s.finding(v)
			}
		}
		a.Findings = append(a.Findings, f)
	}
	switch opt["findings"] {
	case "less":
		a.Findings = a.Findings[:len(a.Findings)-1]
	case "more":
		a.Findings = append(a.Findings, protocol.Finding{})
	}
	return a
}

// finding reads ok:NORM or a reason in words joined by dashes; reason:NORM is one
// that says too much.
func (s *stage) finding(v string) (f protocol.Finding) {
	word, norm, _ := strings.Cut(v, ":")
	found := false
	for r := protocol.OK; r <= protocol.NotAttested; r++ {
		if slug(r) == word {
			f.Reason, found = r, true
		}
	}
	if !found {
		s.fail("finding %q: no such reason", v)
	}
	if norm != "" {
		n, err := strconv.ParseUint(norm, 10, 32)
		if err != nil {
			s.fail("finding %q: %v", v, err)
		}
		f.NormLo = n * n
	}
	return f
}

func slug(r protocol.Reason) string { return strings.ReplaceAll(r.String(), " ", "-") }

// sheet reads w1=FIRST and, joined by slashes, paired:N, work:N and overlap:N.
func (s *stage) sheet(opt options) protocol.Sheet {
	sheet := s.p.sheetOf()
	sheet.Seed = s.digest(opt, "seed", sheet.Seed)
	sheet.Loss = protocol.NanoNats(s.number(opt, "loss", int64(sheet.Loss)))
	sheet.Salt[1] = byte(s.number(opt, "salt", 0))
	for i, c := range s.p.machine.Current().Candidates {
		for _, key := range []string{"all", s.p.name(c.Worker)} {
			if v, ok := opt[key]; ok {
				sheet.Rows[i] = s.row(v)
			}
		}
	}
	switch opt["rows"] {
	case "less":
		sheet.Rows = sheet.Rows[:len(sheet.Rows)-1]
	case "more":
		sheet.Rows = append(sheet.Rows, protocol.Row{})
	}
	return sheet
}

func (s *stage) row(v string) (r protocol.Row) {
	first, rest, _ := strings.Cut(v, "/")
	opt := options{"first": first}
	for _, part := range strings.Split(rest, "/") {
		if key, n, ok := strings.Cut(part, ":"); ok {
			opt[key] = n
		}
	}
	_, r.Audited = opt["paired"]
	_, r.Examined = opt["work"]
	r.First = protocol.NanoNats(s.number(opt, "first", 0))
	r.Paired = protocol.NanoNats(s.number(opt, "paired", 0))
	r.Paired += protocol.NanoNats(s.number(opt, "unaudited", 0))
	r.Work = protocol.NanoNats(s.number(opt, "work", 0))
	r.Work += protocol.NanoNats(s.number(opt, "unexamined", 0))
	r.Overlap = uint32(s.number(opt, "overlap", 0))
	return r
}

func (s *stage) receipt(opt options) protocol.Receipt {
	c := s.p.receiptOf()
	c.Parent, c.StateRoot = s.digest(opt, "parent", c.Parent), s.digest(opt, "root", c.StateRoot)
	c.List, c.Decision = s.digest(opt, "list", c.List), s.digest(opt, "decision", c.Decision)
	c.Model = s.digest(opt, "model", c.Model)
	c.Size = uint64(s.number(opt, "size", int64(c.Size)))
	c.Round = protocol.Round(s.number(opt, "of-round", int64(c.Round)))
	return c
}
