// Package wallet keeps coldkeys, the keys that own coins, in files under a passphrase.
// It asks nobody for passphrases, talks to no ledger and prints nothing.
//
// Read it in this order: a [Folder] makes, lists and opens wallets; a [Wallet] is one
// file, whose address is known without the passphrase; [Wallet.Unlock] gives the key.
//
// # Format 1
//
// A wallet is a text file of mode 0600 in a folder of mode 0700. Its first line is
//
//	lode-wallet-1 ADDRESS
//
// with the public key as 52 characters of lower-case base32. Then comes the seed of
// the Ed25519 key, 52 such characters and a line end, as a file in age's format
// (age-encryption.org/v1) with the scrypt recipient, in armour; or, in a wallet
// without a passphrase, the line
//
//	unencrypted SEED
//
// So `tail -n +2 FILE | age -d` gives the seed without this program. That the first
// line belongs to the seed is checked when it is known, in Unlock.
//
// # Bounds
//
// A file is at most 4 KiB, a passphrase at most 1 KiB. Making a key of a passphrase
// takes 256 MiB and about a second; files that ask for more are refused.
//
// # Concurrency
//
// Everything may be called by many goroutines, in many processes: a file is made
// whole or not at all, and never in place of another.
package wallet
