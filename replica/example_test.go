package replica_test

import (
	"fmt"

	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// A worker seals an update; once its key is known anybody can open it.
func ExampleRules_Open() {
	rules, err := replica.NewRules(manifest())
	if err != nil {
		fmt.Println(err)
		return
	}
	delta := make(tensor.Flat, rules.Layout.Len())
	delta[0] = 0.5
	codec := rules.Codec(0)
	update, err := gradient.Encode(rules.Layout, codec, delta)
	if err != nil {
		fmt.Println(err)
		return
	}
	worker, root := keyOf(1), protocol.Digest{}
	sealed := rules.Seal(worker, 0, root, update)
	commit := protocol.Commit{StateRoot: root, Plain: sealed.Plain, Cipher: sealed.Cipher, Size: uint64(len(sealed.Payload))}

	_, err = rules.Open(codec, 0, idOf(1), commit, [32]byte{}, sealed.Payload)
	fmt.Println(err)
	key := protocol.PayloadKey(worker, rules.Run, 0, sealed.Plain)
	opened, err := rules.Open(codec, 0, idOf(1), commit, key, sealed.Payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(opened.NormSquared() == update.NormSquared())
	// Output:
	// refused (17): ciphertext does not open: wrong key or damaged
	// true
}
