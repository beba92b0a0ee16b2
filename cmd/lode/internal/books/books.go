package books

// This file holds what the tables of this package have in common.

import (
	"context"
	"fmt"

	"lode/protocol"
	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
	"lode/yuma/ledger/tree"
)

// most is how many records of a table are read.
const most = 1 << 20

// Books reads a ledger.
type Books struct{ Client ask.Client }

// list reads all records whose keys begin with a prefix.
func list[T any](ctx context.Context, c ask.Client, prefix string, each func(key string, v T) error) (ask.State, error) {
	all, err := c.All(ctx, prefix, most)
	if err != nil {
		return all.State, err
	}
	for _, r := range all.Records {
		v, err := record[T](r)
		if err == nil {
			err = each(string(r.Key), v)
		}
		if err != nil {
			return all.State, err
		}
	}
	return all.State, nil
}

// record reads a record that was proved. Its bytes are the ledger's own, so an error
// means that the root was none of a ledger's.
func record[T any](p tree.Pair) (v T, err error) {
	if _, err := ledger.Record(string(p.Key), p.Value); err != nil {
		return v, err
	}
	return v, protocol.Decode(p.Value, &v)
}

// loads reads records of one kind at keys, in the order of the keys; the zero record
// where there is none.
func loads[T any](ctx context.Context, c ask.Client, keys []string) (all []T, err error) {
	for len(keys) > 0 {
		n := min(len(keys), ask.MaxKeys/4) // proofs are long where keys are made for that
		s, err := c.Get(ctx, keys[:n]...)
		if err != nil {
			return nil, err
		}
		for _, k := range keys[:n] {
			v, _, err := ask.Load[T](s, k)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		keys = keys[n:]
	}
	return all, nil
}

// The parts of keys.
func runAt(key string) ledger.Run      { return ledger.Run(number(key[1:5])) }
func hotAt(key string) ledger.Hotkey   { return ledger.Hotkey([]byte(key[5:37])) }
func coldAt(key string) ledger.Coldkey { return ledger.Coldkey([]byte(key[37:69])) }

func number(s string) (n uint64) {
	for _, c := range []byte(s) {
		n = n<<8 | uint64(c)
	}
	return n
}

// RunName names a run for people.
func RunName(r ledger.Run) string {
	if r == ledger.Root {
		return "root"
	}
	return fmt.Sprint(uint32(r))
}
