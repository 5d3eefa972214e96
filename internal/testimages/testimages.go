// Package testimages gives tests real pictures: those of the folder shared/data
// beside the repository where it exists (see its README), else the repository's
// own samples.
//
//	set := testimages.Labelled(t, "dev")
//	// set.Real and set.Synthetic are sources of the package dataset.
package testimages

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
)

// Labelled returns the pictures of a split ("train", "dev", or "" for all) of
// the shared folder, or every sample picture where that folder is missing, and
// says which. It skips the test where there are no pictures at all.
func Labelled(tb testing.TB, split string) dataset.Labelled {
	tb.Helper()
	root, err := moduleRoot()
	if err != nil {
		tb.Fatal(err)
	}
	shared := filepath.Join(root, "..", "shared", "data")
	if _, err := os.Stat(shared); err == nil {
		set, err := dataset.OpenLabelled(shared, split)
		if err != nil {
			tb.Fatal(err)
		}
		say(tb, fmt.Sprintf("images: split %q of %s", split, shared))
		return set
	}
	samples := filepath.Join(root, "samples")
	set, err := dataset.OpenLabelled(samples, "")
	if err != nil {
		say(tb, fmt.Sprintf("SKIPPED: no images: neither %s nor samples (%v)", shared, err))
		tb.Skip("no images")
	}
	say(tb, fmt.Sprintf("FALLING BACK to the sample images in %s: %s is missing, so split %q is not what is tested", samples, shared, split))
	return set
}

// say reports on stderr too: go test shows a log only of failed or verbose tests.
func say(tb testing.TB, text string) {
	tb.Helper()
	tb.Log(text)
	fmt.Fprintf(os.Stderr, "%s: %s\n", tb.Name(), text)
}

// moduleRoot is the nearest folder upwards that holds go.mod: tests run in the
// folder of their package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above the working folder")
		}
		dir = up
	}
}
