// Package vectortest keeps the vectors and golden files that the formats of updates
// and of merged steps are tested with, in the testdata folder of the package under
// test, and the text that they hold: bytes as hexadecimal digits, floats as those of
// their bits, eight for each.
package vectortest
