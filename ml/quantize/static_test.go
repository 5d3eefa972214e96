package quantize_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/quantize"
)

// noise gives n pictures of 64 pixels.
func noise(n int) [][]float32 {
	rng := rand.New(rand.NewPCG(5, 6))
	all := make([][]float32, n)
	for i := range all {
		all[i] = make([]float32, 3*64*64)
		for j := range all[i] {
			all[i][j] = rng.Float32()*2 - 1
		}
	}
	return all
}

func staticNPR(t testing.TB) (before, after *onnxpb.ModelProto, report quantize.Report) {
	t.Helper()
	before = npr(t)
	ranges, err := quantize.Calibrate(t.Context(), runtime(t), before, []int64{1, 3, 64, 64}, slices.Values(noise(6)))
	if err != nil {
		t.Fatal(err)
	}
	after = proto.Clone(before).(*onnxpb.ModelProto)
	if report, err = quantize.Static(after, ranges); err != nil {
		t.Fatal(err)
	}
	return before, after, report
}

func TestStatic(t *testing.T) {
	before, after, report := staticNPR(t)
	if report.Quantised != 25 || report.Kept != 0 {
		t.Errorf("%+v", report)
	}
	if ratio := float64(report.BytesBefore) / float64(report.BytesAfter); ratio < 3.5 {
		t.Errorf("%d bytes became %d", report.BytesBefore, report.BytesAfter)
	}
	// ONNX Runtime makes integer operators of all of it: nothing computes in floats.
	operators := map[string]int{}
	for _, n := range optimised(t, after).GetGraph().GetNode() {
		operators[n.GetOpType()]++
	}
	if operators["QLinearConv"] != 24 || operators["QLinearAdd"] != 7 || operators["Conv"]+operators["FusedConv"]+operators["Relu"]+operators["Add"] > 0 {
		t.Errorf("the session has %v", operators)
	}
	want, got := run(t, before, 3), run(t, after, 3)
	for i := range want {
		if d := math.Abs(float64(got[i]-want[i])) / math.Abs(float64(want[i])); !(d < 0.15) {
			t.Errorf("picture %d: %g became %g", i, want[i], got[i])
		}
	}
}

func TestCalibrateErrors(t *testing.T) {
	m := npr(t)
	if _, err := quantize.Calibrate(t.Context(), runtime(t), m, []int64{1, 3, 64, 64}, slices.Values([][]float32{})); err == nil {
		t.Error("no pictures were accepted")
	}
	if _, err := quantize.Calibrate(t.Context(), runtime(t), m, []int64{1, 4, 48, 64}, slices.Values(noise(1))); err == nil {
		t.Error("a wrong shape was accepted")
	}
	m.OpsetImport[0].Version = proto.Int64(12)
	if _, err := quantize.Static(m, nil); err == nil {
		t.Error("an old operator set was accepted")
	}
}
