package ptx

// This file holds what is counted of a launch.

import "math/bits"

// Stats are sums over launches. A nil *Stats counts nothing.
type Stats struct {
	Instructions int64 // of warps
	Lanes        int64 // of threads, those under a false guard not counted
	Products     int64 // of tensor cores: m16n8k16
	Requests     int64 // of warps to global memory
	Sectors      int64 // of 32 bytes that these touched
	Global       int64 // bytes that threads asked of global memory
	Shared       int64 // accesses of warps to shared memory
	Passes       int64 // that these took: more than one where threads want different words of a bank
}

func (s *Stats) instruction(m mask) {
	if s != nil {
		s.Instructions++
		s.Lanes += int64(bits.OnesCount32(uint32(m)))
	}
}

func (s *Stats) product() {
	if s != nil {
		s.Products++
	}
}

const (
	sector = 32
	banks  = 32 // each four bytes wide
)

// memory counts an access of n bytes a lane, at the address that the first source holds.
func (s *Stats) memory(w *warp, in *instr, m mask, n uint64) {
	if s == nil || in.space != global && in.space != shared {
		return
	}
	addrs := make([]uint64, 0, lanes)
	for lane := range m.each {
		addrs = append(addrs, w.address(in, lane))
	}
	if in.space == global {
		s.sectors(addrs, n)
		return
	}
	s.Shared++
	// 128 bytes are moved in a pass: of 8 bytes a lane half a warp, of 16 a quarter.
	for at, step := 0, int(min(lanes, 4*banks/max(n, 4))); at < len(addrs); at += step {
		s.Passes += conflicts(addrs[at:min(at+step, len(addrs))], n)
	}
}

func (s *Stats) sectors(addrs []uint64, n uint64) {
	seen := map[uint64]bool{}
	for _, a := range addrs {
		for at := a / sector; at <= (a+n-1)/sector; at++ {
			seen[at] = true
		}
	}
	s.Requests++
	s.Sectors += int64(len(seen))
	s.Global += int64(len(addrs)) * int64(n)
}

// conflicts returns the largest number of different words that are wanted of a bank.
func conflicts(addrs []uint64, n uint64) int64 {
	words := map[uint64]bool{}
	var of [banks]int64
	most := int64(0)
	for _, a := range addrs {
		for at := a / 4; at <= (a+n-1)/4; at++ {
			if !words[at] {
				words[at] = true
				of[at%banks]++
				most = max(most, of[at%banks])
			}
		}
	}
	return most
}

// copies counts asynchronous copies.
func (s *Stats) copies(w *warp, in *instr, m mask) {
	if s == nil {
		return
	}
	var addrs []uint64
	for lane := range m.each {
		if w.regs[in.src[2]][lane]&0xffffffff > 0 {
			addrs = append(addrs, w.regs[in.src[1]][lane])
		}
	}
	if len(addrs) > 0 {
		s.sectors(addrs, uint64(in.bytes))
	}
}
