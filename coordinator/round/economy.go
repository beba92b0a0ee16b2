package round

// This file holds where the round machine meets the ledger: a run has one of its own,
// which moves by transactions on the record and ends a block with every round.

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"lode/protocol"
	"lode/yuma/ledger"
)

// Run is the number that every run has on its own ledger.
const Run ledger.Run = 1

// tempos are spans of the economy that a manifest does not name, in epochs.
const (
	immunity  = 10 // of a newcomer from losing its place
	unbonding = 10 // from unstaking to having the coin
	voting    = 10 // that a proposal is open
	delay     = 5  // from there to its execution
)

// Genesis is the ledger before the first round: the manifest's stakes, and a treasury
// of the invitation's key that invited validators are staked from and nothing else is
// done with. Places and identities are free.
func Genesis(man protocol.Manifest) ledger.Genesis {
	g := ledger.DefaultGenesis(man.ID().String())
	tempo := uint64(man.Economy.Tempo)
	n := &g.Params
	n.Emission, n.MinStake, n.Existential, n.IdentityFee, n.MaxTake = man.Economy.Emission, 1, 0, 0, math.MaxUint16
	n.MaxRuns, n.RunImmunity = 1, math.MaxUint32
	n.Unbond, n.VoteSpan, n.VoteDelay = unbonding*tempo, voting*tempo, delay*tempo
	n.VoteQuorum = math.MaxUint16 / 3 * 2
	g.Cap = ledger.Amount(man.Economy.Cap)
	if !man.Economy.Pays() {
		g.Cap = 1<<62 - 1
	}
	r := ledger.DefaultRunParams()
	r.Tempo, r.MaxUIDs, r.MaxValidators = tempo, uint64(man.Members.MaxMembers), uint64(man.Members.MaxMembers)
	r.Immunity, r.MinFree, r.KeepStaked, r.MinPrice, r.MaxPrice = immunity*tempo, 0, leastStake(man), 0, 0
	r.ActivityFactor, r.CurrentPermits, r.CommitReveal, r.WeightsRate = 1000, 1, 0, 0
	owner := man.Owner
	if owner == (protocol.NodeID{}) {
		owner, n.OwnerCut = man.Coordinator, 0
	}
	g.Runs = []ledger.FirstRun{{ID: man.ID(), Owner: ledger.Coldkey(owner), Hot: owner, Params: r}}
	g.Seats = []ledger.Seat{{Hot: owner, Cold: ledger.Coldkey(owner), Run: Run}}
	for _, s := range man.Members.Genesis {
		g.Seats = append(g.Seats, ledger.Seat{Hot: s.Node, Cold: ledger.Coldkey(s.Node), Run: Run, Stake: ledger.Amount(s.Stake), Place: true})
	}
	if fund := ledger.Amount(man.Members.InvitedStake) * ledger.Amount(man.Members.MaxMembers); fund > 0 {
		g.Grants = []ledger.Grant{{Cold: ledger.Coldkey(man.Members.Invitation), Balance: fund, Bound: true}}
	}
	return g
}

// leastStake is what a validator has at least: it keeps a place.
func leastStake(man protocol.Manifest) uint64 {
	least := man.Members.InvitedStake
	for _, g := range man.Members.Genesis {
		if least == 0 || g.Stake < least {
			least = g.Stake
		}
	}
	return least
}

func newLedger(man protocol.Manifest) *ledger.Machine {
	l, err := ledger.New(Genesis(man))
	if err != nil {
		panic(fmt.Sprintf("round: a valid manifest makes no ledger: %v", err))
	}
	return l
}

// quota is what one account, and all like it together, may ask of the ledger within a
// round, in bytes. It costs nothing, and joins and weights need the rest of the block.
type quota struct{ one, all int }

var (
	// trusted is the quota of who has something to lose or must be heard: validators,
	// their owners, and the coordinator with its evidence.
	trusted = quota{one: ledger.MaxTxLen, all: ledger.MaxBlockLen / 2}
	anybody = quota{one: 4 << 10, all: ledger.MaxBlockLen / 4}
)

func (m *Machine) quotaOf(signer protocol.NodeID) quota {
	if signer == m.man.Coordinator {
		return trusted
	}
	for i := range m.members {
		x := &m.members[i]
		if x.Role != protocol.Validator || x.Left {
			continue
		}
		if id, _ := m.ledger.Identity(x.Node); x.Node == signer || id.Owner == ledger.Coldkey(signer) {
			return trusted
		}
	}
	return anybody
}

