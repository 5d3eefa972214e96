package decode

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// reduceEnv lets the copy of this test program that decodes a file do so within the
// limits reducing.
const reduceEnv = "BITMIND_DECODE_REDUCE"

var reducing = Limits{MaxMemory: 110_000_000, MinSide: DetectorSide}

// TestReducedMemory decodes, each in a process of its own, pictures that are far
// larger than the limit lets through whole, and holds the process to the limit and
// what it has anyway.
func TestReducedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("makes large pictures")
	}
	if raceEnabled {
		t.Skip("the race detector multiplies memory")
	}
	if peakRSS() < 0 {
		t.Skip("needs /proc/self/status")
	}
	const own = 30_000_000 // the program, its decoders' tables, the collector's slack
	for _, tc := range []struct {
		name    string
		outcome string
		data    func(w io.Writer)
	}{
		{"baseline 4:2:0 JPEG of 48 MP", "decoded by 2", func(w io.Writer) { flatJPEG(w, 6000, 8000) }},
		{"progressive 4:4:4 JPEG of 24 MP", "decoded by 2", func(w io.Writer) { flatProgressiveJPEG(w, 6000, 4000) }},
		{"progressive 4:4:4 JPEG of 100 MP", "decoded by 4", func(w io.Writer) { flatProgressiveJPEG(w, 12_240, 8176) }},
		{"progressive 4:4:4 JPEG of 200 MP", "decoded by 8", func(w io.Writer) { flatProgressiveJPEG(w, 16_320, 12_240) }},
		{"8-bit RGBA PNG of 50 MP", "decoded by 2", func(w io.Writer) { blankPNG(w, 8192, 6144, 8, 6, 0) }},
		{"16-bit RGBA PNG of 50 MP", "decoded by 2", func(w io.Writer) { blankPNG(w, 8192, 6144, 16, 6, 0) }},
		{"interlaced 16-bit PNG of 50 MP", "decoded by 4", func(w io.Writer) { blankPNG(w, 8192, 6144, 16, 6, 1) }},
		{"one-bit PNG of 190 MP", "decoded by 4", func(w io.Writer) { blankPNG(w, 16_000, 12_000, 1, 0, 0) }},
		{"GIF of 39 MP", "decoded by 4", func(w io.Writer) { blankGIF(w, 7800, 5000) }},
		{"lossless WebP of 50 MP", "decoded by 2", func(w io.Writer) { flatVP8L(w, 8192, 6144) }},
		{"JPEG of 800 MP", "image too large", func(w io.Writer) { flatProgressiveJPEG(w, 32_000, 25_000) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "picture")
			var buf bytes.Buffer
			tc.data(&buf)
			if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"="+path, reduceEnv+"=1")
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("child: %v, %s", err, out)
			}
			used, outcome, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
			rss, err := strconv.ParseInt(used, 10, 64)
			if err != nil {
				t.Fatalf("child said %q", out)
			}
			t.Logf("%d bytes: peak memory %d MB, %s", buf.Len(), rss/1e6, outcome)
			if rss > reducing.MaxMemory+own {
				t.Errorf("peak memory %d MB, limit %d MB", rss/1e6, (reducing.MaxMemory+own)/1e6)
			}
			if !strings.Contains(outcome, tc.outcome) {
				t.Errorf("outcome %q, want %q", outcome, tc.outcome)
			}
		})
	}
}

// flatProgressiveJPEG writes a grey picture in four scans: the means, then for each
// component that there is nothing more. Every code is a single zero bit.
func flatProgressiveJPEG(w io.Writer, width, height int) {
	segment := func(marker byte, body ...byte) {
		_, _ = w.Write(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(body))))
		_, _ = w.Write(body)
	}
	_, _ = w.Write([]byte{0xff, 0xd8})
	segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)
	size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{8}, uint16(height)), uint16(width))
	segment(0xc2, append(size, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)...)
	for _, table := range []byte{0x00, 0x10} {
		segment(0xc4, append(append([]byte{table, 1}, make([]byte, 15)...), 0)...)
	}
	blocks := ((width + 7) / 8) * ((height + 7) / 8)
	segment(0xda, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0)
	_, _ = w.Write(make([]byte, (3*blocks+7)/8))
	for c := range byte(3) {
		segment(0xda, 1, c+1, 0, 1, 63, 0)
		_, _ = w.Write(make([]byte, (blocks+7)/8))
	}
	_, _ = w.Write([]byte{0xff, 0xd9})
}

// flatVP8L writes a lossless WebP whose every pixel is the same, in a code of no bits.
func flatVP8L(w io.Writer, width, height int) {
	body := binary.LittleEndian.AppendUint32([]byte{0x2f}, uint32(width-1)|uint32(height-1)<<14)
	// No transform, cache or tiles; five times a code of one symbol, 0.
	body = append(body, 0b1000_1000, 0b1000_1000, 0b0000_1000)
	size := uint32(len(body) + len(body)%2)
	_, _ = io.WriteString(w, "RIFF")
	_, _ = w.Write(binary.LittleEndian.AppendUint32(nil, 12+size))
	_, _ = io.WriteString(w, "WEBPVP8L")
	_, _ = w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(body))))
	_, _ = w.Write(append(body, 0)[:size])
}
