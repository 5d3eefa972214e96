package ort

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
)

// LibraryEnv names the environment variable that gives the library's path.
const LibraryEnv = "BITMIND_ONNXRUNTIME"

// MinVersion is the oldest ONNX Runtime whose C interface is the one we call.
const MinVersion = "1.24"

// ErrNoLibrary says that ONNX Runtime's shared library was not found, or is not
// one that can be used. The message says how to get it.
var ErrNoLibrary = errors.New("ONNX Runtime is missing")

// howToGet ends the message of every such error.
const howToGet = "; try: make deps, or set " + LibraryEnv + " to libonnxruntime.so " + MinVersion + " or newer"

const libraryName = "libonnxruntime.so"

// pin is one library that the project knows by its hash.
type pin struct {
	arch, source, version string
	sha256                string // of the library
	size                  int64
}

// libraryTable lists the pinned libraries; the shell script that fetches them
// reads the same file.
//
//go:embed library.tsv
var libraryTable string

func pins() ([]pin, error) {
	var all []pin
	lines := bufio.NewScanner(strings.NewReader(libraryTable))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.Split(lines.Text(), "\t")
		if len(f) != 7 {
			return nil, fmt.Errorf("library.tsv: %d columns in %q", len(f), lines.Text())
		}
		size, err := strconv.ParseInt(f[6], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("library.tsv: %w", err)
		}
		all = append(all, pin{arch: f[0], source: f[1], version: f[2], sha256: f[5], size: size})
	}
	return all, lines.Err()
}

// library is what findLibrary found.
type library struct {
	path   string
	origin string // where it was found, in words
}

// search is everything that findLibrary looks at, so that a test can choose it.
type search struct {
	explicit string   // Options.LibraryPath
	env      string   // the environment's LibraryEnv
	embedded []byte   // gzip-compressed library, or nil
	cache    string   // folder with one folder per version
	system   []string // folders
	arch     string
}

func (o Options) search() search {
	return search{
		explicit: o.LibraryPath,
		env:      os.Getenv(LibraryEnv),
		embedded: embeddedLibrary,
		cache:    cacheFolder(),
		system:   systemFolders(),
		arch:     runtime.GOARCH,
	}
}

// find returns the first library in the order that the package comment gives.
func (s search) find() (library, error) {
	for _, named := range []library{{s.explicit, "as asked"}, {s.env, LibraryEnv}} {
		if named.path == "" {
			continue
		}
		// A path that was named is used or refused: another library in its place
		// would be a surprise.
		if info, err := os.Stat(named.path); err != nil || info.IsDir() {
			return library{}, fmt.Errorf("%w: %s (%s) is not a file%s", ErrNoLibrary, named.path, named.origin, howToGet)
		}
		return named, nil
	}
	known, err := pins()
	if err != nil {
		return library{}, err
	}
	if len(s.embedded) > 0 {
		path, err := s.unpack(known)
		if err != nil {
			return library{}, fmt.Errorf("unpacking the embedded ONNX Runtime: %w; try: set %s, or XDG_CACHE_HOME to a folder that can be written", err, LibraryEnv)
		}
		return library{path, "embedded"}, nil
	}
	for _, p := range known {
		path := filepath.Join(s.cache, p.version, libraryName)
		// The size tells a whole file from a damaged one at no cost; the hash was
		// checked when it was put there.
		if info, err := os.Stat(path); p.arch == s.arch && err == nil && info.Size() == p.size {
			return library{path, "cache"}, nil
		}
	}
	for _, folder := range s.system {
		for _, name := range []string{libraryName, libraryName + ".1"} {
			path := filepath.Join(folder, name)
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				return library{path, "system"}, nil
			}
		}
	}
	return library{}, fmt.Errorf("%w%s", ErrNoLibrary, howToGet)
}

// unpack writes the embedded library into the cache folder, unless it is there.
// The file appears whole or not at all, also when two processes do it at once.
func (s search) unpack(known []pin) (string, error) {
	zip, err := gzip.NewReader(bytes.NewReader(s.embedded))
	if err != nil {
		return "", err
	}
	// gzip ends with the uncompressed size, which tells the pin before unpacking.
	tail := s.embedded[len(s.embedded)-4:]
	size := int64(tail[0]) | int64(tail[1])<<8 | int64(tail[2])<<16 | int64(tail[3])<<24
	want := pin{}
	for _, p := range known {
		if p.arch == s.arch && p.size == size {
			want = p
		}
	}
	if want.sha256 == "" {
		return "", fmt.Errorf("it is not a pinned library for %s", s.arch)
	}
	path := filepath.Join(s.cache, want.version, libraryName)
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	file, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Cleanup() }() // does nothing once the file is in place
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(file, hash), zip); err != nil {
		return "", err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != want.sha256 {
		return "", fmt.Errorf("its sha256 is %s, not %s", sum, want.sha256)
	}
	return path, file.CloseAtomicallyReplace()
}

// cacheFolder is $XDG_CACHE_HOME/bitmind/onnxruntime or its default; where the
// process has no home, a folder of its user under the temporary folder.
func cacheFolder() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = filepath.Join(os.TempDir(), "cache-"+strconv.Itoa(os.Getuid()))
	}
	return filepath.Join(base, "bitmind", "onnxruntime")
}

// systemFolders are the usual library folders, those of LD_LIBRARY_PATH first.
func systemFolders() []string {
	folders := filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))
	folders = append(folders, "/usr/local/lib", "/usr/lib", "/usr/lib64", "/opt/onnxruntime/lib")
	if machine, ok := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]; ok {
		folders = append(folders, "/usr/lib/"+machine+"-linux-gnu")
	}
	return folders
}

// checkLoaded explains why the dynamic linker would not take a library.
func checkLoaded(lib library, err error) error {
	if err == nil {
		return nil
	}
	reason := err.Error()
	if strings.Contains(reason, "ORT API base: 2") {
		reason = "it is older than " + MinVersion
	} else if _, cut, ok := strings.Cut(reason, lib.path+": "); ok {
		reason = cut
	}
	if errors.Is(err, fs.ErrPermission) {
		reason = "it may not be read"
	}
	return fmt.Errorf("%w: %s cannot be loaded: %s%s", ErrNoLibrary, lib.path, strings.TrimSpace(reason), howToGet)
}
