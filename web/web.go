// Package web holds the pages that bitmind serves: the one that people show their
// pictures to, the subnet's dashboard, a detector's model card and a shared answer.
// They use nothing but the API, and nothing from any other host.
//
//	mux := http.NewServeMux()
//	web.Mount(mux)
//
// There is no build step: pages/ holds templates, assets/ the modules and styles as
// browsers get them, texts.json every English text. The assets lie below a path
// that names their content, so that browsers may keep them for ever.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed pages assets texts.json
var files embed.FS

// policy lets a page load what its own server has, and pictures of its own making;
// nothing else, and no script or style that stands in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

// file is an asset or a page as it is sent.
type file struct {
	kind         string
	data, zipped []byte // zipped is nil where it would not be smaller
	tag          string // entity tag
}

// site is everything that the package serves.
type site struct {
	version string           // names the content of all assets
	assets  map[string]*file // by path below assets/
	pages   map[string]*file // by name, without .html
}

// load makes the site of the embedded files, once. What it can fail on is wrong in
// the program itself, which the tests see.
var load = sync.OnceValue(func() *site {
	s, err := build(files)
	if err != nil {
		panic("web: " + err.Error())
	}
	return s
})

// Mount adds the pages and what they load to a mux: GET /, /dashboard,
// /models/{name}, /r/{token}, /assets/ and /favicon.ico.
func Mount(mux *http.ServeMux) {
	s := load()
	for pattern, name := range map[string]string{
		"GET /{$}":           "index",
		"GET /dashboard":     "dashboard",
		"GET /models/{name}": "model",
		"GET /r/{token}":     "shared",
	} {
		page := s.pages[name]
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", policy)
			w.Header().Set("Referrer-Policy", "no-referrer")
			w.Header().Set("Permissions-Policy", "geolocation=(), microphone=(), payment=(), usb=()")
			w.Header().Set("Cache-Control", "no-cache")
			page.send(w, r)
		})
	}
	mux.HandleFunc("GET /assets/{version}/{path...}", func(w http.ResponseWriter, r *http.Request) {
		asset := s.assets[r.PathValue("path")]
		if asset == nil || r.PathValue("version") != s.version {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		asset.send(w, r)
	})
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=86400")
		s.assets["icon.svg"].send(w, r)
	})
}

// send answers with the file, in gzip where the browser takes it.
func (f *file) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	data, tag := f.data, f.tag
	if f.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		data, tag = f.zipped, f.tag+"-gzip"
	}
	h.Set("ETag", `"`+tag+`"`)
	if strings.Contains(r.Header.Get("If-None-Match"), `"`+tag+`"`) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", fmt.Sprint(len(data)))
	w.Write(data)
}

// build reads the assets, then makes the pages, which name their version.
func build(files fs.FS) (*site, error) {
	s := &site{assets: map[string]*file{}, pages: map[string]*file{}}
	texts, err := fs.ReadFile(files, "texts.json")
	if err != nil {
		return nil, err
	}
	sources := map[string][]byte{"texts.js": fmt.Appendf(nil, "export default %s;\n", bytes.TrimSpace(texts))}
	err = fs.WalkDir(files, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sources[strings.TrimPrefix(name, "assets/")], err = fs.ReadFile(files, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	for _, name := range sortedKeys(sources) {
		fmt.Fprintf(hash, "%s %d\n", name, len(sources[name]))
		hash.Write(sources[name])
		s.assets[name] = newFile(name, sources[name])
	}
	s.version = hex.EncodeToString(hash.Sum(nil))[:16]

	data := map[string]any{"Assets": "/assets/" + s.version}
	var t map[string]any
	if err := json.Unmarshal(texts, &t); err != nil {
		return nil, fmt.Errorf("texts.json: %w", err)
	}
	data["T"] = t
	// A text that a page asks for and that is not there stops the program's tests.
	tmpl, err := template.New("").Option("missingkey=error").ParseFS(files, "pages/*.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "parts" {
			continue
		}
		var out bytes.Buffer
		if err := tmpl.ExecuteTemplate(&out, base+".html", data); err != nil {
			return nil, err
		}
		s.pages[base] = newFile(base+".html", out.Bytes())
	}
	return s, nil
}

func newFile(name string, data []byte) *file {
	kind := map[string]string{ // the system's own table may say otherwise, or nothing
		".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8",
		".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
	}[path.Ext(name)]
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	sum := sha256.Sum256(data)
	f := &file{kind: kind, data: data, tag: hex.EncodeToString(sum[:8])}
	var zipped bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // the level is a valid one
	z.Write(data)
	z.Close()
	if zipped.Len() < len(data)*9/10 {
		f.zipped = zipped.Bytes()
	}
	return f
}

func sortedKeys(m map[string][]byte) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
