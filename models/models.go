// Package models holds the detectors that the program ships, each in the folder
// form that package detector reads (detector.json and model.onnx), with a model
// card.
//
//	d, err := detector.LoadFS(models.FS, models.Default, detector.Options{})
//
// How they were trained is in their cards and in docs/training.md.
package models

import (
	"embed"
	"slices"
	"unsafe"
)

// The folders.
const (
	// Best tells most rightly: the first blocks of a CLIP image encoder with a head
	// on them, 59 MB.
	Best = "best"
	// Base is NPR, the seed subnet's base model, 6 MB.
	Base = "base"
	// Fast costs a few milliseconds a picture, 2 MB.
	Fast = "fast"

	// Default is the one that is used where none is named.
	Default = Best
)

// FS holds the folders.
var FS = files{folders}

//go:embed best base fast
var folders embed.FS

// The program holds these once, here and in folders.
//
//go:embed best/model.onnx
var bestGraph string

type files struct{ embed.FS }

// View gives a file that is large, without the time that a copy takes; nil for
// others. It must not be changed.
func (files) View(name string) []byte {
	if name == Best+"/model.onnx" {
		return unsafe.Slice(unsafe.StringData(bestGraph), len(bestGraph))
	}
	return nil
}

// Names lists the folders.
func Names() []string {
	entries, err := FS.ReadDir(".")
	if err != nil {
		return nil // cannot be: the folders are in the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
