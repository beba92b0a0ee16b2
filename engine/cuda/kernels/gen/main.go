// Command gen compiles the kernels of the folder above to PTX and has ptxas, where it is
// given, assemble that for the cards there are. It needs NVRTC and no card; see make ptx.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"lode/engine/cuda/driver"
	"lode/engine/cuda/kernels"
)

// target is the oldest card that is trained on; drivers compile its PTX for all newer.
const target = "compute_80"

// assembled are architectures that must take the PTX: Ampere, Ada, Hopper, Blackwell.
var assembled = []string{"sm_80", "sm_89", "sm_90", "sm_100"}

func main() {
	dir := flag.String("dir", ".", "folder of the kernels")
	ptxas := flag.String("ptxas", "", "ptxas, to try the PTX with")
	flag.Parse()
	if err := run(*dir, *ptxas); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir, ptxas string) error {
	libs := driver.Find(driver.Folders())
	if libs.NVRTC.Err != nil {
		return libs.NVRTC.Err
	}
	to := filepath.Join(dir, "ptx")
	old, err := filepath.Glob(filepath.Join(to, "*.ptx"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	for _, name := range kernels.Names() {
		ptx, err := libs.Compile(name+".cu", kernels.Source(name), kernels.Headers(), "--gpu-architecture="+target, "--std=c++17")
		if err != nil {
			return err
		}
		file := filepath.Join(to, name+".ptx")
		if err := os.WriteFile(file, []byte(kernels.Digest(name)+"\n"+ptx), 0o644); err != nil {
			return err
		}
		if ptxas != "" {
			if err := assemble(ptxas, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// assemble has ptxas say what each kernel needs of each card.
func assemble(ptxas, file string) error {
	for _, arch := range assembled {
		out, err := exec.Command(ptxas, "-v", "-arch="+arch, "-o", os.DevNull, file).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s for %s: %w: %s", file, arch, err, out)
		}
		kernel := ""
		for line := range strings.Lines(string(out)) {
			if _, rest, ok := strings.Cut(line, "Compiling entry function '"); ok {
				kernel, _, _ = strings.Cut(rest, "'")
			}
			if _, rest, ok := strings.Cut(line, ": Used "); ok {
				fmt.Printf("%-8s %-24s %s", arch, kernel, rest)
			}
			if strings.Contains(line, "spill") && !strings.Contains(line, " 0 bytes spill stores") {
				fmt.Printf("%-8s %-24s %s", arch, kernel, line)
			}
		}
	}
	return nil
}
