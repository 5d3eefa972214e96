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

// extensions lists the endings, in lower case, of the files taken for pictures.
var extensions = []string{".jpg", ".jpeg", ".png", ".webp", ".gif"}

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
// out. Symbolic links to files are followed where they stay within the folder,
// links to folders are not.
func OpenDir(dir string) ([]Source, error) {
	fsys, err := rootFS(dir)
	if err != nil {
		return nil, err
	}
	sources, err := scan(fsys, ".", baseName(dir))
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("%w in %s; try: a folder with JPEG, PNG, WebP or GIF files, or with sub-folders of them", ErrEmpty, dir)
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

// rootFS opens a folder such that no path in it, nor any link, leads out.
func rootFS(dir string) (fs.FS, error) {
	stat, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("opening a folder of images: %w", err)
	}
	if !stat.IsDir() {
		return nil, fmt.Errorf("opening a folder of images: %s is not a folder", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening a folder of images: %w", err)
	}
	return root.FS(), nil
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
		p := path.Join(dir, e.Name())
		if !e.IsDir() {
			if isPicture(fsys, p, e) {
				flat = append(flat, p)
			}
			continue
		}
		if hidden(e.Name()) {
			continue
		}
		paths, err := walk(fsys, p)
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

// walk lists every picture below dir.
func walk(fsys fs.FS, dir string) ([]string, error) {
	var paths []string
	err := fs.WalkDir(fsys, dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if p != dir && hidden(e.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if isPicture(fsys, p, e) {
			paths = append(paths, p)
		}
		return nil
	})
	return paths, err
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// isPicture says whether an entry is a file, or a link to one within fsys, whose
// name ends like a picture's.
func isPicture(fsys fs.FS, p string, e fs.DirEntry) bool {
	if hidden(e.Name()) || !slices.Contains(extensions, strings.ToLower(path.Ext(e.Name()))) {
		return false
	}
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular()
	}
	stat, err := fs.Stat(fsys, p)
	return err == nil && stat.Mode().IsRegular()
}
