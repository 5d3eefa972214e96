package encoder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// hybrid is a model with maps, tokens and a vector inside; the first three names
// are theirs.
func hybrid(t *testing.T) (*onnxpb.ModelProto, []string) {
	t.Helper()
	b := onnx.NewBuilder("hybrid")
	x := b.Input("pixels", "N", 3, 16, 16)
	maps := b.Node("Conv", []string{x, b.Constant("w", onnx.NewTensor(4, 3, 4, 4))}, onnx.IntsAttr("strides", 4, 4))
	tokens := b.Node("Transpose", []string{b.Node("Reshape", []string{maps, b.Ints(0, 4, -1)})}, onnx.IntsAttr("perm", 0, 2, 1))
	vector := b.Node("ReduceMean", []string{tokens}, onnx.IntsAttr("axes", 1), onnx.IntAttr("keepdims", 0))
	b.Output(vector, "N", 4)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m, []string{maps, tokens, vector}
}

func writeModel(t *testing.T, m *onnxpb.ModelProto) string {
	t.Helper()
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hybrid.onnx")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// Any ONNX file is an encoder: the form and width of the named tensors are found
// by running it.
func TestFile(t *testing.T) {
	m, names := hybrid(t)
	spec, err := ParseSpec("file:" + writeModel(t, m) + "@" + strings.Join(names, ",") + "?mean=0.5,0.5,0.5&std=0.5,0.5,0.5&licence=MIT")
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(context.Background(), spec, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Tap{{names[0], names[0], Maps, 4}, {names[1], names[1], Tokens, 4}, {names[2], names[2], Vector, 4}}
	if !slices.Equal(e.Taps, want) {
		t.Errorf("taps %+v, want %+v", e.Taps, want)
	}
	if e.Name != "hybrid" || e.Side != 16 || e.Mean[0] != 0.5 || e.Licence != "MIT" {
		t.Errorf("encoder %s, side %d, mean %v, licence %s", e.Name, e.Side, e.Mean, e.Licence)
	}
	emb, err := e.Embed(EmbedOptions{Taps: spec.Taps, Side: 20})
	if err != nil {
		t.Fatal(err)
	}
	if out := run(t, emb, waves(20))[0]; len(out) != 4*2+4*3+4 {
		t.Errorf("%d features", len(out))
	}
}

// What cannot be used is refused with the reason.
func TestFileRefused(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(m *onnxpb.ModelProto)
		taps   []string
		says   string
	}{
		"old operators": {func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version = proto.Int64(9) }, nil, "operator set is 9"},
		"other domain": {func(m *onnxpb.ModelProto) {
			m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String("com.x"), Version: proto.Int64(1)})
		}, nil, "com.x"},
		"no such tensor": {func(*onnxpb.ModelProto) {}, []string{"nothing"}, "nothing"},
		"scalar tensor":  {func(*onnxpb.ModelProto) {}, []string{"w0"}, ""},
		"grey input": {func(m *onnxpb.ModelProto) {
			m.Graph.Input[0] = floatPort("pixels", "N", 1, 16, 16)
		}, nil, "try: a float input"},
		"two inputs": {func(m *onnxpb.ModelProto) {
			m.Graph.Input = append(m.Graph.Input, floatPort("more", "N", 3, 16, 16))
		}, nil, "2 inputs"},
	} {
		m, _ := hybrid(t)
		c.damage(m)
		_, err := Open(context.Background(), Spec{Source: "file:" + writeModel(t, m), Taps: c.taps}, Options{})
		if !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.says)
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.onnx")
	if err := os.WriteFile(bad, []byte("not a model"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), Spec{Source: "file:" + bad}, Options{}); !errors.Is(err, onnx.ErrFormat) {
		t.Errorf("error %v, want %v", err, onnx.ErrFormat)
	}
	if _, err := Open(context.Background(), Spec{Source: "file:" + bad, SHA256: hashOf(nil)}, Options{}); !errors.Is(err, ErrModel) {
		t.Errorf("error %v, want %v", err, ErrModel)
	}
}
