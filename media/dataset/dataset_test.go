package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// tree writes files of the given paths, each holding its own path, under a new
// folder.
func tree(t *testing.T, paths ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pictures")
	for _, p := range paths {
		full := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(p), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// describe lists sources as name: contents.
func describe(t *testing.T, sources []Source) []string {
	t.Helper()
	var all []string
	for _, s := range sources {
		line := s.Name() + ":"
		for i := range s.Len() {
			data, err := s.Load(context.Background(), i)
			if err != nil {
				t.Fatal(err)
			}
			line += " " + string(data)
		}
		all = append(all, line)
	}
	return all
}

func TestOpenDir(t *testing.T) {
	for _, tc := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"sub-folders", []string{"b/2.jpg", "b/1.JPEG", "a/x.webp"}, []string{"a: a/x.webp", "b: b/1.JPEG b/2.jpg"}},
		{"flat", []string{"2.png", "1.gif"}, []string{"pictures: 1.gif 2.png"}},
		{"both", []string{"z/1.jpg", "1.jpg"}, []string{"pictures: 1.jpg", "z: z/1.jpg"}},
		{"depth", []string{"a/b/c/1.jpg", "a/2.jpg"}, []string{"a: a/2.jpg a/b/c/1.jpg"}},
		{"others left out", []string{"a/.hidden.jpg", "a/readme.txt", "a/1.jpg", ".git/1.jpg", "a/.thumbs/1.jpg", "empty/notes"}, []string{"a: a/1.jpg"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sources, err := OpenDir(tree(t, tc.paths...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, describe(t, sources)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOpenDirErrors(t *testing.T) {
	empty := tree(t, "a/readme.txt")
	if _, err := OpenDir(empty); !errors.Is(err, ErrEmpty) || !strings.Contains(err.Error(), empty) {
		t.Errorf("got %v", err)
	}
	if _, err := OpenDir(filepath.Join(empty, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := OpenDir(filepath.Join(empty, "a/readme.txt")); err == nil {
		t.Error("a file was opened as a folder")
	}
}

// TestLinks follows links out of the folder and to other folders, and gets over
// those that lead in a circle or nowhere.
func TestLinks(t *testing.T) {
	outside := tree(t, "blob.jpg", "deep/x.png")
	dir := tree(t, "a/1.jpg")
	for link, to := range map[string]string{
		"a/inside.jpg":  "1.jpg",
		"a/outside.jpg": filepath.Join(outside, "blob.jpg"),
		"a/loop":        "..",
		"a/self":        ".",
		"a/gone.jpg":    "nothing.jpg",
		"a/round.jpg":   "round.jpg",
		"b":             outside,
		"c":             filepath.Join(dir, "a"),
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir, filepath.Join(outside, "deep", "back")); err != nil {
		t.Fatal(err)
	}
	sources, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a: a/1.jpg a/1.jpg blob.jpg", "b: blob.jpg deep/x.png", "c: a/1.jpg a/1.jpg blob.jpg"}
	if diff := cmp.Diff(want, describe(t, sources)); diff != "" {
		t.Error(diff)
	}

	files, err := ListDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantFiles := []string{"a/1.jpg", "a/inside.jpg", "a/outside.jpg", "b/blob.jpg", "b/deep/x.png"}
	for i := range wantFiles {
		wantFiles[i] = filepath.Join(dir, wantFiles[i])
	}
	if diff := cmp.Diff(wantFiles, files); diff != "" {
		t.Error(diff)
	}

	// Both classes made of links, as in a hub's cache.
	labelled := tree(t)
	for link, to := range map[string]string{"real/x": filepath.Join(dir, "a"), "fake/x": outside} {
		if err := os.MkdirAll(filepath.Join(labelled, filepath.Dir(link)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(labelled, link)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := OpenLabelled(labelled, "")
	if err != nil {
		t.Fatal(err)
	}
	if real, fake := l.Count(); real != 5 || fake != 5 {
		t.Errorf("%d real and %d synthetic pictures, want 5 each", real, fake)
	}
}

func TestLoadErrors(t *testing.T) {
	sources, err := OpenDir(tree(t, "1.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{-1, 1} {
		if _, err := sources[0].Load(context.Background(), i); err == nil {
			t.Errorf("loaded image %d of 1", i)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := sources[0].Load(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFromFS(t *testing.T) {
	fsys := fstest.MapFS{
		"real/a/1.jpg": {Data: []byte("one")},
		"real/b/2.jpg": {Data: []byte("two")},
		"fake/c/3.jpg": {Data: []byte("three")},
	}
	sources, err := FromFS(fsys, "real")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a: one", "b: two"}, describe(t, sources)); diff != "" {
		t.Error(diff)
	}
	if _, err := FromFS(fstest.MapFS{"x": {}}, "."); !errors.Is(err, ErrEmpty) {
		t.Errorf("got %v", err)
	}
}

func TestLabelledFolders(t *testing.T) {
	for _, synthetic := range []string{"fake", "synthetic"} {
		dir := tree(t, "real/a/1.jpg", "real/b/2.jpg", synthetic+"/c/3.jpg")
		l, err := OpenLabelled(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a: real/a/1.jpg", "b: real/b/2.jpg"}, describe(t, l.Real)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"c: " + synthetic + "/c/3.jpg"}, describe(t, l.Synthetic)); diff != "" {
			t.Error(diff)
		}
		if real, fake := l.Count(); real != 2 || fake != 1 {
			t.Errorf("counted %d real, %d synthetic", real, fake)
		}
		if _, err := OpenLabelled(dir, "dev"); err == nil {
			t.Error("a split without a manifest")
		}
	}
	if _, err := OpenLabelled(tree(t, "pictures/1.jpg"), ""); !errors.Is(err, ErrEmpty) {
		t.Errorf("got %v", err)
	}
}

func TestManifest(t *testing.T) {
	files := []string{"real/a/1.jpg", "real/a/2.jpg", "fake/b/3.jpg", "fake/b/4.jpg"}
	manifest := "path\tlabel\tsplit\tsource\tnote\n" +
		"real/a/2.jpg\t0\ttrain\tphotos\tx\n" +
		"real/a/1.jpg\t0\tdev\tphotos\t\r\n" +
		"fake/b/3.jpg\t1\tdev\tmodel\ty\n"
	for _, tc := range []struct {
		name, manifest, split string
		real, synthetic       []string
		err                   string
	}{
		{"all", manifest, "", []string{"photos: real/a/1.jpg real/a/2.jpg"}, []string{"model: fake/b/3.jpg"}, ""},
		{"dev", manifest, "dev", []string{"photos: real/a/1.jpg"}, []string{"model: fake/b/3.jpg"}, ""},
		{"paths only", "path\nreal/a/1.jpg\nfake/b/4.jpg\n", "", []string{"a: real/a/1.jpg"}, []string{"b: fake/b/4.jpg"}, ""},
		{"other split", manifest, "test", nil, nil, `["dev" "train"]`},
		{"no splits", "path\nreal/a/1.jpg\n", "dev", nil, nil, "no column named split"},
		{"no path", "label\n0\n", "", nil, nil, "no column named path"},
		{"fields", "path\tlabel\nreal/a/1.jpg\n", "", nil, nil, "line 2 has 1 fields"},
		{"label", "path\tlabel\nreal/a/1.jpg\tmaybe\n", "", nil, nil, `label "maybe"`},
		{"missing", "path\nreal/a/9.jpg\n", "", nil, nil, "no file real/a/9.jpg"},
		{"out", "path\n../x.jpg\n", "", nil, nil, "leads elsewhere"},
		{"empty", "", "", nil, nil, "empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := tree(t, files...)
			if err := os.WriteFile(filepath.Join(dir, manifestName), []byte(tc.manifest), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := OpenLabelled(dir, tc.split)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.real, describe(t, l.Real)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.synthetic, describe(t, l.Synthetic)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzManifest(f *testing.F) {
	f.Add("path\tlabel\tsplit\tsource\nreal/a/1.jpg\t0\tdev\tx\n", "dev")
	f.Add("path\n\n\r\n", "")
	f.Fuzz(func(t *testing.T, manifest, split string) {
		l, err := LabelledFS(fstest.MapFS{
			manifestName:   {Data: []byte(manifest)},
			"real/a/1.jpg": {}, "fake/b/2.jpg": {},
		}, split)
		if real, fake := l.Count(); (err == nil) != (real+fake > 0) {
			t.Fatalf("%d real, %d synthetic, %v", real, fake, err)
		}
	})
}

func ExampleOpenDir() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	_ = os.MkdirAll(filepath.Join(dir, "holiday"), 0o755)
	_ = os.WriteFile(filepath.Join(dir, "holiday", "beach.jpg"), []byte("..."), 0o600)
	sources, err := OpenDir(dir)
	fmt.Println(sources[0].Name(), sources[0].Len(), err)
	// Output: holiday 1 <nil>
}
