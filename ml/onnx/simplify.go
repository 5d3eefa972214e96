package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// Simplify rewrites an inference graph into one that computes the same function,
// but for rounding, in fewer and cheaper steps:
//
//   - a convolution and the batch norm behind it become one convolution;
//   - a 1x1 convolution and the convolution behind it become one, where that is no
//     more work;
//   - a 1x1 convolution before a global average pool moves behind it;
//   - stored values that nothing reads any more are left out.
//
// Only what is read once and is no output of the graph changes. New weights are
// computed in float64 and rounded once.
func Simplify(m *onnxpb.ModelProto) error {
	s := &simplifier{graph: m.GetGraph()}
	for s.changed = true; s.changed && s.err == nil; {
		s.changed = false
		s.index()
		for _, rewrite := range []func(*onnxpb.NodeProto) bool{s.foldNorm, s.joinPointwise, s.poolFirst} {
			for _, n := range s.graph.GetNode() {
				if rewrite(n) {
					s.changed = true
					break // the index is out of date
				}
			}
			if s.changed {
				break
			}
		}
	}
	s.index()
	s.graph.Initializer = slices.DeleteFunc(s.graph.Initializer, func(t *onnxpb.TensorProto) bool { return s.reads[t.GetName()] == 0 })
	if s.err != nil {
		return fmt.Errorf("simplifying a graph: %w", s.err)
	}
	return nil
}

type simplifier struct {
	graph   *onnxpb.GraphProto
	makers  map[string]*onnxpb.NodeProto
	stored  map[string]*onnxpb.TensorProto
	reads   map[string]int // how often a value is read, as an output of the graph too
	changed bool
	err     error
}

func (s *simplifier) index() {
	s.makers, s.stored, s.reads = map[string]*onnxpb.NodeProto{}, map[string]*onnxpb.TensorProto{}, map[string]int{}
	for _, n := range s.graph.GetNode() {
		for _, out := range n.GetOutput() {
			s.makers[out] = n
		}
		for _, in := range n.GetInput() {
			s.reads[in]++
		}
	}
	for _, t := range s.graph.GetInitializer() {
		s.stored[t.GetName()] = t
	}
	for _, out := range s.graph.GetOutput() {
		s.reads[out.GetName()]++
	}
}

