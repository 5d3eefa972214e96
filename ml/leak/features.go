package leak

import (
	"encoding/binary"
	"math"

	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// The groups of features.
const (
	GroupSize   = "size"   // width and height in pixels
	GroupTables = "tables" // format, JPEG quantisation tables and chroma sampling
	GroupLength = "length" // bytes, and bytes a pixel
	GroupAll    = "all"    // the three together
)

// Groups lists the groups in the order of a report.
func Groups() []string { return []string{GroupSize, GroupTables, GroupLength, GroupAll} }

// wrapper is what can be told of a file without looking at its picture.
type wrapper struct {
	width, height int
	format        string
	tables        [2][64]int // luma's and chroma's quantisation, in zigzag order; zeros: none
	sampling      [2]int     // luma's sampling factors
	progressive   bool
	bytes         int
}

// formats in the order of their features.
var formats = []string{"jpeg", "png", "webp", "gif"}

// features gives the numbers of a group. Sizes, lengths and table entries go in
// as logarithms: what counts is by how much they differ.
func (w wrapper) features(group string) []float64 {
	var out []float64
	logOf := func(v int) float64 { return math.Log(float64(v) + 1) }
	if group == GroupSize || group == GroupAll {
		out = append(out, logOf(w.width), logOf(w.height), logOf(min(w.width, w.height)))
	}
	if group == GroupTables || group == GroupAll {
		for _, f := range formats {
			out = append(out, indicator(w.format == f))
		}
		out = append(out, float64(w.sampling[0]), float64(w.sampling[1]), indicator(w.progressive))
		for _, t := range w.tables {
			for _, q := range t {
				out = append(out, logOf(q))
			}
		}
	}
	if group == GroupLength || group == GroupAll {
		perPixel := float64(w.bytes) / max(float64(w.width)*float64(w.height), 1)
		out = append(out, logOf(w.bytes), math.Log(perPixel+1e-3))
	}
	return out
}

func indicator(v bool) float64 {
	if v {
		return 1
	}
	return 0
}

// look reads an encoded picture's wrapper.
func look(data []byte, info decode.Info) wrapper {
	w := wrapper{width: info.Width, height: info.Height, format: info.Format, bytes: len(data)}
	if info.Format == "jpeg" {
		w.jpeg(data)
	}
	return w
}

// jpeg reads tables and sampling up to the first scan (ITU-T T.81, annex B).
// What a damaged header lacks stays zero.
func (w *wrapper) jpeg(data []byte) {
	var tables [4][64]int
	var which [2]int
	for i := 2; i+4 <= len(data); {
		if data[i] != 0xff || data[i+1] == 0xff || data[i+1] == 0 || data[i+1] >= 0xd0 && data[i+1] <= 0xd8 || data[i+1] == 1 {
			i++ // not the start of a segment
			continue
		}
		marker, n := data[i+1], int(binary.BigEndian.Uint16(data[i+2:]))
		if n < 2 || i+2+n > len(data) {
			break
		}
		body := data[i+4 : i+2+n]
		i += 2 + n
		switch {
		case marker == 0xdb:
			readTables(&tables, body)
		case marker >= 0xc0 && marker <= 0xc2 && len(body) >= 6:
			w.progressive = marker == 0xc2
			for c := range min(int(body[5]), 2, (len(body)-6)/3) {
				part := body[6+3*c:]
				if c == 0 {
					w.sampling = [2]int{int(part[1] >> 4), int(part[1] & 15)}
				}
				which[c] = int(part[2] & 3)
			}
			if body[5] == 1 {
				which[1] = which[0]
			}
		case marker == 0xda || marker == 0xd9:
			i = len(data)
		}
	}
	w.tables = [2][64]int{tables[which[0]], tables[which[1]]}
}

func readTables(tables *[4][64]int, body []byte) {
	for len(body) > 0 {
		id, width := body[0]&3, 1+int(body[0]>>4)
		if width > 2 || len(body) < 1+64*width {
			return
		}
		for k := range 64 {
			if width == 2 {
				tables[id][k] = int(binary.BigEndian.Uint16(body[1+2*k:]))
			} else {
				tables[id][k] = int(body[1+k])
			}
		}
		body = body[1+64*width:]
	}
}
