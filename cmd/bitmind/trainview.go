package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/train"
)

// trainView shows how a run goes: a bar on a terminal, elsewhere a line now and
// then, or JSON lines.
type trainView struct {
	stdout, stderr io.Writer
	terminal, json bool
	now            func() time.Time

	plan    train.Plan
	began   time.Time     // of the steps under way without a break
	steps   int           // since then
	looking time.Duration // the last look at the pictures held out took
	looks   time.Time     // when it began
	told    time.Time     // the last line or redrawing
}

func newTrainView(cmd *cobra.Command, json bool) *trainView {
	return &trainView{
		stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(),
		terminal: isTerminal(cmd.ErrOrStderr()), json: json, now: time.Now,
	}
}

func (v *trainView) hooks() train.Hooks {
	return train.Hooks{Begin: v.begin, Step: v.step, Validating: v.validating, Epoch: v.epoch}
}

// Times between two lines on a terminal and elsewhere.
const (
	redraw    = 200 * time.Millisecond
	tellEvery = time.Minute
)

func (v *trainView) begin(p train.Plan) {
	v.plan, v.began, v.told = p, v.now(), v.now()
	if v.json {
		return
	}
	s := p.Settings
	fmt.Fprintf(v.stderr, "training %s (%d parameters) on %d pictures of %d x %d, %d held out", s.Architecture, p.Parameters, s.Data.Train, s.Size, s.Size, s.Data.Held)
	if len(s.Data.Sources) > 0 {
		fmt.Fprintf(v.stderr, ": %s", strings.Join(s.Data.Sources, ", "))
	}
	fmt.Fprintln(v.stderr)
	if p.Resumed {
		fmt.Fprintf(v.stderr, "going on at step %d of %d in epoch %d of %d\n", p.Position, p.Steps, p.Epoch+1, s.Epochs)
	}
}

func (v *trainView) step(r train.StepResult, position, of int) {
	v.steps++
	wait := tellEvery
	if v.terminal {
		wait = redraw
	}
	now := v.now()
	if v.json || now.Sub(v.told) < wait {
		return
	}
	v.told = now
	each := now.Sub(v.began) / time.Duration(v.steps)
	rate := float64(v.plan.Settings.Batch) / each.Seconds()
	epochs := v.plan.Settings.Epochs - r.Epoch
	left := each*time.Duration(of-position+epochs*of) + v.looking*time.Duration(epochs+1)
	line := fmt.Sprintf("epoch %d/%d %s %d/%d  loss %.4f  %.1f img/s  %s left",
		r.Epoch, v.plan.Settings.Epochs, progressBar(position, of), position, of, r.Loss, rate, left.Round(time.Second))
	v.tell(line)
}

func (v *trainView) validating(done, of int) {
	now := v.now()
	if v.looks.IsZero() {
		v.looks = now
	}
	if v.terminal && !v.json && now.Sub(v.told) >= redraw {
		v.told = now
		v.tell(fmt.Sprintf("looking at the pictures held out %s %d/%d", progressBar(done, of), done, of))
	}
}

func (v *trainView) epoch(r train.EpochResult) {
	now := v.now()
	if !v.looks.IsZero() {
		v.looking, v.looks = now.Sub(v.looks), time.Time{}
	}
	v.began, v.steps, v.told = now, 0, now
	if v.json {
		// A line that cannot be written shows at the end, when the result can't.
		_ = json.NewEncoder(v.stdout).Encode(r)
		return
	}
	v.clear()
	tiers, best := "", ""
	if len(v.plan.Settings.Tiers) > 1 {
		for _, t := range v.plan.Settings.Tiers {
			tiers += fmt.Sprintf(", %s %s", t, evalCell(r.TierAUC[t]))
		}
		tiers = " (" + tiers[2:] + ")"
	}
	if r.Best {
		best = ", the best so far"
	}
	fmt.Fprintf(v.stderr, "epoch %d/%d: loss %.4f; held out: loss %.4f, accuracy %s, ROC AUC %s%s%s\n",
		r.Epoch, v.plan.Settings.Epochs, r.Loss, r.HeldLoss, evalCell(r.Held.Accuracy), evalCell(r.Held.ROCAUC), tiers, best)
}

// tell rewrites the line of a terminal, or writes a new one.
func (v *trainView) tell(line string) {
	if v.terminal {
		fmt.Fprintf(v.stderr, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(v.stderr, line)
}

func (v *trainView) clear() {
	if v.terminal && !v.json {
		fmt.Fprint(v.stderr, "\r\x1b[K")
	}
}

// progressBar is n of total as a picture.
func progressBar(n, total int) string {
	const width = 20
	full := width * n / max(total, 1)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

// finish says what the run came to.
func (v *trainView) finish(w io.Writer, r train.Result) error {
	if _, err := fmt.Fprintf(w, "%s; the best was epoch %d, on the pictures held out:\n", r.Why, r.Best.Epoch); err != nil {
		return err
	}
	t := newEvalTable()
	for _, m := range []struct {
		name  string
		value evaluate.Value
	}{
		{"ROC AUC", r.Best.Held.ROCAUC},
		{"average precision", r.Best.Held.AveragePrecision},
		{"balanced accuracy", r.Best.Held.BalancedAccuracy},
		{"false-positive rate", r.Best.Held.FPR},
		{"loss", evaluate.Value(r.Best.HeldLoss)},
	} {
		t.AppendRow(table.Row{m.name, evalCell(m.value)})
	}
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}})
	model := filepath.Join(r.Folder, train.BestModel+".onnx")
	_, err := fmt.Fprintf(w, "%s\n\ndetector %s\nreport   %s\ntry: bitmind eval --model %s --data DIR\n",
		t.Render(), model, filepath.Join(r.Folder, train.ReportFile), model)
	return err
}
