// Package safetensors reads and writes the safetensors file format, version
// 0.x of huggingface.co/docs/safetensors: 8 bytes little-endian length N, N bytes
// of JSON that name each tensor's type, shape and place, then the data. It knows
// nothing of models, rounds or stores.
//
// Read it in this order: [Header] is the list of tensors; [New] makes one for
// tensors to be written, [Parse] reads one from a file. [Write] streams float32
// values, [Gather] gives them back chunk by chunk, out of one file or several. [Header.Encode] followed by
// the data of each entry in order is a file, so other types (int64) can be
// written by their owner; [EncodeInts] and [DecodeInts] are their byte order.
//
// Types: F32 and I64, little-endian. F16 and BF16 are read, and widened to float32, of
// which every one is a value. Others are refused by name.
//
// What is written is canonical: the header holds "__metadata__" first if there
// is any, then the tensors sorted by name, no spaces, padded with spaces to a
// multiple of 8; the data lies in the order given to New, without gaps. What is
// read may have any key order and spacing, but each key once, no unknown fields,
// no overlap, no hole, no byte past the end, and a header of at most [MaxHeader].
//
// Ownership: a Header is immutable after New or Parse. A Model may be used by
// several goroutines if its io.ReaderAt may.
package safetensors
