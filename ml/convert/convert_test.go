package convert_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/convert"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/models"
)

// classifier is a model from elsewhere: the means of the three channels, times
// weights, a bias.
type classifier struct {
	classes      int
	dims         []any // of the input; default "N", 3, 16, 16
	channelsLast bool
	end          string // operator behind the logits
	change       func(*onnxpb.ModelProto)
}

// weight of a channel for a class, and the class's bias.
func weight(class, channel int) float64 { return float64((class*7+channel*5)%11)/5 - 1 }
func bias(class int) float64            { return float64(class%3)/4 - 0.2 }

func (k classifier) build(t testing.TB) []byte {
	t.Helper()
	b := onnx.NewBuilder("elsewhere")
	if k.dims == nil {
		k.dims = []any{"N", 3, 16, 16}
	}
	x := b.Input("pixels", k.dims...)
	axes := []int64{2, 3}
	if k.channelsLast {
		axes = []int64{1, 2}
	}
	x = b.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", axes...), onnx.IntAttr("keepdims", 0))
	w, bs := onnx.NewTensor(3, k.classes), onnx.NewTensor(k.classes)
	for class := range k.classes {
		for ch := range 3 {
			w.Data[ch*k.classes+class] = float32(weight(class, ch))
		}
		bs.Data[class] = float32(bias(class))
	}
	x = b.Node("Gemm", []string{x, b.Constant("w", w), b.Constant("b", bs)})
	if k.end != "" {
		x = b.Node(k.end, []string{x})
	}
	b.NamedNode("scores", "Identity", []string{x})
	b.Output("scores", "N", k.classes)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	if k.change != nil {
		k.change(m)
	}
	return encode(t, m)
}

