package decode

import (
	"bytes"
	"fmt"
)

// header is what can be known of a picture without decoding it.
type header struct {
	format        string
	width, height int
	orientation   int
	// The most that is allocated while the decoder runs, and while its picture
	// and the final one exist together, in bytes.
	decodeBytes, convertBytes int64
}

// probe reads data's header. Where it fails, format is set as far as known.
func probe(data []byte) (header, error) {
	h := header{orientation: 1}
	var err error
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		h.format = "jpeg"
		err = h.probeJPEG(data)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		h.format = "png"
		err = h.probePNG(data)
	case bytes.HasPrefix(data, []byte("GIF87a")), bytes.HasPrefix(data, []byte("GIF89a")):
		h.format = "gif"
		err = h.probeGIF(data)
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		h.format = "webp"
		err = h.probeWebP(data)
	case len(data) == 0:
		err = fmt.Errorf("%w: no data", ErrNotImage)
	default:
		err = ErrNotImage
	}
	return h, err
}

func truncated(format string) error {
	return fmt.Errorf("%w: %s header", ErrTruncated, format)
}
