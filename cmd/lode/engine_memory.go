package main

// This file says how much memory training may take on this machine, and how it is made
// to fit.

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/spf13/cobra"

	"lode/engine/model"
)

// freeShare is how much of the memory that is free may be taken unless a flag says
// otherwise, in percent.
const freeShare = 80

// memoryFlags are what a user says of memory.
type memoryFlags struct {
	most      string // bytes, as people write them; empty: a share of what is free
	microRows int    // 0: as memory allows
	recompute bool
}

func (f *memoryFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.most, "max-memory", "",
		fmt.Sprintf("memory that this process may take, such as 6GB: less is kept and more computed again until it fits (default: %d %% of what is free)", freeShare))
}

func (f *memoryFlags) check() error {
	_, err := f.given()
	return err
}

// given returns what the flag says, 0 if nothing.
func (f *memoryFlags) given() (int64, error) { return sizeOf("max-memory", f.most, "500MB or 6GiB") }

// sizeOf reads a flag that is a number of bytes, 0 if it is empty.
func sizeOf(flag, value, such string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(value)
	if err != nil || n < 1 || n > math.MaxInt64 {
		return 0, usagef("--%s is %q, it is a number of bytes such as %s", flag, value, such)
	}
	return int64(n), nil
}

// limit returns the bytes that this process may take; without a bound where the system
// does not say what is free.
func (f *memoryFlags) limit() (int64, error) {
	n, err := f.given()
	if n > 0 || err != nil {
		return n, err
	}
	free, err := freeMemory()
	if err != nil {
		return math.MaxInt64, nil
	}
	return free / 100 * freeShare, nil
}

// freeMemory returns the bytes that a new process can have.
func freeMemory() (int64, error) {
	v, err := mem.VirtualMemory()
	if err != nil {
		return 0, fmt.Errorf("free memory: %w", err)
	}
	free := int64(min(v.Available, math.MaxInt64))
	for _, g := range []cgroup{
		{"/sys/fs/cgroup/", "memory.max", "memory.current", "inactive_file"},
		{"/sys/fs/cgroup/memory/", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
	} {
		if n, ok := g.free(); ok {
			free = min(free, n)
		}
	}
	return free, nil
}

// cgroup says where a group of processes is bounded, by folder and files, and what counts
// files that are kept in memory and need not be.
type cgroup struct{ dir, most, used, cached string }

// free returns the bytes that the group may take yet; ok is false if there is no such
// group, or no bound.
func (g cgroup) free() (n int64, ok bool) {
	most, err := readNumber(g.dir + g.most)
	if err != nil {
		return 0, false
	}
	used, err := readNumber(g.dir + g.used)
	if err != nil {
		return 0, false
	}
	stat, _ := os.ReadFile(g.dir + "memory.stat") // without it nothing is known to be cached
	for line := range strings.Lines(string(stat)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == g.cached {
			cached, _ := strconv.ParseInt(value, 10, 64)
			used -= min(used, max(0, cached))
		}
	}
	return max(0, most-used), true
}

// readNumber reads a file that holds one number.
func readNumber(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// counting is what of an engine's account lies in this machine's memory, and whether
// the engine can do with less.
type counting int

const (
	countsAll   counting = iota // all of it; it can
	countsWhole                 // all of it
	countsState                 // parameters and what the optimizer remembers
)

// thrift is how an engine will work, and what that takes.
type thrift struct {
	work         model.Work
	demand       model.Demand // what was asked
	bytes, limit int64
}

// plan chooses how to do w for what is asked, within what may be taken.
func (f *memoryFlags) plan(m model.Model, d model.Demand, w model.Work, counts counting) (thrift, error) {
	trace, err := model.TraceOf(m)
	if err != nil {
		return thrift{}, err
	}
	limit, err := f.limit()
	if err != nil {
		return thrift{}, err
	}
	p := thrift{demand: d, limit: limit}
	if counts == countsState {
		d.Loads = nil
	}
	w.MicroRows, w.Recompute = f.microRows, f.recompute
	within := limit
	if counts != countsAll {
		within = math.MaxInt64 // as it is
	}
	p.work, p.bytes, _ = trace.Fit(d, w, within)
	p.work.Loads = p.demand.Loads
	if p.bytes > limit {
		return p, fmt.Errorf("training takes %s of memory at the least, %s of them beside the engine, and %s may be taken: "+
			"raise --max-memory or free some memory; a run takes less with a smaller train.rows, train.steps, score.rows, score.held_out, or model",
			humanize.Bytes(uint64(p.bytes)), humanize.Bytes(uint64(d.Beside)), humanize.Bytes(uint64(limit)))
	}
	return p, nil
}

// bind has the program give back what it no longer needs before it takes more than the
// flag allows.
func (f *memoryFlags) bind() {
	if n, err := f.given(); n > 0 && err == nil {
		debug.SetMemoryLimit(n)
	}
}

// String says it in one line.
func (p thrift) String() string {
	out := fmt.Sprintf("training takes about %s of memory", humanize.Bytes(uint64(p.bytes)))
	if p.limit < math.MaxInt64 {
		out += " of " + humanize.Bytes(uint64(p.limit)) + " that may be taken"
	}
	if p.work.MicroRows > 0 {
		out += fmt.Sprintf(", %s at a time", plural(p.work.MicroRows, "row"))
	}
	if p.work.Recompute {
		out += ", with values computed again"
	}
	return out
}
