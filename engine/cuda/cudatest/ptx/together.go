package ptx

// This file holds instructions that the threads of a warp execute together, and the flow of
// control.

import (
	"errors"
	"strings"
)

// makers are by the first word of an instruction.
var makers = func() map[string]maker {
	all := map[string]maker{
		"ld": makeLoad, "st": makeStore, "atom": makeAtomic, "red": makeAtomic, "cp": makeCopy,
		"setp": makeCompare, "cvt": makeConvert, "bfi": insert,
		"shfl": makeShuffle, "vote": makeVote, "mma": makeProduct, "ldmatrix": makeMatrices,
		"bra": makeBranch, "ret": makeLeave, "exit": makeLeave, "bar": makeBarrier,
	}
	for name := range operations {
		if all[name] == nil {
			all[name] = arithmetic
		}
	}
	return all
}()

func makeBranch(_ *builder, in *instr, _, args []string) error {
	if len(args) != 1 {
		return errors.New("want one place")
	}
	in.kind, in.label = branch, args[0]
	return nil
}

func makeLeave(_ *builder, in *instr, _, _ []string) error {
	in.kind = leave
	return nil
}

// makeBarrier reads bar.sync 0 and bar.warp.sync members.
func makeBarrier(b *builder, in *instr, words, args []string) error {
	switch op := strings.Join(words, "."); {
	case op == "bar.sync" && len(args) == 1 && args[0] == "0":
		in.kind = barrier
		return nil
	case op == "bar.warp.sync":
		in.kind = together
		in.run = func(w *warp, in *instr, m mask) *Fault {
			if m == all { // others order too little to be counted
				w.syncs++
			}
			return nil
		}
		return b.take(in, args, 0, 1)
	}
	return errors.New("the barrier is not known")
}

// shuffles are by mode: the lane that is read from, and whether it is in range, of lane, b,
// and the lower and upper end of the lane's segment (PTX ISA, shfl.sync).
var shuffles = map[string]func(lane, by, low, high int) (from int, in bool){
	"up":   func(lane, by, _, high int) (int, bool) { return lane - by, lane-by >= high },
	"down": func(lane, by, _, high int) (int, bool) { return lane + by, lane+by <= high },
	"bfly": func(lane, by, _, high int) (int, bool) { return lane ^ by, lane^by <= high },
	"idx":  func(_, by, low, high int) (int, bool) { return low | by, low|by <= high },
}

// makeShuffle reads shfl.sync.mode.b32 d|p, a, b, c, members.
func makeShuffle(b *builder, in *instr, words, args []string) error {
	if len(words) != 4 || words[1] != "sync" || shuffles[words[2]] == nil || words[3] != "b32" {
		return errors.New("the shuffle is not known")
	}
	mode := shuffles[words[2]]
	in.kind = together
	in.run = func(w *warp, in *instr, m mask) *Fault {
		was := w.regs[in.src[0]]
		for lane := range m.each {
			by, c := int(w.regs[in.src[1]][lane]&31), int(w.regs[in.src[2]][lane])
			segment := c >> 8 & 31
			low := lane & segment
			from, inside := mode(lane, by&^segment, low, low|c&31&^segment)
			if words[2] != "idx" {
				from, inside = mode(lane, by, low, low|c&31&^segment)
			}
			if !inside {
				from = lane
			}
			if m>>from&1 == 0 {
				return w.fault(lane, "takes a value from a thread that does not take part")
			}
			w.regs[in.dst[0]][lane] = was[from]
			if len(in.dst) > 1 && in.dst[1] != none {
				w.regs[in.dst[1]][lane] = truth(inside)
			}
		}
		return nil
	}
	return b.take(in, args, 1, 4)
}

