package main

// This file holds lode ledger: the state of a ledger, its blocks and transactions.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/books"
	"lode/protocol"
	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

func ledgerCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "ledger", Short: "What a ledger holds: state, blocks, transactions, proofs of it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(ledgerShowCommand(), ledgerBlocksCommand(), ledgerTxCommand(), ledgerProveCommand(), ledgerCheckCommand(), ledgerExportCommand())
	return c
}

const keysHelp = `KEY is a table and the parts of an id between slashes, such as account/ADDRESS,
stake/RUN/HOTKEY/ADDRESS, pool/RUN/HOTKEY, identity/HOTKEY, run/NUMBER, params/NUMBER,
neuron/NUMBER/UID, proposal/NUMBER or network; docs/economy.md lists all tables.`

// head is the state of a ledger as JSON.
type head struct {
	Network protocol.Digest  `json:"network"`
	Root    protocol.Digest  `json:"root"`
	Height  uint64           `json:"height"`
	Time    protocol.Instant `json:"time"`  // ns since 1970
	Block   protocol.Digest  `json:"block"` // digest of the last
	Supply  ledger.Amount    `json:"supply"`
	Genesis ledger.Amount    `json:"genesis"`
	Emitted ledger.Amount    `json:"emitted"`
	Burned  ledger.Amount    `json:"burned"`
	Cap     ledger.Amount    `json:"cap"`
	Market  bool             `json:"market"` // runs have coins of their own
}

func headOf(s ask.State) head {
	n := s.Network
	return head{n.ID, s.Root, n.Height, n.Time, n.Block, n.Genesis + n.Emitted - n.Burned, n.Genesis, n.Emitted, n.Burned, n.Cap, n.Market}
}

func ledgerShowCommand() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "show [KEY]",
		Short: "Show where a ledger stands, or one record of it",
		Long: `Show where a ledger stands: height, root, supply; or the record at a key, as JSON.
` + keysHelp,
		Example: `  lode ledger show
  lode ledger show account/vq7l...a4ma`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			keys, err := parseKeys(args)
			if err != nil {
				return err
			}
			l, done, err := f.open(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			s, err := l.Client.Get(c.Context(), keys...)
			if err != nil {
				return err
			}
			if len(keys) > 0 {
				return showRecord(c.OutOrStdout(), s, keys[0])
			}
			h := headOf(s)
			return f.show(c.OutOrStdout(), h, func(t io.Writer) { printHead(t, h) })
		},
	}
	f.add(c)
	return c
}

