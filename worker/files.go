package worker

// This file holds what a worker keeps on disk so that it can be killed.

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"lode/checkpoints"
	"lode/engine"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// stateFile holds the state after training and before the commit leaves:
// a header, θ_r, a (both length D, float32 little-endian), the last step where places
// follow from it, the plain update, the optimizer's state, and a SHA-256 over all of
// it.
const stateFile = "worker.state"

const stateFormat = 1

// stateHeader begins the file, after its own length (uint32).
type stateHeader struct {
	_         struct{} `cbor:",toarray"`
	Format    uint16
	Run       protocol.RunID
	Node      protocol.NodeID
	Round     protocol.Round
	Root      protocol.Digest
	Seed      protocol.Digest
	Workers   uint32
	Index     uint32
	Commit    protocol.Commit
	Last      uint64 // bytes
	Plain     uint64 // bytes
	Optimizer uint64 // bytes
}

// maxOptimizer bounds the optimizer's state: two moments of float64 at most and
// some words.
func maxOptimizer(d int) uint64 { return uint64(d)*16 + 1<<16 }

// header returns the head of what is kept of what was sent, without lengths.
func (t *trainer) header() stateHeader {
	k := t.sent.task
	return stateHeader{
		Format: stateFormat, Run: t.cfg.Rules.Run, Node: t.me, Round: k.round, Root: k.root, Seed: k.seed,
		Workers: uint32(k.workers), Index: uint32(k.index), Commit: t.sent.commit,
	}
}

func (h *stateHeader) task() task {
	return task{round: h.Round, root: h.Root, seed: h.Seed, workers: int(h.Workers), index: int(h.Index)}
}

// stateLen returns how many bytes the optimizer's state has. Some engines know; of others it
// is written twice.
func (t *trainer) stateLen() (int64, error) {
	if e, ok := t.cfg.Engine.(interface{ StateLen() int64 }); ok {
		return e.StateLen(), nil
	}
	return checkpoints.Measure(t.cfg.Engine.WriteState)
}

// save makes what was sent durable with all that the next round needs, and returns the
// checksum that ends the file. That is as long as several models and is never in memory as a
// whole.
func (t *trainer) save(ctx context.Context) (end protocol.Digest, err error) {
	opt, err := t.stateLen()
	if err != nil {
		return end, fmt.Errorf("optimizer state: %w", err)
	}
	last, plain := t.model.Last(), t.sent.update.Plain()
	h := t.header()
	h.Last, h.Plain, h.Optimizer = uint64(len(last)), uint64(len(plain)), uint64(opt)
	head := protocol.Encode(h)
	size := 4 + int64(len(head)) + 8*int64(len(t.model.Params)) + int64(len(last)) + int64(len(plain)) + opt + sha256.Size
	err = checkpoints.Stream(ctx, t.cfg.Files, stateFile, size, func(w io.Writer) error {
		sum := sha256.New()
		out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
		_, _ = out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(head))))
		_, _ = out.Write(head) // Flush tells of any fault
		for _, v := range []tensor.Reader{t.model.Params, t.residual} {
			if err := tensor.Stream(out, t.cfg.Rules.Layout, v); err != nil {
				return err
			}
		}
		_, _ = out.Write(last)
		_, _ = out.Write(plain)
		if err := errors.Join(t.cfg.Engine.WriteState(out), out.Flush()); err != nil {
			return err
		}
		end = protocol.Digest(sum.Sum(nil))
		_, err := w.Write(end[:])
		return err
	})
	if err != nil {
		return end, fmt.Errorf("keep the state of round %d: %w", h.Round, err)
	}
	t.since = nil
	return end, nil
}

// load makes what the trainer works in and takes up what an earlier process left, or
// begins anew.
func (t *trainer) load(ctx context.Context) error {
	for _, v := range []*engine.Vector{&t.residual, &t.start} {
		var err error
		if *v, err = t.cfg.Engine.NewVector(); err != nil {
			return fmt.Errorf("residual: %w", err)
		}
	}
	return t.insist(ctx, func() error { return t.takeUp(ctx) })
}

// takeUp brings everything to where the state file says, or to the beginning. A file
// that is damaged or of another run is left aside with a warning: the worker loses its
// residual, not its place.
func (t *trainer) takeUp(ctx context.Context) error {
	if err := t.clear(); err != nil {
		return err
	}
	in, size, err := t.cfg.Files.Get(ctx, stateFile, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return t.cfg.Rules.Begin(t.model.Params)
	}
	if err != nil {
		return fmt.Errorf("earlier state: %w", err)
	}
	defer in.Close()
	d := len(t.model.Params)
	most := 4 + 4096 + 8*int64(d) + int64(t.model.MaxLast()) + int64(gradient.PlainLen(t.cfg.Rules.Layout, t.cfg.Rules.Codec(0))) + int64(maxOptimizer(d)) + sha256.Size
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return fmt.Errorf("earlier state: %w", err)
	}
	err = t.restore(b, size)
	if err == nil {
		return t.findNotes(ctx)
	}
	if errors.Is(err, engine.ErrLost) {
		return err
	}
	t.cfg.Log.Warn().Err(err).Msg("earlier state is of no use, starting without it")
	return t.anew()
}

