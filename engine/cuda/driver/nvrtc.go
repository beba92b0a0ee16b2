package driver

// This file holds the compiler.

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"
)

// Compile makes PTX of CUDA C. Headers are what it may include, by name; options are those
// of NVRTC. It needs no card.
func (l *Libraries) Compile(name, source string, headers map[string]string, options ...string) (string, error) {
	if l.NVRTC.Err != nil {
		return "", l.NVRTC.Err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	var names, texts []string
	for n, t := range headers {
		names, texts = append(names, n), append(texts, t)
	}
	cname, csource := cstrings(&pin, []string{name})[0], cstrings(&pin, []string{source})[0]
	cnames, ctexts, coptions := cstrings(&pin, names), cstrings(&pin, texts), cstrings(&pin, options)
	var program uintptr
	if r := call(l.nvrtc.create, uintptr(ptr(&program)), csource, cname, uintptr(len(names)), uintptr(ptr(&ctexts[0])), uintptr(ptr(&cnames[0]))); r != 0 {
		return "", &Error{Kind: ErrRefused, What: "nvrtcCreateProgram", Code: int(r)}
	}
	defer func() { call(l.nvrtc.destroy, uintptr(ptr(&program))) }()
	if r := call(l.nvrtc.compile, program, uintptr(len(options)), uintptr(ptr(&coptions[0]))); r != 0 {
		said, _ := l.output(program, l.nvrtc.getLogSize, l.nvrtc.getLog)
		return "", fmt.Errorf("%w: %s", &Error{Kind: ErrRefused, What: "compile " + name, Code: int(r)}, said)
	}
	return l.output(program, l.nvrtc.getPTXSize, l.nvrtc.getPTX)
}

// output returns a text of a program.
func (l *Libraries) output(program, size, get uintptr) (string, error) {
	const most = 64 << 20
	var n uint64
	if r := call(size, program, uintptr(ptr(&n))); r != 0 || n < 1 || n > most {
		return "", &Error{Kind: ErrRefused, What: "nvrtc", Code: int(r)}
	}
	b := make([]byte, n)
	if r := call(get, program, uintptr(ptr(&b[0]))); r != 0 {
		return "", &Error{Kind: ErrRefused, What: "nvrtc", Code: int(r)}
	}
	return strings.TrimRight(string(b), "\x00"), nil
}

// cstrings returns the addresses of C's strings, which stay until pin lets go, and a 0.
func cstrings(pin *runtime.Pinner, all []string) []uintptr {
	addresses := make([]uintptr, 0, len(all)+1)
	for _, s := range all {
		b := append([]byte(s), 0)
		pin.Pin(&b[0])
		addresses = append(addresses, uintptr(unsafe.Pointer(&b[0])))
	}
	return append(addresses, 0)
}
