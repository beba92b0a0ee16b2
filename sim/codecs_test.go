package sim

// This file runs whole runs under every codec and kind of merge.

import (
	"testing"

	"lode/coordinator/round"
	"lode/protocol"
)

// ways are codecs and merges other than the default.
var ways = map[string]func(*protocol.Manifest){
	"dct": func(m *protocol.Manifest) {
		m.Update.Codec = "dct"
		// Low frequencies hold most of all first updates: honest ones agree up to 0.6.
		m.Score.Overlap = protocol.Q16(0.8)
	},
	"sign": func(m *protocol.Manifest) {
		m.Update.Codec, m.Update.Keep, m.Update.Bits = "sign", 0, 1
		m.Score.Overlap = protocol.Q16(0.9)
	},
	"dense": func(m *protocol.Manifest) {
		m.Update.Codec, m.Update.Keep, m.Update.Bits = "dense", 0, 16
		m.Score.Overlap = protocol.Q16(0.9)
	},
	"shared places, trimmed mean": func(m *protocol.Manifest) {
		m.Update.Codec, m.Update.Keep = "shared", 1024
		m.Score.Overlap, m.Merge.Rule, m.Merge.Liars = protocol.Q16(1), "trimmed-mean", 1
	},
	"one bit, thin steps": func(m *protocol.Manifest) { m.Update.Bits, m.Merge.StepKeep = 1, 192 },
	"k of embeddings, nesterov": func(m *protocol.Manifest) {
		m.Update.KeepEmbed, m.Merge.Optimizer, m.Merge.Momentum = 512, "nesterov", protocol.Q16(0.3)
		m.Score.Overlap = protocol.Q16(0.8) // so many kept values agree up to 0.6 at first
	},
	"geometric median": func(m *protocol.Manifest) { m.Merge.Rule, m.Merge.ClipNorms = "geometric-median", true },
	"mixing, trimmed": func(m *protocol.Manifest) {
		m.Merge.Mix, m.Merge.Rule, m.Merge.Liars = true, "trimmed-mean", 1
	},
}

// Under every codec and merge honest work is not taken for a copy, copies are, and
// the model learns.
func TestEveryWay(t *testing.T) {
	if testing.Short() {
		t.Skip("trains eight times; left out with -short")
	}
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.Manifest.Model = narrow
			change(&o.Manifest)
			o.Conducts, o.Rounds, o.Validators = []string{"", "", "", "copycat"}, 10, 1
			o.Manifest.Score.WorkGate = -3 << 16 // none: it errs at times over so few rounds
			reasons := map[protocol.NodeID]map[protocol.Reason]int{}
			scores := map[protocol.NodeID]int64{} // of what was merged
			var first, last round.Summary
			o.Each = func(_ *round.Machine, s round.Summary) {
				if s.Round == 0 {
					first = s
				}
				last = s
				for _, x := range s.Outcomes {
					if reasons[x.Worker] == nil {
						reasons[x.Worker] = map[protocol.Reason]int{}
					}
					reasons[x.Worker][x.Verdict.Reason]++
					if x.Verdict.Reason == protocol.OK {
						scores[x.Worker] += int64(x.Verdict.Score)
					}
				}
			}
			if _, err := Run(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if got := reasons[NodeID("worker", i)]; got[protocol.NotNovel] > 0 || got[protocol.OK] < 7 {
					t.Errorf("honest worker %d: %v", i, got)
				}
			}
			copycat := NodeID("worker", 3)
			if got := reasons[copycat]; o.Manifest.Score.Overlap < protocol.Q16(1) && (got[protocol.NotNovel] < 3 || got[protocol.OK] > 3) {
				t.Errorf("copycat: %v", got)
			}
			// Projection alone may let a copy pass, for what little is new in it.
			if got, honest := scores[copycat], scores[NodeID("worker", 0)]; got > honest/5 {
				t.Errorf("the copycat scored %d, an honest worker %d", got, honest)
			}
			if fell := first.Before.Nats() - last.HeldOut.Nats(); fell < 0.5 {
				t.Errorf("loss fell by %.3f nats only", fell)
			}
		})
	}
}
