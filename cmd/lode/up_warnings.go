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
	told map[string]bool // messages
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

// next returns the warnings and errors that were added since, each message once.
func (w *warnings) next() (said []string) {
	f, err := os.Open(w.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, maxLog)
	n, err := f.ReadAt(b, w.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	end := bytes.LastIndexByte(b[:n], '\n') + 1
	if end == 0 && n == maxLog {
		end = n // no line of ours is so long
	}
	w.at += int64(end)
	for line := range bytes.Lines(b[:end]) {
		var l struct{ Level, Message, Error string }
		if json.Unmarshal(line, &l) != nil || l.Level != "warn" && l.Level != "error" || w.told[l.Message] {
			continue
		}
		w.told[l.Message] = true
		if l.Error != "" {
			l.Message += ": " + l.Error
		}
		said = append(said, l.Message)
	}
	return said
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
		for _, s := range w.next() {
			f.tell("%s: %s (its log is %s)", name, s, w.path)
		}
		if ctx.Err() != nil {
			return
		}
	}
}
