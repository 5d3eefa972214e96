package decode

import (
	"image"
	"image/color"
)

// toRGBA converts a decoded picture, row by row, and turns it upright.
func toRGBA(native image.Image, info Info) *image.RGBA {
	// Four bytes a pixel are made opaque where they lie.
	if info.Orientation == 1 && native.Bounds().Min == (image.Point{}) {
		switch m := native.(type) {
		case *image.RGBA:
			if m.Stride == 4*m.Rect.Dx() {
				makeOpaque(m.Pix)
				return m
			}
		case *image.NRGBA:
			if m.Stride == 4*m.Rect.Dx() {
				makeOpaque(m.Pix)
				return &image.RGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}
			}
		}
	}
	b := native.Bounds()
	w, h := b.Dx(), b.Dy()
	convert := rowConverter(native, info.Format == "webp", 0, w)
	dw, dh := w, h
	if info.Orientation >= 5 {
		dw, dh = h, w
	}
	dst := image.NewRGBA(image.Rect(0, 0, dw, dh))
	if info.Orientation == 1 {
		for y := range h {
			convert(y, dst.Pix[y*dst.Stride:y*dst.Stride+4*w])
		}
		return dst
	}
	row := make([]byte, 4*w)
	for y := range h {
		convert(y, row)
		at, step := placement(info.Orientation, y, w, h, dst.Stride)
		for x := 0; x < len(row); x += 4 {
			*(*[4]byte)(dst.Pix[at:]) = *(*[4]byte)(row[x:])
			at += step
		}
	}
	return dst
}

// placement says where in the upright picture row y of the stored one goes: the
// offset of its first pixel and the step to the next, in bytes. w and h are of
// the stored picture; stride is the upright one's.
func placement(orientation, y, w, h, stride int) (at, step int) {
	switch orientation {
	case 2: // mirrored left to right
		return y*stride + 4*(w-1), -4
	case 3: // half a turn
		return (h-1-y)*stride + 4*(w-1), -4
	case 4: // mirrored top to bottom
		return (h - 1 - y) * stride, 4
	case 5: // transposed
		return 4 * y, stride
	case 6: // to be turned right
		return 4 * (h - 1 - y), stride
	case 7: // transposed along the other diagonal
		return 4*(h-1-y) + (w-1)*stride, -stride
	case 8: // to be turned left
		return 4*y + (w-1)*stride, -stride
	default:
		return y * stride, 4
	}
}

func makeOpaque(pix []byte) {
	for i := 3; i < len(pix); i += 4 {
		pix[i] = 255
	}
}

// Rows returns a function that writes columns x0 to x1 (not included) of row y
// of a picture from DecodeNative to dst, as opaque RGBA: 4*(x1-x0) bytes, the
// same that Decode gives there. The function is not safe for concurrent use.
func Rows(native image.Image, x0, x1 int) func(y int, dst []byte) {
	return rowConverter(native, false, x0, x1)
}

// rowConverter is Rows for whatever the decoders make.
func rowConverter(native image.Image, studioRange bool, x0, x1 int) func(y int, dst []byte) {
	b := native.Bounds()
	switch m := native.(type) {
	case *image.YCbCr:
		return ycbcrRows(m, studioRange, x0, x1)
	case *image.NYCbCrA:
		return ycbcrRows(&m.YCbCr, studioRange, x0, x1)
	case *image.Gray:
		return func(y int, dst []byte) {
			src := m.Pix[y*m.Stride+x0:]
			for x := 0; 4*x < len(dst); x++ {
				v := src[x]
				*(*[4]byte)(dst[4*x:]) = [4]byte{v, v, v, 255}
			}
		}
	case *image.Gray16:
		return func(y int, dst []byte) {
			src := m.Pix[y*m.Stride+2*x0:]
			for x := 0; 4*x < len(dst); x++ {
				v := src[2*x]
				*(*[4]byte)(dst[4*x:]) = [4]byte{v, v, v, 255}
			}
		}
	case *image.RGBA:
		return pixelRows(m.Pix[4*x0:], m.Stride, 1)
	case *image.NRGBA:
		return pixelRows(m.Pix[4*x0:], m.Stride, 1)
	case *image.RGBA64:
		return pixelRows(m.Pix[8*x0:], m.Stride, 2)
	case *image.NRGBA64:
		return pixelRows(m.Pix[8*x0:], m.Stride, 2)
	case *image.Paletted:
		var table [256][4]byte
		for i := range table {
			table[i][3] = 255
			if i < len(m.Palette) {
				c := color.NRGBAModel.Convert(m.Palette[i]).(color.NRGBA)
				if straight, ok := m.Palette[i].(color.NRGBA); ok {
					c = straight // keeps the colour of a transparent entry
				}
				table[i] = [4]byte{c.R, c.G, c.B, 255}
			}
		}
		return func(y int, dst []byte) {
			src := m.Pix[y*m.Stride+x0:]
			for x := 0; 4*x < len(dst); x++ {
				*(*[4]byte)(dst[4*x:]) = table[src[x]]
			}
		}
	case *image.CMYK:
		return func(y int, dst []byte) {
			src := m.Pix[y*m.Stride+4*x0:]
			for i := 0; i < len(dst); i += 4 {
				c, mg, ye, k := uint32(src[i]), uint32(src[i+1]), uint32(src[i+2]), 255-uint32(src[i+3])
				*(*[4]byte)(dst[i:]) = [4]byte{
					uint8(((255-c)*k + 127) / 255), uint8(((255-mg)*k + 127) / 255), uint8(((255-ye)*k + 127) / 255), 255,
				}
			}
		}
	default:
		// No decoder gets here; a new type would be slow, not wrong.
		return func(y int, dst []byte) {
			for x := 0; 4*x < len(dst); x++ {
				c := color.NRGBAModel.Convert(native.At(b.Min.X+x0+x, b.Min.Y+y)).(color.NRGBA)
				*(*[4]byte)(dst[4*x:]) = [4]byte{c.R, c.G, c.B, 255}
			}
		}
	}
}

// pixelRows reads four samples a pixel, each of size bytes, the upper first.
func pixelRows(pix []byte, stride, size int) func(y int, dst []byte) {
	return func(y int, dst []byte) {
		src := pix[y*stride:]
		for i := 0; i < len(dst); i += 4 {
			s := src[i*size:]
			*(*[4]byte)(dst[i:]) = [4]byte{s[0], s[size], s[2*size], 255}
		}
	}
}
