package main

// This file holds the end of lode up: table, checkpoint, sample.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lode/checkpoints"
	"lode/cmd/lode/internal/models"
	"lode/data"
	"lode/engine/cpu"
	"lode/protocol"
)

// summary is the last JSON line of lode up.
type summary struct {
	Event        string  `json:"event"` // "summary"
	Rounds       uint64  `json:"rounds"`
	Tokens       uint64  `json:"tokens"`
	Seconds      float64 `json:"seconds"`
	CPUSeconds   float64 `json:"cpu_seconds"`
	ValLoss      float64 `json:"val_loss"` // nats per byte of held-out text, or per held-out record
	ValLossStart float64 `json:"val_loss_start"`
	// Accuracy is the share of held-out records that the model tells right; none for text.
	Accuracy      *float64        `json:"accuracy,omitempty"`
	AccuracyStart *float64        `json:"accuracy_start,omitempty"`
	UpdateRatio   float64         `json:"update_ratio"` // fp32 parameter bytes / update bytes
	BitsPerValue  float64         `json:"bits_per_value"`
	Checkpoint    string          `json:"checkpoint"`
	Workers       []workerSummary `json:"workers"`
	Ledger        ledgerSummary   `json:"ledger"`
	Processes     []processUse    `json:"processes"`
}

// processUse is what one process used, over all its restarts.
type processUse struct {
	Name       string  `json:"name"`
	CPUSeconds float64 `json:"cpu_seconds"`
	PeakBytes  int64   `json:"peak_bytes"`
}

type workerSummary struct {
	ID          string         `json:"id"`
	Behaviour   string         `json:"behaviour"`
	Accepted    uint64         `json:"accepted"`
	Refused     uint64         `json:"refused"`
	RefusedWhy  map[string]int `json:"refused_why,omitempty"`
	Late        int            `json:"late"`
	Rating      float64        `json:"rating"`
	RewardShare float64        `json:"reward_share"`
	Balance     float64        `json:"balance"` // coins
	// Own is how the worker's last round did on what it keeps back of its own data, as it
	// says; nil without such data.
	Own *trainedLine `json:"own,omitempty"`
}

const coin = 1e9 // units

// conclude prints what the run came to.
func (h *house) conclude(ctx context.Context, out *screen, w *watch, took time.Duration) error {
	if w.Machine.Counts().Rounds == 0 {
		out.printf("no round was finished; the same command goes on from here\n")
		if out.json {
			out.object(summary{Event: "summary", Seconds: took.Seconds(), CPUSeconds: out.cpu.Seconds(), Workers: []workerSummary{}, Ledger: ledgerOf(w.Machine), Processes: out.used})
		}
		return nil
	}
	c := w.Machine.Counts()
	s := summary{
		Event: "summary", Rounds: c.Rounds, Tokens: w.tokens, Seconds: took.Seconds(), CPUSeconds: out.cpu.Seconds(),
		UpdateRatio:  w.fp32 * float64(c.Accepted+c.Refused) / float64(max(c.UpBytes, 1)),
		BitsPerValue: 8 * float64(c.UpBytes) / float64(max(c.Kept, 1)),
		Workers:      h.workers(w),
		Ledger:       ledgerOf(w.Machine),
		Processes:    out.used,
	}
	model, err := h.lastModel(ctx)
	if err != nil {
		return err
	}
	if model != nil {
		defer model.Close()
		s.Checkpoint = h.checkpointPath(model)
		evaluate := h.evaluate
		if h.manifest.Data.Tokenizer == protocol.TokenRecords {
			evaluate = h.evaluateRecords
		}
		if err := evaluate(ctx, model, &s); err != nil {
			return err
		}
	}
	if out.json {
		out.object(s)
		return nil
	}
	h.table(out, s)
	if model == nil {
		return nil
	}
	out.printf("checkpoint %s\n\n", s.Checkpoint)
	writes := h.manifest.Data.Tokenizer != protocol.TokenRecords
	if writes {
		if err := h.sample(ctx, out, model); err != nil {
			return err
		}
		out.printf("\n")
	}
	out.printf("get the model      lode pull %s -o model\n", h.storeAddress())
	if writes {
		out.printf("write with it      lode generate --model model \"func main\"\n")
	}
	out.printf("check every merge  lode verify %s\n", h.flags.dir)
	if !h.state.Finished {
		out.printf("go on              lode up --dir %s\n", h.flags.dir)
	}
	return nil
}

