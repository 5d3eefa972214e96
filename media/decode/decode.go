// Package decode turns bytes that anyone may have sent into an opaque RGB
// picture, safely: JPEG, PNG, WebP, GIF, HEIC, AVIF, TIFF, BMP and MPO, of
// animations the first frame.
//
//	img, info, err := decode.Decode(data, decode.Limits{})
//
// Size and memory are checked from the header, before anything of the size
// that the header claims is allocated. Pictures come out upright (EXIF
// orientation applied) and opaque: as PIL's convert("RGB") does, an alpha
// channel is dropped and not blended with a background, grey becomes equal
// red, green and blue, 16 bits become the upper 8, and colour profiles are
// ignored. The colours agree with PIL's to within a rounding step: chroma is
// upsampled with libjpeg's triangle filter, and WebP's studio-range YCbCr is
// expanded.
package decode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/fastjpeg"
)

// The kinds of failure. Every error of this package matches exactly one of
// them or ErrNotImage with errors.Is, save those of opening or reading a file.
var (
	// ErrTooLarge says that a limit was met: pixels, memory, file size or scans.
	ErrTooLarge = errors.New("image too large")
	// ErrTruncated says that the data ends before the picture does.
	ErrTruncated = errors.New("image cut short")
	// ErrCorrupt says that the data breaks the rules of its format.
	ErrCorrupt = errors.New("image damaged")
	// ErrUnsupported says that the data is a picture, or a film or document, of a
	// known format that is not read, or of a variant of one that is: JPEG XL, raw
	// photographs, 12-bit or arithmetic JPEG. The text names it.
	ErrUnsupported = errors.New("format not supported")
)

// The defaults of Limits.
const (
	// DefaultMaxPixels lets the photographs of all telephones pass: it bounds the
	// time that a picture takes, MaxMemory what fits.
	DefaultMaxPixels = 200_000_000
	// DefaultMaxMemory, with what the program itself and a small detector hold,
	// stays below 300 MB: it allows a 36-megapixel 4:2:0 photograph at full size.
	DefaultMaxMemory = 200_000_000
	// DefaultMaxBytes is the largest file read: a 50-megapixel PNG of a photograph
	// has some 75 MB.
	DefaultMaxBytes = 100_000_000
)

// Limits bound what one picture may cost. A zero field stands for its default.
type Limits struct {
	MaxPixels int   // width times height
	MaxMemory int64 // bytes: the data, the decoder's buffers and the picture together
	MaxBytes  int64 // bytes of encoded data

	// MinSide lets a picture that does not fit MaxMemory be read at a half, a
	// quarter or an eighth of its size, the largest that fits, while its shorter
	// side keeps so many pixels. Zero: it is refused. See DetectorSide.
	MinSide int
	// Room is memory that the caller has reserved for this picture; nil: decoding
	// reserves its own, and waits for others to end.
	Room *Room
}

// DetectorSide is a MinSide at which a detector that scales pictures itself, to a
// shorter side of 256 pixels or less, gives the score of the whole picture to
// within 0.02.
const DetectorSide = 1024

func (l Limits) withDefaults() Limits {
	if l.MaxPixels <= 0 {
		l.MaxPixels = DefaultMaxPixels
	}
	if l.MaxMemory <= 0 {
		l.MaxMemory = DefaultMaxMemory
	}
	if l.MaxBytes <= 0 {
		l.MaxBytes = DefaultMaxBytes
	}
	return l
}

// Info says what the encoded picture was.
type Info struct {
	Format        string    // "jpeg", "png", "webp", "gif", "heic", "avif", "tiff", "bmp" or "mpo"
	Width, Height int       // pixels of the upright picture
	Orientation   int       // EXIF orientation that was applied to the stored pixels, 1 (upright) to 8
	Frames        int       // frames of an animation, or pictures or pages in the file, of which the first is read; 1 for most
	Warnings      []Warning // what a reader of a result should know of the file
	Memory        int64     // bytes that decoding was expected to need at most
	Reduced       int       // the picture was read at this part of its size: 1 (whole), 2, 4 or 8
}

