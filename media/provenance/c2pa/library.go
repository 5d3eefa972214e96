package c2pa

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// LibraryEnv names the environment variable that gives the library's path.
const LibraryEnv = "BITMIND_C2PA"

// ErrNotInstalled says that the library was not found, or is none that can be
// used. The message says how to get it.
var ErrNotInstalled = errors.New("the C2PA library is not installed")

const howToGet = "; try: scripts/c2pa.sh, or set " + LibraryEnv + " to libc2pa_c.so of the Python package c2pa-python 0.38 or newer"

const libraryName = "libc2pa_c.so"

// libraryTable lists the pinned libraries; the shell script that fetches them
// reads the same file.
//
//go:embed library.tsv
var libraryTable string

// pin is one library that the project knows.
type pin struct {
	arch, version, sha256 string
	size                  int64
}

func pins() ([]pin, error) {
	var all []pin
	for line := range strings.Lines(libraryTable) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 7 {
			return nil, fmt.Errorf("library.tsv: %d columns in %q", len(f), line)
		}
		size, err := strconv.ParseInt(f[6], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("library.tsv: %w", err)
		}
		all = append(all, pin{arch: f[0], version: f[2], sha256: f[5], size: size})
	}
	return all, nil
}

// search is everything that find looks at, so that a test can choose it.
type search struct {
	explicit, env string // paths
	cache         string // folder with one folder per version
	system        []string
	arch          string
}

func (o Options) search() search {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), "cache-"+strconv.Itoa(os.Getuid()))
	}
	return search{
		explicit: o.LibraryPath,
		env:      os.Getenv(LibraryEnv),
		cache:    filepath.Join(cache, "bitmind", "c2pa"),
		system:   append(filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")), "/usr/local/lib", "/usr/lib", "/usr/lib64"),
		arch:     runtime.GOARCH,
	}
}

// find returns the path of the first library in the package comment's order.
func (s search) find() (string, error) {
	for _, named := range [][2]string{{s.explicit, "as asked"}, {s.env, LibraryEnv}} {
		path, origin := named[0], named[1]
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			return "", fmt.Errorf("%w: %s (%s) is not a file%s", ErrNotInstalled, path, origin, howToGet)
		}
		return filepath.Abs(path)
	}
	known, err := pins()
	if err != nil {
		return "", err
	}
	for _, p := range known {
		path := filepath.Join(s.cache, p.version, libraryName)
		// The size tells a whole file from a damaged one; the hash was checked when
		// it was put there.
		if info, err := os.Stat(path); p.arch == s.arch && err == nil && info.Size() == p.size {
			return path, nil
		}
	}
	for _, folder := range s.system {
		path := filepath.Join(folder, libraryName)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("%w%s", ErrNotInstalled, howToGet)
}