func (h *house) workers(w *watch) []workerSummary {
	var all uint64
	out := []workerSummary{}
	for _, x := range w.Machine.Members() {
		if x.Role != protocol.Worker {
			continue
		}
		behaviour := h.state.Cast.Conduct[x.Name]
		if behaviour == "" {
			behaviour = "honest"
		}
		ws := workerSummary{ID: x.Name, Behaviour: behaviour, Late: w.late[x.Node], Rating: w.ratings[x.Node].Mu}
		ws.Accepted, ws.Refused = w.Machine.Record(x.Node)
		for reason, n := range w.refused[x.Node] {
			if ws.RefusedWhy == nil {
				ws.RefusedWhy = map[string]int{}
			}
			ws.RefusedWhy[reason.String()] = n
		}
		held := w.Machine.Holding(x.Node).Balance
		ws.Balance = float64(held) / coin
		if h.state.Own[x.Name] != "" {
			ws.Own = lastTrained(filepath.Join(h.dir, "logs", x.Name+".log"))
		}
		all += held
		out = append(out, ws)
	}
	for i := range out {
		out[i].RewardShare = out[i].Balance * coin / float64(max(all, 1))
	}
	slices.SortFunc(out, func(a, b workerSummary) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (h *house) table(out *screen, s summary) {
	out.printf("\n%d rounds finished, %s %s trained on, %.0f s (%.0f s of processors)\n", s.Rounds, countText(float64(s.Tokens)), h.manifest.Data.Counted(), s.Seconds, s.CPUSeconds)
	if s.Accuracy != nil {
		out.printf("of held-out records %.1f %% → %.1f %% right; ", 100**s.AccuracyStart, 100**s.Accuracy)
	}
	out.printf("held-out loss %.3f → %.3f nats per %s (%.3f bits); updates %.0f× smaller than fp32 parameters, %.2f bits per kept value\n\n",
		s.ValLossStart, s.ValLoss, h.unit(), s.ValLoss/0.6931471805599453, s.UpdateRatio, s.BitsPerValue)
	paid := func(format string, args ...any) string { // columns of a run that pays
		if !h.manifest.Economy.Pays() {
			return ""
		}
		return fmt.Sprintf(format, args...)
	}
	out.printf("%-14s %-10s %8s %8s %5s %7s%s  %s\n", "worker", "conduct", "accepted", "refused", "late", "rating",
		paid(" %7s %9s", "share", "coins"), "refused because")
	for _, w := range s.Workers {
		var why []string
		for reason, n := range w.RefusedWhy {
			why = append(why, fmt.Sprintf("%s (%d)", reason, n))
		}
		slices.Sort(why)
		out.printf("%-14s %-10s %8d %8d %5d %7.1f%s  %s\n", w.ID, w.Behaviour, w.Accepted, w.Refused, w.Late, w.Rating,
			paid(" %6.1f%% %9.2f", 100*w.RewardShare, w.Balance), strings.Join(why, ", "))
	}
	out.printf("\n")
	h.ownTable(out, s)
	s.Ledger.money(out, h.manifest.Economy.Pays())
}

// lastModel opens the newest checkpoint, nil if there is none yet.
func (h *house) lastModel(ctx context.Context) (*models.Loaded, error) {
	dir := filepath.Join(h.dir, "store")
	if h.flags.store.url != "" {
		dir = filepath.Join(h.dir, "last-model")
		run := [32]byte(h.rules.Run)
		store, err := h.flags.store.open(ctx, "")
		if err != nil {
			return nil, err
		}
		if _, err := checkpoints.Pull(ctx, store, dir, checkpoints.PullOptions{Run: run}); err != nil {
			return nil, fmt.Errorf("read the checkpoint back from %s: %w", h.flags.store.url, err)
		}
	}
	m, err := models.Load(dir)
	if errors.Is(err, models.ErrNone) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return m, err
}

func (h *house) checkpointPath(m *models.Loaded) string {
	return strings.TrimSuffix(h.storeAddress(), "/") + "/" + m.Manifest.Path("")
}

// evaluated is how many held-out tokens the final loss is measured on, at most.
const evaluated = 65536

func (h *house) evaluate(ctx context.Context, m *models.Loaded, s *summary) error {
	p, err := data.NewPlan(h.corpus.Index, h.manifest.Data, h.manifest.Train)
	if err != nil {
		return err
	}
	text := models.Text{Plan: p, Source: h.corpus.Source}
	measuring := models.Measuring{Tokens: evaluated, Steps: int(h.manifest.Train.Steps)}
	now, err := models.Evaluate(ctx, m, text, measuring)
	if err != nil {
		return err
	}
	e, err := cpu.New(h.rules.Model, cpu.Options{Threads: threadsOr(0)})
	if err != nil {
		return err
	}
	start := &models.Loaded{Model: h.rules.Model, Engine: e, Tokenizer: h.corpus.Tokenizer}
	defer start.Close()
	if err := h.first(ctx, e.Params()); err != nil {
		return err
	}
	before, err := models.Evaluate(ctx, start, text, measuring)
	s.ValLoss, s.ValLossStart = now.NatsPerByte, before.NatsPerByte
	return err
}

// sample prints what the model writes.
func (h *house) sample(ctx context.Context, out *screen, m *models.Loaded) error {
	out.printf("what it writes by now:\n")
	var b strings.Builder
	err := models.Generate(ctx, m, "\n", models.Sampling{Tokens: 240, Temperature: 0.8, TopK: 40, Seed: h.state.Seed}, func(s string) { b.WriteString(printable(s)) })
	if err != nil {
		return err
	}
	for line := range strings.Lines(strings.TrimSpace(b.String()) + "\n") {
		out.printf("  | %s", line)
	}
	return nil
}
