// Package tree is a map from keys to values with a Merkle root: whoever knows the
// root can be shown that a key has a value, or that it has none. docs/state-proof.md
// says how another program checks that.
//
// It keeps everything in memory and knows nothing of what keys and values mean.
//
// Read it in this order: [Tree] is the map, [Proof] what [Tree.Prove] shows of a
// key, [Span] what [Tree.ProveSpan] shows of many.
//
// # Shape
//
// A binary tree that branches only where keys differ (a crit-bit tree; D. R.
// Morrison, PATRICIA, 1968). A branch names the first bit in which the keys below it
// differ; those with a 0 there stand left. So keys are in order, the shape follows
// from the set of keys alone, and the root from the pairs alone, whatever was put and
// deleted in between. No key may be the beginning of another.
//
// # Cost
//
// With n keys of random bits, get, put and delete walk about log2 n branches. A root
// hashes again only what changed since the last one. A pair takes about 120 bytes
// beside its key and value.
//
// # Ownership and concurrency
//
// Strings are shared, not copied. A Tree may be used by one goroutine at a time; it
// must not change while somebody walks through [Tree.Ascend].
package tree
