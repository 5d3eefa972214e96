package autodiff

import (
	"errors"
	"fmt"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// ErrNoGradient says that there is no rule of differentiation for an operator,
// which the message names.
var ErrNoGradient = errors.New("the operator has no gradient")

// flat are the operators that are constant but for jumps: their gradient is zero
// by right. The HardSigmoid here is the step that positive makes of it.
var flat = []string{"Sign", "HardSigmoid", "Greater", "GreaterOrEqual"}

// Gradients appends the backward graph and returns the derivative of loss, of
// one element, with respect to each of wrt, of the same shapes. A value that the
// loss does not depend on has the gradient zero.
//
// Gradients can be differentiated again, but for those of a few operators whose
// backward graph is made of others that have no rule: that is ErrNoGradient.
func (g *Graph) Gradients(loss *Value, wrt []*Value) ([]*Value, error) {
	if g.err != nil {
		return nil, g.err
	}
	if count(loss.shape) != 1 {
		return nil, fmt.Errorf("differentiating graph %q: the loss has shape %v, not one element", g.name, loss.shape)
	}
	depends, makers := g.dependence(wrt)
	ruled := map[*Value]bool{}
	for _, v := range wrt {
		if slices.Contains(v.shape, -1) {
			return nil, g.dynamic(v)
		}
	}
	for _, s := range g.steps {
		ruled[s.out] = true
		if depends[s.out.name] && slices.Contains(s.out.shape, -1) {
			return nil, g.dynamic(s.out)
		}
	}
	// without says that a gradient would get lost at v.
	without := func(v *Value) error {
		if n := makers[v.name]; n != nil && !ruled[v] {
			return fmt.Errorf("differentiating graph %q: %w: %s, which makes %s of shape %v", g.name, ErrNoGradient, n.GetOpType(), v.name, v.shape)
		}
		return nil
	}
	if err := without(loss); err != nil {
		return nil, err
	}
	grads := map[*Value]*Value{loss: g.Constant(fill(1, loss.shape...))}
	steps := g.steps // what the backward pass appends is not part of it
	for _, s := range slices.Backward(steps) {
		dy := grads[s.out]
		if dy == nil || !depends[s.out.name] {
			continue
		}
		needs := make([]bool, len(s.inputs))
		for i, in := range s.inputs {
			if needs[i] = depends[in.name]; needs[i] {
				if err := without(in); err != nil {
					return nil, err
				}
			}
		}
		for i, d := range s.back(dy, needs) {
			if !needs[i] {
				continue
			}
			in := s.inputs[i]
			if d == nil {
				return nil, fmt.Errorf("differentiating graph %q: %w: %s, by %s", g.name, ErrNoGradient, s.out.name, in.name)
			}
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

// dependence follows the operators, with a rule or without, from wrt on: it gives
// the names of the values that change with them, and the operators that make
// those.
func (g *Graph) dependence(wrt []*Value) (depends map[string]bool, makers map[string]*onnxpb.NodeProto) {
	depends, makers = map[string]bool{}, map[string]*onnxpb.NodeProto{}
	for _, v := range wrt {
		depends[v.name] = true
	}
	for _, n := range g.nodes {
		if slices.Contains(flat, n.GetOpType()) || !slices.ContainsFunc(n.Input, func(name string) bool { return depends[name] }) {
			continue
		}
		// A second output is an index: it only jumps.
		depends[n.Output[0]], makers[n.Output[0]] = true, n
	}
	return depends, makers
}

func (g *Graph) dynamic(v *Value) error {
	return fmt.Errorf("differentiating graph %q: %s has the dynamic shape %v", g.name, v.name, v.shape)
}

func fill(x float32, shape ...int) onnx.Tensor {
	t := onnx.NewTensor(shape...)
	for i := range t.Data {
		t.Data[i] = x
	}
	return t
}
