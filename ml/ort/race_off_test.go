//go:build !race

package ort_test

// raceEnabled says that the test runs under the race detector.
const raceEnabled = false
