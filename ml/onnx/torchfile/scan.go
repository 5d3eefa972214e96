package torchfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Limits of one pickle. A checkpoint of ten thousand tensors has some 300,000
// operations.
const (
	maxPickle     = 32 << 20 // bytes
	maxOperations = 2 << 20
	maxMarks      = 1000 // open at once
	maxLine       = 4096 // bytes of a text argument
	maxLong       = 255  // bytes of an integer
)

// scan walks over a pickle without running it and gives its length, the final
// STOP included. It makes sure that arguments lie within the data, as the
// unpickler takes memory for them first and reads afterwards.
func scan(data []byte) (int, error) {
	marks := 0
	at := 0
	for n := 0; ; n++ {
		if at >= len(data) {
			return 0, errors.New("it ends in the middle")
		}
		if n > maxOperations || at > maxPickle {
			return 0, fmt.Errorf("its list of contents is longer than %d operations or %d bytes", maxOperations, maxPickle)
		}
		op := data[at]
		at++
		size, err := argument(op, data[at:])
		if err != nil {
			return 0, err
		}
		at += size
		switch op {
		case '.':
			return at, nil
		case '(':
			if marks++; marks > maxMarks {
				return 0, fmt.Errorf("it is nested deeper than %d levels", maxMarks)
			}
		case '1', 't', 'l', 'd', 'e', 'u', 'o', 'i', 0x90, 0x91:
			marks--
		}
	}
}

// argument gives the size of the argument of an operation that stands in front
// of rest.
func argument(op byte, rest []byte) (int, error) {
	size := 0
	switch op {
	case '(', '.', '0', '1', '2', 'N', 'Q', 'R', 'a', 'b', '}', 'e', 'l', ']', 'o', 's', 't', ')', 'u', 'd',
		0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94:
		return 0, nil
	case 'K', 'h', 'q', 0x80:
		size = 1
	case 'M':
		size = 2
	case 'J', 'j', 'r':
		size = 4
	case 'G':
		size = 8
	case 'F', 'I', 'L', 'P', 'S', 'V', 'g', 'p':
		return lines(rest, 1)
	case 'c', 'i':
		return lines(rest, 2)
	case 'U', 'C', 0x8c, 0x8a:
		return counted(rest, 1, op == 0x8a)
	case 'T', 'X', 'B', 0x8b:
		return counted(rest, 4, op == 0x8b)
	case 0x8d, 0x8e, 0x96:
		return counted(rest, 8, false)
	case 0x95:
		// A frame's contents are operations like any other; only its length must be
		// true.
		if _, err := counted(rest, 8, false); err != nil {
			return 0, err
		}
		size = 8
	default:
		return 0, fmt.Errorf("it holds the unknown operation 0x%02x", op)
	}
	if size > len(rest) {
		return 0, errors.New("it ends in the middle")
	}
	return size, nil
}

// lines gives the size of n lines of text.
func lines(rest []byte, n int) (int, error) {
	size := 0
	for range n {
		end := bytes.IndexByte(rest[size:min(len(rest), size+maxLine)], '\n')
		if end < 0 {
			return 0, errors.New("a line of text has no end")
		}
		size += end + 1
	}
	return size, nil
}

// counted gives the size of an argument that begins with its length.
func counted(rest []byte, width int, integer bool) (int, error) {
	if len(rest) < width {
		return 0, errors.New("it ends in the middle")
	}
	var wide [8]byte
	copy(wide[:], rest[:width])
	n := binary.LittleEndian.Uint64(wide[:])
	if n > uint64(len(rest)-width) {
		return 0, errors.New("it ends in the middle")
	}
	if integer && (n > maxLong || n == 0) {
		return 0, fmt.Errorf("an integer of %d bytes", n)
	}
	return width + int(n), nil
}
