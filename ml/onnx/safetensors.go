package onnx

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// ErrSafetensors says that bytes are not a safetensors file that we can read.
var ErrSafetensors = errors.New("not a readable safetensors file")

// maxHeader bounds the JSON header of a safetensors file; the format's own
// reader has the same limit.
const maxHeader = 100 << 20

type tensorHeader struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets []int  `json:"data_offsets"`
}

// ReadSafetensors reads the weights in a safetensors file: eight bytes of header
// length, a JSON header {name: {dtype, shape, data_offsets}}, the values. Half,
// bfloat16 and double become float32; whole numbers, such as the batch norms'
// counters of seen batches, are left out, and prefixes as WithoutPrefix says.
func ReadSafetensors(data []byte) (Weights, error) {
	fail := func(format string, args ...any) (Weights, error) {
		return nil, fmt.Errorf("%w: %s", ErrSafetensors, fmt.Sprintf(format, args...))
	}
	if len(data) < 8 {
		return fail("it has %d bytes", len(data))
	}
	size := binary.LittleEndian.Uint64(data)
	if size > maxHeader || size > uint64(len(data)-8) {
		return fail("its header would have %d bytes", size)
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+size], &header); err != nil {
		return fail("its header: %v", err)
	}
	values := data[8+size:]
	budget := 2 * len(values) // tied weights may share their bytes; not more
	weights := Weights{}
	for name, raw := range header {
		if name == "__metadata__" {
			continue
		}
		var h tensorHeader
		if err := json.Unmarshal(raw, &h); err != nil {
			return fail("%s: %v", name, err)
		}
		kind, known := safetensorsTypes[h.DType]
		if !known {
			return fail("%s holds %s values; try: save it as float32 (F32)", name, h.DType)
		}
		if kind.read == nil {
			continue
		}
		if len(h.Offsets) != 2 || h.Offsets[0] < 0 || h.Offsets[1] < h.Offsets[0] || h.Offsets[1] > len(values) {
			return fail("%s lies outside the file", name)
		}
		part := values[h.Offsets[0]:h.Offsets[1]]
		want := kind.width
		for _, d := range h.Shape {
			// Checked at each step, so that a product cannot overflow.
			if d < 0 || (d > 0 && want > len(part)/d) {
				return fail("%s: shape %v does not fit its %d bytes", name, h.Shape, len(part))
			}
			want *= d
		}
		if want != len(part) {
			return fail("%s: shape %v does not fit its %d bytes", name, h.Shape, len(part))
		}
		if budget -= len(part); budget < 0 {
			return fail("its tensors lie over each other")
		}
		t := Tensor{Shape: h.Shape, Data: make([]float32, len(part)/kind.width)}
		for i := range t.Data {
			t.Data[i] = kind.read(part[i*kind.width:])
		}
		weights[name] = t
	}
	return weights.WithoutPrefix(), nil
}

// safetensorsType is how values are stored; read is nil for those that are no
// weights.
type safetensorsType struct {
	width int
	read  func([]byte) float32
}

var safetensorsTypes = map[string]safetensorsType{
	"F32":  {4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }},
	"F16":  {2, func(b []byte) float32 { return FromHalf(binary.LittleEndian.Uint16(b)) }},
	"BF16": {2, func(b []byte) float32 { return FromBFloat16(binary.LittleEndian.Uint16(b)) }},
	"F64":  {8, func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }},
	"I64":  {}, "I32": {}, "I16": {}, "I8": {}, "U64": {}, "U32": {}, "U16": {}, "U8": {}, "BOOL": {},
}

// prefixes are what training programs put in front of all names: for several
// devices, for a model within a module, for a compiled one.
var prefixes = []string{"module.", "model.", "_orig_mod."}

// WithoutPrefix gives the same tensors without the prefixes "module.", "model."
// and "_orig_mod." where every name has them.
func (w Weights) WithoutPrefix() Weights {
	for again := len(w) > 0; again; {
		again = false
		for _, prefix := range prefixes {
			all := true
			for name := range w {
				all = all && len(name) > len(prefix) && strings.HasPrefix(name, prefix)
			}
			if !all {
				continue
			}
			short := Weights{}
			for name, t := range w {
				short[name[len(prefix):]] = t
			}
			w, again = short, true
		}
	}
	return w
}

// Safetensors gives the weights in the safetensors format, tensors in the order
// of their names.
func (w Weights) Safetensors() ([]byte, error) {
	header := map[string]tensorHeader{}
	var values []byte
	for _, name := range slices.Sorted(maps.Keys(w)) {
		t, start := w[name], len(values)
		for _, v := range t.Data {
			values = binary.LittleEndian.AppendUint32(values, math.Float32bits(v))
		}
		header[name] = tensorHeader{DType: "F32", Shape: t.Shape, Offsets: []int{start, len(values)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("encoding weights: %w", err)
	}
	// The format aligns the values to eight bytes with spaces.
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(out, text...), values...), nil
}
