package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newModelCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model",
		Short: "Look at detectors, make them of other models, make them smaller",
		Example: `  bitmind model info --model my-detector/
  bitmind model convert classifier.onnx --out my-detector/`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newModelInfoCmd(), newModelConvertCmd())
	return cmd
}

type modelInfoOptions struct {
	model modelFlags
	json  bool
}

func newModelInfoCmd() *cobra.Command {
	var opts modelInfoOptions
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Check a detector and say what it is",
		Long: `Info loads a detector, checks its graph against its description and runs it once,
then prints what it says of itself.

` + libraryHint + `

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind model info                       # the one inside the program
  bitmind model info --json --model my-detector/`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	opts.model.addTo(cmd)
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

func (o modelInfoOptions) run(cmd *cobra.Command) (err error) {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	d, err := o.model.open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	info := d.Info()
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(info)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"name", strings.TrimSpace(info.Name + " " + info.Version)},
		{"architecture", info.Architecture},
		{"licence", info.Licence},
		{"trained on", info.TrainingData},
		{"verdicts", fmt.Sprintf("real below %g, ai above %g, unsure between", info.Verdict.RealBelow, info.Verdict.AIAbove)},
		{"sha256", info.SHA256},
	} {
		if line[1] == "" {
			line[1] = "not stated"
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return w.Flush()
}
