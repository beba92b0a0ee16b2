package protocol

// This file holds the manifest: what all participants of a run must agree on.

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Manifest says what a run is. Its canonical encoding is hashed into the run's
// id, so any difference makes another run. What a single machine may choose for
// itself is not here.
type Manifest struct {
	_           struct{} `cbor:",toarray"`
	Version     uint16   // protocol version
	Name        string   // for people
	Coordinator NodeID   // who orders the record
	Owner       NodeID   // who receives the owner's share
	Seed        Digest   // the first round's seed, and initial parameters unless Model.Initial says them
	Model       Model
	Data        Data
	Train       Train
	Update      Update
	Merge       Merge
	Score       Score
	Timing      Timing
	Members     Members
	Economy     Economy
}

// Model is the architecture.
type Model struct {
	_ struct{} `cbor:",toarray"`
	// Config is its config.json, which checkpoints get: up to MaxConfig bytes of UTF-8,
	// exactly as the program writes it. What it says is for lode/replica to check.
	Config string
	// Initial is the Merkle root (lode/tensor, Root) of the parameters that the run begins
	// with, where they are given exactly; zero: they are drawn from Manifest.Seed.
	Initial Digest
	// Pieces is the digest of the index (lode/data) of the pieces in which those travel:
	// float32, in layout order. It is zero where Initial is.
	Pieces Digest
}

// MaxConfig bounds Model.Config, in bytes: a manifest has to fit into a message.
const MaxConfig = 1 << 19

// Data names the corpus. In mode [DataAssigned] workers train on it and validators
// measure on it. In mode [DataPrivate] each worker trains on data of its own, which has
// the same Tokenizer, Vocabulary and Width; Index, Bytes, Piece and HeldOut are of the
// run's corpus, on which validators measure and nobody trains.
type Data struct {
	_         struct{} `cbor:",toarray"`
	Mode      string   // [DataAssigned] or [DataPrivate]
	Tokenizer string   // what the data consists of: [TokenBytes], [TokenFile] or [TokenRecords]
	// Vocabulary is the digest of the tokenizer's file; zero if there is none.
	Vocabulary Digest
	Width      uint32 // bytes of a token in the corpus, little endian: 1, 2 or 4; or of a record
	Index      Digest // of the corpus index, which names every piece
	Bytes      uint64 // length of the corpus
	Piece      uint32 // bytes of a piece, the unit of transfer and assignment
	HeldOut    uint32 // last share of the corpus kept from training and scoring, Q16
}

// Where workers have their data from.
const (
	DataAssigned = "assigned" // the run hands out pieces of its corpus
	DataPrivate  = "private"  // each worker has its own, which nobody else sees
)

// The tokenizers of a run.
const (
	TokenBytes = "bytes"       // each byte is a token
	TokenFile  = "huggingface" // a tokenizer.json, named by Data.Vocabulary
	// TokenRecords is no text but examples, one after the other. A record is the number
	// of its class in one byte, then each value v of the example as one byte, which
	// stands for v/255: the format of CIFAR-10's binary files. Train.Steps is 1.
	TokenRecords = "records"
)

// Counted names what workers count of what they trained on: tokens, or samples where the
// data are records.
func (d Data) Counted() string {
	if d.Tokenizer == TokenRecords {
		return "samples"
	}
	return "tokens"
}

// MaxRecord bounds the length of a record, in bytes.
const MaxRecord = 1 << 20

// MaxTokenizer bounds the length of a tokenizer's file, in bytes.
const MaxTokenizer = 64 << 20

// MaxBatch bounds the tokens of one batch, in training and in scoring.
const MaxBatch = 1 << 20

