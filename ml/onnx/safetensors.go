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

// ReadSafetensors reads float32 weights from a safetensors file: eight bytes of
// header length, a JSON header {name: {dtype, shape, data_offsets}}, the values.
// The prefix "module." of a model trained on several devices is dropped, and the
// batch norms' counters of seen batches (int64) are left out.
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
	weights := Weights{}
	for name, raw := range header {
		if name == "__metadata__" || strings.HasSuffix(name, ".num_batches_tracked") {
			continue
		}
		var h tensorHeader
		if err := json.Unmarshal(raw, &h); err != nil {
			return fail("%s: %v", name, err)
		}
		if h.DType != "F32" {
			return fail("%s holds %s values; try: save it as float32 (F32)", name, h.DType)
		}
		if len(h.Offsets) != 2 || h.Offsets[0] < 0 || h.Offsets[1] < h.Offsets[0] || h.Offsets[1] > len(values) {
			return fail("%s lies outside the file", name)
		}
		part := values[h.Offsets[0]:h.Offsets[1]]
		want := 4
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
		t := Tensor{Shape: h.Shape, Data: make([]float32, len(part)/4)}
		for i := range t.Data {
			t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(part[4*i:]))
		}
		weights[strings.TrimPrefix(name, "module.")] = t
	}
	return weights, nil
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