// Decode decodes data into an opaque picture whose bounds start at the origin.
func Decode(data []byte, limits Limits) (*image.RGBA, Info, error) {
	jpeg := quickDecoders.Get().(*fastjpeg.Decoder)
	defer func() {
		jpeg.Trim()
		quickDecoders.Put(jpeg)
	}()
	native, info, release, err := open(data, limits, func(h header) (image.Image, bool) {
		if !h.quick() {
			return nil, false
		}
		return jpeg.Decode(h.data, image.Rect(0, 0, h.width, h.height))
	})
	if err != nil {
		return nil, info, err
	}
	defer release()
	return toRGBA(native, info), info, nil // a copy of what the decoder has in its buffers
}

// DecodeNative decodes like Decode, but leaves an upright JPEG in YCbCr (or
// grey) as it is stored: *image.YCbCr in JPEG's full range, *image.Gray, or
// *image.RGBA (opaque) for everything else. A reader that samples a part of
// the picture saves the conversion of the rest.
func DecodeNative(data []byte, limits Limits) (image.Image, Info, error) {
	native, info, release, err := open(data, limits, nil)
	if err != nil {
		return nil, info, err
	}
	defer release()
	if keepsNative(native, info) {
		return native, info, nil
	}
	return toRGBA(native, info), info, nil
}

// keepsNative says whether DecodeNative leaves a picture as it is.
func keepsNative(native image.Image, info Info) bool {
	if info.Format != "jpeg" && info.Format != "mpo" || info.Orientation != 1 {
		return false
	}
	switch native.(type) {
	case *image.YCbCr, *image.Gray:
		return true
	}
	return false
}

// Reader decodes everything that r gives, up to the limits.
func Reader(r io.Reader, limits Limits) (*image.RGBA, Info, error) {
	data, err := ReadAll(r, limits)
	if err != nil {
		return nil, Info{}, err
	}
	return Decode(data, limits)
}

// File decodes the named file.
func File(path string, limits Limits) (*image.RGBA, Info, error) {
	data, err := ReadFile(path, limits)
	if err != nil {
		return nil, Info{}, err
	}
	img, info, err := Decode(data, limits)
	if err != nil {
		return nil, info, fmt.Errorf("decoding %s: %w", path, err)
	}
	return img, info, nil
}

