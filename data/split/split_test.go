package split

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"lode/protocol"
)

func parse(tb testing.TB, s string) Rule {
	tb.Helper()
	r, err := ParseRule(s)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// examples returns num examples of so many labels and groups, uneven in both.
func examples(num, labels, groups int) []Example {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]Example, num)
	for i := range all {
		all[i] = Example{min(r.IntN(labels), r.IntN(labels)), min(r.IntN(groups), r.IntN(groups))}
	}
	return all
}

func everything(num int) []int {
	all := make([]int, num)
	for i := range all {
		all[i] = i
	}
	return all
}

func deal(tb testing.TB, rule string, all []Example, from []int, clients int, seed byte) [][]int {
	tb.Helper()
	to, err := parse(tb, rule).Deal(all, from, clients, protocol.Digest{seed})
	if err != nil {
		tb.Fatal(err)
	}
	return to
}

var ruleNames = []string{
	"iid", "labels:1", "labels:3", "labels:10", "dirichlet:0.001", "dirichlet:0.1", "dirichlet:1", "dirichlet:1000000", "dirichlet:inf",
	"dirichlet:0.001:equal", "dirichlet:0.1:equal", "dirichlet:7:equal", "dirichlet:inf:equal", "files",
}

// Every example that is dealt has one client, the same one each time, and another
// seed deals otherwise.
func TestDealsAll(t *testing.T) {
	all := examples(3000, 10, 60)
	from := slices.DeleteFunc(everything(len(all)), func(i int) bool { return i%7 == 3 })
	for _, rule := range ruleNames {
		for _, clients := range []int{10, 13, 57} {
			to := deal(t, rule, all, from, clients, 1)
			got := slices.Sorted(slices.Values(slices.Concat(to...)))
			if len(to) != clients || !slices.Equal(got, from) {
				t.Errorf("%s, %d clients: not every example went to one of them", rule, clients)
			}
			if same := deal(t, rule, all, from, clients, 1); !slices.EqualFunc(same, to, slices.Equal[[]int]) {
				t.Errorf("%s: dealt twice with different results", rule)
			}
			if other := deal(t, rule, all, from, clients, 2); slices.EqualFunc(other, to, slices.Equal[[]int]) {
				t.Errorf("%s: another seed deals alike", rule)
			}
		}
	}
}

// Equal shares differ by one at most.
func TestEqualSizes(t *testing.T) {
	all := examples(1234, 10, 3)
	for _, rule := range []string{"iid", "dirichlet:0.1:equal", "dirichlet:inf:equal"} {
		for _, clients := range []int{1, 7, 100} {
			for c, own := range deal(t, rule, all, everything(len(all)), clients, 3) {
				if n := len(own); n != 1234/clients && n != 1234/clients+1 {
					t.Errorf("%s: client %d of %d has %d of 1234", rule, c, clients, n)
				}
			}
		}
	}
}

func TestClientsHaveThatManyLabels(t *testing.T) {
	all := examples(5000, 10, 1)
	owned := make([]int, 10)
	for _, g := range Describe(all, deal(t, "labels:3", all, everything(len(all)), 40, 1)) {
		num := 0
		for l, n := range g.Labels {
			if n > 0 {
				num, owned[l] = num+1, owned[l]+1
			}
		}
		if num != 3 {
			t.Errorf("a client has %d labels, want 3", num)
		}
	}
	if slices.Max(owned) != 12 || slices.Min(owned) != 12 {
		t.Errorf("labels have %v owners, want 12 each", owned)
	}
}

// Clients share a label as a Dirichlet variate says: E Σ s² = (α+1)/(Kα+1).
func TestDirichletShares(t *testing.T) {
	const labels, each, clients = 1000, 200, 5
	all := make([]Example, labels*each)
	for i := range all {
		all[i].Label = i % labels
	}
	for _, alpha := range []float64{0.1, 1, 10} {
		sum := 0.0
		for _, g := range Describe(all, deal(t, fmt.Sprintf("dirichlet:%g", alpha), all, everything(len(all)), clients, 1)) {
			for _, n := range g.Labels {
				sum += float64(n) / each * float64(n) / each / labels
			}
		}
		// 1,000 draws of a value between 0.2 and 1 leave an error below 0.01.
		if want := (alpha + 1) / (clients*alpha + 1); math.Abs(sum-want) > 0.02 {
			t.Errorf("alpha %v: squares add up to %.4f, want %.4f", alpha, sum, want)
		}
	}
}

// A client of equally many draws labels as a Dirichlet variate says: of n draws E Σ p²
// = 1/n + (1−1/n)·(α+1)/(Lα+1).
func TestDirichletEqualShares(t *testing.T) {
	const labels, size = 10, 100
	all := make([]Example, 100*size)
	for i := range all {
		all[i].Label = i % labels
	}
	for _, alpha := range []float64{0.1, 1, 10} {
		sum, num := 0.0, 200
		for s := range num {
			to, err := parse(t, fmt.Sprintf("dirichlet:%g:equal", alpha)).Deal(all, everything(len(all)), len(all)/size, protocol.Digest{byte(s), byte(s >> 8)})
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range Describe(all, to[:1])[0].Labels {
				sum += float64(n) / size * float64(n) / size / float64(num)
			}
		}
		if want := 1.0/size + (1-1.0/size)*(alpha+1)/(labels*alpha+1); math.Abs(sum-want) > 0.04 {
			t.Errorf("alpha %v: squares add up to %.4f, want %.4f", alpha, sum, want)
		}
	}
}

