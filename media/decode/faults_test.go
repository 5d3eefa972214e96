package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func codes(info Info) (all []string) {
	for _, w := range info.Warnings {
		all = append(all, w.Code)
	}
	return all
}

// TestAfterTheEnd appends bytes, an upside-down picture of the same format among
// them, to files: they change nothing.
func TestAfterTheEnd(t *testing.T) {
	for _, name := range []string{"orient6.png", "rgb.png", "base420.jpg", "orient6.jpg", "plain.gif", "lossless.webp", "orient6.webp", "rgb.bmp", "raw.tif", "rgb.heic", "rgb.avif"} {
		data := read(t, name)
		want, wantInfo, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, more := range [][]byte{{0}, []byte("IEND and more"), read(t, "orient8.jpg"), read(t, "orient6.png"), bytes.Repeat([]byte{0xff, 0xda}, 1000)} {
			got, info, err := Decode(append(bytes.Clone(data), more...), Limits{})
			if err != nil {
				t.Errorf("%s followed by %d bytes: %v", name, len(more), err)
				continue
			}
			if !bytes.Equal(got.Pix, want.Pix) || info.Orientation != wantInfo.Orientation || len(info.Warnings) != 0 {
				t.Errorf("%s followed by %d bytes is another picture, or warned of: %+v", name, len(more), info)
			}
		}
	}
}

// TestJPEGWithoutItsEnd cuts the last bytes off: the picture is read, all but its
// last pixels are the same, and it is warned of.
func TestJPEGWithoutItsEnd(t *testing.T) {
	for _, name := range []string{"base420.jpg", "base444.jpg", "grey.jpg", "progressive.jpg", "cmyk.jpg", "orient6.jpg"} {
		data := read(t, name)
		want, _, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, cut := range []int{1, 2, 3} {
			got, info, err := Decode(data[:len(data)-cut], Limits{})
			if err != nil {
				t.Errorf("%s without its last %d bytes: %v", name, cut, err)
				continue
			}
			same := 0
			for i := range got.Pix {
				if got.Pix[i] == want.Pix[i] {
					same++
				}
			}
			if same < len(got.Pix)*8/10 || cut < 3 && same != len(got.Pix) {
				t.Errorf("%s without its last %d bytes: %d of %d samples are the same", name, cut, same, len(got.Pix))
			}
			if !slices.Equal(codes(info), []string{WarnTruncated}) {
				t.Errorf("warnings %+v", info.Warnings)
			}
		}
	}
}

