package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/samples"
)

// poolData begins a value of --data that names what a validator draws its
// challenges from: pool:REAL,SYNTHETIC, two folders as its --real and --synthetic
// take them, or pool alone for its defaults.
const poolData = "pool"

// dataHelp explains --data.
const dataHelp = "folder of pictures: real/<source>/* and fake/<source>/*; 'samples' for those inside the program; or 'pool:REAL,SYNTHETIC', two folders as a validator takes them"

// openPictures lists the pictures that --data and --split name.
func openPictures(data, split string) (dataset.Labelled, error) {
	kind, folders, _ := strings.Cut(data, ":")
	if kind == poolData && (folders != "" || data == poolData) {
		return openPool(folders, split)
	}
	set, err := dataset.OpenLabelled(data, split)
	if errors.Is(err, fs.ErrNotExist) && data == sampleData {
		return dataset.LabelledFS(samples.FS, split)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return dataset.Labelled{}, fmt.Errorf("--data: %w; try: a folder that holds real/<source>/* and fake/<source>/*, or --data %s", err, sampleData)
	}
	return set, err
}

func openPool(folders, split string) (set dataset.Labelled, err error) {
	if split != "" {
		return set, usagef("a split of --data %s asked for, but only a manifest.tsv has splits; try: none", poolData)
	}
	var images imageFlags
	if folders != "" {
		var both bool
		if images.real, images.synthetic, both = strings.Cut(folders, ","); !both || images.real == "" || images.synthetic == "" {
			return set, usagef("--data %s:%s does not name two folders; try: --data %s:REAL,SYNTHETIC", poolData, folders, poolData)
		}
	}
	set.Real, set.Synthetic, err = images.open()
	return set, err
}
