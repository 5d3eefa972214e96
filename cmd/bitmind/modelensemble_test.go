package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/ensemble"
)

// testEnsemble combines two detectors in the folder "both" of a folder.
func testEnsemble(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	second := filepath.Join(dir, "second.onnx")
	bitmindOK(t, "", "model", "convert", classifierFile(t), "--out", second, "--calibration", "2,-0.5")
	err := ensemble.Write(filepath.Join(dir, "both"), detector.Ensemble{Name: "both", Version: "1.0.0", Verdict: detector.DefaultBand, Licence: "MIT"},
		[]string{testDetector(t), second}, &ensemble.Fitted{Weights: []float64{1.25, -0.5}, Offset: 0.75})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestModelListEnsemble(t *testing.T) {
	dir := testEnsemble(t)
	both := filepath.Join(dir, "both")
	for _, folder := range []string{dir, both} {
		stdout, _ := bitmindOK(t, "", "model", "list", "--json", folder)
		var all []listedModel
		if err := json.Unmarshal([]byte(stdout), &all); err != nil {
			t.Fatal(err)
		}
		var found *listedModel
		for i, m := range all {
			if m.Path == both {
				found = &all[i]
			} else if strings.HasPrefix(m.Path, both) {
				t.Errorf("a member is listed by itself: %+v", m)
			}
		}
		if found == nil {
			t.Fatalf("%s is not in %s", both, stdout)
		}
		if found.Name != "both" || found.Architecture != "ensemble" || len(found.SHA256) != 64 || len(found.Members) != 2 ||
			found.Members[1] != (listedMember{"member2.onnx", "elsewhere", "onnx", -0.5}) || found.Bytes < 5e6 {
			t.Errorf("%+v", found)
		}
	}
	stdout, _ := bitmindOK(t, "", "model", "list", dir)
	if !strings.Contains(stdout, "both 1.0.0") || !strings.Contains(stdout, "ensemble of npr, onnx") {
		t.Errorf("%s", stdout)
	}
	// A member that is another one.
	if err := os.Rename(filepath.Join(both, "member2.onnx"), filepath.Join(both, "member1.onnx")); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := bitmind(t, "", "model", "list", dir)
	if status != 1 || !strings.Contains(stdout, "damaged") || !strings.Contains(stdout, "member member1.onnx") || !strings.Contains(stderr, "1 detectors") {
		t.Errorf("status %d, %q, %s", status, stderr, stdout)
	}
}

func TestModelInfoEnsemble(t *testing.T) {
	both := filepath.Join(testEnsemble(t), "both")
	for _, path := range []string{both, filepath.Join(both, detector.EnsembleFile)} {
		stdout, _ := bitmindOK(t, "", "model", "info", "--json", "--model", path)
		var info ensembleInfo
		if err := json.Unmarshal([]byte(stdout), &info); err != nil {
			t.Fatal(err)
		}
		if info.Name != "both" || info.Architecture != "ensemble" || info.Licence != "MIT" || info.Offset != 0.75 || info.Verdict != detector.DefaultBand || info.MSPerImage <= 0 || len(info.Members) != 2 {
			t.Fatalf("%s", stdout)
		}
		first, second := info.Members[0], info.Members[1]
		if first.Path != "member1.onnx" || first.Weight != 1.25 || first.Architecture != "npr" || first.Input.Width != 64 || first.MSPerImage <= 0 ||
			second.Weight != -0.5 || second.Calibration != (detector.Calibration{Scale: 2, Offset: -0.5}) || second.Name != "elsewhere" || len(second.SHA256) != 64 {
			t.Errorf("%s", stdout)
		}
		if info.Parameters != first.Parameters+second.Parameters || info.Bytes != first.Bytes+second.Bytes {
			t.Errorf("%d parameters in %d bytes", info.Parameters, info.Bytes)
		}
	}
	stdout, _ := bitmindOK(t, "", "model", "info", "--model", both)
	for _, want := range []string{
		"name          both 1.0.0\n", "architecture  ensemble of 2\n", "score = 1/(1+exp(-(1.25*logit1-0.5*logit2+0.75)))\n",
		"1 member1.onnx", "2 member2.onnx", "logit2 = 2*output-0.5", "64 x 64", "32 x 32",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
	// Commands for a single graph say so.
	status, _, stderr := bitmind(t, "", "model", "quantize", both, "--out", filepath.Join(t.TempDir(), "small"), "--data", labelledPictures(t))
	if status != 1 || !strings.Contains(stderr, "is an ensemble, not one graph; try: its members") || strings.Contains(stderr, detector.DescriptionFile) {
		t.Errorf("status %d, %q", status, stderr)
	}
	if err := os.Remove(filepath.Join(both, "member2.onnx")); err != nil {
		t.Fatal(err)
	}
	status, _, stderr = bitmind(t, "", "model", "info", "--model", both)
	if status != 1 || !strings.Contains(stderr, "member member2.onnx") || !strings.Contains(stderr, "train --arch ensemble") {
		t.Errorf("status %d, %q", status, stderr)
	}
}