func encode(t testing.TB, m *onnxpb.ModelProto) []byte {
	t.Helper()
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// plain is a picture of one colour, which survives every resize.
func plain(c color.RGBA) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, 40, 30))
	for y := range 30 {
		for x := range 40 {
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// logits of the classes for a plain picture, worked out without the runtime.
func logits(c color.RGBA, classes int, mean, std [3]float32) []float64 {
	out := make([]float64, classes)
	for class := range out {
		out[class] = bias(class)
		for ch, v := range []uint8{c.R, c.G, c.B} {
			out[class] += weight(class, ch) * (float64(v)/255 - float64(mean[ch])) / float64(std[ch])
		}
	}
	return out
}

func sum(v []float64) float64 {
	total := 0.0
	for _, x := range v {
		total += math.Exp(x)
	}
	return math.Log(total)
}

func elemType(kind onnxpb.TensorProto_DataType) func(*onnxpb.ModelProto) {
	return func(m *onnxpb.ModelProto) {
		g := m.Graph
		g.Input[0].Type.GetTensorType().ElemType = proto.Int32(int32(kind))
		g.Input[0].Name = proto.String("raw")
		g.Node = append([]*onnxpb.NodeProto{onnx.NewCast("raw", "pixels", onnxpb.TensorProto_FLOAT)}, g.Node...)
	}
}

func outputAs(kind onnxpb.TensorProto_DataType) func(*onnxpb.ModelProto) {
	return func(m *onnxpb.ModelProto) {
		g := m.Graph
		g.Output[0].Type.GetTensorType().ElemType = proto.Int32(int32(kind))
		last := g.Node[len(g.Node)-1]
		last.OpType = proto.String("Cast")
		last.Attribute = onnx.NewCast("", "", kind).Attribute
	}
}

func TestModel(t *testing.T) {
	imageNetMean, imageNetStd := [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}
	zero, one := [3]float32{}, [3]float32{1, 1, 1}
	first := func(l []float64) float64 { return l[0] }
	second := func(l []float64) float64 { return l[1] - l[0] }
	for _, c := range []struct {
		name  string
		model classifier
		opts  convert.Options
		want  func([]float64) float64 // log-odds from the logits
		note  string
	}{
		{"one logit", classifier{classes: 1}, convert.Options{Kind: convert.Logit}, first, ""},
		{"one logit found out", classifier{classes: 1}, convert.Options{}, first, "log-odds"},
		{"one probability", classifier{classes: 1, end: "Sigmoid"}, convert.Options{}, first, "Sigmoid at its end is left out"},
		{"a probability that does not look it", classifier{classes: 1, end: "Sigmoid", change: func(m *onnxpb.ModelProto) {
			m.Graph.Node[len(m.Graph.Node)-1].OpType = proto.String("Abs")
		}}, convert.Options{Kind: convert.Probability}, first, ""},
		{"high for real", classifier{classes: 1}, convert.Options{Kind: convert.Logit, AIClasses: []int{0}}, func(l []float64) float64 { return -l[0] }, ""},
		{"two logits", classifier{classes: 2}, convert.Options{}, second, "class 1 of 2"},
		{"two logits, the first AI", classifier{classes: 2}, convert.Options{AIClasses: []int{0}}, func(l []float64) float64 { return l[0] - l[1] }, ""},
		{"two probabilities", classifier{classes: 2, end: "Softmax"}, convert.Options{}, second, "Softmax at its end is left out"},
		{"two probabilities that don't look it", classifier{classes: 2, end: "Softmax", change: func(m *onnxpb.ModelProto) {
			m.Graph.Node[len(m.Graph.Node)-1].OpType = proto.String("Abs")
		}}, convert.Options{}, second, "probabilities of 2 classes"},
		{"LogSoftmax", classifier{classes: 2, end: "LogSoftmax"}, convert.Options{}, second, "logits of 2"},
		{"two sigmoids", classifier{classes: 2, end: "Sigmoid"}, convert.Options{}, func(l []float64) float64 { return l[1] }, "Sigmoid"},
		{"five classes", classifier{classes: 5}, convert.Options{AIClasses: []int{3}},
			func(l []float64) float64 { return l[3] - sum([]float64{l[0], l[1], l[2], l[4]}) }, "logits of 5"},
		{"five probabilities, two AI", classifier{classes: 5, end: "Softmax"}, convert.Options{AIClasses: []int{1, 4}},
			func(l []float64) float64 { return sum([]float64{l[1], l[4]}) - sum([]float64{l[0], l[2], l[3]}) }, ""},
		{"five sigmoids, two AI", classifier{classes: 5, end: "Sigmoid"}, convert.Options{AIClasses: []int{1, 4}},
			func(l []float64) float64 { return max(l[1], l[4]) }, ""},
		{"operator set 18", classifier{classes: 5, change: func(m *onnxpb.ModelProto) {
			m.OpsetImport[0].Version = proto.Int64(18)
			mean := m.Graph.Node[0]
			mean.Attribute = nil
			mean.OpType = proto.String("GlobalAveragePool")
			mean.Output[0] = "pooled"
			m.Graph.Node = append([]*onnxpb.NodeProto{mean, onnx.NewNode("Flatten", []string{"pooled"}, "ReduceMean_1")}, m.Graph.Node[1:]...)
		}}, convert.Options{AIClasses: []int{0, 1}},
			func(l []float64) float64 { return sum(l[:2]) - sum(l[2:]) }, ""},
		{"channels last", classifier{classes: 1, dims: []any{"N", 16, 24, 3}, channelsLast: true}, convert.Options{Kind: convert.Logit}, first, "Transpose"},
		{"any size", classifier{classes: 1, dims: []any{"N", 3, "H", "W"}}, convert.Options{Kind: convert.Logit}, first, "any size"},
		{"a size chosen", classifier{classes: 1, dims: []any{"N", 3, "H", "W"}}, convert.Options{Kind: convert.Logit, Size: 20, Fit: convert.FitCrop}, first, ""},
		{"one at a time", classifier{classes: 1, dims: []any{1, 3, 16, 16}}, convert.Options{Kind: convert.Logit}, first, ""},
		{"half precision", classifier{classes: 1, change: elemType(onnxpb.TensorProto_FLOAT16)}, convert.Options{Kind: convert.Logit}, first, "float16"},
		{"half-precision output", classifier{classes: 1, change: outputAs(onnxpb.TensorProto_FLOAT16)}, convert.Options{Kind: convert.Logit}, first, "float16"},
		{"double", classifier{classes: 2, change: elemType(onnxpb.TensorProto_DOUBLE)}, convert.Options{}, second, "double"},
		{"normalised otherwise", classifier{classes: 1}, convert.Options{Kind: convert.Logit, Mean: &zero, Std: &one, Fit: convert.FitStretch}, first, ""},
		{"no shape", classifier{classes: 1, change: func(m *onnxpb.ModelProto) { m.Graph.Input[0].Type.GetTensorType().Shape = nil }}, convert.Options{Kind: convert.Logit, Size: 16}, first, "no shape"},
		{"old file", classifier{classes: 1, change: func(m *onnxpb.ModelProto) {
			m.IrVersion = proto.Int64(3)
			m.Graph.Input = append(m.Graph.Input, onnx.FloatValue("w", 3, 1), onnx.FloatValue("b", 1))
		}}, convert.Options{Kind: convert.Logit}, first, ""},
		{"second output", classifier{classes: 1, change: func(m *onnxpb.ModelProto) {
			m.Graph.Output = append([]*onnxpb.ValueInfoProto{onnx.FloatValue("pixels", -1, 3, 16, 16)}, m.Graph.Output...)
		}}, convert.Options{Kind: convert.Logit, Output: "scores"}, first, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			mean, std := imageNetMean, imageNetStd
			if c.opts.Mean != nil {
				mean, std = zero, one
			}
			c.opts.Name = "elsewhere"
			c.opts.Calibration = detector.Calibration{Scale: 0.5, Offset: 0.25}
			result, err := convert.Model(t.Context(), c.model.build(t), c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if notes := strings.Join(result.Notes, "; "); !strings.Contains(notes, c.note) || !strings.Contains(notes, "tried on") {
				t.Errorf("notes %q, want %q among them", notes, c.note)
			}
			for _, path := range []string{"folder", "file.onnx"} {
				path = filepath.Join(t.TempDir(), path)
				if err := result.Write(path); err != nil {
					t.Fatal(err)
				}
				d, err := detector.Load(path, detector.Options{Threads: 1})
				if err != nil {
					t.Fatal(err)
				}
				colours := []color.RGBA{{10, 200, 90, 255}, {250, 20, 130, 255}, {128, 128, 128, 255}}
				var pictures []image.Image
				for _, colour := range colours {
					pictures = append(pictures, plain(colour))
				}
				got, err := d.DetectBatch(t.Context(), pictures)
				if err = errors.Join(err, d.Close()); err != nil {
					t.Fatal(err)
				}
				for i, colour := range colours {
					want := 1 / (1 + math.Exp(-(0.5*c.want(logits(colour, c.model.classes, mean, std)) + 0.25)))
					if math.Abs(got[i]-want) > 2e-3 { // half precision
						t.Errorf("%v: score %.5f, want %.5f", colour, got[i], want)
					}
				}
			}
		})
	}
}

// described packs a detector of two classes with a heatmap, of which little is as
// a converter would guess it.
func described(t testing.TB, change func(*onnxpb.ModelProto)) ([]byte, detector.Description) {
	t.Helper()
	m, err := onnx.Unmarshal(classifier{classes: 2, dims: []any{"N", 3, "H", "W"}}.build(t))
	if err != nil {
		t.Fatal(err)
	}
	m.Graph.Node = append(m.Graph.Node, onnx.NewNode("ReduceMean", []string{"pixels"}, "grey", onnx.IntsAttr("axes", 1), onnx.IntAttr("keepdims", 0)))
	m.Graph.Output = append(m.Graph.Output, onnx.FloatValue("grey", -1, 16, 16))
	packed, err := detector.Pack(detector.Description{
		Format: 1, Name: "own", Version: "2.1", Architecture: "means",
		Input: detector.Input{Name: "pixels"}, Output: detector.Output{Name: "scores", Kind: detector.Logits},
		Heatmap:     &detector.HeatmapOutput{Name: "grey", First: 0.5, Stride: 1},
		Preprocess:  detector.Preprocess{Steps: []detector.Step{{Op: detector.ResizeShort, Size: 24, Filter: detector.Bicubic}, {Op: detector.Crops, Size: 16, Rows: 2, Cols: 1}}, Mean: [3]float32{0.1, 0.2, 0.3}, Std: [3]float32{0.4, 0.5, 0.6}},
		Calibration: detector.Calibration{Scale: 0.7, Offset: -0.4}, Verdict: detector.Band{RealBelow: 0.2, AIAbove: 0.9},
		Labels: [2]string{detector.Real, detector.AI}, Licence: "MIT", TrainingData: "colours",
	}, encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		if m, err = onnx.Unmarshal(packed); err != nil {
			t.Fatal(err)
		}
		change(m)
		packed = encode(t, m)
	}
	signature, err := onnx.Inspect(packed)
	if err != nil {
		t.Fatal(err)
	}
	d, err := detector.ParseDescription([]byte(signature.Metadata[detector.MetadataKey]))
	if err != nil {
		t.Fatal(err)
	}
	return packed, *d
}

// A detector's file stays what it is, but for what the options say.
func TestDescribed(t *testing.T) {
	mean := [3]float32{0.5, 0.5, 0.5}
	for _, c := range []struct {
		name  string
		graph func(*onnxpb.ModelProto) // changes behind the description's back
		opts  convert.Options
		want  func(*detector.Description)
		note  string
	}{
		{"as it is", nil, convert.Options{}, func(*detector.Description) {},
			"name, version, architecture, licence, training data, verdicts, steps of preprocessing, mean, standard deviation, calibration, heatmap"},
		{"texts", nil, convert.Options{Name: "mine", Licence: "CC0"}, func(d *detector.Description) { d.Name, d.Licence = "mine", "CC0" }, "version, architecture, training data"},
		{"calibration", nil, convert.Options{Calibration: detector.Calibration{Scale: 3}}, func(d *detector.Description) { d.Calibration = detector.Calibration{Scale: 3} }, "deviation, heatmap"},
		{"mean", nil, convert.Options{Mean: &mean}, func(d *detector.Description) { d.Preprocess.Mean = mean }, "preprocessing, standard"},
		{"fit", nil, convert.Options{Fit: convert.FitCrop}, func(d *detector.Description) {
			d.Preprocess.Steps = []detector.Step{{Op: detector.CenterCrop, Size: 16}}
		}, "verdicts, mean"},
		{"same size", nil, convert.Options{Size: 16}, func(*detector.Description) {}, "steps"},
		{"the first class", nil, convert.Options{AIClasses: []int{0}}, func(d *detector.Description) {
			d.Output, d.Heatmap, d.Calibration = detector.Output{Name: "logit", Kind: detector.Logit}, nil, detector.Calibration{Scale: 1}
		}, "its calibration is left out"},
		{"another size", nil, convert.Options{Size: 32}, func(d *detector.Description) {
			d.Output.Name, d.Heatmap = "logits", nil // whose size was fixed
			d.Preprocess.Steps = []detector.Step{{Op: detector.ResizeShort, Size: 48, Filter: detector.Bicubic}, {Op: detector.Crops, Size: 32, Rows: 2, Cols: 1}}
		}, "steps of preprocessing (scaled)"},
		{"changed since", func(m *onnxpb.ModelProto) { m.Graph.Name = proto.String("another") }, convert.Options{}, func(*detector.Description) {}, "its graph was changed"},
		{"renamed since", func(m *onnxpb.ModelProto) {
			m.Graph.Input[0].Name = proto.String("photo")
			m.Graph.Node = append([]*onnxpb.NodeProto{onnx.NewNode("Identity", []string{"photo"}, "pixels")}, m.Graph.Node...)
		}, convert.Options{}, func(d *detector.Description) { d.Input.Name = "photo" }, "its graph was changed"},
		{"without its heatmap since", func(m *onnxpb.ModelProto) { m.Graph.Output = m.Graph.Output[:1] }, convert.Options{}, func(d *detector.Description) {
			d.Output.Name, d.Heatmap = "logits", nil
		}, "its heatmap is left out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, want := described(t, c.graph)
			c.opts.FallbackName = "file"
			result, err := convert.Model(t.Context(), file, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if notes := strings.Join(result.Notes, "; "); !strings.Contains(notes, c.note) || !strings.Contains(notes, "it is a detector already") {
				t.Errorf("notes %q, want %q among them", notes, c.note)
			}
			path := filepath.Join(t.TempDir(), "again.onnx")
			if err := result.Write(path); err != nil {
				t.Fatal(err)
			}
			got, _, err := detector.ReadPath(path)
			if err != nil {
				t.Fatal(err)
			}
			if c.name == "as it is" && got.Graph != want.Graph {
				t.Error("the graph is another one")
			}
			want.Graph = got.Graph
			c.want(&want)
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A description that cannot be read is no reason to refuse the model; one that
// the caller has counts like one inside.
// A detector whose heatmap is made at loading keeps it.
func TestShippedKeepsItsHeatmap(t *testing.T) {
	want, model, err := detector.Read(models.FS, models.Fast)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := detector.Pack(*want, model)
	if err != nil {
		t.Fatal(err)
	}
	result, err := convert.Model(t.Context(), packed, convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Heatmap, result.Description.Heatmap); diff != "" {
		t.Error(diff)
	}
	if notes := strings.Join(result.Notes, "\n"); !strings.Contains(notes, "calibration, heatmap") {
		t.Error(notes)
	}
	d, err := detector.New(result.Description, result.Model, detector.Options{Extras: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestDescribedElsewhere(t *testing.T) {
	model := classifier{classes: 1, change: func(m *onnxpb.ModelProto) {
		m.MetadataProps = []*onnxpb.StringStringEntryProto{{Key: proto.String(detector.MetadataKey), Value: proto.String("{")}}
	}}.build(t)
	opts := convert.Options{FallbackName: "file", Kind: convert.Logit}
	result, err := convert.Model(t.Context(), model, opts)
	if err != nil {
		t.Fatal(err)
	}
	if result.Description.Name != "file" || !strings.Contains(result.Notes[0], "the description inside it is left out") {
		t.Errorf("%+v, %q", result.Description, result.Notes)
	}
	described := result.Description
	described.Name, described.Licence = "own", "MIT"
	opts.Described = &described
	result, err = convert.Model(t.Context(), result.Model, opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(described, result.Description); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A graph of bytes sees the picture's own.
func TestBytes(t *testing.T) {
	data := classifier{classes: 1, dims: []any{"N", 16, 16, 3}, channelsLast: true, change: func(m *onnxpb.ModelProto) {
		elemType(onnxpb.TensorProto_UINT8)(m)
		// The mean of the bytes themselves would drown the sigmoid.
		m.Graph.Initializer = append(m.Graph.Initializer, onnx.Tensor{Shape: []int{1}, Data: []float32{100}}.Proto("hundred"))
		m.Graph.Node[0].Output[0] = "floats"
		m.Graph.Node = append([]*onnxpb.NodeProto{m.Graph.Node[0], onnx.NewNode("Div", []string{"floats", "hundred"}, "pixels")}, m.Graph.Node[1:]...)
	}}.build(t)
	result, err := convert.Model(t.Context(), data, convert.Options{Name: "bytes", Kind: convert.Logit})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "d")
	if err := result.Write(path); err != nil {
		t.Fatal(err)
	}
	d, err := detector.Load(path, detector.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for v := range 256 {
		colour := color.RGBA{uint8(v), uint8(255 - v), 77, 255}
		got, err := d.Detect(t.Context(), plain(colour))
		if err != nil {
			t.Fatal(err)
		}
		l := bias(0)
		for ch, v := range []uint8{colour.R, colour.G, colour.B} {
			l += weight(0, ch) * float64(v) / 100
		}
		if want := 1 / (1 + math.Exp(-l)); math.Abs(got-want) > 1e-5 {
			t.Fatalf("%v: score %.6f, want %.6f", colour, got, want)
		}
	}
	if _, err := convert.Model(t.Context(), data, convert.Options{Name: "bytes", Mean: new([3]float32)}); !errors.Is(err, convert.ErrModel) {
		t.Errorf("a mean for bytes: %v", err)
	}
}

// Weights beside the model come into it.
func TestExternalWeights(t *testing.T) {
	dir := t.TempDir()
	external := func(offset, length int, file string) []byte {
		return classifier{classes: 1, change: func(m *onnxpb.ModelProto) {
			w := m.Graph.Initializer[0]
			if err := os.WriteFile(filepath.Join(dir, "weights.bin"), append(make([]byte, 8), w.RawData...), 0o644); err != nil {
				t.Fatal(err)
			}
			w.RawData = nil
			w.DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
			for k, v := range map[string]string{"location": file, "offset": strconv.Itoa(offset), "length": strconv.Itoa(length)} {
				w.ExternalData = append(w.ExternalData, &onnxpb.StringStringEntryProto{Key: proto.String(k), Value: proto.String(v)})
			}
		}}.build(t)
	}
	opts := convert.Options{Name: "external", Kind: convert.Logit, Files: os.DirFS(dir)}
	result, err := convert.Model(t.Context(), external(8, 12, "weights.bin"), opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Model) == 0 || strings.Contains(string(result.Model), "weights.bin") {
		t.Error("the model still names the file")
	}
	for name, data := range map[string][]byte{
		"outside the folder": external(8, 12, "../weights.bin"),
		"absolute":           external(8, 12, "/etc/passwd"),
		"missing":            external(8, 12, "none.bin"),
		"behind the end":     external(16, 12, "weights.bin"),
		"negative":           external(-4, 12, "weights.bin"),
	} {
		if _, err := convert.Model(t.Context(), data, opts); !errors.Is(err, convert.ErrModel) || !strings.Contains(err.Error(), "; try: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What cannot be used is explained in a line that says what to try.
func TestRefusals(t *testing.T) {
	logit := convert.Options{Kind: convert.Logit}
	for name, c := range map[string]struct {
		model classifier
		opts  convert.Options
		want  string
	}{
		"two inputs": {classifier{classes: 1, change: func(m *onnxpb.ModelProto) {
			m.Graph.Input = append(m.Graph.Input, onnx.FloatValue("mask", -1, 1))
		}}, logit, "2 inputs (pixels: float[-1 3 16 16], mask: float[-1 1])"},
		"no input":         {classifier{classes: 1, change: func(m *onnxpb.ModelProto) { m.Graph.Input = nil }}, logit, "no input"},
		"whole numbers":    {classifier{classes: 1, change: elemType(onnxpb.TensorProto_INT64)}, logit, "int64"},
		"three axes":       {classifier{classes: 1, dims: []any{3, 16, 16}}, logit, "four axes"},
		"a fixed batch":    {classifier{classes: 1, dims: []any{8, 3, 16, 16}}, logit, "8 pictures at a time"},
		"grey":             {classifier{classes: 1, dims: []any{"N", 1, 16, 16}}, logit, "grey"},
		"no channels":      {classifier{classes: 1, dims: []any{"N", 5, 16, 16}}, logit, "no axis of 3"},
		"another size":     {classifier{classes: 1}, convert.Options{Size: 224}, "fixed at 16 x 16 pixels, not 224"},
		"huge":             {classifier{classes: 1, dims: []any{"N", 3, 5000, 5000}}, logit, "sides from 1"},
		"many classes":     {classifier{classes: 1000}, convert.Options{}, "1000 classes"},
		"no such class":    {classifier{classes: 5}, convert.Options{AIClasses: []int{5}}, "numbered from 0"},
		"all classes":      {classifier{classes: 2}, convert.Options{AIClasses: []int{0, 1}}, "at least one must mean real"},
		"no probability":   {classifier{classes: 1}, convert.Options{Kind: convert.Probability}, "not a probability"},
		"no logit":         {classifier{classes: 1, end: "Sigmoid"}, logit, "ends in a Sigmoid"},
		"one of several":   {classifier{classes: 1}, convert.Options{Kind: convert.Logits}, "single output"},
		"unclear":          {classifier{classes: 1, end: "Sigmoid", change: func(m *onnxpb.ModelProto) { m.Graph.Node[len(m.Graph.Node)-1].OpType = proto.String("Abs") }}, convert.Options{}, "may be a probability or log-odds"},
		"verdict":          {classifier{classes: 1, change: outputAs(onnxpb.TensorProto_INT64)}, logit, "a verdict and no score"},
		"no such output":   {classifier{classes: 1}, convert.Options{Output: "feelings"}, `no output "feelings"`},
		"several outputs":  {classifier{classes: 1, change: func(m *onnxpb.ModelProto) { m.Graph.Output = append(m.Graph.Output, onnx.FloatValue("pixels")) }}, logit, "2 outputs"},
		"a map":            {classifier{classes: 1, change: func(m *onnxpb.ModelProto) { m.Graph.Output[0] = onnx.FloatValue("pixels", -1, 3, 16, 16) }}, logit, "a map"},
		"missing operator": {classifier{classes: 1, change: func(m *onnxpb.ModelProto) { m.Graph.Node[1].OpType = proto.String("Frobnicate") }}, logit, "no operator Frobnicate"},
		"missing domain": {classifier{classes: 1, change: func(m *onnxpb.ModelProto) {
			m.Graph.Node[1].Domain = proto.String("org.example")
			m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String("org.example"), Version: proto.Int64(1)})
		}}, logit, "no operator org.example.Gemm"},
		"future operator set": {classifier{classes: 1, change: func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version = proto.Int64(99) }}, logit, "operator set is newer"},
		"a size it cannot take": {classifier{classes: 1, dims: []any{"N", 3, "H", "W"}, change: func(m *onnxpb.ModelProto) {
			m.Graph.Initializer = append(m.Graph.Initializer, onnx.NewTensor(1, 3, 32, 32).Proto("position"))
			m.Graph.Node[0].Input[0] = "placed"
			m.Graph.Node = append([]*onnxpb.NodeProto{onnx.NewNode("Add", []string{"pixels", "position"}, "placed")}, m.Graph.Node...)
		}}, convert.Options{Kind: convert.Logit, Size: 48}, "does not fit pictures of 48 x 48"},
		"not a number": {classifier{classes: 1, change: func(m *onnxpb.ModelProto) {
			m.Graph.Initializer[1] = onnx.Tensor{Shape: []int{1}, Data: []float32{float32(math.NaN())}}.Proto("b")
		}}, logit, "no number"},
		"random": {classifier{classes: 1, change: func(m *onnxpb.ModelProto) {
			last := m.Graph.Node[len(m.Graph.Node)-1]
			last.OpType, last.Output[0] = proto.String("RandomUniformLike"), "noise"
			m.Graph.Node = append(m.Graph.Node, onnx.NewNode("Identity", []string{"noise"}, "scores"))
		}}, logit, "for the same picture"},
	} {
		c.opts.Name = "refused"
		_, err := convert.Model(t.Context(), c.model.build(t), c.opts)
		if !errors.Is(err, convert.ErrModel) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		} else if !strings.Contains(err.Error(), "; try: ") && !strings.Contains(err.Error(), "; it has ") {
			t.Errorf("%s says nothing to try: %v", name, err)
		}
	}
	for _, data := range [][]byte{nil, []byte("hello"), classifier{classes: 1}.build(t)[:200]} {
		if _, err := convert.Model(t.Context(), data, convert.Options{Name: "damaged"}); !errors.Is(err, onnx.ErrFormat) || !strings.Contains(err.Error(), "; try: ") {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
}

// A graph whose scores depend on what else is in the batch runs one at a time.
func TestBatchesThatMix(t *testing.T) {
	data := classifier{classes: 1, change: func(m *onnxpb.ModelProto) {
		last := m.Graph.Node[len(m.Graph.Node)-1]
		last.Output[0] = "before"
		m.Graph.Node = append(m.Graph.Node,
			onnx.NewNode("ReduceMean", []string{"before"}, "mean", onnx.IntsAttr("axes", 0), onnx.IntAttr("keepdims", 1)),
			onnx.NewNode("Add", []string{"before", "mean"}, "scores"))
	}}.build(t)
	result, err := convert.Model(t.Context(), data, convert.Options{Name: "mixing", Kind: convert.Logit})
	if err != nil {
		t.Fatal(err)
	}
	s, err := onnx.Inspect(result.Model)
	if err != nil || s.Inputs[0].Dims[0] != 1 || s.Outputs[0].Dims[0] != 1 {
		t.Errorf("%v, %v, %v", s.Inputs, s.Outputs, err)
	}
}

func TestWeights(t *testing.T) {
	w := onnx.NPRInit(3)
	result, err := convert.Weights(t.Context(), w, convert.Options{Name: "seed"})
	if err != nil {
		t.Fatal(err)
	}
	if d := result.Description; d.Architecture != "npr" || d.Preprocess.Steps[0] != (detector.Step{Op: detector.CenterCrop, Size: 256}) {
		t.Errorf("%+v", d)
	}
	delete(w, "layer1.0.conv1.weight")
	if _, err := convert.Weights(t.Context(), w, convert.Options{Name: "seed"}); !errors.Is(err, convert.ErrModel) || !strings.Contains(err.Error(), `"layer1.0.conv1.weight" is missing`) {
		t.Errorf("a missing weight: %v", err)
	}
}

// Weights of the other architectures become what their own Export makes of them.
func TestWeightsOfAnArchitecture(t *testing.T) {
	a, err := arch.Get("tiny-ladeda")
	if err != nil {
		t.Fatal(err)
	}
	w := a.Init(2)
	result, err := convert.Weights(t.Context(), w, convert.Options{Name: "tiny", Architecture: a.Name, Size: 64})
	if err != nil {
		t.Fatal(err)
	}
	d := result.Description
	if d.Architecture != a.Name || d.Heatmap == nil || d.Preprocess.Mean != a.Mean || d.Preprocess.Steps[0] != (detector.Step{Op: detector.CenterCrop, Size: 64}) {
		t.Errorf("%+v", d)
	}
	m, err := a.Model(w, 64, 64)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := onnx.Marshal(m); err != nil || !bytes.Equal(result.Model, want) {
		t.Errorf("another graph than the architecture's (%v)", err)
	}
	for want, opts := range map[string]convert.Options{
		"try: npr, safe":         {Name: "x", Architecture: "resnet"},
		"not those of ferretnet": {Name: "x", Architecture: "ferretnet"},
		"try: another --size":    {Name: "x", Architecture: a.Name, Size: 4},
		`fit "tight"`:            {Name: "x", Architecture: a.Name, Fit: "tight"},
	} {
		if _, err := convert.Weights(t.Context(), w, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gave %v, want %s", opts, err, want)
		}
	}
}
