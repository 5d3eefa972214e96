package samples_test

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/samples"
)

// The promises of README.md.
const (
	minPerClass = 40
	minSources  = 3
	maxBytes    = 12_000_000
	maxSide     = 1024
)

var columns = []string{"path", "label", "source", "generator_or_camera", "origin", "licence", "width", "height", "sha256"}

// manifest returns the rows of manifest.tsv by path.
func manifest(t *testing.T) map[string]map[string]string {
	t.Helper()
	f, err := samples.FS.Open("manifest.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = '\t'
	r.LazyQuotes = true
	lines, err := r.ReadAll() // refuses lines of another number of fields
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(lines[0], " "), strings.Join(columns, " "); got != want {
		t.Fatalf("columns %q, want %q", got, want)
	}
	rows := make(map[string]map[string]string)
	for _, line := range lines[1:] {
		row := make(map[string]string)
		for i, name := range columns {
			if line[i] == "" {
				t.Errorf("%s: no %s", line[0], name)
			}
			row[name] = line[i]
		}
		if rows[row["path"]] != nil {
			t.Errorf("%s is listed twice", row["path"])
		}
		rows[row["path"]] = row
	}
	return rows
}

func TestManifest(t *testing.T) {
	rows := manifest(t)
	perLabel := map[string]int{}
	sources := map[string]map[string]bool{"0": {}, "1": {}}
	folder := map[string]string{"0": "real", "1": "fake"}
	sums := map[string]string{}
	total, files := 0, 0
	err := fs.WalkDir(samples.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || p == "manifest.tsv" {
			return err
		}
		files++
		row := rows[p]
		if row == nil {
			t.Errorf("%s is not in the manifest", p)
			return nil
		}
		data, err := fs.ReadFile(samples.FS, p)
		if err != nil {
			return err
		}
		total += len(data)
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != row["sha256"] {
			t.Errorf("%s: sha256 %s, the manifest says %s", p, got, row["sha256"])
		}
		if other := sums[row["sha256"]]; other != "" {
			t.Errorf("%s and %s are the same", p, other)
		}
		sums[row["sha256"]] = p
		if want := path.Join(folder[row["label"]], row["source"]); path.Dir(p) != want {
			t.Errorf("%s: label and source say it belongs in %s", p, want)
		}
		perLabel[row["label"]]++
		sources[row["label"]][row["source"]] = true
		img, info, err := decode.Decode(data, decode.Limits{})
		if err != nil {
			t.Errorf("%s: %v", p, err)
			return nil
		}
		if info.Format != "jpeg" {
			t.Errorf("%s is %s", p, info.Format)
		}
		size := img.Bounds().Size()
		if strconv.Itoa(size.X) != row["width"] || strconv.Itoa(size.Y) != row["height"] {
			t.Errorf("%s is %v, the manifest says %sx%s", p, size, row["width"], row["height"])
		}
		if max(size.X, size.Y) > maxSide {
			t.Errorf("%s: %v is larger than %d", p, size, maxSide)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files != len(rows) {
		t.Errorf("%d files, %d in the manifest", files, len(rows))
	}
	if total > maxBytes {
		t.Errorf("%d bytes, more than %d", total, maxBytes)
	}
	for _, label := range []string{"0", "1"} {
		if perLabel[label] < minPerClass || len(sources[label]) < minSources {
			t.Errorf("label %s: %d pictures of %d sources", label, perLabel[label], len(sources[label]))
		}
	}
	t.Logf("%d photographs, %d AI-generated, %d bytes", perLabel["0"], perLabel["1"], total)
}

// TestDataset opens the samples the way programs do.
func TestDataset(t *testing.T) {
	rows := manifest(t)
	set, err := dataset.LabelledFS(samples.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	if real, synthetic := set.Count(); real+synthetic != len(rows) {
		t.Errorf("%d + %d pictures, %d in the manifest", real, synthetic, len(rows))
	}
	for _, class := range []struct {
		dir     string
		sources []dataset.Source
	}{{"real", set.Real}, {"fake", set.Synthetic}} {
		plain, err := dataset.FromFS(samples.FS, class.dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(plain) != len(class.sources) || len(plain) < minSources {
			t.Errorf("%s: %d sources by folder, %d by manifest", class.dir, len(plain), len(class.sources))
		}
		for _, s := range class.sources {
			for i := range s.Len() {
				data, err := s.Load(context.Background(), i)
				if err != nil || len(data) == 0 {
					t.Errorf("%s %d: %d bytes, %v", s.Name(), i, len(data), err)
				}
			}
		}
	}
}
