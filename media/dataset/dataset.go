// Package dataset finds pictures in folders and file systems and loads them one
// at a time, as sources: sets of pictures of one origin.
//
//	sources, err := dataset.OpenDir("photos") // photos/<source>/*.jpg, or photos/*.jpg
//	data, err := sources[0].Load(ctx, 0)      // the encoded bytes
//
// Only names are kept in memory. A folder is listed once, in sorted order, so
// the same folder gives the same numbering.
package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// Source is a set of pictures of one origin. It is safe for concurrent use.
type Source interface {
	// Name says where the pictures come from: a folder's name, for instance.
	Name() string
	// Len is the number of pictures.
	Len() int
	// Load returns picture i, encoded as it is stored; 0 <= i < Len.
	Load(ctx context.Context, i int) ([]byte, error)
}

// ErrEmpty says that no picture was found.
var ErrEmpty = errors.New("no images found")

// Files is a Source of files in a file system.
type Files struct {
	name  string
	fsys  fs.FS
	paths []string
}

// NewFiles makes a source of the named files of fsys.
func NewFiles(name string, fsys fs.FS, paths []string) *Files {
	return &Files{name: name, fsys: fsys, paths: paths}
}

// Name implements Source.
func (s *Files) Name() string { return s.name }

// Len implements Source.
func (s *Files) Len() int { return len(s.paths) }

// Path is the path of picture i within its folder or file system.
func (s *Files) Path(i int) string { return s.paths[i] }

// Load implements Source. It reads no more than decode.DefaultMaxBytes.
func (s *Files) Load(ctx context.Context, i int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if i < 0 || i >= len(s.paths) {
		return nil, fmt.Errorf("loading image %d of %s: it has %d", i, s.name, len(s.paths))
	}
	f, err := s.fsys.Open(s.paths[i])
	if err != nil {
		return nil, fmt.Errorf("loading an image of %s: %w", s.name, err)
	}
	defer f.Close()
	// Asked again: the file may have become a named pipe since it was listed.
	if stat, err := f.Stat(); err != nil || !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("loading an image of %s: %s is not a file", s.name, s.paths[i])
	}
	data, err := decode.ReadAll(f, decode.Limits{})
	if err != nil {
		return nil, fmt.Errorf("loading %s of %s: %w", s.paths[i], s.name, err)
	}
	return data, nil
}

// OpenDir finds the pictures of a folder. Each sub-folder that holds any, at any
// depth, is a source of its name; pictures in the folder itself are a source of
// the folder's name. Hidden files and files without a picture's ending are left
// out. Symbolic links are followed wherever they lead, to folders too, as the
// caches of model hubs are made of them; a folder that several lead to, or that
// lies around, is listed once.
func OpenDir(dir string) ([]Source, error) {
	fsys, err := dirFS(dir)
	if err != nil {
		return nil, err
	}
	sources, err := scan(fsys, ".", baseName(dir))
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("%w in %s; try: a folder with %s files, or with sub-folders of them", ErrEmpty, dir, decode.Formats)
	}
	return sources, nil
}

// FromFS finds the pictures below dir ("." for all) of a file system, an embed.FS
// for instance, as OpenDir does in a folder.
func FromFS(fsys fs.FS, dir string) ([]Source, error) {
	sources, err := scan(fsys, dir, path.Base(dir))
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrEmpty, dir)
	}
	return sources, nil
}

// ListDir lists all files below a folder that are not hidden, whatever they are, in
// order, as paths that begin with the folder's. Links are followed as OpenDir does.
func ListDir(dir string) ([]string, error) {
	fsys, err := dirFS(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	err = walk(fsys, ".", func(p string) { paths = append(paths, filepath.Join(dir, filepath.FromSlash(p))) })
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	return paths, nil
}

// dirFS opens a folder.
func dirFS(dir string) (fs.FS, error) {
	stat, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("opening a folder of images: %w", err)
	}
	if !stat.IsDir() {
		return nil, fmt.Errorf("opening a folder of images: %s is not a folder", dir)
	}
	return os.DirFS(dir), nil
}

func baseName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Base(dir)
}

// scan makes a source of each sub-folder of dir and one, named name, of the
// pictures in dir itself. Sources come sorted by name.
func scan(fsys fs.FS, dir, name string) ([]Source, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	var sources []Source
	var flat []string
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		p := path.Join(dir, e.Name())
		mode := target(fsys, p, e)
		if mode.IsRegular() && decode.HasExtension(p) {
			flat = append(flat, p)
		}
		if !mode.IsDir() {
			continue
		}
		var paths []string
		err := walk(fsys, p, func(p string) {
			if decode.HasExtension(p) {
				paths = append(paths, p)
			}
		})
		if err != nil {
			return nil, err
		}
		if len(paths) > 0 {
			sources = append(sources, NewFiles(e.Name(), fsys, paths))
		}
	}
	if len(flat) > 0 {
		sources = append(sources, NewFiles(name, fsys, flat))
	}
	slices.SortStableFunc(sources, func(a, b Source) int { return strings.Compare(a.Name(), b.Name()) })
	return sources, nil
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// target is the kind of what an entry is or, for a link, leads to; a link that
// leads nowhere stays one.
func target(fsys fs.FS, p string, e fs.DirEntry) fs.FileMode {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type()
	}
	stat, err := fs.Stat(fsys, p)
	if err != nil {
		return e.Type()
	}
	return stat.Mode()
}

// walk calls visit for every file below dir that is not hidden, in order. Each
// folder is listed once, however many links lead to it; those that dir lies in are
// not listed.
func walk(fsys fs.FS, dir string, visit func(p string)) error {
	w := walker{fsys: fsys, visit: visit}
	for p := dir; p != "."; {
		p = path.Dir(p)
		stat, err := fs.Stat(fsys, p)
		if err != nil {
			return err
		}
		w.seen = append(w.seen, stat)
	}
	return w.folder(dir)
}

type walker struct {
	fsys  fs.FS
	visit func(p string)
	seen  []fs.FileInfo // folders
}

func (w *walker) folder(dir string) error {
	stat, err := fs.Stat(w.fsys, dir)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(w.seen, func(other fs.FileInfo) bool { return os.SameFile(stat, other) }) {
		return nil
	}
	w.seen = append(w.seen, stat)
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		p := path.Join(dir, e.Name())
		mode := target(w.fsys, p, e)
		switch {
		case mode.IsRegular():
			w.visit(p)
		case mode.IsDir():
			if err := w.folder(p); err != nil {
				return err
			}
		}
	}
	return nil
}