// TestJPEGWithoutHuffmanTables takes out the tables, which are the standard ones
// in what Go's encoder writes, as Motion JPEG does.
func TestJPEGWithoutHuffmanTables(t *testing.T) {
	data := photoJPEG(t, 97, 61)
	want, _, err := Decode(data, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	bare := bytes.Clone(data)
	for {
		i := bytes.Index(bare, []byte{0xff, 0xc4})
		if i < 0 {
			break
		}
		bare = slices.Delete(bare, i, i+2+int(binary.BigEndian.Uint16(bare[i+2:])))
	}
	for _, cut := range []int{0, 2} {
		got, info, err := Decode(bare[:len(bare)-cut], Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Pix, want.Pix) || info.Warnings[0].Code != WarnHuffmanTables || len(info.Warnings) != 1+cut/2 {
			t.Errorf("another picture, or warnings %+v", info.Warnings)
		}
	}
}

func TestUprightSize(t *testing.T) {
	for _, name := range []string{"orient6.jpg", "orient6.png", "orient6.webp", "orient6.tif", "orient6.avif", "rawprofile.png"} {
		img, info, err := Decode(read(t, name), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if info.Width != 35 || info.Height != 45 || img.Rect.Dx() != 35 || img.Rect.Dy() != 45 {
			t.Errorf("%s: %dx%d, reported as %dx%d", name, img.Rect.Dx(), img.Rect.Dy(), info.Width, info.Height)
		}
	}
}

func TestFramesAndFormats(t *testing.T) {
	for _, tc := range []struct {
		name, format string
		frames       int
		warning      string
	}{
		{"base420.jpg", "jpeg", 1, ""},
		{"two.mpo", "mpo", 2, WarnSeveral},
		{"frames.gif", "gif", 2, WarnAnimated},
		{"animated.webp", "webp", 2, WarnAnimated},
		{"animatedlossless.webp", "webp", 2, WarnAnimated},
		{"frames.png", "png", 2, WarnAnimated},
		{"frames.avif", "avif", 2, WarnAnimated},
		{"pages.tif", "tiff", 2, WarnSeveral},
		{"rgb.bmp", "bmp", 1, ""},
		{"rgb.heic", "heic", 1, ""},
		{"grid.heic", "heic", 1, ""},
	} {
		_, info, err := Decode(read(t, tc.name), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if info.Format != tc.format || info.Frames != tc.frames || strings.Join(codes(info), " ") != tc.warning {
			t.Errorf("%s: %+v", tc.name, info)
		}
	}
}

// TestNamedNotRead checks that what isn't read is refused by its name, with what
// to do.
func TestNamedNotRead(t *testing.T) {
	frame := func(marker byte) []byte {
		data := read(t, "base420.jpg")
		data[bytes.Index(data, []byte{0xff, 0xc0})+1] = marker
		return data
	}
	dng := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\xc6\x01\x00\x04\x00\x00\x00\x01\x04\x00\x00\x00\x00\x00\x00")
	for _, tc := range []struct {
		data []byte
		name string
	}{
		{frame(0xc3), "lossless JPEG"},
		{frame(0xc5), "hierarchical JPEG"},
		{frame(0xc9), "arithmetic-coded JPEG"},
		{frame(0xca), "arithmetic-coded JPEG"},
		{frame(0xf7), "JPEG-LS"},
		{[]byte("\xff\x0a\x00\x00"), "JPEG XL"},
		{[]byte("\x00\x00\x00\x0cJXL \r\n\x87\n"), "JPEG XL"},
		{[]byte("\x00\x00\x00\x0cjP  \r\n\x87\n"), "JPEG 2000"},
		{[]byte("II\xbc\x01"), "JPEG XR"},
		{[]byte("8BPS\x00\x01"), "Photoshop"},
		{[]byte("<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "SVG"},
		{[]byte("%PDF-1.7"), "PDF"},
		{[]byte("qoif\x00"), "QOI"},
		{[]byte("P6\n45 35\n255\n"), "Netpbm"},
		{[]byte("v/1\x01"), "OpenEXR"},
		{dng, "DNG"},
		{[]byte("II*\x00\x10\x00\x00\x00CR\x02\x00"), "CR2"},
		{[]byte("\x00\x00\x00\x18ftypcrx \x00\x00\x00\x00"), "CR3"},
		{[]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"), "MP4"},
		{[]byte("\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00"), "QuickTime"},
		{[]byte("\x1aE\xdf\xa3"), "WebM"},
		{[]byte("FUJIFILMCCD-RAW "), "RAF"},
		{[]byte("\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x18\x00\x00\x00\x00\x00\x16\x00\x00\x00"), "icon"},
	} {
		_, _, err := Decode(tc.data, Limits{})
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), tc.name) || !strings.Contains(err.Error(), "; try: ") {
			t.Errorf("%q: %v", tc.data[:4], err)
		}
	}
	for _, f := range strings.FieldsFunc(Formats, func(r rune) bool { return r == ',' || r == ' ' }) {
		if f != "or" && !strings.Contains(ErrNotImage.Error(), f) {
			t.Errorf("%q does not name %s", ErrNotImage, f)
		}
	}
}

func TestNewFormatsCutShort(t *testing.T) {
	for _, name := range []string{"rgb.bmp", "rle8.bmp", "raw.tif", "tiff_lzw.tif", "jpeg.tif", "rgb.heic", "grid.heic", "rgb.avif", "animated.webp", "two.mpo", "frames.png"} {
		data := read(t, name)
		for _, part := range []int{3, 2} {
			_, _, err := Decode(data[:len(data)/part], Limits{})
			if !errors.Is(err, ErrTruncated) {
				t.Errorf("a part of %s: %v", name, err)
			}
		}
	}
}

// TestAnnouncedSizes checks that a header alone makes nothing be allocated.
func TestAnnouncedSizes(t *testing.T) {
	bmp := read(t, "rgb.bmp")
	binary.LittleEndian.PutUint32(bmp[18:], 1<<30)
	tif := read(t, "planar.tif")
	at := bytes.Index(tif, []byte{0x01, 0x00, 0x00, 0x04}) // width, a LONG
	binary.BigEndian.PutUint32(tif[at+8:], 1<<24)
	tif2 := bytes.Clone(tif)
	binary.BigEndian.PutUint32(tif2[at+8:], 1<<31)
	for name, data := range map[string][]byte{"bmp": bmp, "tiff": tif, "tiff of 2^31": tif2, "heic": announced(t, "rgb.heic"), "avif": announced(t, "rgb.avif")} {
		if _, _, err := Decode(data, Limits{}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// announced makes a HEIF announce 60,000 pixels a side.
func announced(t *testing.T, name string) []byte {
	data := read(t, name)
	at := bytes.Index(data, []byte("ispe"))
	binary.BigEndian.PutUint32(data[at+8:], 60_000)
	binary.BigEndian.PutUint32(data[at+12:], 60_000)
	return data
}

// TestGridReduced reads a picture of tiles smaller, as what is allowed demands.
func TestGridReduced(t *testing.T) {
	for _, name := range []string{"grid.heic", "gridturned.heic", "rgb.avif"} {
		data := read(t, name)
		whole, info, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		half, halfInfo, err := Decode(data, Limits{MaxMemory: info.Memory - 1, MinSide: 20})
		if err != nil {
			t.Fatal(err)
		}
		if halfInfo.Reduced != 2 || half.Rect.Dx() != (whole.Rect.Dx()+1)/2 || half.Rect.Dy() != (whole.Rect.Dy()+1)/2 {
			t.Fatalf("%s: %v of %v, %+v", name, half.Rect, whole.Rect, halfInfo)
		}
		for y := range whole.Rect.Dy() / 2 {
			for x := range whole.Rect.Dx() / 2 {
				for c := range 3 {
					at := whole.PixOffset(2*x, 2*y) + c
					mean := (int(whole.Pix[at]) + int(whole.Pix[at+4]) + int(whole.Pix[at+whole.Stride]) + int(whole.Pix[at+whole.Stride+4]) + 2) / 4
					if got := int(half.Pix[half.PixOffset(x, y)+c]); got != mean {
						t.Fatalf("%s: %d at %d,%d, want %d", name, got, x, y, mean)
					}
				}
			}
		}
	}
}

func TestSniff(t *testing.T) {
	for name, want := range map[string]string{"rgb.heic": "heic", "rgb.avif": "heic", "raw.tif": "tiff", "two.mpo": "jpeg", "rgb.bmp": "bmp"} {
		data := read(t, name)
		if got, picture := Sniff(data[:min(len(data), SniffLen)]); got != want || !picture {
			t.Errorf("%s: %q, %v", name, got, picture)
		}
	}
	if got, picture := Sniff([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00")); got == "" || picture {
		t.Errorf("a film: %q, %v", got, picture)
	}
	if got, picture := Sniff([]byte("text")); got != "" || picture {
		t.Errorf("text: %q, %v", got, picture)
	}
}
