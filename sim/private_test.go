package sim

// This file tests runs on data that workers have to themselves.

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/data"
	"lode/data/examples"
	"lode/data/split"
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
)

// privately returns a run of pictures whose workers have some each, as the rule deals
// them, and the validators a corpus that nobody else has. wrong relabels a worker's.
func privately(t *testing.T, rule string, workers int, change func(*protocol.Manifest)) Options {
	t.Helper()
	const width, piece = 101, 101 * 50
	path := pictures(t, 4000)
	o := optionsOn(t, path)
	all, err := examples.OpenRecords(path, []int{1, 10, 10}, 5)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = all.Close() })
	rest, held, err := split.HeldOut(all.Len(), 0.25, protocol.Digest{1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := split.ParseRule(rule)
	if err != nil {
		t.Fatal(err)
	}
	lots, err := r.Deal(all.Examples(), rest, workers, protocol.Digest{1})
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range lots {
		own, err := examples.NewOwn(all, of, width, 5)
		if err != nil {
			t.Fatal(err)
		}
		o.Own = append(o.Own, own)
	}
	var file bytes.Buffer
	if err := examples.WriteSome(&file, all, held); err != nil {
		t.Fatal(err)
	}
	corpus := filepath.Join(t.TempDir(), "corpus.bin")
	if err := os.WriteFile(corpus, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := data.Open(corpus)
	if err != nil {
		t.Fatal(err)
	}
	if o.Index, err = c.Index(t.Context(), piece, nil); err != nil {
		t.Fatal(err)
	}
	o.Index.Width = width
	if o.Source, err = data.NewLocal(c, o.Index); err != nil {
		t.Fatal(err)
	}
	man := &o.Manifest
	man.Data = protocol.Data{Mode: protocol.DataPrivate, Tokenizer: protocol.TokenRecords, Width: width, Index: o.Index.Digest(), Bytes: o.Index.Bytes, Piece: piece, HeldOut: protocol.Q16(0.3)}
	man.Model.Config = string(model.MLP{Input: []int{1, 10, 10}, Hidden: []int{16}, Activation: model.ReLU, Classes: 5}.Config())
	man.Train.Steps, man.Train.InnerSteps, man.Train.Rows, man.Train.Warmup = 1, 10, 16, 0
	man.Update = protocol.Update{Codec: "dense", Bits: 8, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1}
	man.Merge.MaxSamples = 1000
	man.Score.Rows, man.Score.HeldOut, man.Score.Examine, man.Score.Threshold, man.Score.Overlap = 256, 256, 0, 0, protocol.Q16(1)
	if change != nil {
		change(man)
	}
	o.Conducts = make([]string, workers)
	return o
}

// course is how a run went.
type course struct {
	first, last round.Summary
	seats       map[int]int // rounds by size of their rosters
	samples     map[protocol.NodeID]uint32
}

func follow(t *testing.T, o Options) (*round.Machine, *course) {
	t.Helper()
	c := &course{seats: map[int]int{}, samples: map[protocol.NodeID]uint32{}}
	o.Each = func(_ *round.Machine, s round.Summary) {
		if s.Round == 0 {
			c.first = s
		}
		c.last = s
		c.seats[len(s.Workers)]++
		for _, x := range s.Outcomes {
			c.samples[x.Worker] = x.Commit.Samples
		}
	}
	m, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return m, c
}

// Workers who each have few of the classes learn all of them together, weighing as much
// as they have; half of them in each round do too, held back by a proximal term.
func TestPrivateData(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds; left out with -short")
	}
	for name, change := range map[string]func(*protocol.Manifest){
		"all":  nil,
		"half": func(m *protocol.Manifest) { m.Members.Fraction, m.Train.Proximal = protocol.Q16(0.5), 0.1 },
	} {
		o := privately(t, "dirichlet:0.5", 4, change)
		o.Rounds = 10
		_, c := follow(t, o)
		start, end := c.first.Before.Nats(), c.last.HeldOut.Nats()
		t.Logf("%s: loss from %.3f to %.3f nats, samples %v", name, start, end, c.samples)
		if end > start/2 {
			t.Errorf("%s: loss went from %.3f to %.3f nats", name, start, end)
		}
		want := map[string]map[int]int{"all": {4: 10}, "half": {4: 1, 2: 9}}[name] // round 0 takes all
		if !maps.Equal(c.seats, want) {
			t.Errorf("%s: rounds by number of workers: %v", name, c.seats)
		}
		for i, own := range o.Own {
			kept := min((own.Len()+5)/10, int(o.Manifest.Train.InnerSteps*o.Manifest.Train.Rows))
			if rows := int(o.Manifest.Train.Rows); kept > rows {
				kept -= kept % rows
			}
			if got, ok := c.samples[NodeID("worker", i)]; ok && got != uint32(min(own.Len()-kept, 1000)) {
				t.Errorf("%s: worker %d of %d samples names %d", name, i, own.Len(), got)
			}
		}
	}
}

// A worker that claims as many samples as count moves the mean by its share of them, as
// far as its update helps at all; one whose update harms gains nothing by it.
func TestBoast(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds; left out with -short")
	}
	o := privately(t, "iid", 4, nil)
	o.Rounds = 8
	o.Own[3] = relabelled{o.Own[3]}
	o.Conducts[3] = "boast"
	m, c := follow(t, o)
	liar := NodeID("worker", 3)
	accepted, refused := m.Record(liar)
	t.Logf("loss from %.3f to %.3f nats; the liar claimed %d and was accepted %d times, refused %d", c.first.Before.Nats(), c.last.HeldOut.Nats(), c.samples[liar], accepted, refused)
	if c.samples[liar] != 1000 || refused < 5 {
		t.Errorf("who trains on wrong labels and claims %d samples was accepted %d times", c.samples[liar], accepted)
	}
	if start, end := c.first.Before.Nats(), c.last.HeldOut.Nats(); end > start/2 {
		t.Errorf("loss went from %.3f to %.3f nats", start, end)
	}
}

