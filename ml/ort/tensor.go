package ort

import (
	"fmt"
	"runtime"

	ortgo "github.com/yalue/onnxruntime_go"
)

// Value is an input or output of a run.
type Value interface {
	value() ortgo.Value
	// Close frees the runtime's view; the Go memory stays the caller's.
	Close() error
}

// Element is a type that tensors can hold.
type Element interface {
	float32 | float64 | int64 | int32 | uint8
}

// Tensor is a view of Go memory that the runtime reads and writes in place.
type Tensor[T Element] struct {
	tensor *ortgo.Tensor[T]
	pin    runtime.Pinner
}

// NewTensor makes a tensor of the first elements of data, row-major. The memory
// is pinned until Close.
func NewTensor[T Element](data []T, shape ...int64) (*Tensor[T], error) {
	t := &Tensor[T]{}
	if len(data) > 0 {
		t.pin.Pin(&data[0])
	}
	tensor, err := ortgo.NewTensor(ortgo.NewShape(shape...), data)
	if err != nil {
		t.pin.Unpin()
		return nil, fmt.Errorf("making a tensor of shape %v: %w", shape, err)
	}
	t.tensor = tensor
	return t, nil
}

// Data is the tensor's memory.
func (t *Tensor[T]) Data() []T { return t.tensor.GetData() }

// Close implements Value.
func (t *Tensor[T]) Close() error {
	err := t.tensor.Destroy()
	t.pin.Unpin()
	return err
}

func (t *Tensor[T]) value() ortgo.Value { return t.tensor }

func values(all []Value) []ortgo.Value {
	out := make([]ortgo.Value, len(all))
	for i, v := range all {
		out[i] = v.value()
	}
	return out
}
