package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/heif"
)

// Formats names what is read, as a part of a sentence.
const Formats = "JPEG, PNG, WebP, GIF, HEIC, AVIF, TIFF, BMP or MPO"

// ErrNotImage says that the bytes start like none of the known formats.
var ErrNotImage = errors.New("not a " + Formats + " image")

// extensions lists the endings, in lower case, of files of the formats that are
// read.
var extensions = []string{
	".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".heic", ".heif", ".avif",
	".tif", ".tiff", ".bmp", ".dib", ".mpo",
}

// HasExtension says whether a file's name ends like that of a picture that can
// be read.
func HasExtension(name string) bool {
	i := strings.LastIndexByte(name, '.')
	return i >= 0 && slices.Contains(extensions, strings.ToLower(name[i:]))
}

// SniffLen is how many bytes of a file Sniff needs at most.
const SniffLen = 512

// Sniff says what a file is by its first bytes, whatever its name: the name of
// the format, "" where it is none that is known, and whether that is a picture's:
// not a film's or a document's. A picture's format need not be one that is read.
func Sniff(head []byte) (format string, picture bool) {
	f := recognise(head)
	if f == nil {
		return "", false
	}
	return f.name, !f.other
}

// format is a kind of file that is known by its first bytes.
type format struct {
	name   string
	starts []string // with ? for any byte
	match  func(data []byte) bool
	probe  func(h *header, data []byte) error // nil where it is not read
	advice string                             // what to do then
	other  bool                               // not a still picture
}

// is says whether data starts as files of the format do.
func (f *format) is(data []byte) bool {
	for _, s := range f.starts {
		if startsWith(data, s) {
			return f.match == nil || f.match(data)
		}
	}
	return len(f.starts) == 0 && f.match(data)
}

func startsWith(data []byte, pattern string) bool {
	if len(data) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] != '?' && pattern[i] != data[i] {
			return false
		}
	}
	return true
}

func recognise(data []byte) *format {
	for _, group := range [][]format{readFormats, knownFormats} {
		for i := range group {
			if group[i].is(data) {
				return &group[i]
			}
		}
	}
	return nil
}

const (
	adviceSave  = "open it in a picture program and save it as JPEG or PNG"
	adviceRaw   = "export it as JPEG or PNG from the program that develops it"
	adviceVideo = "save a frame of it as JPEG or PNG"
	adviceShot  = "export its picture as PNG"
)

// readFormats are those that are decoded.
var readFormats = []format{
	{name: "jpeg", starts: []string{"\xff\xd8\xff"}, probe: (*header).probeJPEG},
	{name: "png", starts: []string{"\x89PNG\r\n\x1a\n"}, probe: (*header).probePNG},
	{name: "gif", starts: []string{"GIF87a", "GIF89a"}, probe: (*header).probeGIF},
	{name: "webp", starts: []string{"RIFF????WEBP"}, probe: (*header).probeWebP},
	{name: "heic", match: heif.IsHEIF, probe: (*header).probeHEIF}, // or avif
	{name: "tiff", starts: []string{"II*\x00", "MM\x00*"}, match: isPlainTIFF, probe: (*header).probeTIFF},
	{name: "bmp", starts: []string{"BM"}, match: isBMP, probe: (*header).probeBMP},
}

