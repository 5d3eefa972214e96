// Package models holds the detector that the program ships, in the folder form
// that package detector reads: default/detector.json and default/model.onnx.
//
//	d, err := detector.LoadFS(models.FS, models.Default, detector.Options{})
package models

import "embed"

// Default is the folder of the detector that is used where none is named.
const Default = "default"

// FS holds the folders.
//
//go:embed default
var FS embed.FS
