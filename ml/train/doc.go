// Package train trains detectors by gradients: it adds a loss, the gradients and
// an optimiser to an architecture's graph, runs the whole step as one ordinary
// ONNX graph in ONNX Runtime, and keeps the best weights as a detector.
//
//	split, err := train.SplitSet(set, train.SplitOptions{Seed: 1})
//	settings := train.Defaults()
//	settings.Architecture = "npr"
//	result, err := train.Run(ctx, train.Config{
//		Settings: settings, Architecture: npr, Split: split, Folder: "runs/npr", Resume: true,
//	})
//
// A run keeps all that it needs in its folder, and goes on there after an
// interruption or a kill, to the last bit as if it had never been broken off when
// it has one thread. Stepper is the training step alone.
package train