// votable are the parameters that votes may change on a run's own ledger. The others are
// what joining, scoring and pay rest on, and the manifest says them.
var votable = numbersOf(ledger.RunParam,
	"kappa", "bonds_penalty", "bonds_moving_average", "liquid_alpha", "alpha_low", "alpha_high", "alpha_steepness", "yuma")

var votableNetwork = numbersOf(ledger.NetworkParam,
	"unbond", "owner_cut", "max_take", "take_rate", "child_rate", "child_cooldown", "slash_twice", "slash_false",
	"vote_span", "vote_delay", "vote_quorum", "vote_majority", "vote_stake", "vote_least")

func numbersOf(number func(string) (uint8, bool), names ...string) map[uint8]bool {
	out := map[uint8]bool{}
	for _, name := range names {
		n, ok := number(name)
		if !ok {
			panic("round: no parameter " + name)
		}
		out[n] = true
	}
	return out
}

// mayPropose refuses proposals of what is not to be voted on.
func mayPropose(p ledger.Propose) error {
	allowed := votable
	if p.Run == ledger.Root {
		allowed = votableNetwork
	}
	for _, c := range p.Changes {
		if !allowed[c.Param] {
			return protocol.Refuse(protocol.NotApplied, "parameter %d is the manifest's to say, not for votes", c.Param)
		}
	}
	return nil
}

// transact applies a transaction that anybody sent. Identities and places are given to
// who joins, and a validator's weights are what its sheets say.
func (m *Machine) transact(ev protocol.Transaction) error {
	t, body, err := read(ev.Tx)
	if err != nil {
		return err
	}
	if t.Signer == m.man.Members.Invitation {
		return protocol.Refuse(protocol.WrongRole, "the invitation's stakes come with joining")
	}
	var seat *Seat
	switch body := body.(type) {
	case ledger.Register, ledger.Identify:
		return protocol.Refuse(protocol.WrongRole, "a node and its place come with joining this run")
	case ledger.Propose:
		if err := mayPropose(body); err != nil {
			return err
		}
	case ledger.SetWeights:
		if seat, err = m.weighing(t.Signer, body); err != nil {
			return err
		}
	}
	n, q := len(ev.Tx), m.quotaOf(t.Signer)
	if seat == nil && (m.asked[t.Signer]+n > q.one || m.askedAll+n > q.all || !m.fits(n)) {
		return protocol.Refuse(protocol.Full, "this round has transactions of %d bytes of %s, %d of all: wait for the next", m.asked[t.Signer], t.Signer.Short(), m.askedAll)
	}
	if _, err := m.ledger.Apply(t); err != nil {
		return unpaid(err)
	}
	if seat != nil {
		seat.Weighed = true
		return nil
	}
	m.asked[t.Signer] += len(ev.Tx)
	m.askedAll += len(ev.Tx)
	return nil
}

func read(b []byte) (t ledger.Tx, body ledger.Body, err error) {
	if t, err = ledger.DecodeTx(b); err == nil {
		body, err = t.Asks()
	}
	if err != nil {
		return t, nil, protocol.Refuse(protocol.Malformed, "%v", err)
	}
	return t, body, nil
}

// unpaid is the refusal of what the ledger refuses.
func unpaid(err error) error {
	switch {
	case errors.Is(err, ledger.ErrBusy):
		return protocol.Refuse(protocol.Busy, "%v", err)
	case errors.Is(err, ledger.ErrFull):
		return protocol.Refuse(protocol.Full, "%v", err)
	}
	return protocol.Refuse(protocol.NotApplied, "%v", err)
}

// weighing returns the seat of a validator who may say these weights now.
func (m *Machine) weighing(n protocol.NodeID, got ledger.SetWeights) (*Seat, error) {
	want, ok := m.Weights(n)
	if !ok {
		return nil, protocol.Refuse(protocol.WrongPhase, "no weights of %s are due", n.Short())
	}
	if !bytes.Equal(protocol.Encode(got), protocol.Encode(want)) {
		return nil, protocol.Refuse(protocol.WrongSheet, "weights of %s are not what its sheets say", n.Short())
	}
	return m.round.Seat(n), nil
}

