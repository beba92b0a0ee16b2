package engine

// This file holds the constants of a step by Muon (K. Jordan and others, 2024), which
// all engines share.

const (
	// MuonMomentum is what of the gradient's running mean is kept at a step.
	MuonMomentum = 0.95
	// MuonScale gives the step the root mean square that AdamW's usually has, once
	// multiplied by the root of the longer side, so that both take the same rate
	// and decay (J. Liu and others, arXiv:2502.16982, section 2.2).
	MuonScale = 0.2
	// MuonRounds turns of the polynomial a·x + b·x³ + c·x⁵ bring the singular
	// values of a matrix of norm 1 near 1, but for the smallest: it rises steeply at 0
	// and then stays within about 0.7 to 1.2.
	MuonRounds = 5
	MuonA      = 3.4445  // a of that polynomial
	MuonB      = -4.7750 // b
	MuonC      = 2.0315  // c
)
