package miner

import (
	"fmt"
	"io/fs"
	"syscall"
)

// identity gives the file's inode and the time when that last changed, which no
// program can set.
func identity(info fs.FileInfo) string {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprint(s.Dev, s.Ino, s.Ctim.Sec, s.Ctim.Nsec)
}
