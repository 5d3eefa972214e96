package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/samples"
)

// imageFlags name the folders that challenges are drawn from.
type imageFlags struct {
	real      string
	synthetic string
}

func (f *imageFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.real, "real", "", "folder of real images; its sub-folders are sources (default: the sample images)")
	cmd.Flags().StringVar(&f.synthetic, "synthetic", "", "folder of AI-generated images; its sub-folders are sources (default: the sample images)")
}

// open lists the sources of each class.
func (f *imageFlags) open() (real, synthetic []dataset.Source, err error) {
	if real, err = openImages("--real", f.real, "real"); err != nil {
		return nil, nil, err
	}
	if synthetic, err = openImages("--synthetic", f.synthetic, "fake"); err != nil {
		return nil, nil, err
	}
	return real, synthetic, nil
}

func openImages(flag, dir, sample string) ([]dataset.Source, error) {
	if dir == "" {
		return dataset.FromFS(samples.FS, sample)
	}
	sources, err := dataset.OpenDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no folder %s; try: a folder of images, or no %s for the sample images", flag, dir, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return sources, nil
}