func parseKeys(args []string) (keys []string, err error) {
	for _, a := range args {
		k, err := ask.ParseKey(a)
		if err != nil {
			return nil, usagef("%v", err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func printHead(t io.Writer, h head) {
	fmt.Fprintf(t, "network\t%s\n", h.Network)
	fmt.Fprintf(t, "state root\t%s\n", h.Root)
	fmt.Fprintf(t, "block\t%d, %s\n", h.Height, h.Block)
	fmt.Fprintf(t, "time\t%s\n", timeText(h.Time))
	fmt.Fprintf(t, "supply\t%s coins = %s at genesis + %s emitted - %s burned\n", books.Coins(h.Supply), books.Coins(h.Genesis), books.Coins(h.Emitted), books.Coins(h.Burned))
	fmt.Fprintf(t, "cap\t%s coins\n", books.Coins(h.Cap))
}

func timeText(t protocol.Instant) string {
	return time.Unix(0, int64(t)).UTC().Format(time.RFC3339)
}

// recordText is a record as JSON.
type recordText struct {
	Key    string `json:"key"`
	Root   string `json:"root"`
	There  bool   `json:"there"`
	Record any    `json:"record"` // nil if there is none
}

func readRecord(root protocol.Digest, key string, value []byte, there bool) (r recordText, err error) {
	r = recordText{Key: ask.Text(key), Root: root.String(), There: there}
	if there {
		r.Record, err = ledger.Record(key, value)
	}
	return r, err
}

func showRecord(w io.Writer, s ask.State, key string) error {
	value, there := s.Value(key)
	r, err := readRecord(s.Root, key, value, there)
	if err != nil {
		return err
	}
	return printJSON(w, r)
}

// printJSON prints a value over several lines, for people too.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// blockText is a block as JSON.
type blockText struct {
	Height uint64           `json:"height"`
	Digest protocol.Digest  `json:"digest"`
	Parent protocol.Digest  `json:"parent"`
	State  protocol.Digest  `json:"state"` // root before it
	Time   protocol.Instant `json:"time"`
	Txs    []txText         `json:"transactions"`
}

// txText is a transaction as JSON.
type txText struct {
	Digest protocol.Digest `json:"digest"`
	Kind   string          `json:"kind"`
	Signer protocol.NodeID `json:"signer"`
	Nonce  uint64          `json:"nonce"`
	Until  uint64          `json:"until"`
	Body   ledger.Body     `json:"body"` // nil if it cannot be read
}

func textOfTx(t ledger.Tx) txText {
	x := txText{Digest: t.Digest(), Kind: fmt.Sprintf("kind %d", t.Type), Signer: t.Signer, Nonce: t.Nonce, Until: t.Until}
	if b, err := t.Asks(); err == nil {
		x.Body, x.Kind = b, reflect.TypeOf(b).Name()
	}
	return x
}

func textOfBlock(b ledger.Block) blockText {
	h := b.Header
	t := blockText{h.Height, b.Digest(), h.Parent, h.State, h.Time, []txText{}}
	for _, tx := range b.Txs {
		t.Txs = append(t.Txs, textOfTx(tx))
	}
	return t
}

func ledgerBlocksCommand() *cobra.Command {
	var f ledgerFlags
	var from uint64
	var most int
	c := &cobra.Command{
		Use:   "blocks",
		Short: "List blocks: the newest, or from a height on",
		Long: `List blocks. They are checked to follow each other, and the newest to be the one that
the state names. With --json each is one line with its transactions.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if most < 1 || most > 4096 {
				return usagef("--most is %d, it can be 1 to 4096", most)
			}
			l, done, err := f.open(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			s, err := l.Client.Get(c.Context())
			if err != nil {
				return err
			}
			if from == 0 {
				from = 1 + s.Network.Height - min(s.Network.Height, uint64(most))
			}
			blocks, err := l.blocks(c.Context(), s, from, most)
			if err != nil {
				return err
			}
			return f.printBlocks(c.OutOrStdout(), blocks)
		},
	}
	f.add(c)
	c.Flags().Uint64Var(&from, "from", 0, "height of the first (default: so that the newest is the last)")
	c.Flags().IntVar(&most, "most", 10, "how many at most")
	return c
}

func (f *ledgerFlags) printBlocks(w io.Writer, blocks []ledger.Block) error {
	if f.json {
		for _, b := range blocks {
			if err := json.NewEncoder(w).Encode(textOfBlock(b)); err != nil {
				return err
			}
		}
		return nil
	}
	return f.show(w, nil, func(t io.Writer) {
		fmt.Fprintln(t, "block\ttime\tdigest\ttransactions")
		for _, b := range blocks {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", b.Header.Height, timeText(b.Header.Time), b.Digest(), kindsText(b.Txs))
		}
	})
}

// kindsText counts transactions by kind, in the order in which kinds appear.
func kindsText(txs []ledger.Tx) string {
	var kinds []string
	num := map[string]int{}
	for _, t := range txs {
		k := textOfTx(t).Kind
		if num[k]++; num[k] == 1 {
			kinds = append(kinds, k)
		}
	}
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", num[k], k)
	}
	return strings.Join(kinds, ", ")
}

// blocks reads blocks from a height on, at most so many and none beyond the state.
func (c counter) blocks(ctx context.Context, s ask.State, from uint64, most int) (all []ledger.Block, err error) {
	for len(all) < most && from <= s.Network.Height {
		want := min(most-len(all), int(min(s.Network.Height-from+1, 1<<20)))
		some, err := c.Client.Blocks(ctx, s, from, want)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return nil, fmt.Errorf("block %d is not kept there any more", from)
		}
		if n := len(all); n > 0 && some[0].Header.Parent != all[n-1].Digest() {
			return nil, fmt.Errorf("block %d does not follow the one before: %w", from, ask.ErrAnswer)
		}
		all, from = append(all, some...), from+uint64(len(some))
	}
	return all, nil
}

func ledgerTxCommand() *cobra.Command {
	var f ledgerFlags
	var most int
	c := &cobra.Command{
		Use:   "tx DIGEST",
		Short: "Show a transaction and the block it is in",
		Long: `Look for a transaction in the newest blocks and show it as JSON. That it is in a block
says that it was ordered; one that the ledger then refused changed nothing.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			digest, err := parseDigest(args[0])
			if err != nil {
				return usagef("%v", err)
			}
			l, done, err := f.open(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			found, err := l.findTx(c.Context(), digest, most)
			if err != nil {
				return err
			}
			return printJSON(c.OutOrStdout(), found)
		},
	}
	f.add(c)
	c.Flags().IntVar(&most, "blocks", 1000, "how many of the newest blocks are looked through")
	return c
}

// foundTx is a transaction in a block, as JSON.
type foundTx struct {
	Height uint64          `json:"height"`
	Block  protocol.Digest `json:"block"`
	Place  int             `json:"place"` // in the block, from 0
	Tx     txText          `json:"transaction"`
}

var errNoTx = errors.New("no such transaction")

// findTx looks through the newest blocks, backwards.
func (c counter) findTx(ctx context.Context, digest protocol.Digest, most int) (f foundTx, err error) {
	s, err := c.Client.Get(ctx)
	if err != nil {
		return f, err
	}
	const step = 64
	for to := s.Network.Height; to > 0 && most > 0; {
		n := min(step, most, int(min(to, step)))
		blocks, err := c.blocks(ctx, s, to-uint64(n)+1, n)
		if err != nil {
			return f, err
		}
		for _, b := range blocks {
			for i, t := range b.Txs {
				if t.Digest() == digest {
					return foundTx{b.Header.Height, b.Digest(), i, textOfTx(t)}, nil
				}
			}
		}
		to, most = to-uint64(n), most-n
	}
	return f, fmt.Errorf("%w in the newest blocks; --blocks looks further back", errNoTx)
}
