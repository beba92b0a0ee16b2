// Package columntest measures what decoders of columns allocate; tests and fuzz
// targets use it to hold them to what their input may declare.
package columntest