// knownFormats are those that are only named. What stands first is tried first.
var knownFormats = []format{
	{name: "JPEG XL", starts: []string{"\xff\x0a", "\x00\x00\x00\x0cJXL \r\n\x87\n"}, advice: adviceSave},
	{name: "JPEG 2000", starts: []string{"\x00\x00\x00\x0cjP  \r\n\x87\n", "\xff\x4f\xff\x51"}, advice: adviceSave},
	{name: "JPEG XR", starts: []string{"II\xbc\x01"}, advice: adviceSave},
	{name: "JPEG without its start", starts: []string{"\xff\xdb\x00", "\xff\xe0\x00\x10JFIF\x00"}, advice: "get the file again"},
	{name: "HEIF of another coding than HEVC or AV1", match: isBrand("avci", "avcs", "jpeg", "jpgs", "j2ki", "j2is", "vvic", "vvis", "evbi", "evbs"), advice: adviceSave},
	{name: "Canon raw photograph (CR3)", match: isBrand("crx "), advice: adviceRaw},
	{name: "QuickTime film", match: isBrand("qt  "), advice: adviceVideo, other: true},
	{name: "MP4 film", match: isBrand(""), advice: adviceVideo, other: true},
	{name: "QuickTime film", starts: []string{"????moov", "????mdat", "????wide", "????free", "????skip"}, advice: adviceVideo, other: true},
	{name: "Matroska or WebM film", starts: []string{"\x1aE\xdf\xa3"}, advice: adviceVideo, other: true},
	{name: "AVI film", starts: []string{"RIFF????AVI "}, advice: adviceVideo, other: true},
	{name: "MPEG film", starts: []string{"\x00\x00\x01\xba", "\x00\x00\x01\xb3"}, advice: adviceVideo, other: true},
	{name: "Windows Media film", starts: []string{"\x30\x26\xb2\x75\x8e\x66\xcf\x11"}, advice: adviceVideo, other: true},
	{name: "Flash film", starts: []string{"FLV\x01"}, advice: adviceVideo, other: true},
	{name: "Canon raw photograph (CR2)", starts: []string{"II*\x00????CR"}, advice: adviceRaw},
	{name: "raw photograph (DNG, NEF, ARW, PEF or another kind of TIFF)", starts: []string{"II*\x00", "MM\x00*"}, advice: adviceRaw},
	{name: "BigTIFF", starts: []string{"II+\x00", "MM\x00+"}, advice: adviceSave},
	{name: "Olympus raw photograph (ORF)", starts: []string{"IIRO", "IIRS", "MMOR"}, advice: adviceRaw},
	{name: "Panasonic raw photograph (RW2)", starts: []string{"IIU\x00"}, advice: adviceRaw},
	{name: "Fujifilm raw photograph (RAF)", starts: []string{"FUJIFILMCCD-RAW"}, advice: adviceRaw},
	{name: "Sigma raw photograph (X3F)", starts: []string{"FOVb"}, advice: adviceRaw},
	{name: "Canon raw photograph (CRW)", starts: []string{"II\x1a\x00\x00\x00HEAPCCDR"}, advice: adviceRaw},
	{name: "Minolta raw photograph (MRW)", starts: []string{"\x00MRM"}, advice: adviceRaw},
	{name: "Photoshop document", starts: []string{"8BPS\x00"}, advice: adviceShot},
	{name: "GIMP document", starts: []string{"gimp xcf"}, advice: adviceShot},
	{name: "OpenEXR", starts: []string{"v/1\x01"}, advice: adviceSave},
	{name: "Radiance HDR", starts: []string{"#?RADIANCE", "#?RGBE"}, advice: adviceSave},
	{name: "Windows icon", starts: []string{"\x00\x00\x01\x00"}, match: isIcon, advice: adviceShot},
	{name: "Windows cursor", starts: []string{"\x00\x00\x02\x00"}, match: isIcon, advice: adviceShot},
	{name: "Apple icon", starts: []string{"icns"}, advice: adviceShot},
	{name: "QOI", starts: []string{"qoif"}, advice: adviceSave},
	{name: "Netpbm", match: isNetpbm, advice: adviceSave},
	{name: "DirectDraw surface", starts: []string{"DDS "}, advice: adviceSave},
	{name: "Khronos texture", starts: []string{"\xabKTX "}, advice: adviceSave},
	{name: "BPG", starts: []string{"BPG\xfb"}, advice: adviceSave},
	{name: "FLIF", starts: []string{"FLIF"}, advice: adviceSave},
	{name: "farbfeld", starts: []string{"farbfeld"}, advice: adviceSave},
	{name: "MNG or JNG", starts: []string{"\x8aMNG\r\n\x1a\n", "\x8bJNG\r\n\x1a\n"}, advice: adviceSave},
	{name: "PCX", starts: []string{"\x0a\x05\x01\x08", "\x0a\x05\x01\x01"}, advice: adviceSave},
	{name: "SGI image", starts: []string{"\x01\xda\x00", "\x01\xda\x01"}, advice: adviceSave},
	{name: "Sun raster", starts: []string{"\x59\xa6\x6a\x95"}, advice: adviceSave},
	{name: "FITS", starts: []string{"SIMPLE  ="}, advice: adviceSave},
	{name: "DICOM", match: func(d []byte) bool { return len(d) >= 132 && string(d[128:132]) == "DICM" }, advice: adviceSave},
	{name: "DjVu", starts: []string{"AT&TFORM"}, advice: adviceShot, other: true},
	{name: "PDF document", starts: []string{"%PDF-"}, advice: adviceShot, other: true},
	{name: "PostScript document", starts: []string{"%!PS", "\xc5\xd0\xd3\xc6"}, advice: adviceShot, other: true},
	{name: "Windows metafile", starts: []string{"\xd7\xcd\xc6\x9a", "\x01\x00\x00\x00????????????????????????????????????\x20EMF"}, advice: adviceShot},
	{name: "SVG drawing", match: isSVG, advice: adviceShot},
}

// brands lists the brands of an ISO base media file (ISO/IEC 14496-12): the
// major one first.
func brands(data []byte) []string {
	if len(data) < 16 || string(data[4:8]) != "ftyp" {
		return nil
	}
	n := min(int64(binary.BigEndian.Uint32(data)), int64(len(data)), SniffLen)
	all := []string{string(data[8:12])}
	for i := int64(16); i+4 <= n; i += 4 {
		all = append(all, string(data[i:i+4]))
	}
	return all
}

// isBrand matches files that have one of the brands as the major one; any, for
// the brand "".
func isBrand(names ...string) func([]byte) bool {
	return func(data []byte) bool {
		b := brands(data)
		return b != nil && (names[0] == "" || slices.Contains(names, b[0]))
	}
}

func isIcon(data []byte) bool {
	return len(data) >= 22 && data[5] == 0 && data[4] > 0 && data[9] == 0
}

// isNetpbm matches P1 to P7 and the white space after it; PF and Pf are floats.
func isNetpbm(data []byte) bool {
	if len(data) < 4 || data[0] != 'P' || bytes.IndexByte([]byte("1234567Ff"), data[1]) < 0 || bytes.IndexByte([]byte(" \t\r\n"), data[2]) < 0 {
		return false
	}
	return data[3] == '#' || data[1] == '7' || data[3] >= '0' && data[3] <= '9'
}

// isSVG matches text with an svg element near its start.
func isSVG(data []byte) bool {
	head := bytes.TrimLeft(bytes.TrimPrefix(data[:min(len(data), SniffLen)], []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(head, []byte("<")) && bytes.Contains(head, []byte("<svg")) && !bytes.Contains(head, []byte("<html"))
}

// unsupported is the error of a variant of a format that is read.
func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s; try: %s", ErrUnsupported, fmt.Sprintf(format, args...), adviceSave)
}
