package onnx

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// ErrFormat says that bytes are not an ONNX model.
var ErrFormat = errors.New("not an ONNX model, or a damaged one")

// Signature is what a caller of a model must know, without its weights. It shares
// the file's memory.
type Signature struct {
	IRVersion int64
	Opset     int64            // version of the standard operator set
	Domains   map[string]int64 // versions of the other operator sets
	Producer  string
	Inputs    []Port // without those that have a stored value
	Outputs   []Port
	Metadata  map[string]string
	graph     []byte // part of the file
}

// GraphSHA256 is the hash of the encoded graph, weights included, which stays the
// same when metadata is added to the file.
func (s Signature) GraphSHA256() [sha256.Size]byte { return sha256.Sum256(s.graph) }

// Port is one input or output.
type Port struct {
	Name string
	Type string // "float", "uint8", "int64" ...: ONNX's names in lower case; "" when it is not a tensor
	// Dims has -1 for a dynamic axis; nil means that the model states no shape.
	Dims []int64
}

// String gives the port as name: type[dims].
func (p Port) String() string {
	kind := p.Type
	if kind == "" {
		kind = "not a tensor"
	}
	return fmt.Sprintf("%s: %s%v", p.Name, kind, p.Dims)
}

// Field numbers of onnx-ml.proto.
const (
	modelGraph       = 7
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12
	tensorName       = 8
)

// Inspect reads a model's signature in one pass that copies no weights.
func Inspect(data []byte) (Signature, error) {
	s := Signature{Domains: map[string]int64{}, Metadata: map[string]string{}}
	// Everything but the graph is small: it is handed to the protobuf decoder.
	var rest, graph []byte
	err := fields(data, func(num protowire.Number, field, value []byte) error {
		if num == modelGraph && value != nil {
			if graph != nil {
				return errors.New("it has two graphs")
			}
			graph = value
			return nil
		}
		rest = append(rest, field...)
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if graph == nil {
		return s, fmt.Errorf("%w: it has no graph", ErrFormat)
	}
	model := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(rest, model); err != nil {
		return s, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	s.IRVersion = model.GetIrVersion()
	s.Producer = strings.TrimSpace(model.GetProducerName() + " " + model.GetProducerVersion())
	for _, o := range model.GetOpsetImport() {
		if o.GetDomain() == "" || o.GetDomain() == "ai.onnx" {
			s.Opset = o.GetVersion()
		} else {
			s.Domains[o.GetDomain()] = o.GetVersion()
		}
	}
	for _, p := range model.GetMetadataProps() {
		s.Metadata[p.GetKey()] = p.GetValue()
	}
	if err := s.readGraph(graph); err != nil {
		return s, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	s.graph = graph
	return s, nil
}

func (s *Signature) readGraph(graph []byte) error {
	stored := map[string]bool{}
	err := fields(graph, func(num protowire.Number, _, value []byte) error {
		switch num {
		case graphInput, graphOutput:
			info := &onnxpb.ValueInfoProto{}
			if err := proto.Unmarshal(value, info); err != nil {
				return err
			}
			if num == graphInput {
				s.Inputs = append(s.Inputs, PortOf(info))
			} else {
				s.Outputs = append(s.Outputs, PortOf(info))
			}
		case graphInitializer:
			return fields(value, func(num protowire.Number, _, name []byte) error {
				if num == tensorName {
					stored[string(name)] = true
				}
				return nil
			})
		}
		return nil
	})
	// Files of IR version 3 list every weight as an input too.
	s.Inputs = slices.DeleteFunc(s.Inputs, func(p Port) bool { return stored[p.Name] })
	return err
}

// PortOf describes an input or output of a graph.
func PortOf(info *onnxpb.ValueInfoProto) Port {
	p := Port{Name: info.GetName()}
	t := info.GetType().GetTensorType()
	if t == nil {
		return p
	}
	p.Type = strings.ToLower(onnxpb.TensorProto_DataType(t.GetElemType()).String())
	if t.GetShape() != nil {
		p.Dims = []int64{}
	}
	for _, d := range t.GetShape().GetDim() {
		if v, ok := d.GetValue().(*onnxpb.TensorShapeProto_Dimension_DimValue); ok {
			p.Dims = append(p.Dims, v.DimValue)
		} else {
			p.Dims = append(p.Dims, -1)
		}
	}
	return p
}

// fields calls f for each field of an encoded message with the whole field and,
// for a length-delimited one, its contents (nil otherwise).
func fields(data []byte, f func(num protowire.Number, field, value []byte) error) error {
	for len(data) > 0 {
		num, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(num, kind, data[n:])
		if size < 0 {
			return protowire.ParseError(size)
		}
		var value []byte
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(data[n : n+size])
			if value == nil {
				value = []byte{}
			}
		}
		if err := f(num, data[:n+size], value); err != nil {
			return err
		}
		data = data[n+size:]
	}
	return nil
}

// WithMetadata returns the encoded model with one more metadata entry; the graph
// keeps its bytes. An entry of the same key is replaced.
func WithMetadata(data []byte, key, value string) ([]byte, error) {
	const metadataProps = 14
	out := make([]byte, 0, len(data)+len(key)+len(value)+16)
	err := fields(data, func(num protowire.Number, field, entry []byte) error {
		if num == metadataProps {
			p := &onnxpb.StringStringEntryProto{}
			if err := proto.Unmarshal(entry, p); err != nil {
				return err
			}
			if p.GetKey() == key {
				return nil
			}
		}
		out = append(out, field...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	entry, err := proto.Marshal(&onnxpb.StringStringEntryProto{Key: proto.String(key), Value: proto.String(value)})
	if err != nil {
		return nil, fmt.Errorf("encoding the metadata %q: %w", key, err)
	}
	out = protowire.AppendTag(out, metadataProps, protowire.BytesType)
	return protowire.AppendBytes(out, entry), nil
}
