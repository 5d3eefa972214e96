package quantize_test

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/quantize"
)

func ExampleWeightOnly() {
	model, err := onnx.NPR(onnx.NPRInit(1), onnx.NPROptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := quantize.WeightOnly(model, quantize.WeightOptions{Format: quantize.Int8})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d weights, %.1f times smaller\n", report.Quantised, float64(report.BytesBefore)/float64(report.BytesAfter))
	// Output: 24 weights, 3.9 times smaller
}
