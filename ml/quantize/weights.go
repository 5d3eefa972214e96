package quantize

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// ErrModel says that a model is not one that can be quantised.
var ErrModel = errors.New("the model cannot be quantised")

// Format is how weights are stored.
type Format string

// Formats of weights.
const (
	// Int8 stores 8 bits per value and a float32 scale per output channel:
	// w = scale * q, q from -127 to 127, rounded so that a channel's errors sum to
	// nothing. Kernels of few values per channel, as depthwise ones, are stored as
	// Float16.
	Int8 Format = "int8"
	// Float16 stores IEEE 754 half precision, rounded to the nearest.
	Float16 Format = "fp16"
)

// WeightOptions say what WeightOnly does.
type WeightOptions struct {
	Format Format // default Int8
	// MinValues is the size below which a constant stays float32: small ones
	// weigh nothing in the file. Default 1024.
	MinValues int
}

// Report says what a quantiser did.
type Report struct {
	Quantised int // constants stored in the new format
	Kept      int // float32 constants left as they were
	// BytesBefore and BytesAfter are the sizes of the encoded models.
	BytesBefore, BytesAfter int
	// MaxError is the greatest error of a quantised weight, in parts of the
	// greatest weight of its channel (Int8) or of its tensor (Float16).
	MaxError float64
}

// WeightOnly changes m in place: the constant weights of Conv, ConvTranspose,
// MatMul and Gemm are stored in fewer bits, and a Cast (with a Mul by the scale
// for Int8) in front of the graph gives the float32 values back under the old
// names, so that no other node changes. Biases, norms and everything else stay
// float32.
//
// Cast and Mul rather than DequantizeLinear: ONNX Runtime folds the former into
// a float32 constant when a session is made, as it does with any computation on
// constants, but leaves the latter in the graph, where it runs anew for every
// picture (unless a session is told otherwise).
func WeightOnly(m *onnxpb.ModelProto, opts WeightOptions) (Report, error) {
	if opts.Format == "" {
		opts.Format = Int8
	}
	if opts.Format != Int8 && opts.Format != Float16 {
		return Report{}, fmt.Errorf("weights of format %q; try: %s or %s", opts.Format, Int8, Float16)
	}
	if opts.MinValues <= 0 {
		opts.MinValues = 1024
	}
	g, err := edit(m, minWeightOpset)
	if err != nil {
		return Report{}, err
	}
	report := Report{BytesBefore: proto.Size(m)}
	uses := weightUses(g)
	var front []*onnxpb.NodeProto
	var stored []*onnxpb.TensorProto
	gone := map[string]bool{}
	for _, c := range g.Constants() {
		if onnxpb.TensorProto_DataType(c.Tensor.GetDataType()) != onnxpb.TensorProto_FLOAT {
			continue
		}
		axis, used := uses[c.Name]
		if !used || count(c.Tensor.GetDims()) < opts.MinValues {
			report.Kept++
			continue
		}
		values, err := onnx.ReadTensor(c.Tensor)
		if err != nil {
			return Report{}, err
		}
		format := opts.Format
		if perChannel := len(values.Data) / max(values.Shape[axis], 1); perChannel < minPerChannel {
			format = Float16
		}
		s := store(g, c, values.Data, axis, format)
		if s == nil {
			report.Kept++
			continue
		}
		report.Quantised++
		report.MaxError = max(report.MaxError, s.worst)
		front, stored = append(front, s.nodes...), append(stored, s.tensors...)
		gone[c.Name] = true
	}
	g.Remove(gone)
	for _, t := range stored {
		g.Store(t)
	}
	g.Prepend(front...)
	report.BytesAfter = proto.Size(m)
	return report, nil
}

// minWeightOpset is the oldest operator set whose Mul and Cast are today's.
const minWeightOpset = 7

// minPerChannel is how many values of a channel make int8 worth it: the errors of
// fewer, as of depthwise kernels, don't average out, and they weigh little.
const minPerChannel = 64

// compact is a constant in fewer bits and the nodes that make its old values.
type compact struct {
	tensors []*onnxpb.TensorProto
	nodes   []*onnxpb.NodeProto
	worst   float64
}

