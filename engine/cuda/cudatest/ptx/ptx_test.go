package ptx

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"lode/engine/cuda/kernels"
)

// All kernels that train are understood.
func TestParse(t *testing.T) {
	for _, name := range kernels.Names() {
		if m := parse(t, kernels.PTX(name)); len(m.Kernels) == 0 {
			t.Errorf("%s has no kernels", name)
		}
	}
	for _, text := range []string{
		".entry a() { add.s32 %r0, 1, 2; }", ".entry a() { .reg .b32 %r<2>; frob.s32 %r0, %r1; }",
		".entry a() { bra nowhere; }", ".entry a() {", ".entry a() { .reg .b32 %r<2>; add.s7 %r0, %r1, %r1; }",
		".entry a() { .reg .b32 %r<2>; ld.u32 %r0, [%r1]; }", ".entry a() { .reg .b32 %r<2>; add.s32 %r0, %r1; }",
		".entry a() { .reg .f32 %f<2>; mad.rn.f32 %f0, %f1, %f1, %f1; }", ".entry a() { .reg .f32 %f<2>; add.rm.f32 %f0, %f1, %f1; }",
		".entry a() { .reg .f32 %f<2>; mul.ftz.f32 %f0, %f1, %f1; }", ".entry a() { .reg .f64 %f<2>; fma.rm.f64 %f0, %f1, %f1, %f1; }",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s: not refused", text)
		}
	}
}

