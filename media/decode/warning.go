package decode

import "fmt"

// Warning is a reason to trust what is said of a picture less: something about
// the file that a reader of the answer should know.
type Warning struct {
	Code string // stable: one of the Warn constants
	Text string // a sentence
}

// The codes of warnings.
const (
	WarnAnimated      = "animated"               // the first of several frames was read
	WarnSeveral       = "several_pictures"       // the first of several pictures or pages was read
	WarnTruncated     = "truncated"              // the end of the file is missing
	WarnReduced       = "reduced"                // a large picture was read at a part of its size
	WarnHuffmanTables = "huffman_tables_missing" // a JPEG's tables were replaced by the standard ones
)

// warn notes a warning.
func (h *header) warn(code, format string, args ...any) {
	h.warnings = append(h.warnings, Warning{Code: code, Text: fmt.Sprintf(format, args...)})
}

// animated notes how many frames there are.
func (h *header) animated(frames int) {
	h.frames = max(frames, 1)
	if frames > 1 {
		h.warn(WarnAnimated, "The picture is animated; only the first of its %d frames was looked at.", frames)
	}
}

// several notes how many pictures of their own the file holds.
func (h *header) several(pictures int) {
	h.frames = max(pictures, 1)
	if pictures > 1 {
		h.warn(WarnSeveral, "The file holds %d pictures; only the first was looked at.", pictures)
	}
}