// store gives the compact form of a constant; nil where its values don't fit the
// format.
func store(g *onnx.Editor, c onnx.Constant, values []float32, axis int, format Format) *compact {
	dims := c.Tensor.GetDims()
	if format == Float16 {
		raw, worst, ok := halves(values)
		if !ok {
			return nil
		}
		name := g.Fresh(c.Name + "_fp16")
		return &compact{
			[]*onnxpb.TensorProto{onnx.RawTensor(name, onnxpb.TensorProto_FLOAT16, dims, raw)},
			[]*onnxpb.NodeProto{onnx.NewCast(name, c.Name, onnxpb.TensorProto_FLOAT)},
			worst,
		}
	}
	q, scales, worst, ok := int8s(values, dims, axis, 127)
	if !ok {
		return nil
	}
	name, scale, whole := g.Fresh(c.Name+"_int8"), g.Fresh(c.Name+"_scale"), g.Fresh(c.Name+"_whole")
	// The scales broadcast: 1 along every axis but the channels'.
	shape := make([]int, len(dims))
	for i := range shape {
		shape[i] = 1
	}
	shape[axis] = len(scales)
	return &compact{
		[]*onnxpb.TensorProto{
			onnx.RawTensor(name, onnxpb.TensorProto_INT8, dims, bytesOf(q)),
			onnx.Tensor{Shape: shape, Data: scales}.Proto(scale),
		},
		[]*onnxpb.NodeProto{
			onnx.NewCast(name, whole, onnxpb.TensorProto_FLOAT),
			onnx.NewNode("Mul", []string{whole, scale}, c.Name),
		},
		worst,
	}
}

// int8s quantises symmetrically, a scale per index of axis: the greatest
// absolute value of a channel becomes limit. Values are rounded to one of their
// two neighbours, see evenOut. It fails on values that are not finite.
func int8s(values []float32, dims []int64, axis, limit int) (q []int8, scales []float32, worst float64, ok bool) {
	channels, inner := int(dims[axis]), 1
	for _, d := range dims[axis+1:] {
		inner *= int(d)
	}
	greatest := make([]float64, channels)
	for i, v := range values {
		a := math.Abs(float64(v))
		if math.IsNaN(a) || math.IsInf(a, 0) {
			return nil, nil, 0, false
		}
		c := i / inner % channels
		greatest[c] = max(greatest[c], a)
	}
	scales = make([]float32, channels)
	for c, a := range greatest {
		scales[c] = float32(a / float64(limit))
		if scales[c] < math.SmallestNonzeroFloat32*(1<<23) { // zero or denormal: the channel is nothing
			scales[c] = 1
		}
	}
	q = make([]int8, len(values))
	wrong := make([][]rounding, channels)
	sums := make([]float64, channels) // of the errors, in steps
	for i, v := range values {
		c := i / inner % channels
		exact := float64(v) / float64(scales[c])
		n := max(min(math.RoundToEven(exact), float64(limit)), -float64(limit))
		q[i] = int8(n)
		sums[c] += n - exact
		wrong[c] = append(wrong[c], rounding{i, n - exact})
	}
	for c, all := range wrong {
		evenOut(q, all, sums[c], limit)
	}
	for i, v := range values {
		c := i / inner % channels
		if greatest[c] > 0 {
			worst = max(worst, math.Abs(float64(q[i])*float64(scales[c])-float64(v))/greatest[c])
		}
	}
	return q, scales, worst, true
}

// rounding is the error of one rounded value, in steps.
type rounding struct {
	index int
	error float64
}

// evenOut rounds the closest calls of a channel the other way until the errors
// sum to nothing: what a layer reads has a mean, often all of it positive, so
// that a sum of errors shifts the result as a whole, which the many small errors
// do not.
func evenOut(q []int8, all []rounding, sum float64, limit int) {
	flips := int(math.Abs(math.RoundToEven(sum)))
	if flips == 0 {
		return
	}
	step := int8(-1)
	if sum < 0 {
		step = 1
	}
	slices.SortStableFunc(all, func(a, b rounding) int { return cmp.Compare(-float64(step)*b.error, -float64(step)*a.error) })
	for _, r := range all {
		if flips == 0 || -float64(step)*r.error <= 0 {
			return
		}
		if n := int(q[r.index]) + int(step); n >= -limit && n <= limit {
			q[r.index] = int8(n)
			flips--
		}
	}
}

// halves gives the values in half precision, little-endian, and the greatest
// error in parts of the greatest value. It fails where a value is not finite or
// beyond the format's 65504.
func halves(values []float32) (raw []byte, worst float64, ok bool) {
	raw = make([]byte, 0, 2*len(values))
	greatest, wrong := 0.0, 0.0
	for _, v := range values {
		h := onnx.Half(v)
		if h&0x7c00 == 0x7c00 {
			return nil, 0, false
		}
		raw = binary.LittleEndian.AppendUint16(raw, h)
		greatest = max(greatest, math.Abs(float64(v)))
		wrong = max(wrong, math.Abs(float64(onnx.FromHalf(h))-float64(v)))
	}
	if greatest > 0 {
		worst = wrong / greatest
	}
	return raw, worst, true
}