func parse(t *testing.T, text string) *Module {
	t.Helper()
	m, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// at is where the tests' global memory begins.
const at = 1 << 33

// kernelOf wraps a body whose argument is memory: %rd0 is its address plus 8 bytes for each
// thread of the block, %rd1 its beginning, %r0 the thread.
func kernelOf(t *testing.T, body string) *Kernel {
	t.Helper()
	return parse(t, `.visible .entry k(.param .u64 p) {
		.reg .b32 %r<20>; .reg .b64 %rd<20>; .reg .f32 %f<20>; .reg .f64 %fd<20>; .reg .pred %p<20>; .reg .b16 %h<9>;
		.shared .align 16 .b8 s[1024];
		mov.u32 %r0, %tid.x;
		ld.param.u64 %rd1, [p];
		mul.wide.u32 %rd0, %r0, 8;
		add.s64 %rd0, %rd0, %rd1;
		`+body+`
		ret;
	}`).Kernels["k"]
}

// launch runs a kernel in blocks of so many threads, on memory for one block's threads.
func launch(k *Kernel, blocks, threads int, memory []byte) error {
	args := make([]byte, 8)
	setWord(args, at)
	return k.Run(Launch{Grid: [3]int{blocks, 1, 1}, Block: [3]int{threads, 1, 1}, Args: args, Memory: Memory{{at, memory}}, Seed: 1})
}

// TestFaults has each fault be found.
func TestFaults(t *testing.T) {
	for says, body := range map[string]string{
		"no multiple of 4":             "st.global.u32 [%rd0+2], %r0;",
		"no multiple of 16":            "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd0+8];",
		"there is no such memory":      "st.global.u32 [%rd0+1048576], %r0;",
		"a race at 0x200000000":        "st.global.u32 [%rd1], %r0;",
		"a race at 0x0":                "mov.u32 %r1, 0; st.shared.u32 [%r1], %r0;",
		"a race at 0x4":                "shl.b32 %r1, %r0, 2; mov.u32 %r2, s; add.s32 %r2, %r2, %r1; st.shared.u32 [%r2], %r0; xor.b32 %r1, %r1, 4; ld.shared.u32 %r3, [%r1];",
		"never come":                   "setp.gt.u32 %p0, %r0, 3; @%p0 bra L; bar.warp.sync -1; L: bra L2; L2: shfl.sync.bfly.b32 %r1|%p1, %r0, 1, 31, -1;",
		"have ended":                   "setp.gt.u32 %p0, %r0, 3; @%p0 ret; shfl.sync.bfly.b32 %r1|%p1, %r0, 1, 31, -1;",
		"waits for threads that have":  "setp.gt.u32 %p0, %r0, 31; @%p0 ret; bar.sync 0;",
		"wait at different barriers":   "setp.gt.u32 %p0, %r0, 31; @%p0 bra L; bar.sync 0; bra M; L: bar.sync 0; M: add.s32 %r1, %r0, %r0;",
		"a condition that they do not": "setp.gt.u32 %p0, %r0, 3; @%p0 bar.sync 0;",
		"name different threads":       "shfl.sync.idx.b32 %r1|%p1, %r0, 0, 31, %r0;",
		"that does not take part":      "setp.gt.u32 %p0, %r0, 15; @%p0 bra L; shfl.sync.down.b32 %r1|%p1, %r0, 1, 31, 0xffff; L: add.s32 %r1, %r0, %r0;",
	} {
		err := launch(kernelOf(t, body), 1, 64, make([]byte, 64*8))
		if f := (*Fault)(nil); !errors.As(err, &f) || !strings.Contains(f.Why, says) {
			t.Errorf("%s: %v, want %q", body, err, says)
		}
	}
	// Between blocks only what is atomic is in order.
	if err := launch(kernelOf(t, "st.global.u32 [%rd0], %r0;"), 2, 32, make([]byte, 256)); err == nil || !strings.Contains(err.Error(), "a race") {
		t.Error(err)
	}
	memory := make([]byte, 256)
	if err := launch(kernelOf(t, "red.global.add.u32 [%rd1], 1;"), 3, 64, memory); err != nil || word(memory[:4]) != 3*64 {
		t.Error(word(memory[:4]), err)
	}
}

// Barriers put things in order: the block's all, the warp's own those of a warp.
func TestOrder(t *testing.T) {
	other := "shl.b32 %r1, %r0, 2; st.shared.u32 [%r1], %r0; BAR xor.b32 %r1, %r1, MASK; ld.shared.u32 %r2, [%r1]; st.global.u32 [%rd0], %r2;"
	for bar, wants := range map[string]map[string]bool{ // by which bit of the address is another's
		"bar.sync 0;":       {"4": true, "128": true},
		"bar.warp.sync -1;": {"4": true, "128": false},
	} {
		for mask, ok := range wants {
			err := launch(kernelOf(t, strings.NewReplacer("BAR", bar, "MASK", mask).Replace(other)), 1, 64, make([]byte, 64*8))
			if (err == nil) != ok {
				t.Errorf("%s with the thread at %s: %v", bar, mask, err)
			}
		}
	}
}

// result runs code on one thread's %r1, %r2, %r3 (%f of the same bits, %rd, %fd) and returns what it leaves in
// the register named.
func result(t *testing.T, code, from string, in ...uint64) uint64 {
	t.Helper()
	load := ""
	kind := strings.TrimRight(from, "0123456789")
	size := map[string]string{"%r": "u32", "%f": "f32", "%rd": "u64", "%fd": "f64", "%h": "u16"}
	memory := make([]byte, 32*64)
	for i, v := range in {
		setWord(memory[256+8*i:][:8], v)
		load += fmt.Sprintf("ld.global.u32 %%r%d, [%%rd1+%d]; ld.global.f32 %%f%d, [%%rd1+%d]; ld.global.u64 %%rd%d, [%%rd1+%d]; ld.global.f64 %%fd%d, [%%rd1+%d];\n",
			i+1, 256+8*i, i+1, 256+8*i, i+2, 256+8*i, i+1, 256+8*i)
	}
	k := kernelOf(t, load+code+fmt.Sprintf("setp.eq.u32 %%p9, %%r0, 0; @%%p9 st.global.%s [%%rd1], %s;", size[kind], from))
	if err := launch(k, 1, 32, memory); err != nil {
		t.Fatal(code, err)
	}
	return word(memory[:8])
}

func single32(x float32) uint64 { return uint64(math.Float32bits(x)) }

// TestArithmetic holds instructions to values that follow from the PTX ISA.
func TestArithmetic(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		code, from string
		in         []uint64
		want       uint64
	}{
		{"mul.wide.s32 %rd9, %r1, %r2;", "%rd9", []uint64{0xffffffff, 5}, ^uint64(4)},
		{"mul.wide.u32 %rd9, %r1, %r2;", "%rd9", []uint64{0xffffffff, 5}, 5 * 0xffffffff},
		{"mul.hi.s32 %r9, %r1, %r2;", "%r9", []uint64{0x80000000, 3}, 0xfffffffe},
		{"mul.hi.u64 %rd9, %rd2, %rd3;", "%rd9", []uint64{1 << 63, 6}, 3},
		{"mad.lo.s32 %r9, %r1, %r2, %r3;", "%r9", []uint64{7, 0xffffffff, 9}, 2},
		{"div.s32 %r9, %r1, %r2;", "%r9", []uint64{0xfffffff9, 2}, 0xfffffffd},
		{"rem.s32 %r9, %r1, %r2;", "%r9", []uint64{0xfffffff9, 2}, 0xffffffff},
		{"shr.s32 %r9, %r1, %r2;", "%r9", []uint64{0x80000000, 99}, 0xffffffff},
		{"shr.u32 %r9, %r1, %r2;", "%r9", []uint64{0x80000000, 99}, 0},
		{"shr.u64 %rd9, %rd2, %r2;", "%rd9", []uint64{1 << 63, 64}, 0},
		{"shl.b32 %r9, %r1, %r2;", "%r9", []uint64{1, 32}, 0},
		{"shf.l.wrap.b32 %r9, %r1, %r2, %r3;", "%r9", []uint64{0x80000001, 0x7fffffff, 33}, 0xffffffff},
		{"bfi.b32 %r9, %r1, %r2, 8, 4;", "%r9", []uint64{0xff, 0x12345678}, 0x12345f78},
		{"prmt.b32 %r9, %r1, %r2, %r3;", "%r9", []uint64{0x33221180, 0x77665544, 0x8740}, 0xff774480},
		{"clz.b32 %r9, %r1;", "%r9", []uint64{1}, 31},
		{"popc.b32 %r9, %r1;", "%r9", []uint64{0xf000000f}, 8},
		{"abs.s32 %r9, %r1;", "%r9", []uint64{0xffffffff}, 1},
		{"min.s32 %r9, %r1, %r2;", "%r9", []uint64{0xffffffff, 1}, 0xffffffff},
		{"max.u32 %r9, %r1, %r2;", "%r9", []uint64{0xffffffff, 1}, 0xffffffff},
		{"setp.lt.s32 %p0, %r1, %r2; selp.b32 %r9, 7, 8, %p0;", "%r9", []uint64{0xffffffff, 1}, 7},
		{"setp.lt.u32 %p0, %r1, %r2; selp.b32 %r9, 7, 8, %p0;", "%r9", []uint64{0xffffffff, 1}, 8},
		{"setp.lt.f32 %p0, %f1, %f2; selp.b32 %r9, 7, 8, %p0;", "%r9", []uint64{single32(nan), single32(1)}, 8},
		{"setp.ltu.f32 %p0, %f1, %f2; selp.b32 %r9, 7, 8, %p0;", "%r9", []uint64{single32(nan), single32(1)}, 7},
		{"setp.nan.f32 %p0, %f1, %f2; selp.b32 %r9, 7, 8, %p0;", "%r9", []uint64{single32(1), single32(nan)}, 7},
		{"setp.ne.f32 %p0, %f1, %f2; selp.b32 %r9, 7, 8, %p0;", "%r9", []uint64{single32(nan), single32(nan)}, 8},
		{"max.f32 %f9, %f1, %f2;", "%f9", []uint64{single32(nan), single32(-3)}, single32(-3)},
		{"cvt.sat.f32.f32 %f9, %f1;", "%f9", []uint64{single32(nan)}, 0},
		{"cvt.sat.f32.f32 %f9, %f1;", "%f9", []uint64{single32(1.5)}, single32(1)},
		{"cvt.rzi.s32.f32 %r9, %f1;", "%r9", []uint64{single32(-1.9)}, 0xffffffff},
		{"cvt.rni.s32.f32 %r9, %f1;", "%r9", []uint64{single32(2.5)}, 2},
		{"cvt.rzi.s32.f32 %r9, %f1;", "%r9", []uint64{single32(inf)}, 0x7fffffff},
		{"cvt.rzi.u32.f32 %r9, %f1;", "%r9", []uint64{single32(-1)}, 0},
		{"cvt.rzi.s32.f32 %r9, %f1;", "%r9", []uint64{single32(nan)}, 0},
		{"cvt.rzi.s32.f64 %r9, %fd1;", "%r9", []uint64{f64(math.NaN())}, 0x80000000},
		{"cvt.rzi.u64.f32 %rd9, %f1;", "%rd9", []uint64{single32(nan)}, 1 << 63},
		{"cvt.rn.f32.s32 %f9, %r1;", "%f9", []uint64{0x01000001}, single32(1 << 24)},
		{"cvt.s64.s32 %rd9, %r1;", "%rd9", []uint64{0x80000000}, 0xffffffff80000000},
		{"cvt.rn.bf16.f32 %h1, %f1; mov.b16 %h2, %h1;", "%h2", []uint64{0x3f808000}, 0x3f80}, // to even
		{"cvt.rn.bf16.f32 %h1, %f1; mov.b16 %h2, %h1;", "%h2", []uint64{0x3f818000}, 0x3f82},
		{"cvt.rn.bf16x2.f32 %r9, %f1, %f2;", "%r9", []uint64{single32(1), single32(2)}, 0x3f804000},
		{"mov.b64 %rd9, {%r1, %r2};", "%rd9", []uint64{1, 2}, 2<<32 | 1},
		{"mov.b64 {%r8, %r9}, %rd2;", "%r9", []uint64{7<<32 | 1}, 7},
		{"rcp.rn.f32 %f9, %f1;", "%f9", []uint64{single32(3)}, single32(float32(1) / 3)},
		{"ex2.approx.ftz.f32 %f9, %f1;", "%f9", []uint64{single32(-140)}, 0},
		{"ex2.approx.ftz.f32 %f9, %f1;", "%f9", []uint64{single32(10)}, single32(1024)},
		{"neg.f32 %f9, %f1;", "%f9", []uint64{single32(0)}, 0x80000000},
		{"fma.rn.f64 %fd9, %fd1, %fd2, %fd3;", "%fd9", []uint64{f64(1 + 0x1p-52), f64(1 - 0x1p-52), f64(-1)}, f64(-0x1p-104)},
		// The product lies just beyond half way between two float32: to round twice loses that.
		{"fma.rn.f32 %f9, %f1, %f2, %f3;", "%f9", []uint64{single32(0x1p-24 + 0x1p-47), single32(1), single32(1)}, single32(1 + 0x1p-23)},
		{"fma.rn.f32 %f9, %f1, %f2, %f3;", "%f9", []uint64{single32(0x1p-24), single32(1), single32(1)}, single32(1)},
		{"fma.rm.f32 %f9, %f1, %f2, %f3;", "%f9", []uint64{single32(-0x1p-60), single32(1), single32(1)}, single32(1 - 0x1p-24)},
		{"mul.f32 %f9, %f1, %f2; add.f32 %f9, %f9, %f3;", "%f9", []uint64{single32(1 + 0x1p-23), single32(1 - 0x1p-24), single32(-1)}, single32(0)},
		{"vote.sync.ballot.b32 %r9, %p0, -1;", "%r9", nil, 0xffffffff}, // registers begin with ones
		{"shfl.sync.down.b32 %r9|%p1, %r0, 30, 31, -1;", "%r9", nil, 30},
		{"shfl.sync.up.b32 %r9|%p1, %r0, 1, 0, -1; selp.b32 %r9, 1, 2, %p1;", "%r9", nil, 2},
	} {
		if got := result(t, c.code, c.from, c.in...); got != c.want {
			t.Errorf("%s of %x: %#x, want %#x", c.code, c.in, got, c.want)
		}
	}
}