// anew brings model, residual and what was sent to the beginning.
func (t *trainer) anew() error {
	if err := t.clear(); err != nil {
		return err
	}
	return t.cfg.Rules.Begin(t.model.Params)
}

// clear is anew without the parameters, for who has later ones: the first may have to be
// read, or fetched.
func (t *trainer) clear() (err error) {
	t.sent, t.newest, t.placed, t.again, t.states = nil, nil, false, nil, states{}
	if t.model, err = replica.Blank(t.cfg.Rules); err != nil {
		return err
	}
	nothing := make([]float32, tensor.ChunkLen)
	for c := range t.cfg.Rules.Layout.Chunks() {
		if err := t.residual.WriteChunk(c, nothing[:c.Len]); err != nil {
			return fmt.Errorf("residual: %w", err)
		}
	}
	return nil
}

var errState = errors.New("not a worker's state")

// unwrap returns what a file of so many bytes has between its header and its checksum.
func unwrap(b []byte, size int64, header any) (body []byte, sum protocol.Digest, err error) {
	if int64(len(b)) != size || len(b) < 4+sha256.Size {
		return nil, sum, fmt.Errorf("%w: %d bytes", errState, size)
	}
	body, sum = b[:len(b)-sha256.Size], protocol.Digest(b[len(b)-sha256.Size:])
	if sha256.Sum256(body) != sum {
		return nil, sum, fmt.Errorf("%w: damaged", errState)
	}
	n := int(binary.LittleEndian.Uint32(body))
	if n > len(body)-4 {
		return nil, sum, fmt.Errorf("%w: header of %d bytes", errState, n)
	}
	if err := protocol.Decode(body[4:4+n], header); err != nil {
		return nil, sum, fmt.Errorf("%w: %w", errState, err)
	}
	return body[4+n:], sum, nil
}

// ours says why a file is not to be read.
func (t *trainer) ours(h stateHeader) error {
	if h.Format != stateFormat {
		return fmt.Errorf("%w: format %d, this program writes %d", errState, h.Format, stateFormat)
	}
	if h.Run != t.cfg.Rules.Run || h.Node != t.me {
		return fmt.Errorf("%w of this run and key", errState)
	}
	return nil
}

func (t *trainer) restore(b []byte, size int64) error {
	var h stateHeader
	body, sum, err := unwrap(b, size, &h)
	if err == nil {
		err = t.ours(h)
	}
	if err != nil {
		return err
	}
	d := uint64(len(t.model.Params))
	if max(h.Last, h.Plain, h.Optimizer) > uint64(len(body)) || uint64(len(body)) != 8*d+h.Last+h.Plain+h.Optimizer {
		return fmt.Errorf("%w: lengths do not add up", errState)
	}
	if err := t.adopt(h, body); err != nil {
		return err
	}
	t.states.base = sum
	return nil
}

// adopt takes over the checked parts: θ_r, a, the last step, the plain update, the
// optimizer.
func (t *trainer) adopt(h stateHeader, body []byte) error {
	d := len(t.model.Params)
	last, rest := body[8*d:8*d+int(h.Last)], body[8*d+int(h.Last):]
	plain, opt := rest[:h.Plain], rest[h.Plain:]
	if err := t.model.Stand(h.Round, last); err != nil {
		return err
	}
	was, err := t.vow(h, plain)
	if err != nil {
		return err
	}
	if err := t.cfg.Engine.ReadState(bytes.NewReader(opt)); err != nil {
		return err
	}
	if err := tensor.Fill(t.cfg.Rules.Layout, t.residual, bytes.NewReader(body[4*d:])); err != nil {
		return err
	}
	if err := tensor.Fill(t.cfg.Rules.Layout, t.model.Params, bytes.NewReader(body)); err != nil {
		return err
	}
	t.sent = was
	return nil
}

// vow returns what was sent in a round: where workers share places, in the one that the model
// is before.
func (t *trainer) vow(h stateHeader, plain []byte) (*sent, error) {
	codec, err := t.codecOf(h.Round)
	if err != nil {
		return nil, err
	}
	s := &sent{task: h.task(), commit: h.Commit}
	if s.update, err = gradient.ParsePlain(t.cfg.Rules.Layout, codec, plain); err != nil {
		return nil, err
	}
	if sealed := t.cfg.Rules.Seal(t.cfg.Key, h.Round, h.Root, s.update); sealed.Cipher == h.Commit.Cipher {
		s.sealed = sealed
	}
	return s, nil
}

func (t *trainer) codecOf(n protocol.Round) (gradient.Params, error) {
	if n == t.model.Next {
		return t.model.Codec()
	}
	return t.cfg.Rules.CodecAfter(n, nil)
}