// ReadFile reads the named file if it is a regular file within the size limit.
func ReadFile(path string, limits Limits) ([]byte, error) {
	// Asked before opening: opening a named pipe would wait for a writer.
	stat, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading an image: %w", err)
	}
	if !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: %w: not a file", path, ErrNotImage)
	}
	limits = limits.withDefaults()
	if stat.Size() > limits.MaxBytes {
		return nil, fmt.Errorf("reading %s: %w: %d bytes, limit %d", path, ErrTooLarge, stat.Size(), limits.MaxBytes)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading an image: %w", err)
	}
	defer f.Close()
	var buf bytes.Buffer
	buf.Grow(int(stat.Size()) + bytes.MinRead)
	n, err := io.Copy(&buf, io.LimitReader(f, limits.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if n > limits.MaxBytes {
		return nil, fmt.Errorf("reading %s: %w: more than %d bytes", path, ErrTooLarge, limits.MaxBytes)
	}
	return buf.Bytes(), nil
}

// ReadAll reads r to its end if that is within the size limit.
func ReadAll(r io.Reader, limits Limits) ([]byte, error) {
	limits = limits.withDefaults()
	data, err := io.ReadAll(io.LimitReader(r, limits.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading an image: %w", err)
	}
	if int64(len(data)) > limits.MaxBytes {
		return nil, fmt.Errorf("reading an image: %w: more than %d bytes", ErrTooLarge, limits.MaxBytes)
	}
	return data, nil
}

// collectAbove is the expected cost in bytes from which a decode first returns
// the garbage of earlier ones to the system. Below it, the collector's own
// pace is good enough.
const collectAbove = 48_000_000

// Cost is the memory that Decode needs at most for a picture, in bytes, data
// included, from its header alone. Its errors are those that Decode finds there.
func Cost(data []byte, limits Limits) (int64, error) {
	_, info, err := check(data, limits.withDefaults())
	return info.Memory, err
}

// check looks at a picture's header and says what decoding it takes. Where it
// fails, info is set as far as known.
func check(data []byte, limits Limits) (header, Info, error) {
	if int64(len(data)) > limits.MaxBytes {
		return header{}, Info{}, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(data), limits.MaxBytes)
	}
	h, err := probe(data)
	info := h.info()
	if err != nil {
		return h, info, err
	}
	if h.width <= 0 || h.height <= 0 {
		return h, info, fmt.Errorf("%w: %s of %dx%d pixels", ErrCorrupt, h.format, h.width, h.height)
	}
	if int64(h.width)*int64(h.height) > int64(limits.MaxPixels) {
		return h, info, fmt.Errorf("%w: %dx%d pixels, limit %d", ErrTooLarge, h.width, h.height, limits.MaxPixels)
	}
	info.Reduced, info.Memory, err = limits.plan(&h, int64(len(data)))
	if info.Reduced > 1 {
		h.warn(WarnReduced, "The picture is large; it was looked at at 1/%d of its width and height.", info.Reduced)
		info.Warnings = h.warnings
	}
	return h, info, err
}

// open decodes data into whatever type its decoder makes. The caller calls
// release once the picture has its final form. Where quick is not nil it is
// called first, after all checks, and what it doesn't decode is left to the
// format's decoder; it is not asked about a picture that is read smaller than it is.
func open(data []byte, limits Limits, quick func(header) (image.Image, bool)) (img image.Image, info Info, release func(), err error) {
	limits = limits.withDefaults()
	h, info, err := check(data, limits)
	if err != nil {
		return nil, info, nil, err
	}
	release, err = limits.reserve(info.Memory)
	if err != nil {
		return nil, info, nil, err
	}
	giveBack := release
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %s decoder: %v", ErrCorrupt, h.format, r)
		}
		if err != nil {
			img, release = nil, nil
			giveBack()
		}
	}()

	large := h.decodeBytes+h.convertBytes > collectAbove
	if large {
		debug.FreeOSMemory()
	}
	done := false
	if quick != nil && info.Reduced == 1 {
		img, done = quick(h)
	}
	switch {
	case done:
	case info.Reduced > 1:
		img, err = h.decodeReduced(info.Reduced)
	default:
		img, err = h.decode(h.input())
	}
	if err != nil {
		return nil, info, nil, classify(&h, err)
	}
	// The estimate stands on the header; a decoder that found another size
	// than the one that was checked must not get further.
	w, ht := reduced(h.width, info.Reduced), reduced(h.height, info.Reduced)
	if b := img.Bounds(); b.Dx() != w || b.Dy() != ht {
		return nil, info, nil, fmt.Errorf("%w: %s of %dx%d pixels announced as %dx%d", ErrCorrupt, h.format, b.Dx(), b.Dy(), w, ht)
	}
	if large {
		debug.FreeOSMemory()
	}
	return img, info, giveBack, nil
}

// reserve makes room for a picture, and returns what gives it back.
func (l Limits) reserve(bytes int64) (release func(), err error) {
	if l.Room != nil {
		if bytes > l.Room.bytes {
			return nil, fmt.Errorf("%w: needs %d bytes to decode, %d were reserved", ErrTooLarge, bytes, l.Room.bytes)
		}
		return func() {}, nil // the caller's to give back
	}
	room, err := process.Reserve(context.Background(), bytes)
	if err != nil {
		return nil, err
	}
	return room.Release, nil
}

// classify sorts a decoder's error into this package's kinds.
func classify(h *header, err error) error {
	for _, kind := range []error{ErrTooLarge, ErrTruncated, ErrCorrupt, ErrUnsupported} {
		if errors.Is(err, kind) {
			return err
		}
	}
	kind := ErrCorrupt
	cut := slices.ContainsFunc(h.warnings, func(w Warning) bool { return w.Code == WarnTruncated })
	var jpegUnsupported jpeg.UnsupportedError
	var pngUnsupported png.UnsupportedError
	switch {
	case cut, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), strings.HasSuffix(err.Error(), "EOF"),
		strings.HasSuffix(err.Error(), "short Huffman data"), strings.HasSuffix(err.Error(), "not enough pixel data"),
		strings.HasSuffix(err.Error(), "not enough image data"):
		kind = ErrTruncated
	case errors.As(err, &jpegUnsupported), errors.As(err, &pngUnsupported):
		kind = ErrUnsupported
	}
	return fmt.Errorf("%w: %s: %v", kind, h.format, err)
}
