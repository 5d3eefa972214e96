package web_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/web"
)

// most is what all pages and assets may take over the wire together, in bytes.
const most = 300_000

func serve(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	web.Mount(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// get asks without decompressing; etag may be empty.
func get(t *testing.T, url, etag string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	reply, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, body
}

func plain(t *testing.T, reply *http.Response, body []byte) string {
	t.Helper()
	if reply.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		if body, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return string(body)
}

var references = regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`)
var imports = regexp.MustCompile(`(?m)^import [^;]*?from '\./([^']+)'`)

// TestPages walks every page and what it loads: all of it there, cached by content,
// nothing in the page itself that its policy forbids, and small.
func TestPages(t *testing.T) {
	s := serve(t)
	size := map[string]int{}
	var load func(path string)
	load = func(path string) {
		if _, seen := size[path]; seen {
			return
		}
		reply, body := get(t, s.URL+path, "")
		if reply.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, reply.Status)
			return
		}
		size[path] = len(body)
		if cached := reply.Header.Get("Cache-Control"); !strings.Contains(cached, "immutable") {
			t.Errorf("%s may not be kept: Cache-Control %q", path, cached)
		}
		for _, match := range imports.FindAllStringSubmatch(plain(t, reply, body), -1) {
			load(path[:strings.LastIndex(path, "/")+1] + match[1])
		}
	}
	for _, path := range []string{"/", "/dashboard", "/models/best", "/r/0123"} {
		reply, body := get(t, s.URL+path, "")
		size[path] = len(body)
		page := plain(t, reply, body)
		policy := reply.Header.Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if found := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]|<(?:script|link|img)[^>]*(?:src|href)="(?:[^/]|//)`).FindString(page); found != "" {
			t.Errorf("%s holds %q, which its policy forbids or which is another host's", path, found)
		}
		refs := references.FindAllStringSubmatch(page, -1)
		if len(refs) < 3 {
			t.Errorf("%s loads only %v", path, refs)
		}
		for _, match := range refs {
			load(match[1])
		}
		if again, body := get(t, s.URL+path, reply.Header.Get("ETag")); again.StatusCode != http.StatusNotModified || len(body) > 0 {
			t.Errorf("%s with its tag: %s and %d bytes, want 304 and none", path, again.Status, len(body))
		}
	}
	total := 0
	for _, n := range size {
		total += n
	}
	if total >= most {
		t.Errorf("all pages and assets take %d bytes, want less than %d", total, most)
	}
	t.Logf("%d files, %d bytes over the wire", len(size), total)
	if reply, _ := get(t, s.URL+"/assets/0000000000000000/inspect.js", ""); reply.StatusCode != http.StatusNotFound {
		t.Errorf("an asset of another version: %s, want 404", reply.Status)
	}
}

// TestTexts finds texts that the modules ask for and that are not there, and the
// other way round.
func TestTexts(t *testing.T) {
	data, err := os.ReadFile("texts.json")
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{} // path of each text and of each list
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		known[prefix] = true
		if m, ok := v.(map[string]any); ok {
			for key, value := range m {
				walk(strings.TrimPrefix(prefix+"."+key, "."), value)
			}
		}
	}
	walk("", tree)

	code := ""
	modules, err := filepath.Glob("assets/*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(modules, "pages/index.html", "pages/dashboard.html", "pages/model.html", "pages/shared.html", "pages/parts.html") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code += string(text)
	}
	// t('a.b', …) asks for a text; t('a.' + x) and maybe('a', x) for one of a list.
	asks := regexp.MustCompile(`\bt\('([a-z0-9_.]+)'( \+)?`)
	for _, match := range asks.FindAllStringSubmatch(code, -1) {
		path := strings.TrimSuffix(match[1], ".")
		if strings.HasSuffix(match[1], "_") { // verdict.short_ + verdict
			if !slices.ContainsFunc(sorted(known), func(p string) bool { return strings.HasPrefix(p, path) }) {
				t.Errorf("no text begins with %s", path)
			}
		} else if !known[path] {
			t.Errorf("there is no text %s", path)
		}
	}
	for path := range known {
		parts := strings.Split(path, ".")
		if len(parts) < 2 || !strings.Contains(code, parts[0]+".") {
			continue
		}
		// A whole path, or its list, must stand somewhere in the code.
		list := strings.Join(parts[:len(parts)-1], ".")
		last := parts[len(parts)-1]
		if _, leaf := lookup(tree, parts).(string); !leaf {
			continue
		}
		used := strings.Contains(code, path) || strings.Contains(code, "'"+list+".'") || strings.Contains(code, "'"+list+"'") || strings.Contains(code, "'"+list) ||
			strings.Contains(code, "'"+list+"."+last[:strings.LastIndex(last, "_")+1])
		if !used {
			t.Errorf("nothing uses the text %s", path)
		}
	}
}

func lookup(tree any, parts []string) any {
	for _, part := range parts {
		m, ok := tree.(map[string]any)
		if !ok {
			return nil
		}
		tree = m[part]
	}
	return tree
}

func sorted(m map[string]bool) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// TestVendored wants a licence beside each foreign file.
func TestVendored(t *testing.T) {
	err := fs.WalkDir(os.DirFS("assets/vendor"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".LICENSE.txt") {
			return err
		}
		licence := strings.TrimSuffix(name, filepath.Ext(name)) + ".LICENSE.txt"
		if _, err := os.Stat(filepath.Join("assets/vendor", licence)); err != nil {
			t.Errorf("%s has no licence beside it: %v", name, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
