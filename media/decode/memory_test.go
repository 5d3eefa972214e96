package decode

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// childEnv names the file that a copy of this test program decodes; it prints
// its peak resident memory in bytes and the outcome.
const childEnv = "BITMIND_DECODE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	os.Exit(m.Run())
}

func child(path string) {
	outcome := "decoded"
	var limits Limits
	if os.Getenv(reduceEnv) != "" {
		limits = reducing
	}
	// Twice, so that garbage of the first time is there at the second.
	for range 2 {
		_, info, err := File(path, limits)
		if err != nil {
			outcome = err.Error()
		} else if info.Reduced > 1 {
			outcome = fmt.Sprintf("decoded by %d", info.Reduced)
		}
	}
	fmt.Println(peakRSS(), outcome)
}

func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb * 1024
		}
	}
	return -1
}

// TestMemory decodes, each in a process of its own, pictures as large as the
// limits let through and bombs beyond them, and holds the process to 300 MB.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("makes large pictures")
	}
	if raceEnabled {
		t.Skip("the race detector multiplies memory")
	}
	if peakRSS() < 0 {
		t.Skip("needs /proc/self/status")
	}
	const limit = 300_000_000
	for _, tc := range []struct {
		name    string
		decodes bool
		data    func(w io.Writer)
	}{
		{"baseline 4:2:0 JPEG of 34 MP", true, func(w io.Writer) { flatJPEG(w, 6800, 5000) }},
		{"baseline 4:2:0 JPEG of 48 MP", false, func(w io.Writer) { flatJPEG(w, 8000, 6000) }},
		{"JPEG of 60 MP", false, func(w io.Writer) { flatJPEG(w, 10000, 6000) }},
		{"grey JPEG of 38 MP", true, func(w io.Writer) {
			_ = jpeg.Encode(w, image.NewGray(image.Rect(0, 0, 7600, 5000)), nil)
		}},
		{"8-bit RGBA PNG of 48 MP", true, func(w io.Writer) { blankPNG(w, 8000, 6000, 8, 6, 0) }},
		{"16-bit RGBA PNG of 16 MP", true, func(w io.Writer) { blankPNG(w, 4000, 4000, 16, 6, 0) }},
		{"16-bit RGBA PNG of 49 MP", false, func(w io.Writer) { blankPNG(w, 7000, 7000, 16, 6, 0) }},
		{"interlaced RGB PNG of 24 MP", true, func(w io.Writer) { blankPNG(w, 6000, 4000, 8, 2, 1) }},
		{"interlaced 16-bit PNG of 24 MP", false, func(w io.Writer) { blankPNG(w, 6000, 4000, 16, 6, 1) }},
		{"one-bit PNG of 39 MP", true, func(w io.Writer) { blankPNG(w, 7800, 5000, 1, 0, 0) }},
		{"one-bit PNG of 100 MP", false, func(w io.Writer) { blankPNG(w, 10_000, 10_000, 1, 0, 0) }},
		{"GIF of 39 MP", true, func(w io.Writer) { blankGIF(w, 7800, 5000) }},
		{"GIF of 4 gigapixels", false, func(w io.Writer) {
			_, _ = w.Write([]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00\x2c\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02\x4c\x01\x00\x3b"))
		}},
		{"lossless WebP announcing 268 MP", false, func(w io.Writer) {
			_, _ = w.Write([]byte("RIFF\x12\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xff\xff\xff\x0f\x00"))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "picture")
			var buf bytes.Buffer
			tc.data(&buf)
			if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"="+path)
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
			if rss > limit {
				t.Errorf("peak memory %d MB, limit %d MB", rss/1e6, limit/1_000_000)
			}
			if (outcome == "decoded") != tc.decodes {
				t.Errorf("outcome %q, decodes should be %v", outcome, tc.decodes)
			}
			if !tc.decodes && !strings.Contains(outcome, "too large") {
				t.Errorf("outcome %q does not say that it is too large", outcome)
			}
		})
	}
}

func flatJPEG(w io.Writer, width, height int) {
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = uint8(i >> 4)
	}
	_ = jpeg.Encode(w, img, nil)
}

func blankGIF(w io.Writer, width, height int) {
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black, color.White})
	_ = gif.Encode(w, img, nil)
}

// pngHeader is a PNG's signature and first chunk.
func pngHeader(width, height uint32, depth, colour, interlace byte) []byte {
	var buf bytes.Buffer
	buf.WriteString("\x89PNG\r\n\x1a\n")
	body := binary.BigEndian.AppendUint32(nil, width)
	body = binary.BigEndian.AppendUint32(body, height)
	pngChunk(&buf, "IHDR", append(body, depth, colour, 0, 0, interlace))
	return buf.Bytes()
}

func pngChunk(w io.Writer, kind string, body []byte) {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	payload := append([]byte(kind), body...)
	_, _ = w.Write(head)
	_, _ = w.Write(payload)
	_, _ = w.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(payload)))
}

// blankPNG writes a PNG whose samples are all zero, of any kind.
func blankPNG(w io.Writer, width, height int, depth, colour, interlace byte) {
	_, _ = w.Write(pngHeader(uint32(width), uint32(height), depth, colour, interlace))
	samples := map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
	type pass struct{ x, y, dx, dy int }
	passes := []pass{{0, 0, 1, 1}}
	if interlace == 1 {
		passes = []pass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
	}
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	for _, p := range passes {
		pw, ph := (width-p.x+p.dx-1)/p.dx, (height-p.y+p.dy-1)/p.dy
		row := make([]byte, 1+(pw*samples*int(depth)+7)/8)
		for range ph {
			_, _ = z.Write(row)
		}
	}
	_ = z.Close()
	pngChunk(w, "IDAT", data.Bytes())
	pngChunk(w, "IEND", nil)
}

func TestInterlacedPNG(t *testing.T) {
	for _, kind := range []struct{ depth, colour byte }{{8, 2}, {16, 6}, {1, 0}, {16, 0}} {
		var buf bytes.Buffer
		blankPNG(&buf, 13, 9, kind.depth, kind.colour, 1)
		img, _, err := Decode(buf.Bytes(), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if img.Bounds() != image.Rect(0, 0, 13, 9) || img.RGBAAt(12, 8) != (color.RGBA{0, 0, 0, 255}) {
			t.Errorf("%v: %v, %v", kind, img.Bounds(), img.RGBAAt(12, 8))
		}
	}
}