// Update says how pseudo-gradients are compressed.
type Update struct {
	_          struct{} `cbor:",toarray"`
	Codec      string   // "topk", "shared", "dct", "sign" or "dense"
	Keep       uint32   // topk, shared, dct: values kept of a chunk of 4,096; else 0
	KeepEmbed  uint32   // the same of embeddings; 0 means Keep
	Bits       uint32   // of a value: topk, shared, dct 1 to 4, sign 1, dense 8, 16 or 32
	Decay      uint32   // error-feedback decay β, Q16
	MinExp     int32    // bounds on the exponents of scales
	MaxExp     int32
	DenseStart uint32 // rounds at the start in which Boost × Keep values are kept
	Boost      uint32
}

// Merge says how accepted updates become one step.
type Merge struct {
	_         struct{} `cbor:",toarray"`
	ClipNorms bool     // accepted updates are clipped to the lower median of their norms
	Mix       bool     // each is replaced by the mean of those nearest to it, all but Liars
	Bucket    uint32   // they are replaced by means of so many each; 0 and 1 are off
	Rule      string   // one of mergeRules
	Liars     uint32   // updates that may be anything, where mixing or the rule asks; else 0
	Senders   bool     // a place counts only those that name it
	Optimizer string   // "sgd", "nesterov", "fedavgm", "fedadam", "fedyogi" or "fedadagrad"
	Rate      uint32   // outer learning rate, Q16
	Momentum  uint32   // of the outer optimizer, Q16; 0 for sgd
	Second    uint32   // fedadam, fedyogi: memory of squares, Q16; else 0
	FloorExp  int32    // fedadam, fedyogi, fedadagrad: binary exponent of τ; else 0
	StepBits  uint32   // bits of a merged step's integers
	StepKeep  uint32   // values a step moves of a chunk of 4,096, Boost times as many at the start, the rest waits; 0: all
	Refuse    uint32   // norms above this multiple of the reference are refused
	// MaxSamples, of private data and the mean alone: an update weighs as much as the
	// samples that its commit names, 1 to so many. 0: all weigh alike.
	MaxSamples uint32
}

// Score says how validators judge updates.
type Score struct {
	_         struct{} `cbor:",toarray"`
	Rows      uint32   // sequences of the shared evaluation batch
	HeldOut   uint32   // sequences of the held-out batch measured each round
	Threshold uint32   // accepted above this share of the reference score, Q16
	Window    uint32   // rounds of updates and steps that novelty looks back on
	Project   uint32   // last merged steps projected out of first-order scores
	Overlap   uint32   // share of repeated entries above which an update is refused, Q16
	Audit     uint32   // candidates audited by exact loss differences each round
	Examine   uint32   // candidates examined for proof of work each round
	WorkGate  int32    // running mean of proof of work, as a share of what others prove, that must be exceeded, Q16
	WorkMin   uint32   // examinations before the gate applies
}

// Timing bounds the phases of a round.
type Timing struct {
	_     struct{} `cbor:",toarray"`
	Train Span     // longest a round waits for commits
	Phase Span     // longest any other phase waits for stragglers
	Grace Span     // least time stragglers get once most have committed
}

// Members says who may take part.
type Members struct {
	_             struct{} `cbor:",toarray"`
	MinWorkers    uint32
	MinValidators uint32
	MaxMembers    uint32
	OpenWorkers   bool   // workers need no invitation
	Invitation    NodeID // key that signs invitations; zero: none are given
	InvitedStake  uint64 // of a validator that joins by invitation
	Genesis       []Stake
	Fraction      uint32 // share of the workers there that a round takes, drawn for each but the first, Q16; 0: all
}

// Taken returns how many of the workers who are there a round takes: the nearest number
// to that share of them, at least one.
func (m Members) Taken(present int) int {
	if m.Fraction == 0 {
		return present
	}
	return min(max(1, int((uint64(present)*uint64(m.Fraction)+1<<15)>>16)), present)
}

// Stake is a validator's stake from the start.
type Stake struct {
	_     struct{} `cbor:",toarray"`
	Node  NodeID
	Stake uint64
}

