package main

// This file holds lode doctor: what this machine has to train with, and what of it would
// be used.

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/spf13/cobra"

	"lode/engine/cpu/blas"
	"lode/engine/kernel"
)

// finding is one thing that the doctor looked at.
type finding struct {
	What  string `json:"what"`
	State state  `json:"state"`
	Text  string `json:"text"`
}

// state is how it is.
type state string

const (
	isGood   state = "ok"
	isAbsent state = "none" // and need not be there
	isBad    state = "bad"  // and should be mended
)

// errUnwell is the end of a visit that found something bad.
var errUnwell = errors.New("something of that should be mended")

// leastFree is what training takes at the least, in bytes of memory and of disk.
const leastFree = 512 << 20

type doctor struct {
	dir    string
	asJSON bool
}

func doctorCommand() *cobra.Command {
	var f doctor
	c := &cobra.Command{
		Use:   "doctor [LINK]",
		Short: "Check what this machine has to train with",
		Long: `Look at this machine before it joins a run: processor, memory, disk and clock, a BLAS
of the system, NVIDIA's driver, libraries and cards, and which engine --engine auto would
take. Each card that could train takes a few steps of small models in float32 and bf16, which
are compared with those of the processor, and so are the bits of an update and of a state
root; then products and memory are timed. Of several cards it says how they reach each other,
and tries them together. With the link of a run it also goes to its
coordinator: name, UDP, the way there and back, clocks. Without, nothing is sent anywhere.

It ends with 0 if nothing is bad, and with 1 if something should be mended: a card that is
there and cannot be used, or next to no memory or disk. What is not there is not bad: the
processor can always train. NVIDIA's libraries are looked for where $LODE_CUDA_PATH says,
else in the usual places.`,
		Example: "  lode doctor --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), strings.Join(args, ""), c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&f.dir, "dir", "", "folder whose disk is looked at (default: this one, and the home folder)")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object")
	return c
}

func (f *doctor) run(ctx context.Context, link string, out io.Writer) error {
	var way []finding
	if link != "" {
		var err error
		if way, err = linkFindings(ctx, link); err != nil {
			return err
		}
	}
	all := append([]finding{processor(), memoryFinding()}, f.disks()...)
	all = append(all, clockFinding(), blasFinding())
	all = append(append(all, cardFindings(ctx)...), way...)
	if err := ctx.Err(); err != nil {
		return err
	}
	bad := false
	for _, x := range all {
		bad = bad || x.State == isBad
	}
	if f.asJSON {
		if err := json.NewEncoder(out).Encode(map[string]any{"findings": all, "well": !bad}); err != nil {
			return err
		}
	} else if err := printFindings(out, all); err != nil {
		return err
	}
	if bad {
		return errUnwell
	}
	return nil
}

func printFindings(out io.Writer, all []finding) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, x := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\n", x.What, x.State, x.Text)
	}
	return t.Flush()
}

func processor() finding {
	name := runtime.GOARCH
	if all, err := cpu.Info(); err == nil && len(all) > 0 && all[0].ModelName != "" {
		name = all[0].ModelName
	}
	mixed := "no unit for bf16"
	if kernel.HasMixed() {
		mixed = "a unit for bf16 (--precision bf16)"
	}
	return finding{"processor", isGood, fmt.Sprintf("%s, %s, our arithmetic is %s, %s", name, plural(runtime.NumCPU(), "thread"), kernel.Name(), mixed)}
}

func memoryFinding() finding {
	free, err := freeMemory()
	if err != nil {
		return finding{"memory", isAbsent, "the system does not say: " + err.Error()}
	}
	text := bytesText(uint64(free)) + " free"
	if v, err := mem.VirtualMemory(); err == nil {
		text += " of " + bytesText(v.Total)
	}
	return enough("memory", free, fmt.Sprintf("%s, of which training takes at most %d %% (--max-memory)", text, freeShare))
}

// disks looks at the disk that was named, else at those of lode train and lode up, which write
// here, and of nodes, which write below the home folder.
func (f *doctor) disks() []finding {
	home, err := os.UserHomeDir()
	if f.dir != "" || err != nil {
		return []finding{diskFinding(cmp.Or(f.dir, "."))}
	}
	here, herr := disk.Usage(".")
	there, terr := disk.Usage(home)
	if errors.Join(herr, terr) == nil && here.Total == there.Total && here.InodesTotal == there.InodesTotal {
		return []finding{diskFinding(home)} // one disk
	}
	return []finding{diskFinding("."), diskFinding(home)}
}

func diskFinding(dir string) finding {
	u, err := disk.Usage(dir)
	if err != nil {
		return finding{"disk", isBad, err.Error()}
	}
	return enough("disk", int64(u.Free), fmt.Sprintf("%s free of %s, where %s is", bytesText(u.Free), bytesText(u.Total), dir))
}

// enough finds it bad to have next to nothing.
func enough(what string, free int64, text string) finding {
	if free < leastFree {
		return finding{what, isBad, text + ": free at least " + bytesText(leastFree)}
	}
	return finding{what, isGood, text}
}

// blasFinding measures what is installed, and says whether it would be used.
func blasFinding() finding {
	best, all := blas.Choose()
	if len(all) < 2 {
		return finding{"BLAS", isAbsent, "none is installed, and none is needed"}
	}
	text := ""
	for _, m := range all[1:] {
		text += fmt.Sprintf("%s has %.2f times the speed of our products, ", m.Name, m.Flops/all[0].Flops)
	}
	if _, name, err := multiplier(blasSetting()); err == nil && name != "" {
		return finding{"BLAS", isGood, text + name + " is used"}
	}
	if best == nil {
		return finding{"BLAS", isGood, text + "so none is used"}
	}
	return finding{"BLAS", isGood, text + "and none is used unless $LODE_BLAS is auto"}
}
