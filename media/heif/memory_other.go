//go:build !unix

package heif

func newMemory(size uint64) *memory {
	return &memory{all: make([]byte, size), release: func([]byte) {}}
}
