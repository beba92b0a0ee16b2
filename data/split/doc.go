// Package split deals labelled examples to clients that each keep their own, as
// classic federated learning does: evenly, so that clients have few labels each, or
// by file. It knows examples by number, label and group, not what is in them.
//
// A [Rule] says how; [Rule.Deal] gives every example to one client. [HeldOut] sets
// some examples aside first, for all, and [KeepBack] some of each client's own.
// [Describe] makes the table of what each client got.
//
// All results follow from rule, seed and labels, bit for bit on every processor: no
// two clients have an example in common, and none is left over. Lists of examples
// are in an order drawn by the seed. Slices that are passed are not changed, slices
// that are returned belong to the caller. All functions may be called at the same
// time.
package split
