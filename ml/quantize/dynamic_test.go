package quantize_test

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/quantize"
)

func TestDynamic(t *testing.T) {
	for name, m := range map[string]*onnxpb.ModelProto{"transformer": transformer(t, 64, 3), "npr": npr(t)} {
		small := proto.Clone(m).(*onnxpb.ModelProto)
		report, err := quantize.Dynamic(small, quantize.WeightOptions{})
		if err != nil {
			t.Fatal(err)
		}
		operators := map[string]int{}
		for _, n := range small.GetGraph().GetNode() {
			operators[n.GetOpType()]++
		}
		want := map[string]int{"transformer": 7, "npr": 24}[name] // the head is too small to count
		if got := operators["MatMulInteger"] + operators["ConvInteger"]; got != want || operators["Conv"] > 0 {
			t.Errorf("%s: operators %v, want %d in integers", name, operators, want)
		}
		if ratio := float64(report.BytesBefore) / float64(report.BytesAfter); ratio < 3.3 {
			t.Errorf("%s: %d bytes became %d", name, report.BytesBefore, report.BytesAfter)
		}
		if dim := small.GetGraph().GetInput()[0].GetType().GetTensorType().GetShape().GetDim()[0]; dim.GetDimValue() != 1 {
			t.Errorf("%s: its first axis is %v", name, dim)
		}
		before, after := run(t, m, 1)[0], run(t, small, 1)[0]
		if d := math.Abs(float64(after-before)) / math.Abs(float64(before)); !(d < 0.2) {
			t.Errorf("%s: %g became %g", name, before, after)
		}
	}
}
