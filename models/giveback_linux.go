package models

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// GiveBack lets the system take back the memory of what View gives, once it has been
// read. It is still there: whoever looks reads it again from the program's file.
func GiveBack() {
	data := unsafe.Slice(unsafe.StringData(bestGraph), len(bestGraph))
	start := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	page := uintptr(os.Getpagesize())
	first, end := (start+page-1)/page*page, (start+uintptr(len(data)))/page*page
	if first >= end || !isFile(uint64(first), uint64(end)) {
		return
	}
	// Advice that is not taken changes nothing.
	_ = unix.Madvise(data[first-start:end-start], unix.MADV_DONTNEED)
}

// isFile says whether an area of memory is a part of a file that this process has
// not changed and cannot: taken back, anything else would be lost. (A packed program
// unpacks itself into memory of its own.)
func isFile(first, end uint64) bool {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return false
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		// 00400000-0c7ef000 r--p 00000000 fe:01 4711   /usr/bin/bitmind
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || !strings.HasPrefix(fields[1], "r-") || fields[4] == "0" {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		low, errLow := strconv.ParseUint(from, 16, 64)
		high, errHigh := strconv.ParseUint(to, 16, 64)
		if errLow == nil && errHigh == nil && low <= first && end <= high {
			return true
		}
	}
	return false
}
