package replica_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"

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

// A coordinator cuts the parameters that its run is to begin with into pieces, and a
// newcomer fetches them: he begins with the same bits.
func ExampleRules_Bring() {
	man := manifest()
	drawn, err := replica.NewRules(man)
	if err != nil {
		fmt.Println(err)
		return
	}
	pretrained := make(tensor.Flat, drawn.Layout.Len())
	pretrained[0] = 0.5
	var travels bytes.Buffer
	given, err := replica.Cut(&travels, drawn.Layout, pretrained)
	if err != nil {
		fmt.Println(err)
		return
	}
	served := shelf{}
	served.put(given.Index.Encode())
	for piece := range slices.Chunk(travels.Bytes(), given.Index.Piece) {
		served.put(piece)
	}

	man.Model.Initial, man.Model.Pieces = given.Root, given.Index.Digest()
	rules, err := replica.NewRules(man)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = replica.NewModel(rules)
	fmt.Println(err)
	dir, err := os.MkdirTemp("", "pieces")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := rules.Bring(context.Background(), served, dir, func(done, total uint64) {}); err != nil {
		fmt.Println(err)
		return
	}
	m, err := replica.NewModel(rules)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Params[0], slices.Equal(m.Params, pretrained))
	// Output:
	// initial parameters: the run begins with given parameters, which are not at hand
	// 0.5 true
}