// Weights returns what a validator has to say on the ledger before it co-signs the
// receipt that ends an epoch: of each worker the sum of its scores since the last
// epoch, as a share of the largest. ok is false if it owes none.
func (m *Machine) Weights(n protocol.NodeID) (w ledger.SetWeights, ok bool) {
	s := m.round.Seat(n)
	if m.phase != Sealing || s == nil || s.Weighed {
		return w, false
	}
	w.Run = Run
	var sums []protocol.NanoNats
	var most protocol.NanoNats
	for _, o := range m.round.opinions {
		if uid, ok := m.ledger.UID(Run, o.Worker); ok && o.Validator == n {
			w.UIDs, sums = append(w.UIDs, uint16(uid)), append(sums, o.Total)
			most = max(most, o.Total)
		}
	}
	for _, x := range sums {
		w.Values = append(w.Values, share(x, most))
	}
	return w, len(sums) > 0
}

// share returns x as a part of most in 65535ths, but at least one: it is positive.
func share(x, most protocol.NanoNats) uint16 {
	hi, lo := bits.Mul64(uint64(x), math.MaxUint16)
	q, _ := bits.Div64(hi, lo, uint64(most))
	return uint16(max(1, q))
}

// enroll gives a member its place on the ledger by the transactions it joins with:
// that it belongs to somebody, unless the ledger knows, that it wants a place, and of an
// invited validator the stake that it is invited with.
func (m *Machine) enroll(n protocol.NodeID, enter [][]byte, stake uint64) error {
	if _, placed := m.ledger.UID(Run, n); placed {
		if len(enter) > 0 {
			return protocol.Refuse(protocol.Duplicate, "%s has a place", n.Short())
		}
		return nil
	}
	if len(enter) > 3 {
		return protocol.Refuse(protocol.Malformed, "joining takes at most three transactions, not %d", len(enter))
	}
	want := []ledger.Body{ledger.Register{Run: Run, Hot: n}}
	if _, known := m.ledger.Identity(n); !known {
		want = append([]ledger.Body{ledger.Identify{Hot: n}}, want...)
	}
	if stake > 0 {
		want = append(want, ledger.Stake{Run: Run, Hot: n, Amount: ledger.Amount(stake)})
	}
	txs, err := m.entering(enter, want)
	if err != nil {
		return err
	}
	if size := len(protocol.Encode(txs)); !m.fits(size) {
		return protocol.Refuse(protocol.Busy, "the ledger's block is full until the round ends")
	}
	last, full := m.ledger.Weakest(Run)
	if _, err := m.ledger.Apply(txs...); err != nil {
		return unpaid(err)
	}
	if i, member := m.find(last.Hot); full && member {
		m.evict(&m.members[i])
	}
	return nil
}

// entering reads the transactions that somebody joins with, which must be those wanted.
func (m *Machine) entering(enter [][]byte, want []ledger.Body) ([]ledger.Tx, error) {
	if len(enter) != len(want) {
		return nil, protocol.Refuse(protocol.NotApplied, "joins with %d transactions, not %d", len(enter), len(want))
	}
	txs := make([]ledger.Tx, len(enter))
	for i, b := range enter {
		t, body, err := read(b)
		if err != nil {
			return nil, err
		}
		if id, ok := body.(ledger.Identify); ok {
			body = ledger.Identify{Hot: id.Hot} // whose proof the ledger checks
		}
		_, stakes := body.(ledger.Stake)
		if !bytes.Equal(protocol.Encode(body), protocol.Encode(want[i])) || t.Type != want[i].Kind() || stakes != (t.Signer == m.man.Members.Invitation) {
			return nil, protocol.Refuse(protocol.NotApplied, "joins with another transaction than its %d. must be", i+1)
		}
		txs[i] = t
	}
	return txs, nil
}

func (m *Machine) stakeOf(n protocol.NodeID) uint64 { return uint64(m.ledger.Staked(Run, n)) }

// weigh fixes what validators will say at the end of an epoch.
func (m *Machine) weigh() {
	if !m.man.Economy.Pays() || !m.ledger.EpochDue(Run) {
		return
	}
	r := &m.round
	board := m.board.Clone()
	board.Apply(r.Verdicts, r.sheets(), r.refused())
	r.opinions = board.Opinions(m.man.Score)
	if txs, _ := m.ledger.Open(); txs > 0 && !m.fits(spare) {
		m.seal(true)
	}
}

