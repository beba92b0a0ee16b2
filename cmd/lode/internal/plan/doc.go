// Package plan holds what a person writes to launch a run, and the keys that a
// node keeps. It opens no socket, trains nothing and reads no corpus.
//
// Read it in this order. A [Plan] is a run as a person describes it: the part of
// a manifest that is chosen, and where the corpus lies. [Defaults] is the plan
// that runs on anything, [Template] the same as a run.yaml with a comment to each
// field. [Parse] reads such a file and reports everything that is wrong with it
// as [Faults]. [Plan.Manifest] completes a plan with what only the launching
// machine knows. [LoadOrCreateKey] and [LoadOrCreateInvite] keep secrets in
// files; [ShowKey] tells the public half. [AdvertiseAddr] and [JoinLink] make the
// line that newcomers get.
//
// # The table
//
// Every field of a run.yaml is one line of a table (fields.go, fields_rules.go; lists.go for those that are lists):
// its path, how text becomes its value and back, where it stands in a Plan, what
// it means and why its default is what it is. Template, parser and the places of
// faults all come from that table, so a field that is not in it cannot be
// written, and one that is has a comment.
//
// # Units
//
// People write shares as fractions (0.05), lengths as bytes or with KiB and MiB,
// spans with their unit (60s), amounts in coins with up to nine decimals. In a
// Plan they are what the manifest says: Q16, bytes, nanoseconds, 1e-9 coin.
//
// # Ownership and concurrency
//
// A Plan is a value; its lists belong to the caller and are copied into the
// manifest. All functions may be called at the same time, also by
// several processes: of two that create one key file, one wins and both get its
// key.
package plan
