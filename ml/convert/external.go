package convert

import (
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// inline takes weights that lie in files beside the model into it: a detector's
// graph is one file.
func inline(m *onnxpb.ModelProto, files fs.FS) error {
	read := map[string][]byte{}
	total := 0
	for _, t := range storedTensors(m.GetGraph()) {
		if t.GetDataLocation() != onnxpb.TensorProto_EXTERNAL {
			continue
		}
		name, offset, length := "", 0, -1
		for _, e := range t.GetExternalData() {
			var err error
			switch e.GetKey() {
			case "location":
				name = e.GetValue()
			case "offset":
				offset, err = strconv.Atoi(e.GetValue())
			case "length":
				length, err = strconv.Atoi(e.GetValue())
			}
			if err != nil || offset < 0 {
				return refuse("the place of its weight %.60q in another file is damaged; try: export it anew", t.GetName())
			}
		}
		if files == nil || !filepath.IsLocal(name) {
			return refuse("its weight %.60q lies in the file %.60q; try: put that file beside it, or export it as one file", t.GetName(), name)
		}
		data, seen := read[name]
		if !seen {
			var err error
			if data, err = readBounded(files, name); err != nil {
				return refuse("its weights lie in the file %.60q, which cannot be read (%v); try: put that file beside it, or export it as one file", name, err)
			}
			read[name] = data
		}
		if length < 0 {
			length = len(data) - offset
		}
		if offset > len(data) || length < 0 || length > len(data)-offset {
			return refuse("its weight %.60q lies outside the file %.60q; try: get both files again", t.GetName(), name)
		}
		if total += length; total > maxProto {
			return refuse("its weights have more than %d bytes, which one ONNX file cannot hold; try: a smaller model", maxProto)
		}
		t.RawData = data[offset:][:length]
		t.DataLocation, t.ExternalData = nil, nil
	}
	return nil
}

// maxProto is the size that a protobuf message can have.
const maxProto = math.MaxInt32

func readBounded(files fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(files, filepath.ToSlash(name))
	if err != nil {
		return nil, err
	}
	if info.Size() > maxProto || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%d bytes", info.Size())
	}
	return fs.ReadFile(files, filepath.ToSlash(name))
}

// storedTensors lists every tensor in a graph and in those within its nodes.
func storedTensors(g *onnxpb.GraphProto) []*onnxpb.TensorProto {
	all := slices.Clone(g.GetInitializer())
	for _, n := range g.GetNode() {
		for _, a := range n.GetAttribute() {
			if a.GetT() != nil {
				all = append(all, a.GetT())
			}
			all = append(all, a.GetTensors()...)
			for _, sub := range append(slices.Clone(a.GetGraphs()), a.GetG()) {
				if sub != nil {
					all = append(all, storedTensors(sub)...)
				}
			}
		}
	}
	return all
}
