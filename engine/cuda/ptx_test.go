package cuda

// This file tests what a driver gets: the PTX.

import (
	"testing"

	"lode/engine/cuda/cudatest"
)

// TestAsPTX runs the tests of kernels once more with the PTX executed instruction by
// instruction: tensor cores, copies that go on meanwhile and shuffles included, which the
// host's form of a kernel has not, and without a race. LODE_PTX=1 has all other tests do so as
// well.
func TestAsPTX(t *testing.T) {
	cudatest.AsPTX(t)
	for name, test := range map[string]func(*testing.T){
		"activations": TestActivations, "attention": TestAttention, "attention of a text": TestAttendNext, "compress": TestCompress, "embed": TestEmbed,
		"losses": TestLosses, "Muon": TestMuon, "norm": TestNorm, "plain": TestPlain, "queue": TestQueue, "recorded": TestRecorded, "root": TestRoot, "rotate": TestRotate,
		"several cards": TestLossIsTheMean, "sparse": TestSparse, "squares": TestSquares, "step": TestStep, "sum rows": TestSumRows, "SwiGLU": TestSwiGLU, "bf16": TestHalf,
	} {
		t.Run(name, test)
	}
}
