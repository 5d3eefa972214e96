// Package probe trains detectors on frozen image encoders: a picture is seen in
// several views (as it is, as a validator sends it, augmented), each view becomes
// a vector of statistics of the encoders' inner layers (package encoder), and a
// small head, logistic or with one hidden layer, tells real from AI-generated.
//
//	pictures, err := probe.Pictures(set)
//	rows, err := probe.Embed(ctx, embeddings, pictures, views, probe.EmbedOptions{...})
//	result, err := probe.Train(ctx, rows, probe.TrainOptions{})
//	model, description, err := result.Detector(embeddings)
//
// Everything that is chosen (strength of the regularisation, groups of features,
// calibration, operating point) is chosen on folds of the training pictures that
// hold out whole sources.
//
// The detector is one ONNX graph: encoders, statistics, standardisation, head.
// Embeddings are computed by the very graph that is shipped, with its stored
// weights, and cached on disk.
package probe
