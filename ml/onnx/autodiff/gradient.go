package autodiff

import (
	"fmt"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// Gradients appends the backward graph and returns the derivative of loss, of
// one element, with respect to each of wrt, of the same shapes. A value that the
// loss does not depend on has the gradient zero.
func (g *Graph) Gradients(loss *Value, wrt []*Value) ([]*Value, error) {
	if g.err != nil {
		return nil, g.err
	}
	if count(loss.shape) != 1 {
		return nil, fmt.Errorf("differentiating graph %q: the loss has shape %v, not one element", g.name, loss.shape)
	}
	// What depends on wrt, forwards; only that gets gradients.
	depends := map[*Value]bool{}
	for _, v := range wrt {
		depends[v] = true
	}
	for _, s := range g.steps {
		if slices.ContainsFunc(s.inputs, func(v *Value) bool { return depends[v] }) {
			depends[s.out] = true
		}
	}
	for v := range depends {
		if slices.Contains(v.shape, -1) {
			return nil, fmt.Errorf("differentiating graph %q: %s has the dynamic shape %v", g.name, v.name, v.shape)
		}
	}
	grads := map[*Value]*Value{loss: g.Constant(fill(1, loss.shape...))}
	steps := g.steps // what the backward pass appends is not part of it
	for _, s := range slices.Backward(steps) {
		dy := grads[s.out]
		if dy == nil || !depends[s.out] {
			continue
		}
		if s.back == nil {
			return nil, fmt.Errorf("differentiating graph %q: %s cannot be differentiated", g.name, s.out.name)
		}
		needs := make([]bool, len(s.inputs))
		for i, in := range s.inputs {
			needs[i] = depends[in]
		}
		for i, d := range s.back(dy, needs) {
			if d == nil || !needs[i] {
				continue
			}
			in := s.inputs[i]
			if !slices.Equal(d.shape, in.shape) {
				g.Fail(fmt.Errorf("the gradient of %s has shape %v, not %v", in.name, d.shape, in.shape))
			}
			if old := grads[in]; old != nil {
				d = g.Add(old, d)
			}
			grads[in] = d
		}
	}
	if g.err != nil {
		return nil, g.err
	}
	out := make([]*Value, len(wrt))
	for i, v := range wrt {
		out[i] = grads[v]
		if out[i] == nil {
			out[i] = g.Constant(fill(0, v.shape...))
		}
	}
	return out, nil
}

func fill(x float32, shape ...int) onnx.Tensor {
	t := onnx.NewTensor(shape...)
	for i := range t.Data {
		t.Data[i] = x
	}
	return t
}
