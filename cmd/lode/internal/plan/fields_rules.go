package plan

// This file holds the second half of the table: how updates are compressed,
// judged, merged and paid.

import "lode/protocol"

var update = []field{
	row("update.codec", text, func(p *Plan) *string { return &p.Run.Update.Codec },
		"Compression: topk, the largest values of each chunk of 4096; shared, those at places that all workers share, which follow from the step before and chance; dct, the largest of its cosine transform; sign, one bit a value; dense, all.", "least bytes for the same loss; error feedback sends the others later"),
	row("update.keep", whole, func(p *Plan) *uint32 { return &p.Run.Update.Keep },
		"topk, shared, dct: values kept of a chunk of 4096; otherwise 0.", "3 % of the values, twice what large models get by with"),
	row("update.keep_embed", whole, func(p *Plan) *uint32 { return &p.Run.Update.KeepEmbed },
		"The same for embeddings; 0 keeps as many as elsewhere.", "embeddings are treated like other tensors"),
	row("update.bits", whole, func(p *Plan) *uint32 { return &p.Run.Update.Bits },
		"Bits of a value: topk, shared and dct 1 to 4, sign 1, dense 8, 16 or 32.", "a sign and one of two magnitudes"),
	row("update.decay", share, func(p *Plan) *uint32 { return &p.Run.Update.Decay },
		"Share of what was not sent that is kept for the next round, 0 to 1.", "forgets what has become stale within some twenty rounds"),
	row("update.min_exp", signed, func(p *Plan) *int32 { return &p.Run.Update.MinExp },
		"Lowest binary exponent of a scale.", "36 below the highest, the widest span allowed"),
	row("update.max_exp", signed, func(p *Plan) *int32 { return &p.Run.Update.MaxExp },
		"Highest binary exponent of a scale; at most -4.", "the highest allowed: it bounds what sums can reach"),
	row("update.dense_start", whole, func(p *Plan) *uint32 { return &p.Run.Update.DenseStart },
		"Rounds at the start in which boost × keep values are kept.", "off"),
	row("update.boost", whole, func(p *Plan) *uint32 { return &p.Run.Update.Boost },
		"Multiple of keep in those rounds; boost × keep is at most 4096.", "no more than in other rounds"),
}

var merge = []field{
	row("merge.clip_norms", yesNo, func(p *Plan) *bool { return &p.Run.Merge.ClipNorms },
		"Whether accepted updates are first clipped to the lower median of their norms", "they are clipped already, to what is usual over several rounds"),
	row("merge.mix", yesNo, func(p *Plan) *bool { return &p.Run.Merge.Mix },
		"Whether each is then replaced by the mean of those nearest to it, all but merge.liars", "for rules that differences between honest workers would mislead; costs a pass over every two updates"),
	row("merge.bucket", whole, func(p *Plan) *uint32 { return &p.Run.Merge.Bucket },
		"Or by means of so many each, dealt anew each round, up to 64; 0 is off. Not with merge.mix.", "of use where updates differ much and liars are few"),
	row("merge.rule", text, func(p *Plan) *string { return &p.Run.Merge.Rule },
		"How updates are combined: mean, sign-majority, median, trimmed-mean, krum, multi-krum, bulyan, geometric-median or centred-clipping. With topk of own choice most values at a place are missing, and median and trimmed-mean hardly learn.",
		"updates that lower no loss are not accepted in the first place, and those that are have been clipped"),
	row("merge.liars", whole, func(p *Plan) *uint32 { return &p.Run.Merge.Liars },
		"Accepted updates that may be anything, for trimmed-mean, krum, multi-krum, bulyan and merge.mix; otherwise 0. members.min_workers must be enough for as many: 2n+1, krum and multi-krum 2n+3, bulyan 4n+3. If a round accepts too few, the rule bears fewer, at last as the mean.",
		"the mean does not ask"),
	row("merge.senders", yesNo, func(p *Plan) *bool { return &p.Run.Merge.Senders },
		"Whether mean, sign-majority, median and trimmed-mean ask at each place only those who name it, rather than count the others as 0", "who names a place alone would decide it alone"),
	row("merge.optimizer", text, func(p *Plan) *string { return &p.Run.Merge.Optimizer },
		"What is made of the result: sgd, nesterov, fedavgm, fedadam, fedyogi or fedadagrad.", "the simplest, and nothing to keep beside the model"),
	row("merge.rate", share, func(p *Plan) *uint32 { return &p.Run.Merge.Rate },
		"Outer learning rate, up to 4.", "the step is the mean of what the workers did"),
	row("merge.momentum", share, func(p *Plan) *uint32 { return &p.Run.Merge.Momentum },
		"Momentum of the outer optimizer, up to 0.999; 0 for sgd, above 0 for nesterov and fedavgm.", "sgd has none"),
	row("merge.second", share, func(p *Plan) *uint32 { return &p.Run.Merge.Second },
		"Memory of squares of fedadam and fedyogi, above 0, up to 0.9999; otherwise 0.", "sgd has none"),
	row("merge.floor_exp", signed, func(p *Plan) *int32 { return &p.Run.Merge.FloorExp },
		"Binary exponent of what fedadam, fedyogi and fedadagrad add to a root, -36 to 0; otherwise 0. Steps adapt to places whose values are larger; -10 is 0.001.", "sgd has none"),
	row("merge.step_bits", whole, func(p *Plan) *uint32 { return &p.Run.Merge.StepBits },
		"Bits of a merged step's integers, 4 to 24.", "as fine as the levels of single updates; two more bits cost 8 % and gained nothing measurable"),
	row("merge.step_keep", whole, func(p *Plan) *uint32 { return &p.Run.Merge.StepKeep },
		"Values that a merged step moves of a chunk of 4096, the largest; boost times as many in the rounds of update.dense_start. The others wait for later rounds. 0: all move at once.", "nothing waits; with many workers the step is large"),
	row("merge.refuse", whole, func(p *Plan) *uint32 { return &p.Run.Merge.Refuse },
		"Updates whose norm is above this whole multiple of the usual one are refused.", "room for honest differences between workers"),
}

