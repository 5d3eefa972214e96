// Package onnx builds and reads ONNX models in Go: a small graph builder, a
// reader of a model's signature that leaves the weights alone, named weights
// from safetensors files, and the NPR detector as a graph.
//
// The smallest use:
//
//	model, err := onnx.NPR(onnx.NPRInit(1), onnx.NPROptions{})
//	data, err := onnx.Marshal(model)
//
// The protobuf types are in onnxpb, generated from ONNX's own definition.
package onnx

// onnx-ml.proto is the file of that name in the PyPI package onnx 1.23.2, whole
// and unchanged. protoc comes from the PyPI package grpcio-tools, for instance
// in a virtual environment; protoc-gen-go is pinned in go.mod.
//
//go:generate sh -c "go build -o onnxpb/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go && python3 -m grpc_tools.protoc -I onnxpb --plugin=onnxpb/protoc-gen-go --go_out=onnxpb --go_opt=paths=source_relative,Monnx-ml.proto=github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb onnx-ml.proto && rm onnxpb/protoc-gen-go"
