package torchfile_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/torchfile"
)

func ExampleReadFile() {
	weights, err := torchfile.ReadFile("testdata/plain_legacy.pth")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		fmt.Println(name, weights[name].Shape)
	}
	// Output:
	// bn1.bias [2]
	// bn1.running_mean [2]
	// bn1.running_var [2]
	// bn1.weight [2]
	// conv1.weight [2 3 3 3]
	// fc1.bias [1]
	// fc1.weight [1 2]
}
