package score

import (
	"math"
	"testing"
)

// The reference values are those of openskill's PlackettLuce with its defaults:
// a duel, and four players ranked 4, 1, 3, 2.
func TestRateAgainstReference(t *testing.T) {
	near := func(got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 5e-4 {
			t.Errorf("got %.4f, want %.4f", got, want)
		}
	}
	duel := Rate([]Rating{NewRating(), NewRating()}, []float64{1, 0})
	near(duel[0].Mu, 27.635)
	near(duel[0].Sigma, 8.066)
	four := Rate([]Rating{NewRating(), NewRating(), NewRating(), NewRating()}, []float64{-4, -1, -3, -2})
	near(four[0].Mu, 20.963)
	near(four[1].Mu, 27.795)
	near(four[0].Sigma, 8.084)
	near(four[1].Sigma, 8.263)
}
