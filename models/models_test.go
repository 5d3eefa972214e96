package models_test

import (
	"bytes"
	"testing"

	"github.com/maxmos001/bitmind-subnet/models"
)

func TestView(t *testing.T) {
	want, err := models.FS.ReadFile("best/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if got := models.FS.View("best/model.onnx"); !bytes.Equal(got, want) {
		t.Errorf("%d bytes, not the file's %d", len(got), len(want))
	}
	// What was given back is read again.
	models.GiveBack()
	if got := models.FS.View("best/model.onnx"); !bytes.Equal(got, want) {
		t.Error("another file after GiveBack")
	}
	if got := models.FS.View("best/detector.json"); got != nil {
		t.Errorf("%d bytes of a small file", len(got))
	}
}
