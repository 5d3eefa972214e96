package decode

import (
	"fmt"
	"image"
)

// header is what can be known of a picture without decoding it.
type header struct {
	format        string
	width, height int // pixels as stored
	orientation   int // EXIF's, that stored pixels have yet to be turned by
	frames        int
	warnings      []Warning
	// The part of the file that holds the picture, and where that is not what
	// the decoder reads, a function that makes it: its size is in decodeBytes.
	data    []byte
	rewrite func() []byte
	decode  func(data []byte) (image.Image, error)
	// Where the rows can be had one by one, opaque, in bytes of memory of their own:
	// what gives them, and how many.
	rows     func(emit func(row []byte)) error
	rowBytes int64
	// The most that is allocated while the decoder runs, and while its picture
	// and the final one exist together, in bytes.
	decodeBytes, convertBytes int64

	// Of a JPEG: its samples at full size, in bytes, and how they are stored.
	planes      int64
	components  int
	progressive bool
	interlaced  bool // of a PNG
}

// input gives the bytes for the decoder.
func (h *header) input() []byte {
	if h.rewrite != nil {
		return h.rewrite()
	}
	return h.data
}

// info says what a caller is told of the picture.
func (h *header) info() Info {
	i := Info{Format: h.format, Width: h.width, Height: h.height, Orientation: h.orientation, Frames: h.frames, Warnings: h.warnings}
	if i.Orientation >= 5 {
		i.Width, i.Height = i.Height, i.Width
	}
	return i
}

// probe reads data's header. Where it fails, format is set as far as known.
func probe(data []byte) (header, error) {
	h := header{orientation: 1, frames: 1, data: data}
	if len(data) == 0 {
		return h, fmt.Errorf("%w: no data", ErrNotImage)
	}
	f := recognise(data)
	switch {
	case f == nil:
		return h, ErrNotImage
	case f.probe == nil:
		return h, fmt.Errorf("%w: %s; try: %s", ErrUnsupported, f.name, f.advice)
	}
	h.format = f.name
	return h, f.probe(&h, data)
}

func truncated(format string) error {
	return fmt.Errorf("%w: %s header", ErrTruncated, format)
}
