package main

import "github.com/spf13/cobra"

func newModelCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model",
		Short: "Look at detectors, make them of other models, make them smaller",
		Example: `  bitmind model info --model my-detector/
  bitmind model convert classifier.onnx --out my-detector/`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newModelInfoCmd(), newModelListCmd(), newModelConvertCmd(), newModelQuantizeCmd())
	return cmd
}
