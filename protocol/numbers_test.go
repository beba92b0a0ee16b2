package protocol

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// Append only: a number keeps its meaning for ever.
var reasonNumbers = []Reason{
	0: OK, 1: Malformed, 2: WrongVersion, 3: WrongRun, 4: WrongRound, 5: BadSignature, 6: NotMember, 7: WrongRole,
	8: WrongPhase, 9: Duplicate, 10: WrongState, 11: Copied, 12: TooLarge, 13: WrongList, 14: NotListed,
	15: Unavailable, 16: NotRevealed, 17: NotOpened, 18: WrongContent, 19: BadUpdate, 20: TooStrong, 21: NotNovel,
	22: NoImprovement, 23: NoWork, 24: WrongPreimage, 25: WrongSheet, 26: WrongReceipt, 27: NotProposer,
	28: NotInvited, 29: Full, 30: NotFound, 31: Busy, 32: NotExpected, 33: WrongCredential, 34: Internal,
	35: NotAttested, 36: NotApplied,
}

func TestReasonsKeepTheirNumbers(t *testing.T) {
	if len(reasonTexts) != len(reasonNumbers) {
		t.Errorf("%d reasons have a text, %d stand here: append what is new", len(reasonTexts), len(reasonNumbers))
	}
	seen := map[string]bool{}
	for i, r := range reasonNumbers {
		if r != Reason(i) {
			t.Errorf("reason %d (%v) is now %d", i, r, uint16(r))
		}
		if s := r.String(); s == "" || seen[s] {
			t.Errorf("reason %d has the text %q: empty or another one's", i, s)
		}
		seen[r.String()] = true
	}
	if s := Reason(65535).String(); s != "reason 65535" {
		t.Errorf("a reason of the future prints as %q", s)
	}
}

func TestKindsAndRolesKeepTheirNumbers(t *testing.T) {
	for i, k := range []Kind{
		KindJoin, KindCommit, KindListSignature, KindReveal, KindAttestation,
		KindSheetCommit, KindSheetReveal, KindProposal, KindCoSign,
	} {
		if int(k) != i+1 {
			t.Errorf("message kind %d is now %d", i+1, k)
		}
	}
	for i, body := range testBodies() {
		if int(body.Kind()) != i+1 {
			t.Errorf("%T is of kind %d, was %d", body, body.Kind(), i+1)
		}
	}
	for i, k := range []Kind{kindGenesis, kindResumed, kindTick, kindPresent, kindAbsent, kindPublished, kindMessage} {
		if int(k) != i+64 {
			t.Errorf("event kind %d is now %d", i+64, k)
		}
	}
	if Worker != 1 || Validator != 2 || Observer != 3 || Role(9).String() != "role 9" {
		t.Error("the numbers of roles changed")
	}
	if Version != 1 || ALPN != fmt.Sprintf("lode/%d", Version) {
		t.Error("version and ALPN name do not fit together")
	}
}

func TestReasonOf(t *testing.T) {
	r := Refuse(Busy, "try %d", 3)
	for _, c := range []struct {
		err  error
		want Reason
	}{
		{nil, OK},
		{errors.New("x"), Internal},
		{r, Busy},
		{fmt.Errorf("ask: %w", r), Busy},
		{errors.Join(errors.New("x"), r), Busy},
	} {
		if got := ReasonOf(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
	if s := r.Error(); s != "refused (31): busy, try again later: try 3" {
		t.Errorf("got %q", s)
	}
	if s := (&Refusal{Reason: Busy}).Error(); strings.HasSuffix(s, ": ") {
		t.Errorf("got %q", s)
	}
}

func TestToNanoNats(t *testing.T) {
	for _, c := range []struct {
		x    float64
		want NanoNats
		ok   bool
	}{
		{0, 0, true},
		{math.Copysign(0, -1), 0, true},
		{1, 1e9, true},
		{-1, -1e9, true},
		{5.545177444, 5545177444, true},
		{math.SmallestNonzeroFloat64, 0, true},
		{-math.SmallestNonzeroFloat64, 0, true},
		{0.4e-9, 0, true},
		{0.6e-9, 1, true},
		{-0.6e-9, -1, true},
		{576981.5731626794, 576981573162680, true}, // 679 if product and difference were one operation
		{1e6, MaxNanoNats, true},
		{-1e6, -MaxNanoNats, true},
		{math.Nextafter(1e6, 2e6), MaxNanoNats, true},
		{math.Nextafter(-1e6, -2e6), -MaxNanoNats, true},
		{math.MaxFloat64, MaxNanoNats, true},
		{-math.MaxFloat64, -MaxNanoNats, true},
		{math.Inf(1), MaxNanoNats, true},
		{math.Inf(-1), -MaxNanoNats, true},
		{math.NaN(), 0, false},
	} {
		if got, ok := ToNanoNats(c.x); got != c.want || ok != c.ok {
			t.Errorf("%v: got %d and %v, want %d and %v", c.x, got, ok, c.want, c.ok)
		}
	}
}

// Rounding has a slow twin: math.RoundToEven.
func TestRoundEven(t *testing.T) {
	for i := -4001; i <= 4001; i++ {
		for _, x := range []float64{float64(i) / 4, float64(i) / 4 * 1e9, float64(i) * math.Pi} {
			if got, want := roundEven(x), int64(math.RoundToEven(x)); got != want {
				t.Fatalf("%v rounds to %d, want %d", x, got, want)
			}
		}
	}
}

func TestQ16(t *testing.T) {
	for x, want := range map[float64]uint32{0: 0, 1: 65536, 0.5: 32768, 0.95: 62259, 4: 1 << 18, 1.0 / 65536: 1, 0.5 / 65536: 0, 1.5 / 65536: 2} {
		if got := Q16(x); got != want {
			t.Errorf("%v is %d in Q16, want %d", x, got, want)
		}
	}
}

func TestInstants(t *testing.T) {
	a := Instant(5).Add(3 * Second)
	if a != 3e9+5 || a.Sub(5) != 3*Second || (1500*Millisecond).Seconds() != 1.5 || NanoNats(-25e8).Nats() != -2.5 {
		t.Error("the small values do not add up")
	}
}
