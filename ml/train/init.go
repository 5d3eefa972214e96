package train

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
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
