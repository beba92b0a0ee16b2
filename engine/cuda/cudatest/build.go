package cudatest

// This file holds how the library is compiled.

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lode/engine/cuda/kernels"
)

//go:embed fake
var fake embed.FS

var flags = []string{"-std=c++17", "-O2", "-ffp-contract=off", "-fPIC", "-Wall", "-Wno-unused-function", "-Wno-unused-variable"}

// Sources are kernels to compile: CUDA C by the file's name without .cu.
type Sources map[string]string

// Kernels are those that train.
func Kernels() Sources {
	all := Sources{}
	for _, name := range kernels.Names() {
		all[name] = kernels.Source(name)
	}
	return all
}

// Folder returns a folder with the library that runs these kernels. Without a compiler it
// skips the test, loudly, or fails it where NEED_CXX is 1. What was compiled before is kept
// in the user's cache.
func Folder(t testing.TB, sources Sources) string {
	t.Helper()
	return newBuilder(t).library(sources)
}

func newBuilder(t testing.TB) builder {
	t.Helper()
	if !opens {
		t.Skip("NOTHING OF THE CUDA ENGINE IS CHECKED: this build opens no libraries (not Linux, or -tags static)")
	}
	compiler := os.Getenv("CXX")
	if compiler == "" {
		compiler = "g++"
	}
	if _, err := exec.LookPath(compiler); err != nil {
		text := fmt.Sprintf("NOTHING OF THE CUDA ENGINE IS CHECKED: no C++ compiler %q (make setup installs one; $CXX names another)", compiler)
		if os.Getenv("NEED_CXX") == "1" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	return builder{t: t, compiler: compiler, cache: cache(t)}
}

func cache(t testing.TB) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	dir = filepath.Join(dir, "lode-cudatest")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	sweep(dir)
	return dir
}

// kept is how long what was compiled stays after it was last used.
const kept = 30 * 24 * time.Hour

// sweep removes what nobody has used for long. What cannot be removed stays.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > kept {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

// there tells whether something was compiled before, and that it is used now.
func there(path string) bool {
	now := time.Now()
	return os.Chtimes(path, now, now) == nil
}

type builder struct {
	t               testing.TB
	compiler, cache string
}

// library returns the folder with the library, which is named by what it is made of.
func (b builder) library(sources Sources) string {
	b.t.Helper()
	files := map[string]string{}
	entries, err := fake.ReadDir("fake")
	if err != nil {
		b.t.Fatal(err)
	}
	headers := kernels.Headers()
	for _, e := range entries {
		text, err := fake.ReadFile("fake/" + e.Name())
		if err != nil {
			b.t.Fatal(err)
		}
		switch filepath.Ext(e.Name()) {
		case ".h":
			headers[e.Name()] = string(text)
		case ".cpp":
			if e.Name() == "bare.cpp" { // a library of its own
				continue
			}
			files[e.Name()] = string(text)
		}
	}
	for name, text := range sources {
		files[name+".cu.cpp"] = forHost(text)
	}
	var objects []string
	for _, name := range sorted(files) {
		objects = append(objects, b.object(name, files[name], headers))
	}
	dir := filepath.Join(b.cache, digest(objects...))
	if there(dir) {
		return dir
	}
	made := b.temp()
	b.run(append([]string{"-shared", "-o", filepath.Join(made, "fake.so")}, objects...)...)
	for _, name := range []string{"libcuda.so.1", "libcublasLt.so.12", "libnvrtc.so.12", "libnccl.so.2"} {
		if err := os.Symlink("fake.so", filepath.Join(made, name)); err != nil {
			b.t.Fatal(err)
		}
	}
	b.move(made, dir)
	return dir
}

// kernelHead is the head of a kernel.
var kernelHead = regexp.MustCompile(`__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(`)

// forHost returns CUDA C as C++.
func forHost(source string) string {
	var s strings.Builder
	s.WriteString("#include \"shim.h\"\n#line 1\n" + source + "\n#include \"register.h\"\n")
	for _, m := range kernelHead.FindAllStringSubmatch(source, -1) {
		fmt.Fprintf(&s, "REGISTER(%s)\n", m[1])
	}
	return s.String()
}

// object compiles one file, unless that was done before.
func (b builder) object(name, text string, headers map[string]string) string {
	b.t.Helper()
	parts := []string{b.compiler, strings.Join(flags, " "), name, text}
	for _, h := range sorted(headers) {
		parts = append(parts, h, headers[h])
	}
	object := filepath.Join(b.cache, digest(parts...)+".o")
	if there(object) {
		return object
	}
	dir := b.temp()
	defer os.RemoveAll(dir)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	for n, t := range headers {
		write(n, t)
	}
	write(name, text)
	made := filepath.Join(dir, "made.o")
	b.run(append(slices.Clone(flags), "-c", "-o", made, filepath.Join(dir, name))...)
	b.move(made, object)
	return object
}

func (b builder) run(args ...string) {
	b.t.Helper()
	if out, err := exec.Command(b.compiler, args...).CombinedOutput(); err != nil {
		b.t.Fatalf("%s %s: %v\n%s", b.compiler, strings.Join(args, " "), err, out)
	}
}

func (b builder) temp() string {
	b.t.Helper()
	dir, err := os.MkdirTemp(b.cache, "tmp")
	if err != nil {
		b.t.Fatal(err)
	}
	return dir
}

// move puts what was made in its place. Another test may have done so meanwhile.
func (b builder) move(from, to string) {
	b.t.Helper()
	if err := os.Rename(from, to); err != nil {
		if _, there := os.Stat(to); there != nil {
			b.t.Fatal(err)
		}
		_ = os.RemoveAll(from)
	}
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func sorted(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Bare returns a folder with a driver that lacks nearly everything.
func Bare(t testing.TB) string {
	t.Helper()
	b, dir := newBuilder(t), t.TempDir()
	text, err := fake.ReadFile("fake/bare.cpp")
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "bare.cpp")
	if err := os.WriteFile(source, text, 0o644); err != nil {
		t.Fatal(err)
	}
	b.run("-shared", "-fPIC", "-o", filepath.Join(dir, "libcuda.so.1"), source)
	return dir
}
