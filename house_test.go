package lode_test

// This file holds the walk over the module's sources that the other tests of
// this folder share, and the rules on what a file and a package must look like.

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// source is one Go file of the module, tests included, whatever its build tags.
type source struct {
	path string // slash-separated, from the root
	text []byte
	fset *token.FileSet
	file *ast.File
}

func (s source) folder() string { return path.Dir(s.path) }
func (s source) isTest() bool   { return strings.HasSuffix(s.path, "_test.go") }
func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// importNames returns the name under which the file knows each path it imports.
func (s source) importNames() map[string]string {
	names := map[string]string{}
	for _, spec := range s.file.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		names[p] = path.Base(p)
		if v := regexp.MustCompile(`/v[0-9]+$`); v.MatchString(p) {
			names[p] = path.Base(v.ReplaceAllString(p, ""))
		}
		if spec.Name != nil {
			names[p] = spec.Name.Name
		}
	}
	return names
}

func parse(path string, text []byte) (source, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
	return source{path, text, fset, f}, err
}

// walk calls visit for every file below the root but those of hidden folders
// (.ci and .github apart) and of downloaded dependencies.
func walk(t *testing.T, visit func(path string, d fs.DirEntry)) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == "." {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			hidden := strings.HasPrefix(name, ".") && name != ".ci" && name != ".github"
			if hidden || name == "node_modules" || name == "__pycache__" {
				return fs.SkipDir
			}
			return nil
		}
		if name != ".git" { // in a linked checkout a file
			visit(filepath.ToSlash(p), d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources returns all Go files of this module; those of modules below it and
// those that are test data are not its own.
func sources(t *testing.T) []source {
	t.Helper()
	var paths []string
	var modules []string
	walk(t, func(p string, _ fs.DirEntry) {
		switch {
		case path.Base(p) == "go.mod" && p != "go.mod":
			modules = append(modules, path.Dir(p)+"/")
		case strings.HasSuffix(p, ".go") && !strings.Contains("/"+p, "/testdata/"):
			paths = append(paths, p)
		}
	})
	var all []source
	for _, p := range paths {
		if slices.ContainsFunc(modules, func(m string) bool { return strings.HasPrefix(p, m) }) {
			continue
		}
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parse(p, text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		all = append(all, s)
	}
	if len(all) < 20 {
		t.Fatalf("only %d Go files found: the walk is wrong", len(all))
	}
	return all
}

// packages groups files by folder.
func packages(all []source) map[string][]source {
	m := map[string][]source{}
	for _, s := range all {
		m[s.folder()] = append(m[s.folder()], s)
	}
	return m
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

const (
	maxLines   = 500 // of a file
	maxMethods = 5   // of an interface
)

// wideInterfaces may have more methods, for the reason beside them.
var wideInterfaces = map[string]string{
	"engine.Engine":        "training needs all of them, and every engine has them all",
	"engine/model.Builder": "one for each stage that models are made of, and every engine has them all",
	"checkpoints.disk":     "the calls of a file system that are in use",
}

var vagueNames = []string{"util", "utils", "common", "types", "helpers", "helper", "misc", "base"}

func TestPackagesAreDocumented(t *testing.T) {
	pkgs := packages(sources(t))
	for _, folder := range slices.Sorted(maps.Keys(pkgs)) {
		files := pkgs[folder]
		if !slices.ContainsFunc(files, func(s source) bool { return !s.isTest() }) {
			continue
		}
		if files[0].file.Name.Name == "main" {
			if !slices.ContainsFunc(files, begins("Command "+path.Base(folder))) {
				t.Errorf("%s: no comment begins with %q", folder, "Command "+path.Base(folder))
			}
			continue
		}
		i := slices.IndexFunc(files, func(s source) bool { return path.Base(s.path) == "doc.go" })
		if i < 0 {
			t.Errorf("%s: no doc.go", folder)
			continue
		}
		if want := "Package " + files[i].file.Name.Name; !begins(want)(files[i]) {
			t.Errorf("%s/doc.go: its comment must begin with %q", folder, want)
		}
	}
}

func begins(words string) func(source) bool {
	return func(s source) bool { return strings.HasPrefix(s.file.Doc.Text(), words+" ") }
}

func TestFilesAndNames(t *testing.T) {
	for _, s := range sources(t) {
		for _, fault := range s.faults() {
			t.Error(fault)
		}
	}
}

// faults returns what is wrong with a file's size, names and comments.
func (s source) faults() (faults []string) {
	fault := func(n ast.Node, format string, args ...any) {
		faults = append(faults, s.at(n)+": "+fmt.Sprintf(format, args...))
	}
	if slices.Contains(vagueNames, strings.TrimSuffix(s.file.Name.Name, "_test")) {
		fault(s.file.Name, "package name %q says nothing", s.file.Name.Name)
	}
	if s.isTest() || generated.Match(s.text) {
		return faults
	}
	if n := bytes.Count(s.text, []byte("\n")); n > maxLines {
		fault(s.file.Name, "%d lines, at most %d", n, maxLines)
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if num := numMethods(spec.Type); num > maxMethods && wideInterfaces[s.folder()+"."+spec.Name.Name] == "" {
			fault(n, "%s has %d methods, at most %d", spec.Name.Name, num, maxMethods)
		}
		return true
	})
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && receiverIsExported(d) && d.Doc == nil {
				fault(d, "%s has no comment", d.Name.Name)
			}
		case *ast.GenDecl:
			for _, name := range undocumented(d) {
				fault(name, "%s has no comment", name.Name)
			}
		}
	}
	return faults
}

// numMethods returns the number of methods an interface declares itself: one
// that joins small ones is no wide one.
func numMethods(t ast.Expr) (num int) {
	i, ok := t.(*ast.InterfaceType)
	if !ok {
		return 0
	}
	for _, m := range i.Methods.List {
		num += len(m.Names)
	}
	return num
}

func receiverIsExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		exported = exported || ok && id.IsExported()
		return !ok
	})
	return exported
}

