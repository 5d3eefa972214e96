package train

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/torchfile"
)

// ReadWeights reads the weights in a .safetensors, .pth or .onnx file, and gives
// the beginning of its SHA-256 to know them by.
func ReadWeights(path string) (onnx.Weights, string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(data)
	identity := hex.EncodeToString(sum[:8])
	if !strings.EqualFold(filepath.Ext(path), ".onnx") {
		w, err := torchfile.ReadFile(path) // safetensors too
		return w, identity, err
	}
	model, err := onnx.Unmarshal(data)
	if err != nil {
		return nil, "", fmt.Errorf("reading the weights in %s: %w", path, err)
	}
	w := onnx.Weights{}
	for _, t := range model.GetGraph().GetInitializer() {
		if tensor, err := onnx.ReadTensor(t); err == nil { // others hold no weights
			w[t.GetName()] = tensor
		}
	}
	return w, identity, nil
}

// Adopt gives weights for an architecture whose fresh ones are given: those of
// the same names. All must be there and have the same shapes.
func Adopt(fresh, from onnx.Weights) (onnx.Weights, error) {
	const try = "try: weights of the same architecture, from a .safetensors or .pth file (an .onnx file for detection has its norms folded away)"
	out := onnx.Weights{}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		t, ok := from[name]
		if !ok {
			missing = append(missing, name)
			continue
		}
		if !slices.Equal(t.Shape, fresh[name].Shape) {
			return nil, fmt.Errorf("the weight %s has the shape %v, not %v; %s", name, t.Shape, fresh[name].Shape, try)
		}
		out[name] = t
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%d of %d weights are missing, such as %s; %s", len(missing), len(fresh), missing[0], try)
	}
	return out, nil
}
