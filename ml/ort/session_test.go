package ort_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

func open(t testing.TB) *ort.Runtime {
	t.Helper()
	r, err := ort.Open(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// sumModel gives [N, 2]: the sum of each item of the given length, and its
// square.
func sumModel(t testing.TB, length int) *onnxpb.ModelProto {
	t.Helper()
	b := onnx.NewBuilder("sum")
	x := b.Input("x", "N", length)
	sum := b.Node("ReduceSum", []string{x, b.Ints(1)}, onnx.IntAttr("keepdims", 1))
	square := b.Node("Mul", []string{sum, sum})
	b.Output(b.NamedNode("y", "Concat", []string{sum, square}, onnx.IntAttr("axis", 1)), "N", 2)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func marshal(t testing.TB, m *onnxpb.ModelProto) []byte {
	t.Helper()
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newBatcher(t testing.TB, r *ort.Runtime, length int, opts ort.BatchOptions) (*ort.Session, *ort.Batcher) {
	t.Helper()
	s, err := r.NewSession(marshal(t, sumModel(t, length)), ort.SessionOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	opts.Item = []int64{int64(length)}
	b, err := s.NewBatcher(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, b
}

// A graph that was exported for one item takes several in turn.
func TestBatcherOfASingleItem(t *testing.T) {
	m := sumModel(t, 2)
	for _, v := range []*onnxpb.ValueInfoProto{m.Graph.Input[0], m.Graph.Output[0]} {
		v.Type.GetTensorType().Shape.Dim[0].Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 1}
	}
	s, err := open(t).NewSession(marshal(t, m), ort.SessionOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.NewBatcher(ort.BatchOptions{Item: []int64{2}, Max: 4})
	if err != nil {
		t.Fatal(err)
	}
	var got []float32
	err = b.Run(t.Context(), 3,
		func(i int, dst []float32) error { dst[0], dst[1] = float32(i), 1; return nil },
		func(_ int, result []float32) { got = append(got, result[0]) })
	if err != nil || fmt.Sprint(got) != "[1 2 3]" {
		t.Errorf("%v, %v", got, err)
	}
	if err := errors.Join(b.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

// An output of unknown shape is as large as the model makes it.
func TestEvaluate(t *testing.T) {
	b := onnx.NewBuilder("positive")
	x := b.Input("x", "N")
	x = b.Node("Compress", []string{x, b.Node("Greater", []string{x, b.Constant("zero", onnx.NewTensor(1))})})
	b.Output(b.NamedNode("y", "Identity", []string{x}), "M")
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t).NewSession(marshal(t, m), ort.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   []float32
		want string
	}{{[]float32{1, -2, 3}, "[{[2] [1 3]}]"}, {[]float32{-1}, "[{[0] []}]"}} {
		in, err := ort.NewTensor(c.in, int64(len(c.in)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Evaluate(t.Context(), []ort.Value{in})
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%v gave %v, %v; want %s", c.in, got, err, c.want)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Evaluate(t.Context(), nil); err == nil {
		t.Error("a run without inputs succeeded")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Evaluate(t.Context(), []ort.Value{nil}); !errors.Is(err, ort.ErrClosed) {
		t.Errorf("a closed session gave %v", err)
	}
}

func TestRun(t *testing.T) {
	r := open(t)
	s, err := r.NewSession(marshal(t, sumModel(t, 3)), ort.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data := []float32{1, 2, 3, 4, 5, 6}
	in, err := ort.NewTensor(data, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	result := make([]float32, 4)
	out, err := ort.NewTensor(result, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := s.Run(ctx, []ort.Value{in}, []ort.Value{out}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(result) != "[6 36 15 225]" {
		t.Errorf("got %v", result)
	}
	// The tensors are views: new numbers in the same memory are seen.
	data[0] = 11
	if err := s.Run(ctx, []ort.Value{in}, []ort.Value{out}); err != nil || result[0] != 16 {
		t.Errorf("after a change in place: %v, %v", result, err)
	}
	if err := s.Run(ctx, nil, []ort.Value{out}); err == nil {
		t.Error("a run without inputs succeeded")
	}
	wrong, err := ort.NewTensor(make([]float32, 8), 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(ctx, []ort.Value{wrong}, []ort.Value{out}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a wrong shape gave %v", err)
	}
	for _, v := range []ort.Value{in, out, wrong} {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if err := s.Run(ctx, []ort.Value{in}, []ort.Value{out}); !errors.Is(err, ort.ErrClosed) {
		t.Errorf("run after Close: %v", err)
	}
}

func TestBatcherFromManyGoroutines(t *testing.T) {
	_, b := newBatcher(t, open(t), 5, ort.BatchOptions{Max: 4, Parallel: 3})
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for round := range 50 {
				n := (g+round)%11 + 1
				next := 0
				err := b.Run(context.Background(), n, func(i int, dst []float32) error {
					for j := range dst {
						dst[j] = float32(100*g + i)
					}
					return nil
				}, func(i int, result []float32) {
					want := float32(5 * (100*g + i))
					if i != next || len(result) != 2 || result[0] != want || result[1] != want*want {
						t.Errorf("item %d (expected %d): %v, want %v", i, next, result, want)
					}
					next++
				})
				if err != nil || next != n {
					t.Errorf("%d of %d results, %v", next, n, err)
				}
			}
		})
	}
	wait.Wait()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Warm(t.Context()); !errors.Is(err, ort.ErrClosed) {
		t.Errorf("run after Close: %v", err)
	}
}

func TestBatcherErrorsLeaveItUsable(t *testing.T) {
	_, b := newBatcher(t, open(t), 2, ort.BatchOptions{Parallel: 1})
	broken := errors.New("broken image")
	err := b.Run(t.Context(), 3, func(i int, _ []float32) error {
		if i == 1 {
			return broken
		}
		return nil
	}, func(int, []float32) { t.Error("a result in spite of the error") })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Warm(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	if err := b.Warm(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	// A long chain of matrix products: seconds if it is not stopped.
	const side, steps = 512, 400
	b := onnx.NewBuilder("chain")
	x := b.Input("x", "N", side)
	w := b.Constant("w", onnx.NewTensor(side, side))
	for range steps {
		x = b.Node("MatMul", []string{x, w})
	}
	b.Output(x, "N", side)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t).NewSession(marshal(t, m), ort.SessionOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in, err := ort.NewTensor(make([]float32, side*side), side, side)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := ort.NewTensor(make([]float32, side*side), side, side)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if err := s.Run(ctx, []ort.Value{in}, []ort.Value{out}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOpenAndCloseManyTimes(t *testing.T) {
	model := marshal(t, sumModel(t, 2))
	for range 30 {
		r, err := ort.Open(ort.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.NewSession(model, ort.SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.NewBatcher(ort.BatchOptions{Item: []int64{2}})
		if err != nil {
			t.Fatal(err)
		}
		// The session holds the runtime, in whatever order they are closed.
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.Warm(t.Context()), b.Close(), s.Close(), r.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneLibraryPerProcess(t *testing.T) {
	r := open(t)
	if again, err := ort.Open(ort.Options{LibraryPath: r.LibraryPath()}); err != nil {
		t.Error(err)
	} else if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ort.Open(ort.Options{LibraryPath: "/other.so"}); err == nil {
		t.Error("a second library was accepted")
	}
}

func TestUnusableModels(t *testing.T) {
	r := open(t)
	good := marshal(t, sumModel(t, 3))
	changed := func(f func(*onnxpb.ModelProto)) []byte {
		m := sumModel(t, 3)
		f(m)
		return marshal(t, m)
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, onnx.ErrFormat},
		{"text", []byte("<html>not found</html>"), onnx.ErrFormat},
		{"zeros", make([]byte, 1000), onnx.ErrFormat},
		{"truncated", good[:len(good)/2], onnx.ErrFormat},
		{"operator set of the future", changed(func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version = proto.Int64(9999) }), ort.ErrModel},
		{"unknown operator", changed(func(m *onnxpb.ModelProto) { m.Graph.Node[0].OpType = proto.String("Mystery") }), ort.ErrModel},
		{"missing value", changed(func(m *onnxpb.ModelProto) { m.Graph.Node[0].Input[0] = "nowhere" }), ort.ErrModel},
		{"no outputs", changed(func(m *onnxpb.ModelProto) { m.Graph.Output = nil }), ort.ErrModel},
		{"short weights", changed(func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].Int64Data = nil }), ort.ErrModel},
	} {
		s, err := r.NewSession(c.data, ort.SessionOptions{})
		if err == nil {
			_ = s.Close()
		}
		if !errors.Is(err, c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line of %v", c.name, err, c.want)
		}
	}

	s, err := r.NewSession(good, ort.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.NewBatcher(ort.BatchOptions{Item: []int64{3, 224, 224}}); !errors.Is(err, ort.ErrModel) || !strings.Contains(err.Error(), "x: float[-1 3]") {
		t.Errorf("foreign input: %v", err)
	}
}

func TestAbsentDevices(t *testing.T) {
	r := open(t)
	model := marshal(t, sumModel(t, 3))
	for _, device := range []string{"cuda", "cuda:1", "tpu"} {
		s, err := r.NewSession(model, ort.SessionOptions{Device: device})
		if err == nil {
			// A machine with a card and onnxruntime-gpu: not the case tested here.
			t.Logf("%s is there", device)
			_ = s.Close()
			continue
		}
		if !errors.Is(err, ort.ErrNoDevice) || !strings.Contains(err.Error(), "; try: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", device, err)
		}
	}
}

// residentKB is the process's resident memory.
func residentKB(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc on this system: resident memory cannot be read")
	}
	var kb int
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	if _, err := fmt.Sscan(string(rest), &kb); err != nil {
		t.Fatal(err)
	}
	return kb
}

// Ten thousand runs, and five hundred sessions, leave nothing behind. Go's own
// heap is settled before each reading, so what is left is the library's.
func TestNoLeak(t *testing.T) {
	r := open(t)
	const length = 20000
	s, b := newBatcher(t, r, length, ort.BatchOptions{Max: 2})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	settle := func() int {
		runtime.GC()
		runtime.GC()
		return residentKB(t)
	}
	fresh, scratch := make([]float32, 2), make([]float32, length)
	call := func(i int) {
		err := b.Run(ctx, i%3+1, func(i int, dst []float32) error { dst[0] = float32(i); return nil }, func(int, []float32) {})
		if err != nil {
			t.Fatal(err)
		}
		// Values made and freed for one call.
		in, err := ort.NewTensor(scratch, 1, length)
		if err != nil {
			t.Fatal(err)
		}
		out, err := ort.NewTensor(fresh, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Run(ctx, []ort.Value{in}, []ort.Value{out}), in.Close(), out.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		call(i)
	}
	before := settle()
	for i := range 10000 {
		call(i)
	}
	after := settle()
	t.Logf("resident: %d kB after 1,000 calls, %d kB after 11,000", before, after)
	// One leaked input per hundred calls would be 8 MB. The race detector keeps
	// memory of its own for what it has seen, so under it only the calls count.
	if after-before > 8000 && !raceEnabled {
		t.Errorf("10,000 calls left %d kB", after-before)
	}

	model := marshal(t, sumModel(t, 2))
	load := func() {
		s, err := r.NewSession(model, ort.SessionOptions{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		load()
	}
	before = settle()
	for range 500 {
		load()
	}
	after = settle()
	t.Logf("resident: %d kB after 100 sessions, %d kB after 600", before, after)
	if after-before > 8000 && !raceEnabled {
		t.Errorf("500 sessions left %d kB", after-before)
	}
}
