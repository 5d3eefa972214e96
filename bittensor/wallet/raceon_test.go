//go:build race

package wallet

// raceDetector tells that tests run many times slower.
const raceDetector = true
