package process

// This file holds what the process says on its standard error.

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/rs/zerolog"
)

const (
	maxLine   = 4 << 10 // bytes of a line; longer ones are cut into several
	keepLines = 12
)

// words are the last lines of a process.
type words struct {
	mu   sync.Mutex
	last []string // oldest first, at most keepLines
}

// listen logs lines until from ends.
func (w *words) listen(from io.Reader, log zerolog.Logger) {
	in := bufio.NewReaderSize(from, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if text := strings.TrimRight(strings.ToValidUTF8(string(line), "?"), "\r\n"); text != "" {
			log.Info().Msg(text)
			w.add(text)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (w *words) add(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last = append(w.last, line); len(w.last) > keepLines {
		w.last = w.last[1:]
	}
}

// String returns the last lines, each on a line of its own and indented.
func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.last) == 0 {
		return "; it wrote nothing to standard error"
	}
	return "; its last lines:\n\t" + strings.Join(w.last, "\n\t")
}