// relabelled are records of which each has the class after its own.
type relabelled struct{ replica.Samples }

func (r relabelled) Batch(ctx context.Context, of []int) (data.Batch, error) {
	b, err := r.Samples.Batch(ctx, of)
	for i := 0; i < len(b.Records); i += 101 {
		b.Records[i] = (b.Records[i] + 1) % 5
	}
	return b, err
}

// overheard is a link that keeps all that goes over it.
type overheard struct {
	replica.Link
	mu   *sync.Mutex
	sent *[][]byte
	got  *[][]byte // what it asked for
}

func (o overheard) Submit(ctx context.Context, b []byte) error {
	o.mu.Lock()
	*o.sent = append(*o.sent, bytes.Clone(b))
	o.mu.Unlock()
	return o.Link.Submit(ctx, b)
}

func (o overheard) Put(ctx context.Context, d protocol.Digest, size int64, r io.ReaderAt) error {
	b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil {
		return err
	}
	o.mu.Lock()
	*o.sent = append(*o.sent, b)
	o.mu.Unlock()
	return o.Link.Put(ctx, d, size, bytes.NewReader(b))
}

func (o overheard) Fetch(ctx context.Context, d protocol.Digest, most int64) ([]byte, error) {
	b, err := o.Link.Fetch(ctx, d, most)
	if err == nil {
		o.mu.Lock()
		*o.got = append(*o.got, b)
		o.mu.Unlock()
	}
	return b, err
}

// secret is records of noise, so that no eight bytes of them come about by chance.
type secret []byte

const secretLen = 101

func (s secret) Len() int { return len(s) / secretLen }

func (s secret) Batch(_ context.Context, of []int) (data.Batch, error) {
	b := data.Batch{Rows: len(of), Steps: 1}
	for _, i := range of {
		b.Records = append(b.Records, s[i*secretLen:(i+1)*secretLen]...)
	}
	return b, nil
}

// Nothing of a worker's data goes over its link, sealed updates and their keys apart, nor
// lies with the coordinator or anybody else; and the worker asks for merged steps alone.
func TestPrivateDataStays(t *testing.T) {
	o := privately(t, "iid", 2, nil)
	o.Rounds = 3
	rng := rand.NewChaCha8([32]byte{9})
	var secrets []secret
	for i := range o.Own {
		s := make(secret, 200*secretLen)
		_, _ = rng.Read(s)
		for k := 0; k < len(s); k += secretLen {
			s[k] %= 5
		}
		secrets, o.Own[i] = append(secrets, s), s
	}
	var mu sync.Mutex
	var sent, got [][]byte
	o.Link = func(_ int, to replica.Link) replica.Link { return overheard{to, &mu, &sent, &got} }
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(sent) < 2*3*3 || len(got) == 0 {
		t.Fatalf("%d messages and payloads, %d questions: too few to say anything", len(sent), len(got))
	}
	rules, err := o.rules()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range got {
		if _, err := aggregation.ParseStepWire(rules.Layout, rules.Merge(0), b); err != nil {
			t.Errorf("a worker asked for what is no merged step: %v", err)
		}
	}
	files := 0
	err = filepath.WalkDir(o.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		sent = append(sent, b)
		files++
		return err
	})
	if err != nil || files < 5 {
		t.Fatalf("%d files, %v", files, err)
	}
	const run = 8
	known := map[string]bool{}
	for _, s := range secrets {
		for i := 0; i+run <= len(s); i++ {
			known[string(s[i:i+run])] = true
		}
	}
	for n, b := range sent {
		for i := 0; i+run <= len(b); i++ {
			if known[string(b[i:i+run])] {
				t.Fatalf("bytes %d and on of %d, of %d, are a worker's own data", i, n, len(sent))
			}
		}
	}
}
