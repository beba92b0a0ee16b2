// Package documents reads documents out of files: plain text, JSON lines and
// Parquet, each also packed by gzip or zstd, alone or mixed in a folder. It turns
// nothing into tokens and fetches nothing.
//
// Read it in this order. [Find] names the files of a [Set]; Read hands out their
// documents in order, as [Batch]es of [Part]s; [Each] spreads work on them over
// cores and collects the results in the same order.
//
// # What is a document
//
// A file's name says what it is, its last endings first: .gz, .gzip, .zst and .zstd
// are packed; behind that, .jsonl and .ndjson are JSON lines, of which a field of
// each record is a document; .parquet and .pq are tables, of which a column of each
// row is one; any other file is text, and one document. Empty documents do not
// count. A file with a NUL in its first 8 KiB is no text.
//
// # What is bad
//
// A file that cannot be read, is damaged, is no text or unpacks to more than 200
// times its size is a bad file: what was read before stays, the rest is left out. A
// record that cannot be parsed, has no such field, has another value there than
// text, or is longer than 16 MiB is a bad record. Both are [Fault]s: told and counted,
// or, if Options say so, the end of reading.
//
// # Units, order, memory
//
// A part has at most 1 MiB; a longer document comes in several parts, cut behind a
// line feed where there is one. The same files give the same parts, which a
// [Position] counts. Files are read as streams, so that memory is bounded whatever
// their size; only Parquet decides itself how much it reads at once, a page.
//
// # Ownership and concurrency
//
// A Batch belongs to who gets it. A Set may be read by several goroutines at once.
package documents
