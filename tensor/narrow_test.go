package tensor

import (
	"go/build"
	"testing"
)

// The build is stopped in so many words where int has 32 bits, and nowhere else.
func TestNarrowProcessors(t *testing.T) {
	for arch, narrow := range map[string]bool{
		"386": true, "arm": true, "mips": true, "mipsle": true,
		"amd64": false, "arm64": false, "loong64": false, "mips64": false, "mips64le": false,
		"ppc64": false, "ppc64le": false, "riscv64": false, "s390x": false, "wasm": false,
	} {
		c := build.Default
		c.GOOS, c.GOARCH = "linux", arch
		if stopped, err := c.MatchFile(".", "narrow.go"); err != nil || stopped != narrow {
			t.Errorf("%s: stopped is %v, %v", arch, stopped, err)
		}
	}
}