// Economy says what is paid.
type Economy struct {
	_        struct{} `cbor:",toarray"`
	Ledger   string   // [LedgerYuma] or [LedgerVolunteer]
	Emission uint64   // per round before any halving, units of 1e-9 coin
	Cap      uint64   // total supply is never more
	Tempo    uint32   // rounds of an epoch
}

// The ledgers that a run can have.
const (
	LedgerYuma      = "yuma"      // mints every round and pays by Yuma consensus
	LedgerVolunteer = "volunteer" // keeps stakes for their votes and pays nobody
)

// Pays reports whether anything is ever paid.
func (e Economy) Pays() bool { return e.Emission > 0 }

// ID returns the run's id.
func (m Manifest) ID() RunID { return RunID(Hash("manifest", Encode(m))) }

// Q16 returns x as a fixed-point number with 16 fraction bits, rounded half to
// even.
func Q16(x float64) uint32 { return uint32(roundEven(float64(x * 65536))) }

// Validate reports all faults at once, each beginning with the dotted lower-case
// path of its field and a colon, joined by [errors.Join].
func (m Manifest) Validate() error {
	var errs []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			errs = append(errs, &FieldError{Field: field, Fault: fmt.Sprintf(format, args...)})
		}
	}
	within := func(field string, v, lo, hi float64) {
		check(v >= lo && v <= hi, field, "is %s, must be between %s and %s", number(v), number(lo), number(hi))
	}
	check(m.Version == Version, "version", "is %d, this program speaks %d", m.Version, Version)
	check(isName(m.Name, 64), "name", "must have 1 to 64 letters, digits, spaces, dots, dashes or underscores")
	check(m.Coordinator != NodeID{}, "coordinator", "is missing")
	m.Model.validate(check)
	m.Data.validate(check, within)
	m.Train.validate(check, within)
	for _, b := range []struct {
		field string
		rows  uint32
	}{{"train.rows", m.Train.Rows}, {"score.rows", m.Score.Rows}, {"score.held_out", m.Score.HeldOut}} {
		tokens := uint64(b.rows) * uint64(m.Train.Steps)
		check(tokens <= MaxBatch, b.field, "is %d, which makes batches of %d tokens, at most %d", b.rows, tokens, MaxBatch)
	}
	m.validateMode(check)
	records := m.Data.Tokenizer == TokenRecords
	check(!records || m.Train.Steps == 1, "train.steps", "is %d, but a row of a batch is one record: set 1", m.Train.Steps)
	check(records || m.Train.Steps != 1, "train.steps", "is 1, and a sequence has at least 2 tokens")
	m.Update.validate(check, within)
	m.Merge.validate(check, within)
	m.Score.validate(check, within)
	whole := m.Update.Codec == "sign" || m.Update.Codec == "dense"
	check(!whole || m.Score.Overlap >= Q16(0.85), "score.overlap",
		"is %.2f, but codec %q sends every value, on which honest workers agree that much: set 0.85 or more", float64(m.Score.Overlap)/65536, m.Update.Codec)
	check(m.Update.Codec != "shared" || m.Score.Overlap == Q16(1), "score.overlap",
		"is %.2f, but codec shared follows the last step, so that honest work overlaps with it: set 1, which is off", float64(m.Score.Overlap)/65536)
	m.Timing.validate(within)
	m.Members.validate(check, within)
	m.Economy.validate(check, within)
	check(m.Members.Invitation == NodeID{} || m.Members.Invitation != m.Owner && m.Members.Invitation != m.Coordinator && !m.staked(m.Members.Invitation),
		"members.invitation", "is the key of the owner, the coordinator or a validator, and must be one that is for nothing else")
	check(m.granted() <= m.Economy.Cap, "economy.cap", "is less than the stakes given out from the start")
	return errors.Join(errs...)
}

