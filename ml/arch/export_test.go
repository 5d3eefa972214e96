package arch

import (
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// WithoutDropout gives the architecture's Build without dropout in training.
func WithoutDropout(a Architecture) func(*autodiff.Graph, *autodiff.Value, onnx.Weights) *autodiff.Value {
	if a.Name == "ferretnet" {
		return a.with(ferretLayers(0)).Build
	}
	return a.Build
}