// undocumented returns the exported names of a declaration that no comment
// covers. One comment may cover a group of constants or variables, not of types.
func undocumented(d *ast.GenDecl) (names []*ast.Ident) {
	for _, spec := range d.Specs {
		switch sp := spec.(type) {
		case *ast.TypeSpec:
			if sp.Name.IsExported() && sp.Doc == nil && (d.Doc == nil || len(d.Specs) > 1) {
				names = append(names, sp.Name)
			}
		case *ast.ValueSpec:
			for _, name := range sp.Names {
				if name.IsExported() && d.Doc == nil && sp.Doc == nil && sp.Comment == nil {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// Python files say what they are and are no longer than others.
func TestPythonFiles(t *testing.T) {
	num := 0
	walk(t, func(p string, _ fs.DirEntry) {
		if !strings.HasPrefix(p, "python/") || path.Ext(p) != ".py" {
			return
		}
		num++
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte(`"""`)) {
			t.Errorf("%s: it must begin by saying what it is", p)
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines {
			t.Errorf("%s: %d lines, at most %d", p, n, maxLines)
		}
	})
	if num < 5 {
		t.Fatalf("only %d Python files found: the walk is wrong", num)
	}
}

// The project speaks of itself alone: these belong to whatever it was made with.
// They are spelt in two halves because this file is read too.
var foreignWords = []string{"/wo" + "rk/", "fa" + "rm-", "iss" + "ue #"}

func TestProse(t *testing.T) {
	num := 0
	walk(t, func(p string, d fs.DirEntry) {
		if !d.Type().IsRegular() {
			return
		}
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text[:min(len(text), 8<<10)], 0) >= 0 {
			return
		}
		num++
		for _, w := range foreignWords {
			if i := bytes.Index(text, []byte(w)); i >= 0 {
				t.Errorf("%s:%d: holds %q", p, 1+bytes.Count(text[:i], []byte("\n")), w)
			}
		}
	})
	if num < 20 {
		t.Fatalf("only %d text files found: the walk is wrong", num)
	}
}

// The rules above must notice what they forbid.
func TestHouseRulesBite(t *testing.T) {
	for name, c := range map[string]struct {
		path, text string
		faults     int
	}{
		"clean":                 {"a/a.go", "package a\n\n// A is a.\ntype A struct{}\n\n// B is b.\nfunc (*A) B() {}\n\nfunc (c) D() {}\n\ntype c int\n", 0},
		"vague name":            {"util/a.go", "package util\n", 1},
		"vague test":            {"util/a_test.go", "package util_test\n", 1},
		"too long":              {"a/a.go", "package a\n" + strings.Repeat("\n", maxLines), 1},
		"long test":             {"a/a_test.go", "package a\n" + strings.Repeat("\n", maxLines), 0},
		"long but generated":    {"a/a.go", "// Code generated by gen. DO NOT EDIT.\npackage a\n" + strings.Repeat("\n", maxLines), 0},
		"many methods":          {"a/a.go", "package a\n\ntype a interface{ B(); C(); D(); E(); F(); G() }\n", 1},
		"joined methods":        {"a/a.go", "package a\n\ntype a interface{ b; c; d; e; f; g; H() }\n", 0},
		"type without comment":  {"a/a.go", "package a\n\ntype A int\n", 1},
		"group of types":        {"a/a.go", "package a\n\n// Both.\ntype (\n\tA int\n\tB int\n)\n", 2},
		"function without":      {"a/a.go", "package a\n\nfunc A() {}\n", 1},
		"method without":        {"a/a.go", "package a\n\n// A is a.\ntype A[T any] int\n\nfunc (a *A[T]) B() {}\n", 1},
		"constants without":     {"a/a.go", "package a\n\nconst (\n\tA, B = 1, 2\n\tc = 3\n)\n", 2},
		"constants, group only": {"a/a.go", "package a\n\n// Both.\nconst (\n\tA = 1\n\tB = 2\n)\n", 0},
		"constants, each":       {"a/a.go", "package a\n\nvar (\n\tA = 1 // one\n\t// B is two.\n\tB = 2\n)\n", 0},
	} {
		s, err := parse(c.path, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.faults(); len(got) != c.faults {
			t.Errorf("%s: got %q, want %d faults", name, got, c.faults)
		}
	}
}
