package main

import (
	"bytes"
	"io"
)

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

func inMemory(b []byte) io.ReadSeekCloser { return memoryFile{bytes.NewReader(b)} }
