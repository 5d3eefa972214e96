package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// Tensor is a dense array of float32 in row-major order.
type Tensor struct {
	Shape []int
	Data  []float32
}

// NewTensor gives a zero tensor of the given shape.
func NewTensor(shape ...int) Tensor {
	return Tensor{Shape: shape, Data: make([]float32, elements(shape))}
}

// Weights are a model's parameters by name, with PyTorch's names and layouts:
// convolutions are [out, in, height, width], linear layers [out, in].
type Weights map[string]Tensor

// Get returns the tensor of that name after checking its shape.
func (w Weights) Get(name string, shape ...int) (Tensor, error) {
	t, ok := w[name]
	if !ok {
		return Tensor{}, fmt.Errorf("weight %q is missing", name)
	}
	same := len(t.Shape) == len(shape)
	for i := 0; same && i < len(shape); i++ {
		same = t.Shape[i] == shape[i]
	}
	if !same || len(t.Data) != elements(shape) {
		return Tensor{}, fmt.Errorf("weight %q has shape %v (%d values), want %v", name, t.Shape, len(t.Data), shape)
	}
	return t, nil
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// proto gives the tensor as an initializer. Weights go into raw_data, which is
// little-endian whatever the machine, and which runtimes copy in one piece.
func (t Tensor) proto(name string) *onnxpb.TensorProto {
	raw := make([]byte, 0, 4*len(t.Data))
	for _, v := range t.Data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return &onnxpb.TensorProto{
		Name:     proto.String(name),
		DataType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)),
		Dims:     int64s(t.Shape),
		RawData:  raw,
	}
}

func int64s(v []int) []int64 {
	out := make([]int64, len(v))
	for i, d := range v {
		out[i] = int64(d)
	}
	return out
}
