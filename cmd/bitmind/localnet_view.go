package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/devnet"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// localnetView shows a running development subnet: a live table on a terminal,
// plain lines elsewhere.
type localnetView struct {
	out       io.Writer
	dir       string
	endpoints endpoints

	mu   sync.Mutex
	last validator.Report
}

func newLocalnetView(out io.Writer, dir string, e endpoints) *localnetView {
	return &localnetView{out: out, dir: dir, endpoints: e}
}

// challenged is told of every finished challenge.
func (v *localnetView) challenged(r validator.Report) {
	v.mu.Lock()
	v.last = r
	v.mu.Unlock()
}

// print writes a line of totals and one per miner after every epoch, and at the end.
func (v *localnetView) print(ctx context.Context, subnet *devnet.Devnet) {
	line := func() {
		s := subnet.Snapshot()
		fmt.Fprintf(v.out, "block %d challenges %d (%d real, %d synthetic) weights_set %d\n",
			s.Blocks, s.Challenges, s.Images.Real, s.Images.Synthetic, s.WeightsSet)
		for _, m := range s.Miners {
			fmt.Fprintf(v.out, "  uid %d %s asked %d answered %d accuracy %.3f score %.3f incentive %.3f\n",
				m.UID, m.Detector, m.Asked, m.Answered, m.Accuracy, m.Score, m.Incentive)
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	left := subnet.BlocksToEpoch()
	for {
		select {
		case <-ctx.Done():
			line()
			return
		case <-tick.C:
			// The count jumps up when an epoch has passed.
			now := subnet.BlocksToEpoch()
			if now > left {
				line()
			}
			left = now
		}
	}
}

// draw keeps a table on the terminal up to date until ctx ends.
func (v *localnetView) draw(ctx context.Context, subnet *devnet.Devnet) {
	const hideCursor, showCursor = "\x1b[?25l", "\x1b[?25h"
	fmt.Fprint(v.out, hideCursor)
	defer fmt.Fprint(v.out, showCursor)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	drawn := 0
	for {
		frame := v.frame(subnet.Snapshot(), subnet.BlocksToEpoch())
		// Back to the frame's first line; every line is cleared before it is
		// written, and what is left of a longer frame after it.
		var b strings.Builder
		if drawn > 0 {
			fmt.Fprintf(&b, "\x1b[%dA", drawn)
		}
		for line := range strings.Lines(frame) {
			b.WriteString("\r\x1b[2K" + line)
		}
		b.WriteString("\x1b[J")
		fmt.Fprint(v.out, b.String())
		drawn = strings.Count(frame, "\n")
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// frame renders the whole view; every line ends with a line break.
func (v *localnetView) frame(s devnet.Snapshot, toEpoch uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s   block %d   epoch in %d   challenges %d (%d real, %d AI)   weights set %d\n",
		text.Bold.Sprint("bitmind localnet"), s.Blocks, toEpoch, s.Challenges, s.Images.Real, s.Images.Synthetic, s.WeightsSet)

	t := table.NewWriter()
	t.SetStyle(table.StyleRounded)
	t.AppendHeader(table.Row{"uid", "miner", "asked", "answered", "accuracy", "score", "incentive", ""})
	right := text.AlignRight
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 1, Align: right}, {Number: 3, Align: right}, {Number: 4, Align: right},
		{Number: 5, Align: right}, {Number: 6, Align: right}, {Number: 7, Align: right},
	})
	for _, m := range s.Miners {
		accuracy := "-"
		if m.Answered > 0 {
			accuracy = fmt.Sprintf("%.1f %%", 100*m.Accuracy)
		}
		t.AppendRow(table.Row{m.UID, m.Detector, m.Asked, m.Answered, accuracy,
			fmt.Sprintf("%.3f", m.Score), fmt.Sprintf("%.3f", m.Incentive), bar(m.Incentive, 20)})
	}
	if len(s.Miners) == 0 {
		t.AppendRow(table.Row{"", "starting ..."})
	}
	b.WriteString(t.Render() + "\n")

	v.mu.Lock()
	last := v.last
	v.mu.Unlock()
	if last.Seq > 0 {
		truth := "real"
		if last.Challenge.Label == challenge.Synthetic {
			truth = "AI"
		}
		fmt.Fprintf(&b, "last: %s image from %s", truth, last.Challenge.Source)
		for _, a := range last.Answers {
			switch {
			case a.Error != "":
				fmt.Fprintf(&b, "   uid %d no answer", a.UID)
			case a.Reward > 0:
				fmt.Fprintf(&b, "   uid %d %.2f %s", a.UID, a.Prediction, text.FgGreen.Sprint("right"))
			default:
				fmt.Fprintf(&b, "   uid %d %.2f %s", a.UID, a.Prediction, text.FgRed.Sprint("wrong"))
			}
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "chain %s   page %s   log %s/localnet.log   Ctrl-C stops\n", v.endpoints.RPC, v.endpoints.HTTP, v.dir)
	return b.String()
}

// bar draws a share in [0,1] as a bar of the given width.
func bar(share float64, width int) string {
	n := min(max(int(share*float64(width)+0.5), 0), width)
	return strings.Repeat("█", n) + strings.Repeat("░", width-n)
}