var score = []field{
	row("score.rows", whole, func(p *Plan) *uint32 { return &p.Run.Score.Rows },
		"Sequences of the batch on which updates are scored.", "four training batches: scores of honest work stand clear of their noise"),
	row("score.held_out", whole, func(p *Plan) *uint32 { return &p.Run.Score.HeldOut },
		"Sequences of the held-out batch measured each round.", "enough to follow a run by"),
	row("score.threshold", share, func(p *Plan) *uint32 { return &p.Run.Score.Threshold },
		"Updates are accepted above this share of the reference score, 0 to 1.", "lets weak but honest work in"),
	row("score.window", whole, func(p *Plan) *uint32 { return &p.Run.Score.Window },
		"Rounds that are searched for copies.", "covers the steps that score.project takes out"),
	row("score.project", whole, func(p *Plan) *uint32 { return &p.Run.Score.Project },
		"Last merged steps taken out of scores, so that replaying them earns nothing; at most score.window.", "a replayed step earns most right after it was merged"),
	row("score.overlap", share, func(p *Plan) *uint32 { return &p.Run.Score.Overlap },
		"Updates that repeat more than this share of another's entries are refused, 0.05 to 1.", "above what workers on different data have in common: 0.6 for topk with up to 256 of 4096, 0.8 with more or for dct, whose first updates agree much"),
	row("score.audit", whole, func(p *Plan) *uint32 { return &p.Run.Score.Audit },
		"Updates a round whose effect on the loss is measured exactly.", "a sample suffices, exact measures cost most"),
	row("score.examine", whole, func(p *Plan) *uint32 { return &p.Run.Score.Examine },
		"Updates a round that are examined for proof of work on assigned data.", "new workers come first, then each is met again and again"),
	row("score.work_gate", signedShare, func(p *Plan) *int32 { return &p.Run.Score.WorkGate },
		"Mean of what those examinations prove, as a share of what others prove, that a worker must exceed, -4 to 1; below -2 is no gate.", "a worker that takes a fifth of the steps proves a quarter"),
	row("score.work_min", whole, func(p *Plan) *uint32 { return &p.Run.Score.WorkMin },
		"Examinations of a worker before that gate applies and before it is paid.", "fewer say little"),
}

var timing = []field{
	row("timing.train", span, func(p *Plan) *protocol.Span { return &p.Run.Timing.Train },
		"Longest a round waits for updates", "slow machines make it"),
	row("timing.phase", span, func(p *Plan) *protocol.Span { return &p.Run.Timing.Phase },
		"Longest any other phase waits for stragglers", "an upload over a slow line makes it"),
	row("timing.grace", span, func(p *Plan) *protocol.Span { return &p.Run.Timing.Grace },
		"Least time that stragglers get once most are ready", "machines alike differ by less"),
}

var members = []field{
	row("members.min_workers", whole, func(p *Plan) *uint32 { return &p.Run.Members.MinWorkers },
		"Workers that must be there for a round to begin.", "one learns alone"),
	row("members.min_validators", whole, func(p *Plan) *uint32 { return &p.Run.Members.MinValidators },
		"Validators that must be there for a round to begin.", "enough to try out; against liars take 4 or more"),
	row("members.max_members", whole, func(p *Plan) *uint32 { return &p.Run.Members.MaxMembers },
		"Most members at a time, workers and validators together.", "keeps one round's lists short"),
	row("members.open_workers", yesNo, func(p *Plan) *bool { return &p.Run.Members.OpenWorkers },
		"Whether anyone may join as a worker without an invitation", "updates are judged, not their senders"),
	row("members.invited_stake", coins, func(p *Plan) *uint64 { return &p.Run.Members.InvitedStake },
		"Stake of a validator that joins by invitation; 0: none can", "all invited ones weigh the same"),
	{
		path: "members.genesis", list: &validators,
		what: "Validators with stake from the start, each `- {key: NODE-ID, stake: COINS}`; `lode keys` shows a machine's node id.",
		why:  "validators join by invitation",
	},
}

var economy = []field{
	row("economy.ledger", text, func(p *Plan) *string { return &p.Run.Economy.Ledger },
		"Who keeps the books: yuma mints coins and pays by Yuma consensus; volunteer pays nobody, keeps stakes only as the weight of validators' votes, and needs emission: 0.",
		"workers are paid for what their updates were worth"),
	row("economy.emission", coins, func(p *Plan) *uint64 { return &p.Run.Economy.Emission },
		"Paid each round before any halving", "a round number, small against the cap"),
	row("economy.cap", supply, func(p *Plan) *uint64 { return &p.Run.Economy.Cap },
		"Total supply is never more; covers all stakes given out", "scarce, and far from the limits of arithmetic"),
	row("economy.tempo", whole, func(p *Plan) *uint32 { return &p.Run.Economy.Tempo },
		"Rounds of an epoch, after which pay is settled.", "minutes, so that newcomers see what they earn"),
}
