package yuma

// This file holds the payout: shares times the emission, in whole units.

// emit splits the emission by incentive and dividends. If there are neither, it
// goes to the active stake, and if that is none, to all stake. Every part is
// floored, so the parts may add up to less than the emission, never to more.
func (w *Workspace) emit() {
	r, rao := &w.r, w.s.Emission
	total := sum(r.Incentive) + sum(r.Dividends)
	if total == 0 {
		shares := r.ActiveStake
		if sum(shares) == 0 {
			shares = r.Stake
		}
		for i, x := range shares {
			r.Validator[i] = x.Of(rao)
			r.Combined[i] = r.Validator[i]
		}
		return
	}
	for i := range r.Server {
		r.Server[i] = quo(r.Incentive[i], total).Of(rao)
		r.Validator[i] = quo(r.Dividends[i], total).Of(rao)
		r.Combined[i] = quo(r.Incentive[i]+r.Dividends[i], total).Of(rao)
	}
}
