package yuma

// This file holds the golden cases of single functions.

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

type mathCase struct {
	Name  string
	Cases []json.RawMessage
}

// CheckMathCase compares the functions that a golden case names, and returns how many
// rows it has.
func CheckMathCase(t *testing.T, raw json.RawMessage) int {
	var c mathCase
	decodeCase(t, raw, &c)
	checks := map[string]func(*testing.T, json.RawMessage){
		"math_weighted_median":       checkMedian,
		"math_weighted_median_col":   checkMedianColumns,
		"math_is_topk":               checkTop,
		"math_check_vec_max_limited": checkLimit,
		"math_u16_max_upscale":       checkUpscale,
		"math_sigmoid_exp_q32":       checkLogistic,
		"math_mat_ema_alpha":         checkAverage,
		"math_q32_primitives":        checkPrimitive,
		"math_liquid_alpha_sigmoid":  checkLiquid,
	}
	check := checks[c.Name]
	if check == nil || len(c.Cases) == 0 {
		t.Fatalf("%s: %d cases, and a check: %v", c.Name, len(c.Cases), check != nil)
	}
	for _, one := range c.Cases {
		check(t, one)
	}
	return len(c.Cases)
}

func decodeCase(t *testing.T, raw json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// number rounds to the nearest fraction, ties to even, as the chain's library does.
func number(x float64) Q32 { return Q32(math.RoundToEven(x * (1 << 32))) }

// number32 goes through a float32, as literals in the chain's tests do.
func number32(x float64) Q32 { return number(float64(float32(x))) }

func checkMedian(t *testing.T, raw json.RawMessage) {
	var c struct {
		Stake, Score     []float64
		Majority, Expect float64
	}
	decodeCase(t, raw, &c)
	var votes []vote
	for i := range c.Stake {
		votes = append(votes, vote{number32(c.Score[i]), number32(c.Stake[i])})
	}
	minority := Q32(math.RoundToEven(float64(1-float32(c.Majority)) * (1 << 32)))
	got := Q32(0)
	if len(votes) > 0 {
		got = median(votes, minority)
		if slow := medianSorted(votes, minority); slow != got {
			t.Errorf("%s: selected %v, sorted %v", raw, got, slow)
		}
	}
	if got != number32(c.Expect) {
		t.Errorf("%s: got %v", raw, got)
	}
}

func checkMedianColumns(t *testing.T, raw json.RawMessage) {
	var c struct {
		Stake    []float64
		Score    [][]float64
		Majority float64
		Expect   []float64
	}
	decodeCase(t, raw, &c)
	var total Q32
	voters := 0
	for _, x := range c.Stake {
		if x > 0 {
			voters++
		}
		total += number32(x)
	}
	for j, want := range c.Expect {
		var votes []vote
		for i, x := range c.Stake {
			if score := c.Score[i][j]; x > 0 && score > 0 {
				votes = append(votes, vote{number32(score), quo(number32(x), total)})
			}
		}
		if got := columnMedian(votes, one, one-number32(c.Majority), voters); got != number32(want) {
			t.Errorf("%s: column %d: got %v", raw, j, got)
		}
	}
}

// checkTop shifts by one: only the epoch's own function treats zero apart.
func checkTop(t *testing.T, raw json.RawMessage) {
	var c struct {
		Vector []Q32
		K      int
		Expect []bool
	}
	decodeCase(t, raw, &c)
	for i := range c.Vector {
		c.Vector[i]++
	}
	got := make([]bool, len(c.Vector))
	topNonZero(got, c.Vector, c.K, nil)
	if !slices.Equal(got, c.Expect) {
		t.Errorf("%s: got %v", raw, got)
	}
}

func checkLimit(t *testing.T, raw json.RawMessage) {
	var c struct {
		Weights []uint16
		Limit   uint16 `json:"max_weight_limit"`
		Expect  bool
	}
	decodeCase(t, raw, &c)
	if got := WithinLimit(c.Weights, c.Limit); got != c.Expect {
		t.Errorf("%s: got %v", raw, got)
	}
}

func checkUpscale(t *testing.T, raw json.RawMessage) {
	var c struct {
		Weights []int64
		Expect  []uint16
	}
	decodeCase(t, raw, &c)
	got := make([]uint16, len(c.Weights))
	MaxUpscale(got, c.Weights)
	if !slices.Equal(got, c.Expect) {
		t.Errorf("%s: got %v", raw, got)
	}
}

func checkLogistic(t *testing.T, raw json.RawMessage) {
	var c struct{ X, Rho, Kappa, Expect float64 }
	decodeCase(t, raw, &c)
	// Some of the chain's literals are float64, some float32.
	wide := logistic(number(c.X), number(c.Kappa), number(c.Rho))
	narrow := logistic(number32(c.X), number(c.Kappa), number(c.Rho))
	if want := number(c.Expect); want != wide && want != narrow {
		t.Errorf("%s: got %d or %d, want %d", raw, wide, narrow, want)
	}
}

func checkAverage(t *testing.T, raw json.RawMessage) {
	var c struct {
		Old, New, Expect [][]float64
		Alpha            json.RawMessage
		OldSparse        [][][2]float64 `json:"old_sparse"`
		NewSparse        [][][2]float64 `json:"new_sparse"`
		ExpectDense      [][]float64    `json:"expect_dense"`
		Tolerance        float64
	}
	decodeCase(t, raw, &c)
	if c.ExpectDense != nil {
		checkAverageAbsent(t, c.OldSparse, c.NewSparse, c.ExpectDense, c.Tolerance)
		return
	}
	var alpha [][]float64
	decodeCase(t, c.Alpha, &alpha)
	for i, row := range c.Expect {
		for j, want := range row {
			got := min(one, average(number(c.New[i][j]), number(c.Old[i][j]), number(alpha[i][j])))
			if math.Abs(float64(got)/(1<<32)-want) > c.Tolerance {
				t.Errorf("%s: %d, %d: got %v", raw, i, j, float64(got)/(1<<32))
			}
		}
	}
}

// checkAverageAbsent runs pairs through a liquid curve that is 0.1 everywhere.
func checkAverageAbsent(t *testing.T, old, new [][][2]float64, want [][]float64, tolerance float64) {
	t.Helper()
	curve := liquid{on: true, low: one / 10, high: one / 10, still: one / 10}
	for i, row := range want {
		for j, want := range row {
			p := pair{col: int32(j)}
			for _, e := range old[i] {
				if int(e[0]) == j {
					p.old = number32(e[1])
				}
			}
			for _, e := range new[i] {
				if int(e[0]) == j {
					p.new, p.listed = number32(e[1]), true
				}
			}
			got := float64(curve.next(p, 0, one)) / (1 << 32)
			if math.Abs(got-want) >= tolerance {
				t.Errorf("%d, %d: got %v, want %v", i, j, got, want)
			}
		}
	}
}

func checkPrimitive(t *testing.T, raw json.RawMessage) {
	var c struct {
		Op      string
		A       Q32    `json:"a_raw"`
		B       Q32    `json:"b_raw"`
		Average uint32 `json:"bonds_moving_average"`
		Kappa   uint16 `json:"kappa_u16"`
		Expect  Q32    `json:"expect_raw"`
	}
	decodeCase(t, raw, &c)
	var got Q32
	switch c.Op {
	case "mul":
		got = mul(c.A, c.B)
	case "div":
		got = div(c.A, c.B)
	case "exp":
		got = exp(c.A)
	case "ema_alpha":
		got = Params{BondsMovingAverage: c.Average}.newShare()
	case "kappa":
		got = Proportion(c.Kappa)
	default:
		t.Fatalf("op %q", c.Op)
	}
	if got != c.Expect {
		t.Errorf("%s: got %d", raw, got)
	}
}

func checkLiquid(t *testing.T, raw json.RawMessage) {
	var c struct {
		Consensus, Weight, Bond float64
		Low                     uint16 `json:"alpha_low"`
		High                    uint16 `json:"alpha_high"`
		Steepness               int16
		Expect                  Q32 `json:"expect_raw"`
	}
	decodeCase(t, raw, &c)
	p := Params{LiquidAlpha: true, AlphaLow: c.Low, AlphaHigh: c.High, Steepness: c.Steepness}
	curve := newLiquid(p, []Q32{one})
	got := curve.alpha(pair{new: number(c.Weight), old: number(c.Bond)}, number(c.Consensus))
	if got != c.Expect {
		t.Errorf("%s: got %d", raw, got)
	}
}