// weight gives a stored float32 tensor.
func (s *simplifier) weight(name string) (Tensor, bool) {
	t, ok := s.stored[name]
	if !ok || t.GetDataType() != int32(onnxpb.TensorProto_FLOAT) {
		return Tensor{}, false
	}
	v := Tensor{Data: slices.Clone(t.GetFloatData())}
	for _, d := range t.GetDims() {
		v.Shape = append(v.Shape, int(d))
	}
	if raw := t.GetRawData(); len(raw) > 0 {
		v.Data = make([]float32, len(raw)/4)
		for i := range v.Data {
			v.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	return v, len(v.Data) == elements(v.Shape)
}

// store keeps a new tensor under a name like the given one, in whose place it
// comes where no other node reads that.
func (s *simplifier) store(like string, t Tensor) string {
	if s.stored[like] != nil && s.reads[like] == 1 {
		delete(s.stored, like)
		s.graph.Initializer = slices.DeleteFunc(s.graph.Initializer, func(t *onnxpb.TensorProto) bool { return t.GetName() == like })
	}
	name := like
	for i := 1; s.stored[name] != nil || s.makers[name] != nil; i++ {
		name = fmt.Sprintf("%s_%d", like, i)
	}
	p := t.proto(name)
	s.graph.Initializer = append(s.graph.Initializer, p)
	s.stored[name] = p
	return name
}

// convolution is a Conv node with its weights.
type convolution struct {
	node                     *onnxpb.NodeProto
	kernel, bias             Tensor // bias has no values where the node has none
	group                    int
	strides, dilations, pads []int64
}

// only gives the convolution that makes a value which nothing else reads.
func (s *simplifier) only(value string) (convolution, bool) {
	if n := s.makers[value]; n != nil && s.reads[value] == 1 {
		return s.conv(n)
	}
	return convolution{}, false
}

// conv reads a two-dimensional convolution with stored weights.
func (s *simplifier) conv(n *onnxpb.NodeProto) (convolution, bool) {
	if n.GetOpType() != "Conv" || n.GetDomain() != "" {
		return convolution{}, false
	}
	c := convolution{node: n, group: 1, strides: []int64{1, 1}, dilations: []int64{1, 1}, pads: []int64{0, 0, 0, 0}}
	for _, a := range n.GetAttribute() {
		switch a.GetName() {
		case "group":
			c.group = int(a.GetI())
		case "strides":
			c.strides = a.GetInts()
		case "dilations":
			c.dilations = a.GetInts()
		case "pads":
			c.pads = a.GetInts()
		case "auto_pad":
			if string(a.GetS()) != "NOTSET" {
				return c, false
			}
		}
	}
	in, ok := n.GetInput(), false
	if c.kernel, ok = s.weight(in[1]); !ok || len(c.kernel.Shape) != 4 {
		return c, false
	}
	if len(in) > 2 && in[2] != "" {
		c.bias, ok = s.weight(in[2])
	}
	return c, ok
}

// pointwise says that the convolution mixes the channels of each pixel by itself.
func (c convolution) pointwise() bool {
	ones := func(v []int64) bool { return !slices.ContainsFunc(v, func(d int64) bool { return d != 1 }) }
	return c.group == 1 && c.kernel.Shape[2] == 1 && c.kernel.Shape[3] == 1 && ones(c.strides) && !padded(c.pads)
}

func padded(pads []int64) bool {
	return slices.ContainsFunc(pads, func(d int64) bool { return d != 0 })
}

// set gives the convolution new weights.
func (s *simplifier) set(c convolution, input string, kernel, bias Tensor) {
	in := []string{input, s.store(c.node.GetInput()[1], kernel)}
	if len(bias.Data) > 0 {
		like := c.node.GetInput()[1] + ".bias"
		if len(c.node.GetInput()) > 2 {
			like = c.node.GetInput()[2]
		}
		in = append(in, s.store(like, bias))
	}
	c.node.Input = in
	c.node.Attribute = slices.DeleteFunc(c.node.GetAttribute(), func(a *onnxpb.AttributeProto) bool { return a.GetName() == "kernel_shape" })
	c.node.Attribute = append(c.node.Attribute, IntsAttr("kernel_shape", int64(kernel.Shape[2]), int64(kernel.Shape[3])).proto)
}

func (s *simplifier) remove(n *onnxpb.NodeProto) {
	s.graph.Node = slices.DeleteFunc(s.graph.Node, func(other *onnxpb.NodeProto) bool { return other == n })
}

// foldNorm puts a batch norm into the convolution before it.
func (s *simplifier) foldNorm(n *onnxpb.NodeProto) bool {
	if n.GetOpType() != "BatchNormalization" || len(n.GetOutput()) != 1 {
		return false
	}
	c, ok := s.only(n.GetInput()[0])
	if !ok {
		return false
	}
	epsilon := float32(1e-5) // ONNX's default
	for _, a := range n.GetAttribute() {
		switch a.GetName() {
		case "epsilon":
			epsilon = a.GetF()
		case "training_mode":
			if a.GetI() != 0 {
				return false
			}
		}
	}
	var norm [4]Tensor
	for i := range norm {
		if norm[i], ok = s.weight(n.GetInput()[1+i]); !ok {
			return false
		}
	}
	kernel, bias := foldBatchNorm(c.kernel, batchNorm{norm[0], norm[1], norm[2], norm[3]}, c.bias, float64(epsilon))
	s.set(c, c.node.GetInput()[0], kernel, bias)
	c.node.Output = []string{n.GetOutput()[0]}
	s.remove(n)
	return true
}

// joinPointwise puts a 1x1 convolution into the one behind it. The padding of
// the second must come to the same: zeros, so the first may have no bias there.
func (s *simplifier) joinPointwise(n *onnxpb.NodeProto) bool {
	second, ok := s.conv(n)
	if !ok || second.group != 1 {
		return false
	}
	first, ok := s.only(n.GetInput()[0])
	if !ok || !first.pointwise() || len(first.bias.Data) > 0 && padded(second.pads) {
		return false
	}
	middle, in := first.kernel.Shape[0], first.kernel.Shape[1]
	if in > middle {
		return false // more work than the two
	}
	out, area := second.kernel.Shape[0], second.kernel.Shape[2]*second.kernel.Shape[3]
	kernel, bias := NewTensor(out, in, second.kernel.Shape[2], second.kernel.Shape[3]), second.bias
	if len(first.bias.Data) > 0 {
		bias = NewTensor(out)
		copy(bias.Data, second.bias.Data)
	}
	for o := range out {
		sums, offset := make([]float64, in*area), 0.0
		for m := range middle {
			for p := range area {
				w := float64(second.kernel.Data[(o*middle+m)*area+p])
				for i := range in {
					sums[i*area+p] += w * float64(first.kernel.Data[m*in+i])
				}
				if len(first.bias.Data) > 0 {
					offset += w * float64(first.bias.Data[m])
				}
			}
		}
		for i, v := range sums {
			kernel.Data[o*in*area+i] = float32(v)
		}
		if len(first.bias.Data) > 0 {
			bias.Data[o] = float32(float64(bias.Data[o]) + offset)
		}
	}
	s.set(second, first.node.GetInput()[0], kernel, bias)
	s.remove(first.node)
	return true
}

// poolFirst takes the mean over all pixels before a 1x1 convolution instead of
// after it.
func (s *simplifier) poolFirst(n *onnxpb.NodeProto) bool {
	if n.GetOpType() != "GlobalAveragePool" {
		return false
	}
	c, ok := s.only(n.GetInput()[0])
	if !ok || !c.pointwise() {
		return false
	}
	// The nodes swap their places, so that the order stays that of execution.
	pooled, out := n.GetInput()[0], n.GetOutput()[0]
	at, behind := slices.Index(s.graph.Node, c.node), slices.Index(s.graph.Node, n)
	n.Input[0], n.Output[0] = c.node.GetInput()[0], pooled
	c.node.Input[0], c.node.Output[0] = pooled, out
	s.graph.Node[at], s.graph.Node[behind] = n, c.node
	n.Name, c.node.Name = proto.String(pooled), proto.String(out)
	return true
}
