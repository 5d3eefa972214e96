package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// outlineLimit bounds, in bytes, the tensors whose values an outline has.
const outlineLimit = 1024

// Outline reads a model without the values of its large stored tensors: names,
// types and shapes are there, and the values of up to 1,024 bytes, such as axes.
// It costs little whatever the weights weigh.
func Outline(data []byte) (*onnxpb.ModelProto, error) {
	m := &onnxpb.ModelProto{}
	var rest []byte
	err := fields(data, func(num protowire.Number, field, value []byte) error {
		if num != modelGraph || value == nil {
			rest = append(rest, field...)
			return nil
		}
		graph, err := outlineGraph(value)
		rest = protowire.AppendTag(rest, modelGraph, protowire.BytesType)
		rest = protowire.AppendBytes(rest, graph)
		return err
	})
	if err == nil {
		err = proto.Unmarshal(rest, m)
	}
	if err == nil && m.GetGraph() == nil {
		err = errors.New("it has no graph")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return m, nil
}

// outlineGraph leaves the large values of stored tensors out of an encoded graph.
func outlineGraph(data []byte) ([]byte, error) {
	var out []byte
	err := fields(data, func(num protowire.Number, field, value []byte) error {
		if num != graphInitializer || len(value) <= outlineLimit {
			out = append(out, field...)
			return nil
		}
		var tensor []byte
		err := fields(value, func(_ protowire.Number, field, value []byte) error {
			if len(value) <= outlineLimit {
				tensor = append(tensor, field...)
			}
			return nil
		})
		out = protowire.AppendTag(out, graphInitializer, protowire.BytesType)
		out = protowire.AppendBytes(out, tensor)
		return err
	})
	return out, err
}

// Extend gives the encoded model with more nodes, stored tensors and outputs at the
// end of its graph, without decoding what it has: the encoding of a message's
// lists is that of their parts, one after the other.
func Extend(data []byte, more *onnxpb.GraphProto) ([]byte, error) {
	tail, err := proto.MarshalOptions{Deterministic: true}.Marshal(&onnxpb.GraphProto{
		Node: more.GetNode(), Initializer: more.GetInitializer(), Output: more.GetOutput(),
	})
	if err != nil {
		return nil, fmt.Errorf("encoding a graph: %w", err)
	}
	const header = 16 // tag and length
	out := make([]byte, 0, len(data)+len(tail)+header)
	graphs := 0
	err = fields(data, func(num protowire.Number, field, value []byte) error {
		if num != modelGraph || value == nil {
			out = append(out, field...)
			return nil
		}
		graphs++
		out = protowire.AppendTag(out, modelGraph, protowire.BytesType)
		out = protowire.AppendVarint(out, uint64(len(value)+len(tail)))
		out = append(append(out, value...), tail...)
		return nil
	})
	if err == nil && graphs != 1 {
		err = fmt.Errorf("it has %d graphs", graphs)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return out, nil
}
