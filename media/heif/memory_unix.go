//go:build unix

package heif

import "golang.org/x/sys/unix"

func newMemory(size uint64) *memory {
	all, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return &memory{refused: true, release: func([]byte) {}}
	}
	return &memory{all: all, release: func(b []byte) { _ = unix.Munmap(b) }}
}
