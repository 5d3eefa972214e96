//go:build embed_ort

package ort

import _ "embed"

// embeddedLibrary is put in place by scripts/onnxruntime.sh --embed.
//
//go:embed embedded/onnxruntime.so.gz
var embeddedLibrary []byte
