package examples

// This file holds examples as the corpus of a run.

import (
	"fmt"
	"io"
	"math"

	"lode/data/chance"
	"lode/protocol"
)

// WriteRecords writes the examples as [protocol.TokenRecords] has them: of each the
// number of its class in one byte, then each value v in the byte next to 255·v. Their
// order is drawn from the seed, since a run keeps the end of its corpus from training.
// It returns the length of a record. Numbers to predict, more than 256 classes and
// values that are not within 0 and 1 are errors that wrap [ErrBad].
func WriteRecords(w io.Writer, s *Set, seed protocol.Digest) (length int, err error) {
	if length, err = s.recordLen(); err != nil {
		return 0, err
	}
	return length, WriteSome(w, s, chance.New("records", seed).Permuted(s.Len(), s.Len()))
}

// WriteSome writes those examples in that order; the errors are those of [WriteRecords].
func WriteSome(w io.Writer, s *Set, of []int) error {
	length, err := s.recordLen()
	if err != nil {
		return err
	}
	values, record := make([]float32, length-1), make([]byte, 0, length)
	for _, i := range of {
		if record, err = s.record(record[:0], values, i); err != nil {
			return err
		}
		if _, err := w.Write(record); err != nil {
			return err
		}
	}
	return nil
}

// recordLen returns the length of a record of an example, if records can hold them.
func (s *Set) recordLen() (int, error) {
	length := 1 + product(s.shape)
	switch {
	case s.Classes() == nil:
		return 0, fmt.Errorf("%w: there are numbers to predict, a record holds a class", ErrBad)
	case len(s.Classes()) > 256:
		return 0, fmt.Errorf("%w: there are %d classes, records tell 256 apart", ErrBad, len(s.Classes()))
	case length > protocol.MaxRecord:
		return 0, fmt.Errorf("%w: an example has %d values, a record at most %d", ErrBad, length-1, protocol.MaxRecord-1)
	}
	return length, nil
}

// record appends example i as a record. values is where its values are read to.
func (s *Set) record(dst []byte, values []float32, i int) ([]byte, error) {
	if err := s.Read(values, i); err != nil {
		return dst, err
	}
	dst = append(dst, byte(s.Label(i)))
	for j, v := range values {
		if !(v >= 0 && v <= 1) {
			return dst, fmt.Errorf("%w: value %d of example %d is %v, and a record holds values from 0 to 1", ErrBad, j, i, v)
		}
		dst = append(dst, byte(math.RoundToEven(float64(v)*255)))
	}
	return dst, nil
}