// TestProduct multiplies two matrices that come by ldmatrix: A as it lies, B transposed.
func TestProduct(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	memory := make([]byte, 4096) // A at 0, 16×16 bf16; B at 512, 16×8 of rows of 8; C at 1024
	var a [16][16]float64
	var b [16][8]float64
	draw := func(to int) float64 {
		v := half(float32(r.NormFloat64()))
		setWord(memory[to:][:2], v)
		return float64(ofHalf(v))
	}
	for i := range 16 {
		for j := range 16 {
			a[i][j] = draw(32*i + 2*j)
		}
		for j := range 8 {
			b[i][j] = draw(512 + 16*i + 2*j)
		}
	}
	k := kernelOf(t, `
		shl.b32 %r1, %r0, 4; cvt.u64.u32 %rd2, %r1; add.s64 %rd2, %rd2, %rd1;
		mov.u32 %r2, s; add.s32 %r2, %r2, %r1;
		cp.async.cg.shared.global [%r2], [%rd2], 16, 16;
		add.s64 %rd2, %rd2, 512; add.s32 %r3, %r2, 512; setp.lt.u32 %p0, %r0, 16;
		@%p0 cp.async.cg.shared.global [%r3], [%rd2], 16, 16;
		cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;
		and.b32 %r4, %r0, 15; shl.b32 %r4, %r4, 5; shr.u32 %r5, %r0, 4; shl.b32 %r5, %r5, 4; add.s32 %r4, %r4, %r5;
		ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%r4];
		and.b32 %r4, %r0, 15; shl.b32 %r4, %r4, 4;
		ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r14, %r15, %r16, %r17}, [%r4+512];
		mov.f32 %f0, 0f3F800000; mov.f32 %f1, 0f3F800000; mov.f32 %f2, 0f3F800000; mov.f32 %f3, 0f3F800000;
		mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f0,%f1,%f2,%f3}, {%r10,%r11,%r12,%r13}, {%r14,%r15}, {%f0,%f1,%f2,%f3};
		shr.u32 %r1, %r0, 2; shl.b32 %r1, %r1, 5; and.b32 %r2, %r0, 3; shl.b32 %r2, %r2, 3; add.s32 %r1, %r1, %r2;
		cvt.u64.u32 %rd2, %r1; add.s64 %rd2, %rd2, %rd1;
		st.global.v2.f32 [%rd2+1024], {%f0, %f1};
		st.global.v2.f32 [%rd2+1280], {%f2, %f3};`)
	if err := launch(k, 1, 32, memory); err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		for j := range 8 {
			want := 1.0
			for x := range 16 {
				want += a[i][x] * b[x][j]
			}
			if got := of32(word(memory[1024+32*i+4*j:][:4])); math.Abs(float64(got)-want) > 1e-6*(1+math.Abs(want)) {
				t.Errorf("row %d, column %d: %v, want %v", i, j, got, want)
			}
		}
	}
}

// TestStats counts conflicts of banks and sectors.
func TestStats(t *testing.T) {
	for body, want := range map[string]Stats{
		"shl.b32 %r1, %r0, 2; st.shared.u32 [%r1], %r0;":                     {Shared: 1, Passes: 1},
		"shl.b32 %r1, %r0, 3; st.shared.u32 [%r1], %r0;":                     {Shared: 1, Passes: 2},
		"shl.b32 %r1, %r0, 4; st.shared.v4.u32 [%r1], {%r0, %r0, %r0, %r0};": {Shared: 1, Passes: 4},
		"ld.global.u64 %rd2, [%rd0];":                                        {Requests: 1, Sectors: 8, Global: 256},
		"ld.global.u32 %r2, [%rd1];":                                         {Requests: 1, Sectors: 1, Global: 128},
	} {
		var s Stats
		args := make([]byte, 8)
		setWord(args, at)
		err := kernelOf(t, body).Run(Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{32, 1, 1}, Args: args, Memory: Memory{{at, make([]byte, 256)}}, Stats: &s})
		s.Instructions, s.Lanes = 0, 0
		if err != nil || s != want {
			t.Errorf("%s: %+v, want %+v: %v", body, s, want, err)
		}
	}
}
