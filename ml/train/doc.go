// Package train trains detectors: it adds a loss, the gradients and an optimiser
// to an architecture's graph, runs the whole step as one ordinary ONNX graph in
// ONNX Runtime, and keeps the best weights as a detector.
package train
