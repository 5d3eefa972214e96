package torchfile_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/torchfile"
)

// golden gives the values that PyTorch itself reads from each checkpoint.
func golden(t *testing.T) map[string]onnx.Weights {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var files map[string]map[string]struct {
		Shape []int
		Data  []any // numbers, and infinity as text
	}
	if err := json.Unmarshal(text, &files); err != nil {
		t.Fatal(err)
	}
	all := map[string]onnx.Weights{}
	for file, tensors := range files {
		all[file] = onnx.Weights{}
		for name, g := range tensors {
			w := onnx.Tensor{Shape: g.Shape, Data: []float32{}}
			for _, v := range g.Data {
				if text, ok := v.(string); ok {
					if v, err = strconv.ParseFloat(text, 64); err != nil {
						t.Fatal(err)
					}
				}
				w.Data = append(w.Data, float32(v.(float64)))
			}
			all[file][name] = w
		}
	}
	return all
}

func TestReadFile(t *testing.T) {
	for name, want := range golden(t) {
		for _, form := range []string{"zip", "legacy"} {
			got, err := torchfile.ReadFile(filepath.Join("testdata", name+"_"+form+".pth"))
			if err != nil {
				t.Error(err)
				continue
			}
			if len(got) != len(want) {
				t.Errorf("%s, %s: %d tensors, want %d", name, form, len(got), len(want))
			}
			for k, w := range want {
				g, ok := got[k]
				same := ok && len(g.Shape) == len(w.Shape) && len(g.Data) == len(w.Data)
				for i := 0; same && i < len(w.Shape); i++ {
					same = g.Shape[i] == w.Shape[i]
				}
				for i := 0; same && i < len(w.Data); i++ {
					same = math.Float32bits(g.Data[i]) == math.Float32bits(w.Data[i])
				}
				if !same {
					t.Errorf("%s, %s: %s is %v, want %v", name, form, k, g, w)
				}
			}
		}
	}
}

func TestReadSafetensorsFile(t *testing.T) {
	data, err := onnx.Weights{"module.w": {Shape: []int{2}, Data: []float32{1, 2}}}.Safetensors()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "w.pth") // the name does not matter
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if w, err := torchfile.ReadFile(path); err != nil || len(w["w"].Data) != 2 {
		t.Errorf("%v, %v", w, err)
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What cannot be read is explained.
func TestErrors(t *testing.T) {
	plain, legacy := read(t, "plain_zip.pth"), read(t, "plain_legacy.pth")
	// One bit of a weight: the zip's checksums notice.
	flipped := bytes.Clone(plain)
	at := bytes.Index(flipped, []byte("/data/0")) + 100
	flipped[at] ^= 1
	var script bytes.Buffer
	archive := zip.NewWriter(&script)
	for _, name := range []string{"m/data.pkl", "m/constants.pkl"} {
		if _, err := archive.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	tar := make([]byte, 1024)
	copy(tar[257:], "ustar")
	const magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
	const version = "\x80\x02M\xe9\x03."
	machine := "\x80\x02}(X\x0d\x00\x00\x00little_endian\x89u."
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"module":          {read(t, "module_zip.pth"), "torch.save(model.state_dict()"},
		"one tensor":      {read(t, "tensor_zip.pth"), "single tensor"},
		"no weights":      {read(t, "nothing_zip.pth"), `only "epoch"`},
		"several":         {read(t, "several_zip.pth"), `"teacher", "student"`},
		"TorchScript":     {script.Bytes(), "TorchScript"},
		"cut zip":         {plain[:len(plain)/2], "cut off"},
		"cut legacy":      {legacy[:len(legacy)-10], "cut off"},
		"cut list":        {legacy[:300], "ends in the middle"},
		"damaged":         {flipped, "checksum"},
		"text":            {[]byte("hello"), "torch.save"},
		"empty":           {nil, "torch.save"},
		"tar":             {tar, "0.1.10"},
		"another pickle":  {[]byte("\x80\x02K\x01."), "pickle of something else"},
		"other version":   {[]byte(magic + "\x80\x02M\xea\x03."), "version 1002"},
		"big-endian":      {[]byte(magic + version + machine), "big-endian"},
		"unknown opcode":  {[]byte("\x80\x02\xff."), "unknown operation 0xff"},
		"long without":    {[]byte("\x80\x02\x8a\x00."), "integer of 0 bytes"},
		"unhashable key":  {[]byte("\x80\x02ccollections\nOrderedDict\n)R(](K\x01u."), "damaged"},
		"huge string":     {[]byte("\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\x7f."), "ends in the middle"},
		"huge frame":      {[]byte("\x80\x04\x95\xff\xff\xff\xff\x00\x00\x00\x00."), "ends in the middle"},
		"deep":            {[]byte("\x80\x02" + strings.Repeat("(", 1<<20)), "nested deeper"},
		"many operations": {[]byte("\x80\x02" + strings.Repeat("N0", 1<<21)), "longer than"},
	} {
		w, err := torchfile.Read(c.data)
		if !errors.Is(err, torchfile.ErrFormat) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v; want %q", name, w, err, c.want)
		}
	}
	if w, err := torchfile.Read(read(t, "gan_zip.pth")); err != nil || len(w) != 7 {
		t.Errorf("netG of a pair: %d tensors, %v", len(w), err)
	}
	if _, err := torchfile.ReadFile(filepath.Join(t.TempDir(), "none.pth")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
