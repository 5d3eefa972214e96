//go:build !embed_ort

package ort

var embeddedLibrary []byte
