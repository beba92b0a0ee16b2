// Package books reads a ledger for people: what an account holds, who can be staked on,
// which runs there are and what is voted on; and it writes and reads amounts as people
// do. It asks through an [ask.Client], so all it says is proved against one root; it
// signs nothing and prints nothing.
//
// Read it in this order: [Coins] and [ParseCoins], [Share] and [ParseShare]; then
// [Books], whose methods return one table each.
//
// Amounts are in units of 10⁻⁹ coin, shares in 65535ths, heights and spans in blocks. A
// list is read whole, up to a million records; a ledger with more is refused with
// [ask.ErrMany].
package books
