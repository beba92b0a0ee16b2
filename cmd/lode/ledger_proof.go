package main

// This file holds what is taken away from a ledger: proofs and snapshots.

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/private"
	"lode/protocol"
	"lode/yuma/ledger/tree"
)

// proofFile is what lode ledger prove writes: JSON, all but the height in hexadecimal.
type proofFile struct {
	Root   string `json:"root"`
	Key    string `json:"key"`
	Proof  string `json:"proof"`  // CBOR, see docs/state-proof.md
	Height uint64 `json:"height"` // for people; the proof does not show it
}

// proofText returns the content of a proof file.
func proofText(root protocol.Digest, height uint64, key string, proof tree.Proof) []byte {
	p := proofFile{hex.EncodeToString(root[:]), hex.EncodeToString([]byte(key)), hex.EncodeToString(protocol.Encode(proof)), height}
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		panic("lode: " + err.Error()) // texts and a number
	}
	return append(b, '\n')
}

func ledgerProveCommand() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "prove KEY FILE",
		Short: "Write a proof of a record, or that there is none, into a file",
		Long: `Write into FILE, - for standard output, what shows others that the ledger has a record
at a key, or has none. lode ledger check FILE checks it anywhere, and so does
python -m lode.state FILE, without this program. Whoever checks must know the root
from elsewhere. ` + keysHelp,
		Example: `  lode ledger prove account/vq7l...a4ma balance.json`,
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			keys, err := parseKeys(args[:1])
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
			b := proofText(s.Root, s.Network.Height, keys[0], s.Proof(keys[0]))
			if args[1] == "-" {
				_, err := c.OutOrStdout().Write(b)
				return err
			}
			if err := writeNew(args[1], b); err != nil {
				return err
			}
			return showRecord(c.OutOrStdout(), s, keys[0])
		},
	}
	f.add(c)
	return c
}

// maxProofFile bounds the files that are checked, bytes.
const maxProofFile = 1 << 20

func ledgerCheckCommand() *cobra.Command {
	var root string
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a proof that lode ledger prove wrote, and show the record",
		Long: `Check the proof in FILE, - for standard input, and show what it proves. It proves that
for one root: give with --root the one you know from elsewhere, such as from the header
of a block (state after the block before) or a record that lode verify found sound. Nothing is asked over the network.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := readProof(args[0], c.InOrStdin())
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if root != "" {
				want, err := parseDigest(root)
				if err != nil {
					return usagef("--root: %v", err)
				}
				if p.root != want {
					return fmt.Errorf("%s is of the state %s, not of %s", args[0], p.root, want)
				}
			}
			value, there, err := p.proof.Check(p.root, []byte(p.key))
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			r, err := readRecord(p.root, p.key, value, there)
			if err != nil {
				return err
			}
			if root == "" {
				fmt.Fprintln(c.ErrOrStderr(), "note: it holds for the root below, which only --root compares with one that you know")
			}
			return printJSON(c.OutOrStdout(), r)
		},
	}
	c.Flags().StringVar(&root, "root", "", "root that the proof must be of")
	return c
}

// provenance is a proof file that was read and not checked.
type provenance struct {
	root  protocol.Digest
	key   string
	proof tree.Proof
}

func readProof(path string, stdin io.Reader) (p provenance, err error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return p, errors.Unwrap(err)
		}
		defer f.Close() // only read: closing loses nothing
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxProofFile+1))
	if err != nil {
		return p, err
	}
	return parseProof(b)
}

func parseProof(b []byte) (p provenance, err error) {
	var f proofFile
	if len(b) > maxProofFile {
		return p, errors.New("too long for a proof")
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return p, fmt.Errorf("not a proof: %w", err)
	}
	if p.root, err = parseDigest(f.Root); err != nil {
		return p, fmt.Errorf("root: %w", err)
	}
	key, err := hex.DecodeString(f.Key)
	if err != nil || len(key) == 0 {
		return p, fmt.Errorf("%q is no key", f.Key)
	}
	proof, err := hex.DecodeString(f.Proof)
	if err == nil {
		err = protocol.Decode(proof, &p.proof)
	}
	p.key = string(key)
	return p, err
}

// writeNew writes a file that must not be there yet, whole or not at all.
func writeNew(path string, content []byte) error {
	return private.Create(path, string(content))
}

// exported is what lode ledger export prints as JSON.
type exported struct {
	File   string          `json:"file"`
	Root   protocol.Digest `json:"root"`
	Height uint64          `json:"height"`
	Bytes  int             `json:"bytes"`
}

func ledgerExportCommand() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "Write the whole state of a ledger into a file, and print its root",
		Long: `Write a snapshot of the state after the last block into FILE, which must not be there
yet. Of a run that is on it is taken over from the coordinator's newest snapshot, which
a block names, and the blocks since, each executed here. Commands that read a ledger
take the file with --run FILE --root ROOT.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := os.Lstat(args[0]); err == nil {
				return fmt.Errorf("%s is there already: give a new name", args[0])
			}
			l, done, err := f.open(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			m, err := l.whole(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			data := m.Snapshot()
			if err := writeNew(args[0], data); err != nil {
				return err
			}
			e := exported{args[0], m.Root(), m.Network().Height, len(data)}
			return f.show(c.OutOrStdout(), e, func(t io.Writer) {
				fmt.Fprintf(t, "%s: %s, after block %d, root %s\n", filepath.Base(e.File), bytesText(uint64(e.Bytes)), e.Height, e.Root)
			})
		},
	}
	f.add(c)
	return c
}
