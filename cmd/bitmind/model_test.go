package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	stdout, _ := bitmindOK(t, "", "model", "convert", in, "--out", out, "--calibration", "2,-0.5", "--mean", "0.5", "--std", "0.25,0.5,1", "--fit", "crop", "--licence", "MIT", "--version", "1.2.3", "--verdict", "0.25,0.75")
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
	if d.Name != "elsewhere" || d.Licence != "MIT" || d.Version != "1.2.3" || d.Verdict != (detector.Band{RealBelow: 0.25, AIAbove: 0.75}) || d.Calibration != (detector.Calibration{Scale: 2, Offset: -0.5}) ||
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
		{2, "REAL from 0 to 0.5", []string{in, "--out", out, "--verdict", "0.6,0.8"}},
		{2, "such as 0.4,0.6", []string{in, "--out", out, "--verdict", "0.3"}},
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

// What is a detector already keeps its description, in one file and in a folder.
func TestModelConvertDetector(t *testing.T) {
	dir := t.TempDir()
	file, folder, last := filepath.Join(dir, "a.onnx"), filepath.Join(dir, "b"), filepath.Join(dir, "c.onnx")
	bitmindOK(t, "", "model", "convert", classifierFile(t), "--out", file, "--name", "mine", "--calibration", "2,-0.5", "--mean", "0.5", "--std", "0.25", "--fit", "crop", "--licence", "MIT", "--trained-on", "colours")
	read := func(path string) *detector.Description {
		t.Helper()
		d, _, err := detector.ReadPath(path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := *read(file)
	stdout, _ := bitmindOK(t, "", "model", "convert", file, "--out", folder, "--licence", "CC0-1.0")
	if !strings.Contains(stdout, "it is a detector already; kept from its description: name, architecture, training data, verdicts, ") {
		t.Errorf("%s", stdout)
	}
	want.Licence = "CC0-1.0"
	bitmindOK(t, "", "model", "convert", filepath.Join(folder, detector.GraphFile), "--out", last)
	for _, path := range []string{folder, last} {
		got := *read(path)
		got.Graph = want.Graph
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", path, diff)
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

// The detectors inside the program are listed by the names that --model takes.
func TestModelListInside(t *testing.T) {
	stdout, _ := bitmindOK(t, "", "model", "list")
	for _, name := range []string{"base", "best", "fast"} {
		if !strings.Contains(stdout, "inside the program: --model "+name) {
			t.Errorf("no %s in %s", name, stdout)
		}
	}
}

func TestModelQuantize(t *testing.T) {
	model, dir := testDetector(t), labelledPictures(t)
	before, err := os.Stat(filepath.Join(model, detector.GraphFile))
	if err != nil {
		t.Fatal(err)
	}
	for mode, smaller := range map[string]int64{"weights": 3, "fp16": 1, "static": 3, "dynamic": 3} { // at least that many times
		out := filepath.Join(t.TempDir(), mode)
		// Untrained, its order of the few pictures is chance: only --force is sure.
		stdout, stderr := bitmindOK(t, "", "model", "quantize", model, "--out", out, "--data", dir, "--mode", mode, "--force", "--json")
		var r quantizeReport
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(filepath.Join(out, detector.GraphFile))
		if err != nil {
			t.Fatal(err)
		}
		if after.Size()*smaller > before.Size() || int64(r.After.Bytes) != after.Size() || int64(r.Before.Bytes) != before.Size() {
			t.Errorf("%s: %d bytes became %d; %s", mode, before.Size(), after.Size(), stdout)
		}
		if r.Mode != mode || r.Pictures != 9 || r.Failed != 1 || r.Out != out || r.Accepted != (r.Drop < 0.005) || r.Before.MSPerImage <= 0 || r.After.MSPerImage <= 0 {
			t.Errorf("%s: %s", mode, stdout)
		}
		if r.Change <= 0 || r.Change > 0.05 {
			t.Errorf("%s: scores changed by %g", mode, r.Change)
		}
		if !strings.Contains(stderr, "real/scans") && !strings.Contains(stderr, "scans") {
			t.Errorf("%s: the damaged picture is not named: %q", mode, stderr)
		}
		d, _, err := detector.ReadPath(out)
		if want := map[bool]string{true: "fp16", false: "int8"}[mode == "fp16"]; err != nil || d.Version != want || d.Name != "untrained" {
			t.Errorf("%s: %+v, %v", mode, d, err)
		}
		// The figures are those that eval finds.
		got := evalJSON(t, "--model", out, "--data", dir)
		if math.Abs(float64(got.ROCAUC-r.After.ROCAUC)) > 1e-9 {
			t.Errorf("%s: area under the curve %v, eval says %v", mode, r.After.ROCAUC, got.ROCAUC)
		}
	}
	out := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{2, "--out FOLDER", []string{model, "--data", dir}},
		{2, "--data DIR", []string{model, "--out", out}},
		{2, "weights, fp16, static or dynamic", []string{model, "--out", out, "--data", dir, "--mode", "int4"}},
		{2, "--limit -1", []string{model, "--out", out, "--data", dir, "--limit", "-1"}},
		{1, "no detector", []string{model + "x", "--out", out, "--data", dir}},
		{1, "real/<source>", []string{model, "--out", out, "--data", dir + "x"}},
	} {
		status, _, stderr := bitmind(t, "", append([]string{"model", "quantize"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d, %q; want %d, %q", c.args, status, stderr, c.status, c.want)
		}
	}
}

// A detector whose skill lies in the last bits is refused, with the figures, and
// nothing is written.
func TestModelQuantizeRefuses(t *testing.T) {
	dir := t.TempDir()
	// Synthetic pictures are brighter on the left, real ones on the right.
	for class, bright := range map[string]int{"real/grey": 1, "fake/grey": 0} {
		folder := filepath.Join(dir, filepath.FromSlash(class))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			img := image.NewGray(image.Rect(0, 0, 32, 32))
			for j := range img.Pix {
				img.Pix[j] = uint8(10 * i)
				if j%32/16 == bright {
					img.Pix[j] += 100
				}
			}
			var buf bytes.Buffer
			if err := png.Encode(&buf, img); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".png")), buf.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := onnx.NewBuilder("fine")
	x := b.Input("image", "N", 3, 32, 32)
	x = b.Node("Flatten", []string{x})
	// Its weights are plus and minus a ten-thousandth of the greatest two, which
	// cancel: nothing is left of them in 8 bits.
	w := onnx.NewTensor(3*32*32, 1)
	for i := range w.Data {
		w.Data[i] = 1e-4
		if i%32 >= 16 {
			w.Data[i] = -1e-4
		}
	}
	w.Data[0], w.Data[1] = 1, -1
	b.NamedNode("logit", "MatMul", []string{x, b.Constant("w", w)})
	b.Output("logit", "N", 1)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	graph, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	model, out := filepath.Join(dir, "fine"), filepath.Join(dir, "small")
	if err := detector.Write(model, detector.Description{
		Format: 1, Name: "fine", Architecture: "onnx",
		Input: detector.Input{Name: "image"}, Output: detector.Output{Name: "logit", Kind: detector.Logit},
		Preprocess:  detector.Preprocess{Steps: []detector.Step{{Op: detector.CenterCrop, Size: 32}}, Std: [3]float32{1, 1, 1}},
		Calibration: detector.Calibration{Scale: 1}, Verdict: detector.DefaultBand, Labels: [2]string{detector.Real, detector.AI},
	}, graph); err != nil {
		t.Fatal(err)
	}
	args := []string{"model", "quantize", model, "--out", out, "--data", dir}
	status, stdout, stderr := bitmind(t, "", args...)
	if status != 1 || !strings.Contains(stderr, "fell from 1.0000 to 0.") || !strings.Contains(stderr, "nothing written; try: --mode fp16") || !strings.Contains(stdout, "ROC AUC  1.0000") {
		t.Errorf("status %d, %q, %s", status, stderr, stdout)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
	bitmindOK(t, "", append(args, "--force")...)
	if _, err := os.Stat(filepath.Join(out, detector.GraphFile)); err != nil {
		t.Error(err)
	}
}
