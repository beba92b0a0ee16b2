package documents

// This file holds reading JSON lines: a record in each line.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

var (
	errLong    = fmt.Errorf("is longer than %d bytes", MaxRecord)
	errNoField = errors.New("has no such field")
)

var byteOrderMark = []byte("\ufeff")

// readLines reads a file of JSON lines.
func readLines(in io.Reader, field string, emit func(Part) error, bad func(int, error) error) error {
	b := bufio.NewReaderSize(in, 64<<10)
	var line []byte
	record := map[string]json.RawMessage{}
	for num := 1; ; num++ {
		var long bool
		var err error
		line, long, err = readLine(b, line[:0])
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return err
		}
		if num == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		var fault error
		var text string
		switch {
		case long:
			fault = errLong
		case len(bytes.TrimSpace(line)) > 0:
			text, fault = textOf(line, field, record)
		}
		if fault == nil {
			err = emitDocument([]byte(text), emit)
		} else {
			err = bad(num, fault)
		}
		if err != nil || end {
			return err
		}
	}
}

// readLine appends the next line to dst, without its line feed. Of one that is too
// long it keeps the beginning.
func readLine(b *bufio.Reader, dst []byte) (line []byte, long bool, err error) {
	for {
		chunk, err := b.ReadSlice('\n')
		if len(dst)+len(chunk) > MaxRecord {
			long = true
		} else {
			dst = append(dst, chunk...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSuffix(dst, []byte{'\n'}), long, err
		}
	}
}

// textOf returns the text in a field of a record. The map is room for the record.
func textOf(line []byte, field string, record map[string]json.RawMessage) (string, error) {
	clear(record)
	if err := json.Unmarshal(line, &record); err != nil {
		return "", fmt.Errorf("is no JSON object: %w", err)
	}
	raw, ok := record[field]
	if !ok {
		return "", fmt.Errorf("%w: %q; name another one with --field", errNoField, field)
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return "", fmt.Errorf("field %q is no text", field)
	}
	return *text, nil
}
