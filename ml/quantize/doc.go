// Package quantize makes the files of ONNX models smaller, and some of them
// faster, by storing numbers in fewer bits. All graphs are of ONNX's standard
// operators, rewritten here; no other quantiser is involved.
//
//	report, err := quantize.WeightOnly(model, quantize.WeightOptions{Format: quantize.Int8})
//
// WeightOnly changes what is stored and nothing of what is computed: int8 makes
// a file about four times smaller, float16 about twice, at the speed and in the
// memory of the float32 model, because ONNX Runtime works the weights out once,
// when it loads the graph. Static and Dynamic compute in integers; Static is
// about twice as fast as float32 for a convolutional network.
package quantize
