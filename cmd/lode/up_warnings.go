package main

// This file passes on what the processes of lode up warn of in their logs.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// warnings reads a log as it grows.
type warnings struct {
	path string
	at   int64
	told map[string]bool
}

// newWarnings returns one that skips what the log holds already.
func newWarnings(path string) *warnings {
	w := &warnings{path: path, told: map[string]bool{}}
	if info, err := os.Stat(path); err == nil {
		w.at = info.Size()
	}
	return w
}

// maxLog is how much of a log is read at once.
const maxLog = 1 << 16

// maxTold is how many warnings of a process are passed on.
const maxTold = 20

// next returns the warnings and errors that were added since, each once. more is whether
// the log goes on.
func (w *warnings) next() (said []string, more bool) {
	f, err := os.Open(w.path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	b := make([]byte, maxLog)
	n, err := f.ReadAt(b, w.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false
	}
	end := bytes.LastIndexByte(b[:n], '\n') + 1
	if end == 0 && n == maxLog {
		end = n // no line of ours is so long
	}
	w.at += int64(end)
	for line := range bytes.Lines(b[:end]) {
		var l struct{ Level, Message, Error, Because string }
		if json.Unmarshal(line, &l) != nil || l.Level != "warn" && l.Level != "error" {
			continue
		}
		for _, why := range []string{l.Error, l.Because} {
			if why != "" {
				l.Message += ": " + why
			}
		}
		if !w.told[l.Message] && len(w.told) < maxTold {
			w.told[l.Message] = true
			said = append(said, l.Message)
		}
	}
	return said, end > 0 && n == maxLog
}

// warn tells what the process of that name warns of, until ctx ends.
func (f *family) warn(ctx context.Context, name string, w *warnings) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		for more := true; more; {
			var said []string
			said, more = w.next()
			for _, s := range said {
				f.tell("%s: %s (its log is %s)", name, s, w.path)
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}
