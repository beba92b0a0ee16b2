// Package casefile reads epochs, sequences of epochs and studies from JSON, runs
// them, and writes what came out in the form in which expectations are kept.
//
// It computes nothing itself: package yuma and package yuma/study do.
//
// Read it in this order: [Split] cuts a file into [Case]s; [Case.Run] runs one;
// [Outcome] and [StudyOutcome] are the results.
//
// # Form
//
// A file holds one object or an array of them. Fields that are not named here, such
// as source, note and expect, are ignored.
//
//	kind     epoch, sequence or sim; if absent, what the other fields say
//	name     for people
//	params   rules, below
//	epochs   of a sequence: objects with the fields of a state, or with such under
//	         input; of a sim: objects with stake and weights
//
// The state of an epoch, vectors by uid; what is missing at their end is zero:
//
//	n               neurons, at most 4096; if absent, as many as stakes
//	block           of this epoch
//	last_step_block of the previous epoch, 0 if there was none
//	stake           amounts
//	last_update     block of a neuron's weights; if absent, block
//	registered      block at which a neuron took its place
//	permits         validator permits; if absent, everybody's
//	weights_sparse  {"uid": [[target, weight], …]}, weights 0 to 65535; a zero is
//	                an explicit one
//	weights         the same as a full matrix, read if there is no weights_sparse;
//	                zeros are left out
//	prior_bonds     full matrix, 0 to 65535
//	commit_block    block of the oldest open commit, or null
//
// From the second epoch of a sequence on, absent bonds and permits are those that
// the epoch before returned, absent block is tempo blocks later, absent
// last_step_block the block before, and absent stake, weights and registered stay.
//
// The rules of epochs and sequences, by default those of yuma.DefaultParams:
//
//	version ("yuma2", "yuma3"), kappa, bond_penalty, bonds_moving_average,
//	liquid_alpha, alpha_low, alpha_high, alpha_sigmoid_steepness,
//	max_allowed_validators, stake_threshold, activity_cutoff, tempo, owner_uid,
//	commit_reveal, rao_emission (to hand out, 10⁹ if absent),
//	liquid_decays_absent, current_permits, and
//	sparse: false for the chain's test twin, which knows neither owner nor commits
//
// The rules of a sim, by default those of study.DefaultParams:
//
//	version ("yuma1", "yuma2", "yuma2b", "yuma2c", "yuma3"), kappa, bond_penalty,
//	bonds_alpha, liquid, alpha_low, alpha_high, steep, capacity_alpha, decay_rate
package casefile