func TestInfiniteAlphaIsEven(t *testing.T) {
	all := make([]Example, 1000)
	for i := range all {
		all[i].Label = i % 10
	}
	for _, g := range Describe(all, deal(t, "dirichlet:inf", all, everything(1000), 10, 1)) {
		if slices.Min(g.Labels) != 10 || slices.Max(g.Labels) != 10 || math.Abs(g.Entropy-math.Log2(10)) > 1e-12 {
			t.Errorf("a client has %v, %v bits", g.Labels, g.Entropy)
		}
	}
}

// Files stay whole, and no client has much more than others for their number.
func TestFilesStayWhole(t *testing.T) {
	all := examples(3000, 10, 40)
	owner := map[int]int{}
	for c, own := range deal(t, "files", all, everything(len(all)), 9, 1) {
		for _, i := range own {
			if o, ok := owner[all[i].Group]; ok && o != c {
				t.Fatalf("file %d has clients %d and %d", all[i].Group, o, c)
			}
			owner[all[i].Group] = c
		}
	}
}

func TestRefusals(t *testing.T) {
	all := examples(300, 10, 5)
	for _, s := range []string{
		"", "iid:1", "labels", "labels:0", "labels:x", "labels:1:2", "dirichlet", "dirichlet:", "dirichlet:0", "dirichlet:-1",
		"dirichlet:nan", "dirichlet:1e9", "dirichlet:-inf", "dirichlet:1:other", "dirichlet:1:", "dirichlet:1:equal:", "files:2", "writers",
	} {
		if r, err := ParseRule(s); !errors.Is(err, ErrRule) {
			t.Errorf("%q: rule %v, error %v", s, r, err)
		}
	}
	for _, c := range []struct {
		rule    string
		clients int
	}{{"iid", 0}, {"iid", 301}, {"iid", MaxClients + 1}, {"labels:11", 20}, {"labels:2", 4}, {"files", 6}} {
		if to, err := parse(t, c.rule).Deal(all, everything(300), c.clients, protocol.Digest{}); !errors.Is(err, ErrRule) {
			t.Errorf("%s, %d clients: %d, error %v", c.rule, c.clients, len(to), err)
		}
	}
	for _, share := range []float64{-0.1, 1, math.NaN(), math.Inf(1)} {
		_, _, err := HeldOut(9, share, protocol.Digest{})
		_, _, err2 := KeepBack([][]int{{1}}, share)
		if !errors.Is(err, ErrRule) || !errors.Is(err2, ErrRule) {
			t.Errorf("a share of %v: errors %v and %v", share, err, err2)
		}
	}
}

func TestHeldOut(t *testing.T) {
	rest, held, err := HeldOut(1001, 0.2, protocol.Digest{1})
	if err != nil || len(held) != 200 {
		t.Fatalf("%d of 1001 held out, error %v", len(held), err)
	}
	if all := slices.Sorted(slices.Values(append(slices.Clone(rest), held...))); !slices.Equal(all, everything(1001)) {
		t.Error("some examples are lost or doubled")
	}
	clients := [][]int{everything(100), {7}, nil, {1, 2}, everything(3)}
	train, kept, err := KeepBack(clients, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range []int{50, 0, 0, 1, 2} {
		if len(kept[c]) != want {
			t.Errorf("client %d of %d examples keeps %d back, want %d", c, len(clients[c]), len(kept[c]), want)
		}
		if all := slices.Sorted(slices.Values(append(slices.Clone(train[c]), kept[c]...))); !slices.Equal(all, clients[c]) {
			t.Errorf("client %d: some examples are lost or doubled", c)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	for _, s := range ruleNames {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRule(s)
		if err != nil {
			return
		}
		if again, err := ParseRule(r.String()); err != nil || again != r {
			t.Errorf("%q is rule %v, which is read as %v, error %v", s, r, again, err)
		}
	})
}

var update = flag.Bool("update", false, "rewrite testdata/golden.txt")

// Splits are what they were when the file was made, by go test -update; the root's
// TestSameBitsEverywhere compares them on other processors.
func TestGolden(t *testing.T) {
	all := examples(2000, 10, 30)
	var got bytes.Buffer
	rest, held, err := HeldOut(len(all), 0.2, protocol.Digest{9})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&got, "held out", held[:12])
	for _, rule := range ruleNames {
		train, kept, err := KeepBack(deal(t, rule, all, rest, 20, 9), 0.1)
		if err != nil {
			t.Fatal(err)
		}
		sum := protocol.Hash("golden", fmt.Append(nil, train, kept))
		fmt.Fprintf(&got, "%s %s", rule, hex.EncodeToString(sum[:8]))
		for _, g := range Describe(all, train)[:8] {
			fmt.Fprintf(&got, " %d:%016x", g.Samples, math.Float64bits(g.Entropy))
		}
		fmt.Fprintln(&got)
	}
	const file = "testdata/golden.txt"
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	if err := Print(&b, Describe([]Example{{0, 0}, {1, 0}, {1, 0}}, [][]int{{0, 1}, {2}, nil})); err != nil {
		t.Fatal(err)
	}
	const want = `client  samples  entropy      0     1
     0        2    1.000      1     1
     1        1    0.000      0     1
     2        0    0.000      0     0
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", &b, want)
	}
}
