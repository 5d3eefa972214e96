package provenance

import (
	"bytes"
	"compress/zlib"
	"io"
)

// The most that is read of a file's metadata.
const (
	maxText   = 1 << 20 // bytes of text, after decompression, in total
	maxBlocks = 1000    // pieces of metadata
)

// blockKind says what a piece of metadata is.
type blockKind int

const (
	blockEXIF blockKind = iota // a TIFF file
	blockXMP                   // an XMP packet
	blockIRB                   // Photoshop image resource blocks, "8BIM"
	blockIIM                   // IPTC-IIM datasets
	blockText                  // a PNG text with its keyword
)

// block is a piece of metadata from a place in the file that counts.
type block struct {
	kind    blockKind
	keyword string // of a text
	data    []byte
}

// findings is what the walk through a file's structure found.
type findings struct {
	mediaType string // empty where the format is none that can carry metadata
	blocks    []block
	manifest  bool   // there is a C2PA manifest
	truncated bool   // there was more than the limits allow
	text      int    // bytes of blocks' data
	tiff      []byte // the file itself where it is a TIFF, whose fields are EXIF's
}

// add keeps a piece of metadata unless the limits are met.
func (f *findings) add(kind blockKind, keyword string, data []byte) {
	if len(f.blocks) >= maxBlocks || len(data) > maxText-f.text {
		f.truncated = true
		return
	}
	f.text += len(data)
	f.blocks = append(f.blocks, block{kind, keyword, data})
}

// inflate decompresses zlib data within what is left of maxText.
func (f *findings) inflate(data []byte) ([]byte, bool) {
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	defer r.Close()
	left := maxText - f.text
	out, err := io.ReadAll(io.LimitReader(r, int64(left)+1))
	if len(out) > left {
		f.truncated = true
		f.text = maxText // what was decompressed counts, used or not
		return nil, false
	}
	return out, err == nil
}

// MediaType tells the format of a picture's file, one of those whose metadata are
// read; it is empty for anything else.
func MediaType(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return "image/jpeg"
	case bytes.HasPrefix(data, []byte(pngSignature)):
		return "image/png"
	case bytes.HasPrefix(data, []byte("GIF87a")), bytes.HasPrefix(data, []byte("GIF89a")):
		return "image/gif"
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return "image/webp"
	case bytes.HasPrefix(data, []byte("II*\x00")), bytes.HasPrefix(data, []byte("MM\x00*")):
		return "image/tiff"
	}
	return bmffType(data)
}

// scan walks through the structure of a picture's file.
func scan(data []byte) findings {
	f := findings{mediaType: MediaType(data)}
	switch f.mediaType {
	case "image/jpeg":
		f.scanJPEG(data)
	case "image/png":
		f.scanPNG(data)
	case "image/gif":
		f.scanGIF(data)
	case "image/webp":
		f.scanWebP(data)
	case "image/tiff":
		f.scanTIFF(data)
	case "image/avif", "image/heic", "image/heif":
		f.scanBMFF(data)
	}
	return f
}
