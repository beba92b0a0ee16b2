package score_test

import (
	"fmt"

	"lode/gradient"
	"lode/protocol"
	"lode/validator/score"
)

// Two candidates and three validators, one of which lies about both.
func Example() {
	var board score.Board
	candidates := []score.Candidate{
		{Worker: protocol.NodeID{1}, Norm: gradient.Norm{Lo: 100}},
		{Worker: protocol.NodeID{2}, Norm: gradient.Norm{Lo: 400}}, // twice as strong
	}
	var clips []gradient.Clip
	for _, c := range candidates {
		clip, _ := score.Clip(c.Norm, board.Reference(candidates), 4)
		clips = append(clips, clip)
	}
	row := func(n protocol.NanoNats) protocol.Row { return protocol.Row{First: n} }
	sheets := []score.Sheet{
		{Validator: protocol.NodeID{10}, Stake: 100, Rows: []protocol.Row{row(900), row(-40)}},
		{Validator: protocol.NodeID{11}, Stake: 100, Rows: []protocol.Row{row(800), row(-50)}},
		{Validator: protocol.NodeID{12}, Stake: 100, Rows: []protocol.Row{row(-9e12), row(9e12)}},
	}
	rules := protocol.Score{Overlap: 1 << 15, WorkMin: 4}
	verdicts := board.Decide(rules, candidates, clips, sheets)
	board.Apply(verdicts, sheets, nil)
	for _, v := range verdicts {
		fmt.Printf("%v, score %d, factor %.2f\n", v.Reason, v.Score, float64(v.Clip)/float64(gradient.Unclipped))
	}
	for _, o := range board.Opinions(rules) {
		fmt.Println("validator", o.Validator[0], "worker", o.Worker[0], o.Total)
	}
	// Output:
	// ok, score 800, factor 1.00
	// does not improve the loss, score -40, factor 0.00
	// validator 10 worker 1 900
	// validator 11 worker 1 800
	// validator 12 worker 2 9000000000000
}