// validateMode checks what depends on where workers have their data from.
func (m Manifest) validateMode(check checkFunc) {
	private := m.Data.Mode == DataPrivate
	check(!private || m.Score.Examine == 0, "score.examine", "is %d, but with data.mode private nobody knows what a worker trained on, so nothing can be examined: set 0", m.Score.Examine)
	check(private || m.Merge.MaxSamples == 0, "merge.max_samples", "is %d, but with data.mode %s all workers train on equally many samples: leave it at 0", m.Merge.MaxSamples, DataAssigned)
	tokens, what := uint64(m.Train.InnerSteps)*uint64(m.Train.Steps)+1, "a row trains on %d in a round"
	if private {
		tokens, what = uint64(m.Train.Steps)+1, "a sequence and what follows it have %d"
	}
	need := tokens * uint64(min(m.Data.Width, MaxRecord))
	check(uint64(m.Data.Piece) >= need, "data.piece", "is %d bytes, but "+what, m.Data.Piece, need)
}

// staked reports whether a node is a validator of genesis.
func (m Manifest) staked(n NodeID) bool {
	return slices.ContainsFunc(m.Members.Genesis, func(s Stake) bool { return s.Node == n })
}

// granted is what exists before round 0: genesis stakes and what invited
// validators may be staked with. Validated stakes cannot overflow it.
func (m Manifest) granted() uint64 {
	sum := m.Members.InvitedStake * uint64(m.Members.MaxMembers)
	for _, g := range m.Members.Genesis {
		sum += g.Stake
	}
	return sum
}

// FieldError is a fault of one field of a manifest.
type FieldError struct {
	Field string // dotted lower-case path
	Fault string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Fault }

type (
	checkFunc  = func(ok bool, field, format string, args ...any)
	withinFunc = func(field string, v, lo, hi float64)
)

