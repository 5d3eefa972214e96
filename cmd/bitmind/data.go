package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/leak"
	"github.com/maxmos001/bitmind-subnet/ml/train"
)

func newDataCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Look at sets of pictures for training",
		Args:  positional(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDataLeakCmd())
	return cmd
}

type leakOptions struct {
	data  string
	split string
	test  string
	size  int
	seed  uint64
	json  bool
}

func newDataLeakCmd() *cobra.Command {
	var opts leakOptions
	cmd := &cobra.Command{
		Use:   "leak --data DIR",
		Short: "Ask whether the label shows in size, quantisation tables or file length",
		Long: `Leak fits a logistic regression that knows nothing of the pictures but their size
in pixels, format and quantisation tables, and file length, on one part of a set,
and measures on the other how well it tells real from AI-generated: the area under
the ROC curve with its 95 % interval, 0.5 being chance. It does so for the files as
they are stored, for what a detector sees of them (the decoded pixels in the middle,
of one size), for the same encoded as a JPEG of quality 90, and for the files that a
validator would send. A set whose files leak can be used to train and to judge
detectors as long as what they see is at chance.

What a detector sees has one size (unless pictures are smaller and were filled up),
no tables and one length. The lengths of the last two tell how much detail the
content has: they differ where the classes' subjects do.

The parts are two splits of manifest.tsv; without them half of the sources of each
class are held out, or half of the pictures where a class has fewer than three.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind data leak --data ../shared/data --split train --test-split dev
  bitmind data leak --data pictures --size 256 --json`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&opts.data, "data", "", dataHelp)
	f.StringVar(&opts.split, "split", "", "the split of manifest.tsv to fit on")
	f.StringVar(&opts.test, "test-split", "", "the split of manifest.tsv to measure on")
	f.IntVar(&opts.size, "size", 224, "side of what a detector sees, in pixels")
	f.Uint64Var(&opts.seed, "seed", 1, "seed of the challenges, the intervals and the halves")
	f.BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

func (o leakOptions) run(cmd *cobra.Command) error {
	switch {
	case o.data == "":
		return usagef("no pictures named; try: --data DIR, a folder with real/<source>/* and fake/<source>/*, or --data %s", sampleData)
	case (o.split == "") != (o.test == ""):
		return usagef("only one of --split and --test-split; try: both, or neither")
	case o.split != "" && o.split == o.test:
		return usagef("--split and --test-split are the same; try: two splits")
	case o.size < 1 || o.size > 4096:
		return usagef("--size %d; try: 224", o.size)
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	fit, test, err := o.parts()
	if err != nil {
		return err
	}
	report, err := leak.Check(cmd.Context(), leak.Options{Train: fit, Test: test, Size: o.size, Seed: o.seed, Logger: log})
	if err != nil {
		return err
	}
	if o.json {
		out := json.NewEncoder(cmd.OutOrStdout())
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return writeLeakTable(cmd.OutOrStdout(), report)
}

// parts opens the pictures to fit on and those to measure on.
func (o leakOptions) parts() (fit, test dataset.Labelled, err error) {
	if o.split != "" {
		if fit, err = openPictures(o.data, o.split); err == nil {
			test, err = openPictures(o.data, o.test)
		}
		return fit, test, err
	}
	set, err := openPictures(o.data, "")
	if err != nil {
		return fit, test, err
	}
	split, err := train.SplitSet(set, train.SplitOptions{Share: 0.5, Seed: o.seed})
	if err != nil {
		return fit, test, fmt.Errorf("holding pictures out: %w", err)
	}
	return split.Train, split.Held, nil
}

func writeLeakTable(w io.Writer, r leak.Report) error {
	if _, err := fmt.Fprintf(w, "fitted on %d pictures, measured on %d", r.Train, r.Test); err != nil {
		return err
	}
	if r.Failed > 0 {
		fmt.Fprintf(w, " (%d more could not be read)", r.Failed)
	}
	fmt.Fprintln(w, "; ROC AUC, 95 % interval")
	t := newEvalTable()
	header := table.Row{""}
	columns := []table.ColumnConfig{}
	for i, group := range leak.Groups() {
		header = append(header, group)
		columns = append(columns, table.ColumnConfig{Number: i + 2, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.AppendHeader(header)
	for _, stage := range leak.Stages() {
		line := table.Row{string(stage)}
		for _, group := range leak.Groups() {
			row, _ := r.Row(stage, group)
			line = append(line, fmt.Sprintf("%.3f (%.3f to %.3f)", float64(row.AUC), float64(row.Low), float64(row.High)))
		}
		t.AppendRow(line)
	}
	t.SetColumnConfigs(columns)
	_, err := fmt.Fprintln(w, t.Render())
	return err
}
