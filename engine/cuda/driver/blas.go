package driver

// This file holds products of matrices, by cuBLASLt.

import (
	"errors"
	"fmt"
	"math/bits"

	"lode/engine"
)

// Matrix is one on the device, row-major.
type Matrix struct {
	At         Pointer
	Rows, Cols int
	Step       int  // values from one row to the next; zero is Cols
	Turned     bool // it is the transpose of what lies there; Rows and Cols are those of the transpose
	Half       bool // values are bf16, not float32
}

// T returns the transpose.
func (m Matrix) T() Matrix {
	m.Step, m.Turned = m.step(), !m.Turned
	m.Rows, m.Cols = m.Cols, m.Rows
	return m
}

// From returns the address of column j of a matrix that is not turned.
func (m Matrix) From(j int) Pointer {
	if m.Half {
		return m.At.Plus(2 * int64(j))
	}
	return m.At.Plus(4 * int64(j))
}

// step returns the values from one stored row to the next.
func (m Matrix) step() int {
	switch {
	case m.Step > 0:
		return m.Step
	case m.Turned:
		return m.Rows
	}
	return m.Cols
}

// Product is To = Alpha·A·B + Beta·Add + Bias. To and Add are not turned; sums are float32.
type Product struct {
	To, A, B Matrix
	Alpha    float32 // zero is 1
	Beta     float32
	Add      Pointer // laid out as To; zero is To itself. It counts where Beta is not 0
	Bias     Pointer // one value for each column of To, of its type; 0 is none; see [Aligned]
	TF32     bool    // factors of float32 may be rounded to 11 bits
}

// Aligned tells whether a bias may lie there.
func Aligned(bias Pointer) bool { return bias%16 == 0 }

// shape is all of a product that the choice of an algorithm depends on.
type shape struct {
	m, n, k          int
	stepTo, stepA    int
	stepB            int
	turnA, turnB     bool
	halfTo, halfA    bool
	bias, tf32       bool
	alignTo, alignA  uint32
	alignB, alignAdd uint32
	workspace        int64
}

// product is what cuBLASLt knows of a shape. It describes the transposes, since it counts
// by columns.
type product struct {
	desc     uintptr
	to, a, b uintptr // layouts
	algo     heuristic
	alpha    float32
	beta     float32
}

// heuristic is cublasLtMatmulHeuristicResult_t.
type heuristic struct {
	algo      [8]uint64
	workspace uint64
	state     int32
	waves     float32
	reserved  [4]int32
}

// Constants of cublasLt.h and library_types.h.
const (
	typeFloat            = 0
	typeHalf             = 14
	computeFloat         = 68
	computeTF32          = 77
	descTurnA            = 3
	descTurnB            = 4
	descEpilogue         = 7
	descBias             = 8
	epilogueBias         = 4
	preferWorkspace      = 1
	preferReduction      = 3
	preferAlignA         = 5 // then B, C and D
	reduceInFloat        = 2 // CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
	statusNotInitialized = 1
	statusMemory         = 3
	statusNoAlgo         = 15
	mostAlignment        = 256
)

// alignment returns the power of two that an address is a multiple of.
func alignment(p Pointer) uint32 {
	return 1 << min(bits.TrailingZeros64(uint64(p)), bits.TrailingZeros(mostAlignment))
}

func typeOf(half bool) uintptr {
	if half {
		return typeHalf
	}
	return typeFloat
}

// Multiply puts a product into s. The workspace is memory on the device that nothing
// else uses meanwhile.
func (s *Stream) Multiply(p Product, workspace Pointer, bytes int64) error {
	d := s.d
	if p.Add == 0 {
		p.Add = p.To.At
	}
	if p.A.Rows != p.To.Rows || p.B.Cols != p.To.Cols || p.A.Cols != p.B.Rows || p.To.Turned || p.A.Half != p.B.Half {
		panic(fmt.Sprintf("driver: product of %d×%d and %d×%d to %d×%d", p.A.Rows, p.A.Cols, p.B.Rows, p.B.Cols, p.To.Rows, p.To.Cols))
	}
	x, err := d.product(shape{
		p.To.Rows, p.To.Cols, p.A.Cols, p.To.step(), p.A.step(), p.B.step(), p.A.Turned, p.B.Turned, p.To.Half, p.A.Half,
		p.Bias != 0, p.TF32, alignment(p.To.At), alignment(p.A.At), alignment(p.B.At), alignment(p.Add), bytes,
	}, p.Bias)
	if err != nil {
		return err
	}
	if p.Bias != 0 {
		if err := d.set(x.desc, d.libs.blas.descSet, descBias, uint64(p.Bias)); err != nil {
			return err
		}
	}
	if x.alpha, x.beta = p.Alpha, p.Beta; x.alpha == 0 {
		x.alpha = 1
	}
	return d.checkBLAS("cublasLtMatmul", call(d.libs.blas.matmul, d.blas, x.desc, uintptr(ptr(&x.alpha)),
		uintptr(p.B.At), x.b, uintptr(p.A.At), x.a, uintptr(ptr(&x.beta)), uintptr(p.Add), x.to, uintptr(p.To.At), x.to,
		uintptr(ptr(&x.algo)), uintptr(workspace), uintptr(bytes), s.handle))
}

