package onnx_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

func sortedNames(w onnx.Weights) []string { return slices.Sorted(maps.Keys(w)) }

func rawData(t onnx.Tensor) []byte {
	var raw []byte
	for _, v := range t.Data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return raw
}

// rounded reads a stored tensor with each value rounded to a whole number.
func rounded(init *onnxpb.TensorProto) onnx.Tensor {
	t := onnx.NewTensor(len(init.GetRawData()) / 4)
	for i := range t.Data {
		t.Data[i] = float32(math.Round(float64(math.Float32frombits(binary.LittleEndian.Uint32(init.GetRawData()[4*i:])))))
	}
	return t
}

func encode(t testing.TB, m *onnxpb.ModelProto) []byte {
	t.Helper()
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestInspect(t *testing.T) {
	m := buildNPR(t, onnx.NPRInit(1), onnx.NPROptions{})
	m.MetadataProps = []*onnxpb.StringStringEntryProto{{Key: proto.String("k"), Value: proto.String("v")}}
	m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String("com.microsoft"), Version: proto.Int64(1)})
	// As files of IR version 3 have it: a stored value listed as an input too.
	m.Graph.Input = append(m.Graph.Input, &onnxpb.ValueInfoProto{Name: proto.String("fc1.bias")})
	data := encode(t, m)
	got, err := onnx.Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	hash := got.GraphSHA256()
	want := onnx.Signature{
		IRVersion: 9, Opset: 17, Producer: "bitmind",
		Domains:  map[string]int64{"com.microsoft": 1},
		Inputs:   []onnx.Port{{Name: "image", Type: "float", Dims: []int64{-1, 3, -1, -1}}},
		Outputs:  []onnx.Port{{Name: "logit", Type: "float", Dims: []int64{-1, 1}}},
		Metadata: map[string]string{"k": "v"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(onnx.Signature{})); diff != "" {
		t.Error(diff)
	}

	for _, value := range []string{"first", "second"} {
		if data, err = onnx.WithMetadata(data, "new", value); err != nil {
			t.Fatal(err)
		}
	}
	got, err = onnx.Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"k": "v", "new": "second"}, got.Metadata); diff != "" {
		t.Error(diff)
	}
	if got.GraphSHA256() != hash {
		t.Error("metadata changed the hash of the graph")
	}
	whole, err := onnx.Unmarshal(data)
	if err != nil || len(whole.GetMetadataProps()) != 2 {
		t.Errorf("%d metadata entries, %v", len(whole.GetMetadataProps()), err)
	}
}

func TestWithoutPrefix(t *testing.T) {
	one := onnx.NewTensor(1)
	for _, c := range []struct{ before, after onnx.Weights }{
		{onnx.Weights{"module.model.a": one, "module.model.b.c": one}, onnx.Weights{"a": one, "b.c": one}},
		{onnx.Weights{"_orig_mod.module.a": one}, onnx.Weights{"a": one}},
		{onnx.Weights{"model.a": one, "head.b": one}, onnx.Weights{"model.a": one, "head.b": one}},
		{onnx.Weights{"model.": one}, onnx.Weights{"model.": one}},
		{onnx.Weights{}, onnx.Weights{}},
	} {
		if diff := cmp.Diff(c.after, c.before.WithoutPrefix()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSafetensorsRoundTrip(t *testing.T) {
	want := onnx.Weights{
		"a":      {Shape: []int{2, 3}, Data: []float32{1, 2, 3, 4, 5, float32(math.Inf(1))}},
		"scalar": {Shape: []int{}, Data: []float32{7}},
		"empty":  {Shape: []int{0, 4}, Data: []float32{}},
	}
	data, err := want.Safetensors()
	if err != nil {
		t.Fatal(err)
	}
	got, err := onnx.ReadSafetensors(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func safetensors(header, values string) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), values...)
}

func TestReadSafetensors(t *testing.T) {
	got, err := onnx.ReadSafetensors(safetensors(
		`{"__metadata__":{"format":"pt"},"module.w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},`+
			`"bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}`, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x3f"))
	if err != nil || len(got) != 1 || got["w"].Data[0] != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = onnx.ReadSafetensors(safetensors(
		`{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]},`+
			`"d":{"dtype":"F64","shape":[],"data_offsets":[6,14]}}`, "\x00\x3c\x00\xc0\x80\x3f\x00\x00\x00\x00\x00\x00\xe0\x3f"))
	want := onnx.Weights{"h": {Shape: []int{2}, Data: []float32{1, -2}}, "b": {Shape: []int{1}, Data: []float32{1}}, "d": {Shape: []int{}, Data: []float32{0.5}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("other types: %v, %s", err, diff)
	}
	for name, data := range map[string][]byte{
		"empty":           nil,
		"huge header":     binary.LittleEndian.AppendUint64(nil, 1<<62),
		"no JSON":         safetensors("hello", ""),
		"unknown type":    safetensors(`{"w":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}`, "abcd"),
		"many of one":     safetensors(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"c":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, "abcd"),
		"outside":         safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, "abcd"),
		"backwards":       safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, "abcd"),
		"wrong shape":     safetensors(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, "abcd"),
		"overflow":        safetensors(`{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}`, "abcd"),
		"negative":        safetensors(`{"w":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}`, "abcd"),
		"missing offsets": safetensors(`{"w":{"dtype":"F32","shape":[1]}}`, "abcd"),
	} {
		if _, err := onnx.ReadSafetensors(data); !errors.Is(err, onnx.ErrSafetensors) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzInspect(f *testing.F) {
	b := onnx.NewBuilder("tiny")
	x := b.Input("x", "N", 2)
	b.Output(b.Node("Mul", []string{x, b.Constant("w", onnx.NewTensor(2))}), "N", 2)
	m, err := b.Model()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encode(f, m))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := onnx.Inspect(data)
		if err != nil {
			if !errors.Is(err, onnx.ErrFormat) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		again, err := onnx.WithMetadata(data, "key", "value")
		if err != nil {
			return
		}
		if got, err := onnx.Inspect(again); err != nil || got.Metadata["key"] != "value" || got.GraphSHA256() != s.GraphSHA256() {
			t.Errorf("after adding metadata: %v, %v", got, err)
		}
	})
}

func FuzzReadSafetensors(f *testing.F) {
	f.Add(safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, "abcd"))
	f.Add(safetensors(`{"w":{"dtype":"F32","shape":[0,9],"data_offsets":[0,0]}}`, ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := onnx.ReadSafetensors(data)
		if err != nil {
			return
		}
		values := 0
		for _, v := range w {
			values += len(v.Data)
		}
		// Two tensors may share their bytes, and half precision doubles in memory.
		if values > len(data) {
			t.Errorf("%d values from %d bytes", values, len(data))
		}
	})
}
