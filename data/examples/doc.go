// Package examples reads labelled examples of one shape: pictures in IDX files
// (MNIST's format) and PNG folders, and tables in CSV files. It deals nothing out and
// makes no batches.
//
// [Open] looks at what a path holds and returns a [Set]: how many examples there
// are, of which shape, with which labels or numbers to predict. Labels are in
// memory, what is to be seen of an example is read when it is asked for
// ([Set.Read]); [Set.Load] reads all of it at once. [Measure] and [Set.Standardise]
// bring features to mean 0 and deviation 1. [WriteRecords] makes the corpus of a run of
// them; [Own] is those that one worker has to itself, as such records.
//
// # Files
//
//	IDX    a file whose name holds "images" beside one whose name holds "labels" in
//	       its place, or a folder of such pairs; also with .gz
//	PNG    a folder with a folder for each class, or folders of such folders
//	CSV    a file, or a folder of files with the same columns; also with .csv.gz. The
//	       first line names the columns; all but one hold numbers
//
// Compressed files are held in memory, others are read in place and stay open until
// [Set.Close]. Names that begin with a dot are left out.
//
// A group is what was one file or folder to whoever made it: an IDX pair, a CSV
// file, of PNG folders the outermost below the path.
//
// # Values
//
// Examples have the shape [channels, height, width] for pictures and [columns] for
// tables; their values are float32, row-major. Unsigned bytes and pixels v become
// v/255, 16-bit pixels v/65535, other numbers themselves. Grey PNGs have one channel,
// all others red, green and blue, over black where they are transparent.
//
// Labels that are all whole numbers from 0 are their own numbers; others are numbered
// in the byte order of their names. Where several machines must agree, name the
// classes in [Options].
//
// # What is bad
//
// A file or record that cannot be read, has another shape or another label, or holds
// what is no finite number is a [Fault]: an error that wraps [ErrBad] and says where,
// or with [Options].Skip left out and listed by [Set.Skipped]. A header of a PNG is
// looked at by Open, its pixels when it is read. Sizes are checked before memory is
// taken for them; a file that unpacks to more than 200 times its size is bad.
//
// # Ownership
//
// Slices that are returned belong to the Set unless its comment says otherwise. A
// Set does not change and may be used by many goroutines until Close.
package examples