// number writes v without an exponent where people would.
func number(v float64) string {
	if a := math.Abs(v); v == math.Trunc(v) && a < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func (m Model) validate(check checkFunc) {
	check(m.Config != "" && len(m.Config) <= MaxConfig && utf8.ValidString(m.Config), "model.config", "has %d bytes, must have 1 to %d of UTF-8", len(m.Config), MaxConfig)
	check((m.Initial == Digest{}) == (m.Pieces == Digest{}), "model.pieces", "and model.initial go together: both name given parameters, or neither")
}

func (d Data) validate(check checkFunc, within withinFunc) {
	check(d.Mode == DataAssigned || d.Mode == DataPrivate, "data.mode", "is %q; there are %s and %s", d.Mode, DataAssigned, DataPrivate)
	switch d.Tokenizer {
	case TokenBytes:
		check(d.Vocabulary == Digest{}, "data.vocabulary", "names a file, but tokens are bytes")
		check(d.Width == 1, "data.width", "is %d, bytes have 1", d.Width)
	case TokenFile:
		check(d.Vocabulary != Digest{}, "data.vocabulary", "names no file of a tokenizer")
		check(d.Width == 1 || d.Width == 2 || d.Width == 4, "data.width", "is %d, a token has 1, 2 or 4 bytes", d.Width)
	case TokenRecords:
		check(d.Vocabulary == Digest{}, "data.vocabulary", "names a file, but the corpus is no text")
		within("data.width", float64(d.Width), 2, MaxRecord)
	default:
		check(false, "data.tokenizer", "is %q; there are %s, %s and %s", d.Tokenizer, TokenBytes, TokenFile, TokenRecords)
	}
	check(d.Width == 0 || d.Piece%d.Width == 0, "data.piece", "is %d bytes, no whole number of tokens or records of %d", d.Piece, d.Width)
	within("data.piece", float64(d.Piece), 64, 1<<24)
	within("data.held_out", float64(d.HeldOut)/65536, 0.001, 0.5)
	check(d.Bytes > 0, "data.bytes", "is 0: the corpus is empty")
}

func (u Update) validate(check checkFunc, within withinFunc) {
	u.validateCodec(check, within)
	within("update.decay", float64(u.Decay)/65536, 0, 1)
	within("update.min_exp", float64(u.MinExp), -100, 0)
	within("update.max_exp", float64(u.MaxExp), float64(u.MinExp), min(-4, float64(u.MinExp)+36))
	within("update.dense_start", float64(u.DenseStart), 0, 1e6)
	within("update.boost", float64(u.Boost), 1, 64)
	check(uint64(max(u.Keep, u.KeepEmbed))*uint64(u.Boost) <= 4096, "update.boost", "times keep is above 4096")
}

func (u Update) validateCodec(check checkFunc, within withinFunc) {
	switch u.Codec {
	case "topk", "shared", "dct":
		within("update.keep", float64(u.Keep), 1, 4096)
		within("update.keep_embed", float64(u.KeepEmbed), 0, 4096)
		within("update.bits", float64(u.Bits), 1, 4)
		return
	case "sign":
		check(u.Bits == 1, "update.bits", "is %d, signs have 1", u.Bits)
	case "dense":
		check(u.Bits == 8 || u.Bits == 16 || u.Bits == 32, "update.bits", "is %d, must be 8, 16 or 32", u.Bits)
	default:
		check(false, "update.codec", "is %q; there are topk, shared, dct, sign and dense", u.Codec)
		return
	}
	check(u.Keep == 0 && u.KeepEmbed == 0, "update.keep", "is %d, but codec %q keeps every value: leave it at 0", max(u.Keep, u.KeepEmbed), u.Codec)
	check(u.Boost == 1, "update.boost", "is %d, but codec %q keeps every value: leave it at 1", u.Boost, u.Codec)
}

// Names of merge rules, and of those that ask how many updates may be anything;
// package aggregation says what they do.
var (
	rulesOfLiars = []string{"trimmed-mean", "krum", "multi-krum", "bulyan"}
	mergeRules   = append([]string{"mean", "sign-majority", "median", "geometric-median", "centred-clipping"}, rulesOfLiars...)
)

func (g Merge) validate(check checkFunc, within withinFunc) {
	check(slices.Contains(mergeRules, g.Rule), "merge.rule", "is %q; there are %s", g.Rule, strings.Join(mergeRules, ", "))
	within("merge.bucket", float64(g.Bucket), 0, 64)
	within("merge.liars", float64(g.Liars), 0, 4096)
	asks := g.Mix || slices.Contains(rulesOfLiars, g.Rule)
	check(!asks || g.Liars > 0, "merge.liars", "is 0, but rule %q or merge.mix asks how many there may be", g.Rule)
	check(asks || g.Liars == 0, "merge.liars", "is %d, but rule %q does not ask for a number: leave it at 0", g.Liars, g.Rule)
	g.validateOptimizer(check, within)
	within("merge.rate", float64(g.Rate)/65536, 1.0/65536, 4)
	within("merge.step_bits", float64(g.StepBits), 4, 24)
	within("merge.step_keep", float64(g.StepKeep), 0, 4096)
	within("merge.refuse", float64(g.Refuse), 1, 1000)
	plain := g.Rule == "mean" && !g.Mix && g.Bucket <= 1 && !g.Senders
	check(g.MaxSamples == 0 || plain, "merge.max_samples", "is %d, but only rule \"mean\" weighs by samples, without mix, bucket and senders", g.MaxSamples)
}

func (g Merge) validateOptimizer(check checkFunc, within withinFunc) {
	within("merge.momentum", float64(g.Momentum)/65536, 0, 0.999)
	within("merge.second", float64(g.Second)/65536, 0, 0.9999)
	within("merge.floor_exp", float64(g.FloorExp), -36, 0)
	var needsMomentum, takesMomentum, takesSecond, takesFloor bool
	switch g.Optimizer {
	case "sgd":
	case "nesterov", "fedavgm":
		needsMomentum, takesMomentum = true, true
	case "fedadam", "fedyogi":
		takesMomentum, takesSecond, takesFloor = true, true, true
	case "fedadagrad":
		takesMomentum, takesFloor = true, true
	default:
		check(false, "merge.optimizer", "is %q; there are sgd, nesterov, fedavgm, fedadam, fedyogi and fedadagrad", g.Optimizer)
		return
	}
	check(takesMomentum || g.Momentum == 0, "merge.momentum", "is set, but optimizer %q has none: leave it at 0", g.Optimizer)
	check(!needsMomentum || g.Momentum > 0, "merge.momentum", "is 0, but optimizer %q needs it", g.Optimizer)
	check(takesSecond == (g.Second > 0), "merge.second", "is %v; fedadam and fedyogi need it and others have none", float64(g.Second)/65536)
	check(takesFloor || g.FloorExp == 0, "merge.floor_exp", "is set, but optimizer %q has none: leave it at 0", g.Optimizer)
}

func (s Score) validate(check checkFunc, within withinFunc) {
	within("score.rows", float64(s.Rows), 1, 1e5)
	within("score.held_out", float64(s.HeldOut), 1, 1e5)
	within("score.threshold", float64(s.Threshold)/65536, 0, 1)
	within("score.window", float64(s.Window), 1, 64)
	within("score.project", float64(s.Project), 0, 8)
	check(s.Project <= s.Window, "score.project", "looks back further than score.window")
	within("score.overlap", float64(s.Overlap)/65536, 0.05, 1)
	within("score.audit", float64(s.Audit), 0, 1e4)
	within("score.examine", float64(s.Examine), 0, 1e4)
	within("score.work_gate", float64(s.WorkGate)/65536, -4, 1)
	within("score.work_min", float64(s.WorkMin), 1, 1e6)
}

func (t Timing) validate(within withinFunc) {
	within("timing.train", t.Train.Seconds(), 0.1, 86400)
	within("timing.phase", t.Phase.Seconds(), 0.1, 3600)
	within("timing.grace", t.Grace.Seconds(), 0.01, 3600)
}

func (m Members) validate(check checkFunc, within withinFunc) {
	within("members.min_workers", float64(m.MinWorkers), 1, MaxListLen)
	within("members.min_validators", float64(m.MinValidators), 1, MaxListLen)
	within("members.max_members", float64(m.MaxMembers), 2, MaxListLen)
	check(len(m.Genesis) <= int(min(m.MaxMembers, MaxListLen)), "members.genesis", "names %d validators, but members.max_members is %d", len(m.Genesis), m.MaxMembers)
	within("members.fraction", float64(m.Fraction)/65536, 0, 1)
	seen := map[NodeID]bool{}
	var total uint64
	for i, s := range m.Genesis {
		field := fmt.Sprintf("members.genesis[%d]", i)
		check(!seen[s.Node], field, "names a validator a second time")
		check(s.Stake > 0 && s.Stake <= math.MaxInt64/4 && total <= math.MaxInt64/4, field, "stake is out of range")
		seen[s.Node] = true
		total += s.Stake
	}
	check(m.InvitedStake <= math.MaxInt64/MaxListLen/8, "members.invited_stake", "is out of range")
	invites := m.Invitation != NodeID{} && m.InvitedStake > 0
	check(len(m.Genesis) > 0 || invites, "members.genesis", "is empty and nobody is invited: the run could have no validator")
	check(m.OpenWorkers || m.Invitation != NodeID{}, "members.open_workers", "is false but there is no invitation key: nobody could join")
}

func (e Economy) validate(check checkFunc, within withinFunc) {
	check(e.Ledger == LedgerYuma || e.Ledger == LedgerVolunteer, "economy.ledger",
		"is %q, only %q and %q are known", e.Ledger, LedgerYuma, LedgerVolunteer)
	check(e.Emission <= e.Cap, "economy.emission", "is above the cap")
	check(e.Ledger != LedgerVolunteer || e.Emission == 0, "economy.emission", "is above 0, but a ledger of volunteers pays nobody")
	within("economy.cap", float64(e.Cap), 1, 1<<61)
	within("economy.tempo", float64(e.Tempo), 1, 1e6)
}
