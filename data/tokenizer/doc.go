// Package tokenizer turns text into tokens and back: each byte a token, or byte
// pair encoding (BPE) as a Hugging Face tokenizer.json describes it; and it trains
// a BPE on text. It reads no corpora and writes no files.
//
// Read it in this order. A [Tokenizer] encodes and decodes; [Bytes] is one,
// [Parse] makes a [BPE] of a tokenizer.json. A [Count] counts words of text, its
// Train makes a tokenizer.json of them.
//
// # What of a tokenizer.json is understood
//
// Everything that the models of the GPT-2, Llama and Qwen families put there;
// anything else is refused by name when the file is parsed, never misread:
//
//	model          BPE, with byte_fallback, ignore_merges, unk_token, fuse_unk
//	normalizer     none, NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Sequence
//	pre_tokenizer  none, ByteLevel, Split (isolated, or removed and inverted),
//	               Digits, Metaspace, Sequence
//	decoder        none, ByteLevel, or a Sequence of Replace, ByteFallback, Fuse,
//	               Strip; Metaspace
//	added_tokens   all but single_word
//
// Post-processors put tokens around a whole text, which corpora do not want: they
// are not applied, as with add_special_tokens=False in Python. Nor are truncation
// and padding. Encoding gives the tokens that the Python package tokenizers gives;
// testdata holds its answers.
//
// The ways of GPT-2, Llama 3 and Qwen 2 to cut words are done by hand; other patterns
// go through a general engine and take some eight times as long.
//
// # Bounds
//
// A file may come from a stranger. It may add 65,536 tokens of 512 bytes. A text may
// become 64 times as long and 64 KiB more when normalized, in a minute; an added token
// 512 bytes, and all of them together have ten seconds. A decoder has at most 32
// steps and makes no token longer.
//
// # Bytes that are no UTF-8
//
// A byte-level BPE whose pre-tokenizer is ByteLevel's own pattern takes any bytes
// and gives them back. All others read a byte that is no UTF-8 as U+FFFD.
//
// # Ownership and concurrency
//
// Encode and Decode append to what they are given and keep neither. Tokenizers may
// be used by many goroutines at once, a Count by one.
package tokenizer
