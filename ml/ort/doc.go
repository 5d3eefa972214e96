// Package ort runs ONNX models with ONNX Runtime: it finds the shared library,
// starts it once for the whole process, and gives sessions that many goroutines
// may use at once.
//
// The smallest use:
//
//	runtime, err := ort.Open(ort.Options{})
//	defer runtime.Close()
//	session, err := runtime.NewSession(model, ort.SessionOptions{})
//	defer session.Close()
//	err = session.Run(ctx, []ort.Value{input}, []ort.Value{output})
//
// A detector runs batches of equal items: see Batcher.
//
// # The library
//
// Open takes the first of: Options.LibraryPath; the environment's
// BITMIND_ONNXRUNTIME; the copy inside the program, if it was built with the tag
// embed_ort; the cache folder, which scripts/onnxruntime.sh fills; the system's
// library folders. ONNX Runtime 1.24 or newer is needed.
package ort
