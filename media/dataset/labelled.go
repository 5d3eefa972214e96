package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Labelled is a set of pictures whose class is known.
type Labelled struct {
	Real      []Source // made by people
	Synthetic []Source // AI-generated
}

// Count returns the number of pictures of each class.
func (l Labelled) Count() (real, synthetic int) {
	for _, s := range l.Real {
		real += s.Len()
	}
	for _, s := range l.Synthetic {
		synthetic += s.Len()
	}
	return real, synthetic
}

// The names that the folder of a class may have; the first is the usual one.
var (
	realFolders      = []string{"real"}
	syntheticFolders = []string{"fake", "synthetic"}
)

// manifestName is the optional table of a labelled folder: tab-separated, the
// first line names the columns. path is needed; label (0 or real, 1, fake or
// synthetic), split and source are used; others are ignored. Where it exists it
// is the list of what belongs to the set.
const manifestName = "manifest.tsv"

// ArtPrefix begins the names of sources of human art. A painting called
// AI-generated is the complaint that users make most, so training and evaluation
// tell art apart from photographs.
const ArtPrefix = "art_"

// OpenLabelled opens a folder laid out as real/<source>/* and fake/<source>/*
// (or synthetic/<source>/*). A split other than "" takes only the pictures that
// manifest.tsv puts in that split.
func OpenLabelled(dir, split string) (Labelled, error) {
	fsys, err := dirFS(dir)
	if err != nil {
		return Labelled{}, err
	}
	l, err := LabelledFS(fsys, split)
	if err != nil {
		return Labelled{}, fmt.Errorf("opening %s: %w", dir, err)
	}
	return l, nil
}

// LabelledFS is OpenLabelled for a file system.
func LabelledFS(fsys fs.FS, split string) (Labelled, error) {
	f, err := fsys.Open(manifestName)
	if err == nil {
		defer f.Close()
		l, err := fromManifest(fsys, f, split)
		if err != nil {
			return Labelled{}, fmt.Errorf("%s: %w", manifestName, err)
		}
		return l, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Labelled{}, fmt.Errorf("reading %s: %w", manifestName, err)
	}
	if split != "" {
		return Labelled{}, fmt.Errorf("split %q asked for, but there is no %s to say which images are in it; try: all images, without a split", split, manifestName)
	}
	var l Labelled
	if l.Real, err = class(fsys, realFolders); err != nil {
		return Labelled{}, err
	}
	if l.Synthetic, err = class(fsys, syntheticFolders); err != nil {
		return Labelled{}, err
	}
	if len(l.Real)+len(l.Synthetic) == 0 {
		return Labelled{}, fmt.Errorf("%w; try: a folder that holds real/<source>/* and fake/<source>/*", ErrEmpty)
	}
	return l, nil
}

// class finds the sources in the folders of one class.
func class(fsys fs.FS, folders []string) ([]Source, error) {
	var sources []Source
	for _, folder := range folders {
		found, err := scan(fsys, folder, folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", folder, err)
		}
		sources = append(sources, found...)
	}
	return sources, nil
}

func fromManifest(fsys fs.FS, f fs.File, split string) (Labelled, error) {
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		if err := lines.Err(); err != nil {
			return Labelled{}, err
		}
		return Labelled{}, errors.New("empty")
	}
	header := strings.Split(strings.TrimRight(lines.Text(), "\r"), "\t")
	column := func(name string) int { return slices.Index(header, name) }
	pathCol, labelCol, splitCol, sourceCol := column("path"), column("label"), column("split"), column("source")
	if pathCol < 0 {
		return Labelled{}, fmt.Errorf("no column named path among %q", header)
	}
	if split != "" && splitCol < 0 {
		return Labelled{}, fmt.Errorf("split %q asked for, but there is no column named split; try: all images, without a split", split)
	}

	type key struct {
		label  int
		source string
	}
	paths := map[key][]string{}
	splits := map[string]bool{}
	for n := 2; lines.Scan(); n++ {
		text := strings.TrimRight(lines.Text(), "\r")
		if text == "" {
			continue
		}
		fields := strings.Split(text, "\t")
		if len(fields) != len(header) {
			return Labelled{}, fmt.Errorf("line %d has %d fields, the first line %d", n, len(fields), len(header))
		}
		if splitCol >= 0 {
			splits[fields[splitCol]] = true
			if split != "" && fields[splitCol] != split {
				continue
			}
		}
		p := fields[pathCol]
		if !fs.ValidPath(p) {
			return Labelled{}, fmt.Errorf("line %d: path %q leads elsewhere", n, p)
		}
		if stat, err := fs.Stat(fsys, p); err != nil || !stat.Mode().IsRegular() {
			return Labelled{}, fmt.Errorf("line %d: no file %s", n, p)
		}
		k := key{source: path.Base(path.Dir(p))}
		if sourceCol >= 0 && fields[sourceCol] != "" {
			k.source = fields[sourceCol]
		}
		name, _, _ := strings.Cut(p, "/")
		if labelCol >= 0 {
			name = fields[labelCol]
		}
		switch {
		case name == "0" || slices.Contains(realFolders, name):
		case name == "1" || slices.Contains(syntheticFolders, name):
			k.label = 1
		default:
			return Labelled{}, fmt.Errorf("line %d: label %q is neither 0 (real) nor 1 (synthetic)", n, name)
		}
		paths[k] = append(paths[k], p)
	}
	if err := lines.Err(); err != nil {
		return Labelled{}, err
	}

	var l Labelled
	for k, list := range paths {
		slices.Sort(list)
		s := NewFiles(k.source, fsys, list)
		if k.label == 0 {
			l.Real = append(l.Real, s)
		} else {
			l.Synthetic = append(l.Synthetic, s)
		}
	}
	byName := func(a, b Source) int { return strings.Compare(a.Name(), b.Name()) }
	slices.SortFunc(l.Real, byName)
	slices.SortFunc(l.Synthetic, byName)
	if len(paths) == 0 {
		var known []string
		for s := range splits {
			known = append(known, s)
		}
		slices.Sort(known)
		return Labelled{}, fmt.Errorf("%w in split %q; try: one of %q", ErrEmpty, split, known)
	}
	return l, nil
}
