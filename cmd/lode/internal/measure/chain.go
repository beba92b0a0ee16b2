package measure

// This file measures the ledger of many runs.

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"

	"lode/coordinator/journal"
	"lode/protocol"
	"lode/yuma/ledger"
)

// ChainRow is what transfers cost on one core, in blocks of BlockTxs, signatures and a
// root after each block included: the fastest block of many. Memory is what the state
// takes for each account.
type ChainRow struct {
	Accounts        int     `json:"accounts"`
	BlockTxs        int     `json:"block_txs"`
	TxPerSecond     float64 `json:"tx_per_s"`
	BytesPerAccount float64 `json:"bytes_per_account"`
	// Synced is the same as a coordinator does it: each transaction is applied and
	// becomes a signed entry of the record, and Batch of them are written and synced
	// at once. RecordBytes is what each takes in the record.
	Synced      float64 `json:"synced_tx_per_s"`
	Batch       int     `json:"batch"`
	RecordBytes float64 `json:"record_bytes_per_tx"`
}

// Chain measures transfers to random ones of so many accounts, which may be none.
func Chain(ctx context.Context, accounts int) (ChainRow, error) {
	row := ChainRow{Accounts: accounts, BlockTxs: 500}
	before := heap()
	m, rich, err := crowded(accounts)
	if err != nil {
		return row, err
	}
	if accounts > 0 {
		row.BytesPerAccount = float64(heap()-before) / float64(accounts)
	}
	blocks := signedBlocks(m, rich, row.BlockTxs, 3*numRuns, accounts)
	err = oneCore(func() error {
		took, err := least(ctx, func() error {
			txs := blocks[0]
			blocks = blocks[1:]
			_, outcomes, err := m.Execute(ledger.Block{Header: m.Next(0, protocol.Digest{}), Txs: txs})
			for _, o := range outcomes {
				err = errors.Join(err, o.Err)
			}
			m.Root()
			return err
		})
		if err == nil {
			row.TxPerSecond = float64(row.BlockTxs) / took[0].Seconds()
		}
		return err
	})
	if err != nil {
		return row, err
	}
	return row, row.sync(ctx)
}

// sync measures transactions into a record on disk.
func (row *ChainRow) sync(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "lode-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, err := journal.Open(filepath.Join(dir, "record.db"))
	if err != nil {
		return err
	}
	defer file.Close()
	record, err := file.Record(protocol.RunID{1})
	if err != nil {
		return err
	}
	m, rich, err := crowded(0)
	if err != nil {
		return err
	}
	row.Batch = 64
	batches := signedBlocks(m, rich, row.Batch, 3*numRuns, 1)
	chain := protocol.Chain{Run: protocol.RunID{1}}
	took, err := least(ctx, func() error {
		var entries [][]byte
		bytes := 0
		for _, t := range batches[0] {
			if _, err := m.Apply(t); err != nil {
				return err
			}
			e := protocol.Encode(chain.Append(rich, 1, protocol.Transaction{Tx: protocol.Encode(t)}))
			entries = append(entries, e)
			bytes += len(e)
		}
		batches = batches[1:]
		row.RecordBytes = float64(bytes) / float64(row.Batch)
		return record.Append(entries)
	})
	if err == nil {
		row.Synced = float64(row.Batch) / took[0].Seconds()
	}
	return err
}

// heap returns the bytes in use after a collection; less than before counts as none.
func heap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// crowded is a ledger with so many accounts and a rich one.
func crowded(accounts int) (*ledger.Machine, ed25519.PrivateKey, error) {
	seed := protocol.Sum([]byte("rich"))
	rich := ed25519.NewKeyFromSeed(seed[:])
	g := ledger.DefaultGenesis("bench")
	g.Grants = append(g.Grants, ledger.Grant{Cold: ledger.Coldkey(rich.Public().(ed25519.PublicKey)), Balance: 1_000_000 * ledger.Coin})
	for i := range accounts {
		g.Grants = append(g.Grants, ledger.Grant{Cold: someone(i), Balance: ledger.Coin})
	}
	m, err := ledger.New(g)
	return m, rich, err
}

func someone(i int) ledger.Coldkey {
	return ledger.Coldkey(protocol.Sum(binary.LittleEndian.AppendUint64(nil, uint64(i))))
}

// signedBlocks are transfers of one, in the order of their numbers.
func signedBlocks(m *ledger.Machine, rich ed25519.PrivateKey, txs, blocks, accounts int) [][]ledger.Tx {
	all := make([][]ledger.Tx, blocks)
	n := uint64(0)
	for b := range all {
		for range txs {
			to := someone(int(n*7919) % max(accounts, 1))
			all[b] = append(all[b], ledger.Sign(rich, m.Network().ID, n, 0, ledger.Transfer{To: to, Amount: ledger.Coin / 1000}))
			n++
		}
	}
	return all
}