// product returns what there is for a shape, made now or before.
func (d *Device) product(z shape, bias Pointer) (*product, error) {
	if x := d.products[z]; x != nil {
		return x, nil
	}
	x := &product{}
	err := d.describe(x, z, bias)
	if err == nil {
		err = d.choose(x, z)
	}
	if err != nil {
		d.dropProduct(x)
		return nil, err
	}
	if d.products == nil {
		d.products = map[shape]*product{}
	}
	d.products[z] = x
	return x, nil
}

// describe fills in all but the algorithm. Of the transposes B comes first.
func (d *Device) describe(x *product, z shape, bias Pointer) error {
	compute := uintptr(computeFloat)
	if z.tf32 && !z.halfA {
		compute = computeTF32
	}
	if err := d.checkBLAS("cublasLtMatmulDescCreate", call(d.libs.blas.descCreate, uintptr(ptr(&x.desc)), compute, typeFloat)); err != nil {
		return err
	}
	for attr, on := range map[uintptr]bool{descTurnA: z.turnB, descTurnB: z.turnA} {
		if on {
			if err := d.set(x.desc, d.libs.blas.descSet, attr, uint32(1)); err != nil {
				return err
			}
		}
	}
	if z.bias {
		if err := d.set(x.desc, d.libs.blas.descSet, descEpilogue, uint32(epilogueBias)); err != nil {
			return err
		}
		if err := d.set(x.desc, d.libs.blas.descSet, descBias, uint64(bias)); err != nil {
			return err
		}
	}
	for _, l := range []struct {
		to         *uintptr
		half, turn bool
		rows, cols int
		step       int
	}{{&x.to, z.halfTo, false, z.m, z.n, z.stepTo}, {&x.a, z.halfA, z.turnA, z.m, z.k, z.stepA}, {&x.b, z.halfA, z.turnB, z.k, z.n, z.stepB}} {
		if l.turn {
			l.rows, l.cols = l.cols, l.rows
		}
		if err := d.checkBLAS("cublasLtMatrixLayoutCreate", call(d.libs.blas.layoutCreate, uintptr(ptr(l.to)), typeOf(l.half), uintptr(l.cols), uintptr(l.rows), uintptr(l.step))); err != nil {
			return err
		}
	}
	return nil
}

// preference says what an algorithm must be content with. Destroy it.
func (d *Device) preference(z shape) (uintptr, error) {
	var prefer uintptr
	if err := d.checkBLAS("cublasLtMatmulPreferenceCreate", call(d.libs.blas.prefCreate, uintptr(ptr(&prefer)))); err != nil {
		return 0, err
	}
	err := d.set(prefer, d.libs.blas.prefSet, preferWorkspace, uint64(z.workspace))
	if err == nil && z.halfTo { // else parts of a sum might be rounded to bf16 before they are added
		err = d.set(prefer, d.libs.blas.prefSet, preferReduction, uint32(reduceInFloat))
	}
	for i, align := range []uint32{z.alignB, z.alignA, z.alignAdd, z.alignTo} {
		if err == nil {
			err = d.set(prefer, d.libs.blas.prefSet, preferAlignA+uintptr(i), align)
		}
	}
	return prefer, err
}

// choose asks cuBLASLt for an algorithm.
func (d *Device) choose(x *product, z shape) error {
	prefer, err := d.preference(z)
	if prefer != 0 {
		defer call(d.libs.blas.prefDestroy, prefer)
	}
	if err != nil {
		return err
	}
	var got int32
	if err := d.checkBLAS("cublasLtMatmulAlgoGetHeuristic", call(d.libs.blas.heuristic, d.blas, x.desc, x.b, x.a, x.to, x.to, prefer, 1, uintptr(ptr(&x.algo)), uintptr(ptr(&got)))); err != nil {
		return err
	}
	if got < 1 || x.algo.state != 0 {
		return d.checkBLAS("cublasLtMatmulAlgoGetHeuristic", statusNoAlgo)
	}
	return nil
}

// set sets an attribute of 4 or 8 bytes by the function set of what it belongs to.
func (d *Device) set(of, set, attr uintptr, value any) error {
	var v uint64
	size := uintptr(8)
	switch value := value.(type) {
	case uint32:
		v, size = uint64(value), 4 // little-endian
	case uint64:
		v = value
	}
	return d.checkBLAS("cublasLt…SetAttribute", call(set, of, attr, uintptr(ptr(&v)), size))
}

func (d *Device) dropProducts() {
	for _, x := range d.products {
		d.dropProduct(x)
	}
	d.products = nil
}

func (d *Device) dropProduct(x *product) {
	if x.desc != 0 {
		call(d.libs.blas.descDestroy, x.desc)
	}
	for _, l := range []uintptr{x.to, x.a, x.b} {
		if l != 0 {
			call(d.libs.blas.layoutDestroy, l)
		}
	}
}

// checkBLAS makes an error of what cuBLASLt returned. It does not say whether the device
// is lost, so that is asked.
func (d *Device) checkBLAS(what string, r uintptr) error {
	status := result(r)
	if status == 0 {
		return nil
	}
	if d.context != 0 {
		if err := d.check(what, call(d.libs.cuda.ctxSynchronize)); errors.Is(err, engine.ErrLost) {
			return err
		}
	}
	e := &Error{Kind: ErrRefused, What: what, Code: int(status)}
	switch status {
	case statusMemory:
		e.Kind, e.Advice = ErrMemory, "give less with --card-memory"
	case statusNotInitialized:
		e.Advice = "cuBLASLt and the driver do not go together: update the driver, or install cuBLAS 12"
	case statusNoAlgo:
		e.Advice = "cuBLASLt has no way to compute such a product; a newer one may"
	}
	return e
}