// seal ends the open block, with what falls due unless it is idle.
func (m *Machine) seal(idle bool) (due []ledger.Event) {
	b, due, err := m.ledger.Seal(m.now, m.beacon, idle)
	if err != nil {
		panic(fmt.Sprintf("round: the ledger cannot end a block: %v", err))
	}
	clear(m.asked)
	m.askedAll = 0
	m.effects = append(m.effects, Sealed{Block: b, Due: due})
	return due
}

// endBlock ends a round's block, and with it an epoch of scores where one is due.
func (m *Machine) endBlock() (due []ledger.Event) {
	if m.ledger.EpochDue(Run) {
		m.board.EndEpoch(m.man.Score, func(v protocol.NodeID) bool {
			_, owes := m.Weights(v)
			return m.round.Seat(v) != nil && !owes || !m.man.Economy.Pays()
		})
	}
	return m.seal(false)
}

// spare is the room that must be left in the open block after an event, for the next, in
// bytes and in transactions: more than one event takes.
const (
	spare    = 1 << 18
	spareTxs = 64
)

// fits reports whether so many bytes more, and a few transactions, leave room for the
// weights that are still to come.
func (m *Machine) fits(n int) bool {
	txs, bytes := m.ledger.Open()
	return txs+spareTxs <= ledger.MaxBlockTxs && bytes+n+m.owed() <= ledger.MaxBlockLen-headroom
}

// headroom is more than a block's header and frame take, in bytes.
const headroom = 2 << 10

// owed returns the bytes of the weights that are still to come before the epoch ends.
func (m *Machine) owed() (n int) {
	r := &m.round
	if r.opinions == nil {
		return 0
	}
	for i := range r.Seats {
		if !r.Seats[i].Weighed {
			n += rowLen(0)
		}
	}
	for _, o := range r.opinions {
		if s := r.Seat(o.Validator); s != nil && !s.Weighed {
			n += rowLen(1) - rowLen(0)
		}
	}
	return n
}

// rowLen bounds the transaction with one validator's weights, in bytes.
func rowLen(workers int) int { return 256 + 6*workers }

// mayWeigh reports whether a validator owes weights that the block has room for.
func (m *Machine) mayWeigh(n protocol.NodeID) bool {
	w, ok := m.Weights(n)
	txs, bytes := m.ledger.Open()
	return ok && txs < ledger.MaxBlockTxs && bytes+rowLen(len(w.UIDs)) <= ledger.MaxBlockLen-headroom
}

// makeRoom ends a block early, and idle, if newcomers filled it, but not between the
// weights that an epoch waits for and its end.
func (m *Machine) makeRoom() {
	txs, bytes := m.ledger.Open()
	if (txs > ledger.MaxBlockTxs-spareTxs || bytes > ledger.MaxBlockLen-spare) && m.round.opinions == nil {
		m.seal(true)
	}
}

// EndsEpoch reports whether the block of a finished round ended an epoch.
func (s *Summary) EndsEpoch() bool {
	return slices.ContainsFunc(s.Due, func(e ledger.Event) bool { return e.What == "epoch" || e.What == "epoch refused" })
}

// Ledger returns the run's ledger, to be looked at and not moved.
func (m *Machine) Ledger() *ledger.Machine { return m.ledger }

// Holding is what a node has, for people: the stake on it, whoever staked it, and the
// balance of its owner.
type Holding struct {
	Node           protocol.NodeID
	Owner          ledger.Coldkey
	Stake, Balance uint64 // units of 1e-9 coin
}

// Holding returns what a node has.
func (m *Machine) Holding(n protocol.NodeID) Holding {
	h := Holding{Node: n, Owner: ledger.Coldkey(n), Stake: m.stakeOf(n)}
	if id, ok := m.ledger.Identity(n); ok {
		h.Owner = id.Owner
	}
	a, _ := m.ledger.Account(h.Owner)
	h.Balance = uint64(a.Balance)
	return h
}

// Place returns what the last epoch found of a node; ok is false if it has no place.
func (m *Machine) Place(n protocol.NodeID) (p ledger.Neuron, ok bool) {
	uid, ok := m.ledger.UID(Run, n)
	if !ok {
		return p, false
	}
	return m.ledger.Neuron(Run, uid), true
}

// Supply returns all coin that exists.
func (m *Machine) Supply() uint64 {
	n := m.ledger.Network()
	return uint64(n.Genesis + n.Emitted - n.Burned)
}
