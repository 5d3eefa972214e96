package arch

import (
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// WithoutDropout gives the architecture's Build without dropout in training.
func WithoutDropout(a Architecture) func(*autodiff.Graph, *autodiff.Value, onnx.Weights) *autodiff.Value {
	if a.Name == "ferretnet" {
		return func(g *autodiff.Graph, x *autodiff.Value, w onnx.Weights) *autodiff.Value {
			return (&net{g: g, w: w}).ferretNet(x, 0)
		}
	}
	return a.Build
}
