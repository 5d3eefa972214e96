package torchfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// maxRank bounds the dimensions of a tensor; PyTorch has the same limit.
const maxRank = 64

// storage is a run of values of one type. Several tensors may look at it.
type storage struct {
	kind storageType
	size int    // values
	raw  []byte // in the file; nil until found
}

// tensor is a view of a storage, in values.
type tensor struct {
	storage      *storage
	offset       int
	size, stride []int
}

// width is the bytes of one value; 0 for types that hold no real numbers or that
// we don't know.
func (k storageType) width() int {
	switch k {
	case "Half", "BFloat16", "Short":
		return 2
	case "Float", "Int":
		return 4
	case "Double", "Long":
		return 8
	case "Char", "Byte", "Bool":
		return 1
	}
	return 0
}

// float says whether values of the type become weights.
func (k storageType) float() bool {
	return k == "Float" || k == "Half" || k == "BFloat16" || k == "Double"
}

func (s *storage) value(i int) float32 {
	switch s.kind {
	case "Half":
		return onnx.FromHalf(binary.LittleEndian.Uint16(s.raw[2*i:]))
	case "BFloat16":
		return onnx.FromBFloat16(binary.LittleEndian.Uint16(s.raw[2*i:]))
	case "Double":
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(s.raw[8*i:])))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(s.raw[4*i:]))
}

// read copies the tensor out, row-major. It takes at most budget values.
func (t *tensor) read(budget int) (onnx.Tensor, error) {
	if slices.Contains(t.size, 0) {
		return onnx.Tensor{Shape: t.size, Data: []float32{}}, nil
	}
	n := 1
	last := t.offset // the farthest value that it looks at
	for i, d := range t.size {
		if d < 1 || len(t.stride) != len(t.size) || t.stride[i] < 0 {
			return onnx.Tensor{}, fmt.Errorf("shape %v with strides %v", t.size, t.stride)
		}
		if n > budget/d {
			return onnx.Tensor{}, fmt.Errorf("shape %v: the tensors are larger than the file that they are in", t.size)
		}
		n *= d
		if d > 1 {
			if t.stride[i] > t.storage.size || t.stride[i] > 0 && d-1 > t.storage.size/t.stride[i] {
				return onnx.Tensor{}, fmt.Errorf("shape %v with strides %v reaches outside its %d values", t.size, t.stride, t.storage.size)
			}
			last += (d - 1) * t.stride[i]
		}
	}
	if t.offset < 0 || last < 0 || last >= t.storage.size {
		return onnx.Tensor{}, fmt.Errorf("shape %v at %d reaches outside its %d values", t.size, t.offset, t.storage.size)
	}
	if t.storage.raw == nil {
		return onnx.Tensor{}, fmt.Errorf("its values are missing")
	}
	out := onnx.Tensor{Shape: t.size, Data: make([]float32, n)}
	index := make([]int, len(t.size))
	at := t.offset
	for i := range out.Data {
		out.Data[i] = t.storage.value(at)
		for d := len(index) - 1; d >= 0; d-- {
			index[d]++
			at += t.stride[d]
			if index[d] < t.size[d] {
				break
			}
			at -= index[d] * t.stride[d]
			index[d] = 0
		}
	}
	return out, nil
}
