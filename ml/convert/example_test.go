package convert_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/convert"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// A model of two classes, its channels last.
func ExampleModel() {
	b := onnx.NewBuilder("elsewhere")
	x := b.Input("photo", "N", 32, 32, 3)
	x = b.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", 1, 2), onnx.IntAttr("keepdims", 0))
	w := onnx.Tensor{Shape: []int{3, 2}, Data: []float32{1, -1, 0, 2, -2, 0}}
	b.NamedNode("class", "Softmax", []string{b.Node("MatMul", []string{x, b.Constant("w", w)})})
	b.Output("class", "N", 2)
	m, err := b.Model()
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := convert.Model(context.Background(), data, convert.Options{Name: "mine"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, note := range result.Notes {
		if !strings.HasPrefix(note, "tried") {
			fmt.Println(note)
		}
	}
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := result.Write(filepath.Join(dir, "my-detector")); err != nil {
		fmt.Println(err)
	}
	// Output:
	// the graph has the channels last ([N, height, width, 3]); a Transpose is put before it
	// the output is taken as probabilities of 2 classes
	// the Softmax at its end is left out
	// class 1 of 2 is taken as AI-generated
}
