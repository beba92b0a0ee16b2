package yuma

// This file holds the epoch: the order of its steps and the buffers they share.

// Epoch computes one epoch. The result is the caller's. It refuses parameters out
// of range and rows that are unsorted, repeat a uid or name one that is not there.
func Epoch(p Params, s State) (Result, error) {
	var w Workspace
	return w.Epoch(p, s)
}

// Workspace holds the buffers of an epoch, so that a caller who runs many
// allocates none after the largest. The zero value is ready. One goroutine at a
// time may use it.
type Workspace struct {
	p Params
	s State
	r Result

	weights   sparse // normalised rows, masked
	bonds     sparse
	votes     []vote // weights by column
	colEnd    []int  // first how many votes a column has, then where it ends
	colSum    []Q32
	colSum2   []Q32
	colMax    []Q32
	bondCells []cell
	paired    []pair
	arena     []Entry
	byStake   []int32
	prerank   []Q32
	freshUID  []bool // registered since the last epoch: earlier bonds on it are void
}

// Epoch is the function Epoch with reused buffers: the result is valid until the
// next call.
func (w *Workspace) Epoch(p Params, s State) (Result, error) {
	if err := p.Check(); err != nil {
		return Result{}, err
	}
	if err := s.check(); err != nil {
		return Result{}, err
	}
	w.reset(p, s)
	w.shareStake()
	w.permit()
	w.activate()
	w.maskWeights()
	w.findConsensus()
	w.rank()
	if p.Version == Yuma2 {
		w.bondShares()
	} else {
		w.bondPairs()
	}
	w.emit()
	w.s = State{}
	return w.r, nil
}

// reset sizes and clears every vector.
func (w *Workspace) reset(p Params, s State) {
	n := len(s.Neurons)
	w.p, w.s = p, s
	r := &w.r
	for _, v := range []*[]Q32{
		&r.Stake, &r.ActiveStake, &r.Consensus, &r.ValidatorTrust, &r.Rank, &r.Trust,
		&r.Incentive, &r.Dividends, &w.colSum, &w.colSum2, &w.colMax, &w.prerank,
	} {
		*v = resize(*v, n)
	}
	for _, v := range []*[]uint64{&r.Server, &r.Validator, &r.Combined} {
		*v = resize(*v, n)
	}
	r.Bonds = resize(r.Bonds, n)
	r.Permits = resize(r.Permits, n)
	r.Active = resize(r.Active, n)
	w.freshUID = resize(w.freshUID, n)
	w.colEnd = resize(w.colEnd, n)
}

// resize returns a slice of n zero values, s itself if it is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// cell is one entry of a working matrix.
type cell struct {
	col int32
	val Q32
}

// sparse is a matrix by rows, each sorted by column. Rows are added in order.
type sparse struct {
	end   []int // end[i] is where row i stops and row i+1 starts
	cells []cell
}

func (m *sparse) reset() {
	m.end = m.end[:0]
	m.cells = m.cells[:0]
}

func (m *sparse) add(col int32, val Q32) {
	m.cells = append(m.cells, cell{col, val})
}

func (m *sparse) endRow() { m.end = append(m.end, len(m.cells)) }

func (m *sparse) row(i int) []cell {
	start := 0
	if i > 0 {
		start = m.end[i-1]
	}
	return m.cells[start:m.end[i]]
}
