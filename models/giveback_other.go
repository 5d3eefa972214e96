//go:build !linux

package models

// GiveBack lets the system take back the memory of what View gives. Here nothing can
// be done about it.
func GiveBack() {}
