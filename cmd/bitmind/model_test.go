package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// classifierFile writes a model of two classes that is no detector yet.
func classifierFile(t testing.TB) string {
	t.Helper()
	b := onnx.NewBuilder("elsewhere")
	x := b.Input("photo", "N", 32, 32, 3)
	x = b.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", 1, 2), onnx.IntAttr("keepdims", 0))
	x = b.Node("MatMul", []string{x, b.Constant("w", onnx.Tensor{Shape: []int{3, 2}, Data: []float32{1, -1, 0, 2, -2, 0}})})
	b.NamedNode("class", "Softmax", []string{x})
	b.Output("class", "N", 2)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "elsewhere.onnx")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestModelConvert(t *testing.T) {
	in, dir := classifierFile(t), t.TempDir()
	out := filepath.Join(dir, "mine.onnx")
	stdout, _ := bitmindOK(t, "", "model", "convert", in, "--out", out, "--calibration", "2,-0.5", "--mean", "0.5", "--std", "0.25,0.5,1", "--fit", "crop", "--licence", "MIT")
	for _, want := range []string{"Transpose", "probabilities of 2 classes", "class 1 of 2", "tried on 6 random pictures", "wrote " + out} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
	d, _, err := detector.ReadPath(out)
	if err != nil {
		t.Fatal(err)
	}
	p := d.Preprocess
	if d.Name != "elsewhere" || d.Licence != "MIT" || d.Calibration != (detector.Calibration{Scale: 2, Offset: -0.5}) ||
		p.Mean != [3]float32{0.5, 0.5, 0.5} || p.Std != [3]float32{0.25, 0.5, 1} || p.Steps[0] != (detector.Step{Op: detector.CenterCrop, Size: 32}) {
		t.Errorf("%+v", d)
	}
	bitmindOK(t, "", "predict", "--model", out, picturesIn(t, dir, 1)[0])

	// Weights, as a checkpoint's reader gives them.
	weights, err := onnx.NPRInit(1).Safetensors()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "weights.safetensors")
	if err := os.WriteFile(file, weights, 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, _ = bitmindOK(t, "", "model", "convert", file, "--out", filepath.Join(dir, "npr"), "--size", "64", "--json")
	var result struct {
		Out      string
		Notes    []string
		Detector detector.Description
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		t.Fatal(err)
	}
	if result.Detector.Architecture != "npr" || len(result.Detector.Graph.SHA256) != 64 || len(result.Notes) == 0 {
		t.Errorf("%s", stdout)
	}
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{2, "--out FOLDER", []string{in}},
		{2, "--help", []string{"--out", out}},
		{2, "--mean has 2 values", []string{in, "--out", out, "--mean", "1,2"}},
		{2, "values above 0", []string{in, "--out", out, "--std", "0"}},
		{2, "SCALE,OFFSET", []string{in, "--out", out, "--calibration", "1"}},
		{2, "scale above 0", []string{in, "--out", out, "--calibration", "-1,0"}},
		{2, "short, crop or stretch", []string{in, "--out", out, "--fit", "zoom"}},
		{2, "--size -1", []string{in, "--out", out, "--size", "-1"}},
		{2, "without --arch", []string{in, "--out", out, "--arch", "npr"}},
		{1, "fixed at 32 x 32", []string{in, "--out", out, "--size", "64"}},
		{1, "there is no file", []string{in + "x", "--out", out}},
		{1, "is a folder", []string{dir, "--out", out}},
		{1, "try: ", []string{picturesIn(t, dir, 1)[0], "--out", out}},
		{1, `architecture "vgg"`, []string{file, "--out", out, "--arch", "vgg"}},
	} {
		status, _, stderr := bitmind(t, "", append([]string{"model", "convert"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: status %d, %q; want %d, %q", c.args, status, stderr, c.status, c.want)
		}
	}
}

func TestModelInfo(t *testing.T) {
	dir := testDetector(t)
	stdout, _ := bitmindOK(t, "", "model", "info", "--json", "--model", dir)
	var info modelInfo
	if err := json.Unmarshal([]byte(stdout), &info); err != nil {
		t.Fatal(err)
	}
	file, err := os.Stat(filepath.Join(dir, detector.GraphFile))
	if err != nil {
		t.Fatal(err)
	}
	// Of 1,439,297 trained values and norms, those left once the norms are folded.
	if info.Name != "untrained" || len(info.SHA256) != 64 || info.Bytes != int(file.Size()) || info.Input.Width != 64 || info.MSPerImage <= 0 ||
		info.Operators["Conv"] != 24 || info.Parameters < 1_400_000 || info.Weights["float"] != info.Parameters || info.Opset < 17 || info.Output.Kind != detector.Logit {
		t.Errorf("%s", stdout)
	}
	stdout, _ = bitmindOK(t, "", "model", "info", "--model", dir)
	for _, want := range []string{"name          untrained\n", info.SHA256, "licence       not stated\n", "input         64 x 64 pixels (center crop)\n", "ms for one picture on one core"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
}

func TestModelList(t *testing.T) {
	shipped := func(list []listedModel) bool {
		for _, m := range list {
			if m.Default && m.Path == "" && m.Bytes > 0 {
				return true
			}
		}
		return false
	}
	list := func(args ...string) []listedModel {
		t.Helper()
		stdout, _ := bitmindOK(t, "", append([]string{"model", "list", "--json"}, args...)...)
		var all []listedModel
		if err := json.Unmarshal([]byte(stdout), &all); err != nil {
			t.Fatal(err)
		}
		if !shipped(all) {
			t.Errorf("no default detector in %s", stdout)
		}
		return all
	}
	own := len(list())
	dir := t.TempDir()
	if err := os.Rename(testDetector(t), filepath.Join(dir, "first")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	in := classifierFile(t)
	bitmindOK(t, "", "model", "convert", in, "--out", filepath.Join(dir, "run", "best.onnx"))
	plain, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "no-detector.onnx"), plain, 0o644); err != nil {
		t.Fatal(err)
	}
	found := list(dir)[own:]
	if len(found) != 2 || found[0].Path != filepath.Join(dir, "first") || found[1].Name != "elsewhere" || found[1].Path != filepath.Join(dir, "run", "best.onnx") {
		t.Errorf("%+v", found)
	}
	if found := list(filepath.Join(dir, "first"))[own:]; len(found) != 1 {
		t.Errorf("a detector itself: %+v", found)
	}
	stdout, _ := bitmindOK(t, "", "model", "list", dir)
	if !strings.Contains(stdout, "(default)") || strings.Count(stdout, "\n") != own+3 {
		t.Errorf("%s", stdout)
	}
	if err := os.WriteFile(filepath.Join(dir, "first", detector.GraphFile), plain, 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := bitmind(t, "", "model", "list", dir)
	if status != 1 || !strings.Contains(stderr, "1 detectors") || !strings.Contains(stdout, "damaged") {
		t.Errorf("status %d, %q, %s", status, stderr, stdout)
	}
	if status, _, stderr := bitmind(t, "", "model", "list", filepath.Join(dir, "none")); status != 1 || !strings.Contains(stderr, "there is no folder") {
		t.Errorf("status %d, %q", status, stderr)
	}
}