// makeVote reads vote.sync.{ballot.b32, any.pred, all.pred} d, p, members.
func makeVote(b *builder, in *instr, words, args []string) error {
	op := strings.Join(words[1:], ".")
	switch op {
	case "sync.ballot.b32", "sync.any.pred", "sync.all.pred":
	default:
		return errors.New("the vote is not known")
	}
	in.kind = together
	in.run = func(w *warp, in *instr, m mask) *Fault {
		var yes mask
		for lane := range m.each {
			if w.regs[in.src[0]][lane] != 0 {
				yes |= 1 << lane
			}
		}
		v := map[string]uint64{"sync.ballot.b32": uint64(yes), "sync.any.pred": truth(yes != 0), "sync.all.pred": truth(yes == m)}[op]
		for lane := range m.each {
			w.regs[in.dst[0]][lane] = v
		}
		return nil
	}
	return b.take(in, args, 1, 2)
}

// aligned marks an instruction that all threads of a warp execute.
var aligned = typ{size: 2}

// makeProduct reads mma.sync.aligned.m16n8k16 of bf16: D = A·B + C. Which element of which
// matrix a lane has is said in "Matrix Fragments for mma.m16n8k16 with floating point type".
func makeProduct(b *builder, in *instr, words, args []string) error {
	if strings.Join(words[1:], ".") != "sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" {
		return errors.New("the product is not known")
	}
	in.kind, in.typ, in.space, in.run = together, aligned, param, product
	if err := b.take(in, args, 1, 3); err != nil {
		return err
	}
	if len(in.dst) != 4 || len(in.src) != 4+2+4 {
		return errors.New("the operands have other sizes")
	}
	return nil
}

func product(w *warp, in *instr, _ mask) *Fault {
	w.Stats.product()
	var a [16][16]float64
	var b [16][8]float64
	element := func(first int32, lane, i int) float64 {
		return float64(ofHalf(w.regs[in.src[int(first)+i/2]][lane] >> (16 * (i % 2))))
	}
	for lane := range lanes {
		group, within := lane>>2, lane%4
		for i := range 8 {
			row, col := group, within*2+i&1
			if i/2%2 == 1 {
				row += 8
			}
			if i >= 4 {
				col += 8
			}
			a[row][col] = element(0, lane, i)
		}
		for i := range 4 {
			row := within*2 + i&1
			if i >= 2 {
				row += 8
			}
			b[row][group] = element(4, lane, i)
		}
	}
	for lane := range lanes {
		for i := range 4 {
			row, col := lane>>2, lane%4*2+i&1
			if i >= 2 {
				row += 8
			}
			sum := float64(of32(w.regs[in.src[6+i]][lane]))
			for k := range 16 {
				sum += a[row][k] * b[k][col]
			}
			w.regs[in.dst[i]][lane] = f32(float32(sum))
		}
	}
	return nil
}

// makeMatrices reads ldmatrix.sync.aligned.m8n8.x4[.trans].shared.b16 {d...}, [a].
func makeMatrices(b *builder, in *instr, words, args []string) (err error) {
	switch strings.Join(words[1:], ".") {
	case "sync.aligned.m8n8.x4.shared.b16":
	case "sync.aligned.m8n8.x4.trans.shared.b16":
		in.turned = true
	default:
		return errors.New("the load is not known")
	}
	if len(args) != 2 {
		return errors.New("want two operands")
	}
	in.kind, in.typ, in.space, in.run = together, aligned, shared, matrices
	if in.dst, err = b.list(args[0]); err != nil {
		return err
	}
	if len(in.dst) != 4 {
		return errors.New("want four registers")
	}
	return b.addressed(in, args[1])
}

func matrices(w *warp, in *instr, m mask) *Fault {
	var rows [lanes][]byte // row i%8 of matrix i/8
	w.Stats.memory(w, in, m, 16)
	for lane := range lanes {
		addr := w.address(in, lane)
		b, f := w.reach(in, lane, addr, 16, reads)
		if f != nil {
			return f
		}
		rows[lane] = b
	}
	for lane := range lanes {
		for i, r := range in.dst {
			row, col := lane/4, lane%4*2
			if in.turned {
				w.regs[r][lane] = word(rows[i*8+col][2*row:][:2]) | word(rows[i*8+col+1][2*row:][:2])<<16
			} else {
				w.regs[r][lane] = word(rows[i*8+row][2*col:][:4])
			}
		}
	}
	return nil
}
