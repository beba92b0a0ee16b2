package round_test

// This file runs scripts: text files in testdata of events, each followed by
// everything that must come of it, refusals included.
//
// A line is a verb, a subject and options:
//
//	# ...                           a comment
//	set workers=3 genesis=v1:100    the manifest, before the first event
//	at 1.5s                         the instant of the events that follow
//	join worker w1                  w1 says; what an option does not change is honest
//	commit w1 plain=mine
//	attest v1 w2=key-never-revealed all=ok:300
//	sheet v1 w1=500/paired:-2/work:3/overlap:9
//	tick, resumed 5s, absent w1     what the coordinator sees
//	state, owes w1, holds v1        questions
//
// A subject is names joined by commas, or workers, listed, validators, proposer,
// or others (validators but the proposer). Any message takes round=, run=other,
// version=, signed-by= and body=cut. Lines beginning with ">" are effects, with
// "!" refusals, with "=" answers; the flag -update rewrites them.

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
)

var update = flag.Bool("update", false, "rewrite what scripts expect")

func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	return files
}

func TestScripts(t *testing.T) {
	for _, file := range scripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, got := perform(t, string(text))
			if got == string(text) {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Error(firstDifference(string(text), got))
		})
	}
}

// What a script tells hangs on no digest: in another run, with other seeds and
// proposers, the same happens.
func TestScriptsInAnotherRun(t *testing.T) {
	for _, file := range scripts(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			s := &stage{man: testManifest()}
			s.man.Seed[0] = byte(i + 1)
			if _, got := s.perform(t, string(text)); got != string(text) {
				t.Errorf("%s in run %d: %s", file, i, firstDifference(string(text), got))
			}
			if testing.Short() {
				break
			}
		}
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\n have %q\n want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// perform plays a script and returns it with what really came of each line.
func perform(t *testing.T, text string) (*play, string) {
	t.Helper()
	return (&stage{man: testManifest()}).perform(t, text)
}

func (s *stage) perform(t *testing.T, text string) (*play, string) {
	t.Helper()
	var out strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "! ") || strings.HasPrefix(line, "= ") {
			continue
		}
		out.WriteString(line + "\n")
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		lines, err := s.line(words)
		if err != nil {
			t.Fatalf("line %d: %q: %v", i+1, line, err)
		}
		for _, l := range lines {
			out.WriteString(l + "\n")
		}
	}
	if s.p == nil {
		t.Fatal("the script never begins")
	}
	return s.p, out.String()
}

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
	case "owes", "holds", "state", "counts":
		return s.ask(verb, rest), nil
	}
	return s.events(verb, rest)
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
		c.Size, c.Loss = uint32(s.number(opt, "size", int64(c.Size))), protocol.NanoNats(s.number(opt, "loss", int64(c.Loss)))
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
		j.Invitation = protocol.InviteSeed(protocol.Hash("test invitation", []byte(whose))).Invite(s.p.chain.Run, idOf(who))
	}
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
	c.Size = uint32(s.number(opt, "size", int64(c.Size)))
	c.Round = protocol.Round(s.number(opt, "of-round", int64(c.Round)))
	return c
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

// describe says all of an effect that is no digest.
func (s *stage) describe(e round.Effect) (lines []string) {
	switch e := e.(type) {
	case round.Entered:
		return []string{fmt.Sprintf("> entered round %d %v", e.Round, e.Phase)}
	case round.Wake:
		return []string{"> wake " + since(e.At)}
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
	if m.Epoch != nil {
		add("  epoch of rounds %d to %d mints %d, owner %d, unpaid %d", m.Epoch.First, m.Epoch.Last, m.Epoch.Minted, m.Epoch.Owner, m.Epoch.Unpaid)
		for _, l := range m.Epoch.Lines {
			add("    %s stake %d earns %d", s.p.name(protocol.NodeID(l.Hotkey)), l.Stake, l.Credited)
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
