package autodiff_test

import (
	"context"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// A straight line is fitted to four points by gradient descent. The step, with
// the update of the weights, is one graph.
func Example() {
	g := autodiff.New("line", autodiff.Options{Training: true})
	x, y := g.Input("x", 4, 1), g.Input("y", 4, 1)
	slope := g.Parameter("slope", onnx.Tensor{Shape: []int{1, 1}, Data: []float32{0}})
	shift := g.Parameter("shift", onnx.Tensor{Shape: []int{1}, Data: []float32{0}})
	miss := g.Sub(g.Linear(x, slope, shift), y)
	loss := g.ReduceMean(g.Mul(miss, miss))
	gradients, err := g.Gradients(loss, g.Parameters())
	if err != nil {
		fmt.Println(err)
		return
	}
	outputs := map[string]*autodiff.Value{"loss": loss}
	for i, p := range g.Parameters() {
		outputs["new."+p.Name()] = g.Sub(p, g.Mul(gradients[i], g.Scalar(0.1)))
	}
	model, err := g.Model(outputs, autodiff.ModelOptions{ParametersAsInputs: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := onnx.Marshal(model)
	if err != nil {
		fmt.Println(err)
		return
	}
	runtime, err := ort.Open(ort.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer runtime.Close()
	session, err := runtime.NewSession(data, ort.SessionOptions{Threads: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()

	tensor := func(shape []int64, values ...float32) *ort.Tensor[float32] {
		t, err := ort.NewTensor(values, shape...)
		if err != nil {
			panic(err) // the shape is wrong
		}
		return t
	}
	column, one := []int64{4, 1}, []int64{1, 1}
	in := []ort.Value{tensor(column, 0, 1, 2, 3), tensor(column, 1, 3, 5, 7), tensor(one, 0), tensor(one[:1], 0)}
	out := []ort.Value{tensor(one[:1], 0), tensor(one[:1], 0), tensor(one, 0)} // by name: loss, new.shift, new.slope
	for range 200 {
		if err := session.Run(context.Background(), in, out); err != nil {
			fmt.Println(err)
			return
		}
		in[2], in[3], out[1], out[2] = out[2], out[1], in[3], in[2]
	}
	fmt.Printf("y = %.2f x + %.2f\n", in[2].(*ort.Tensor[float32]).Data()[0], in[3].(*ort.Tensor[float32]).Data()[0])
	// Output: y = 2.00 x + 1.00
}
