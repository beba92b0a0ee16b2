package score

// This file holds ratings, for people to read; nothing is decided by them.

import "math"

// Rating is a worker's standing as a Gaussian belief about its strength.
type Rating struct{ Mu, Sigma float64 }

// NewRating is what is believed of somebody unknown.
func NewRating() Rating { return Rating{Mu: 25, Sigma: 25.0 / 3} }

// beta is how much a single result varies for equal strength.
const beta = 25.0 / 6

// Rate returns the ratings after one round in which results[i] was worker i's
// score, higher being better, equal being a tie. It is the Plackett-Luce update
// of Weng and Lin, "A Bayesian Approximation Method for Online Ranking", JMLR 12
// (2011), algorithm 4, with one player a team.
func Rate(ratings []Rating, results []float64) []Rating {
	c := 0.0
	for _, r := range ratings {
		c += r.Sigma*r.Sigma + beta*beta
	}
	c = math.Sqrt(c)
	sums, ties := make([]float64, len(ratings)), make([]float64, len(ratings))
	for q := range ratings {
		for s := range ratings {
			if results[s] <= results[q] {
				sums[q] += math.Exp(ratings[s].Mu / c)
			}
			if results[s] == results[q] {
				ties[q]++
			}
		}
	}
	out := make([]Rating, len(ratings))
	for i, r := range ratings {
		omega, delta := 0.0, 0.0
		for q := range ratings {
			if results[q] < results[i] {
				continue
			}
			p := math.Exp(r.Mu/c) / sums[q]
			if q == i {
				omega += (1 - p) / ties[q]
			} else {
				omega -= p / ties[q]
			}
			delta += p * (1 - p) / ties[q]
		}
		variance := r.Sigma * r.Sigma
		delta *= variance / (c * c) * (r.Sigma / c)
		out[i] = Rating{Mu: r.Mu + omega*variance/c, Sigma: r.Sigma * math.Sqrt(max(1-delta, 1e-4))}
	}
	return out
}
