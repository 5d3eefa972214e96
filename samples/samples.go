// Package samples holds a small set of photographs and AI-generated pictures of
// free licence, for tests, for trying things out and for a first run without a
// data set of one's own.
//
//	set, err := dataset.LabelledFS(samples.FS, "") // set.Real, set.Synthetic
//
// README.md says where they come from, under which licences, and how they were
// prepared. The set is far too small to train on or to measure a detector by.
package samples

import "embed"

// FS holds real/<source>/*.jpg, fake/<source>/*.jpg and manifest.tsv: a
// tab-separated table whose first line names the columns path, label (0 real,
// 1 AI-generated), source, generator_or_camera (the model, or the photographer),
// origin, licence, width and height in pixels, and sha256.
//
//go:embed real fake manifest.tsv
var FS embed.FS
