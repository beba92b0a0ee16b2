package ledger

// This file holds the list of all transactions.

// bodies reads the body of each kind, by its number.
var bodies = [...]func([]byte) (Body, error){
	1:  decodeAs[Transfer],
	2:  decodeAs[Identify],
	3:  decodeAs[SetTake],
	4:  decodeAs[Stake],
	5:  decodeAs[Unstake],
	6:  decodeAs[Withdraw],
	7:  decodeAs[CreateRun],
	8:  decodeAs[Register],
	9:  decodeAs[SetWeights],
	10: decodeAs[CommitWeights],
	11: decodeAs[RevealWeights],
	12: decodeAs[SetChildren],
	13: decodeAs[SetChildTake],
	14: decodeAs[Equivocation],
	15: decodeAs[BrokenLink],
	16: decodeAs[Outvoted],
	17: decodeAs[OpenEscrow],
	18: decodeAs[Claim],
	19: decodeAs[CloseEscrow],
	20: decodeAs[Propose],
	21: decodeAs[CastVote],
}
