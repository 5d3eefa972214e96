package fastjpeg

import (
	"image"
	"image/color"
	"image/jpeg"
)

// picture makes the picture of what was read.
func (r *reduction) picture() (image.Image, error) {
	for i := range r.parts {
		p := &r.parts[i]
		if r.progressive {
			if !r.hasQuant[p.quant] {
				return nil, jpeg.FormatError("no quantisation table")
			}
			r.transform(p)
		}
	}
	bounds := image.Rect(0, 0, ceil(r.width, r.factor), ceil(r.height, r.factor))
	p := r.parts
	switch {
	case len(p) == 1:
		return &image.Gray{Pix: p[0].pix, Stride: p[0].stride, Rect: bounds}, nil
	case len(p) == 4:
		return r.cmyk(bounds)
	case r.isRGB():
		img := image.NewRGBA(bounds)
		for c := range p {
			r.spread(&p[c], img.Pix[c:], img.Stride, 4, bounds)
		}
		for i := 3; i < len(img.Pix); i += 4 {
			img.Pix[i] = 255
		}
		return img, nil
	}
	return r.ycbcr(bounds), nil
}

// isRGB is image/jpeg's rule.
func (r *reduction) isRGB() bool {
	if r.jfif {
		return false
	}
	return r.adobe == 0 || r.parts[0].id == 'R' && r.parts[1].id == 'G' && r.parts[2].id == 'B'
}

// transform makes a progressive component's samples, and gives up its
// coefficients.
func (r *reduction) transform(p *part) {
	p.history = nil
	p.pix = make([]byte, p.stride*p.rows*r.side)
	q, side := &r.quant[p.quant], r.side
	var low [16]int32 // the table for the coefficients that are kept
	for v := range side {
		for u := range side {
			low[v*side+u] = q[zigzagOf[8*v+u]]
		}
	}
	size := side * side
	for row := range p.usedRows {
		for col := range p.usedCols {
			c := p.coeffs[(row*p.cols+col)*size:][:size]
			dst := p.pix[row*side*p.stride+col*side:]
			switch side {
			case 1:
				dst[0] = one(int32(c[0]) * low[0])
			case 2:
				inverse2(int32(c[0])*low[0], int32(c[1])*low[1], int32(c[2])*low[2], int32(c[3])*low[3], dst, p.stride)
			default:
				b := &r.block
				for v := range 4 {
					for u := range 4 {
						b[8*v+u] = int32(c[4*v+u]) * low[4*v+u]
					}
				}
				inverse4(b, dst, p.stride)
			}
		}
	}
	p.coeffs = nil
}

// ycbcr gives three components as they are stored, where image.YCbCr knows that
// form, and else with all at full size.
func (r *reduction) ycbcr(bounds image.Rectangle) image.Image {
	y, cb, cr := &r.parts[0], &r.parts[1], &r.parts[2]
	ratio, known := image.YCbCrSubsampleRatio444, false
	if cb.h == cr.h && cb.v == cr.v && y.h%cb.h == 0 && y.v%cb.v == 0 {
		ratio, known = map[[2]int]image.YCbCrSubsampleRatio{
			{1, 1}: image.YCbCrSubsampleRatio444, {1, 2}: image.YCbCrSubsampleRatio440,
			{2, 1}: image.YCbCrSubsampleRatio422, {2, 2}: image.YCbCrSubsampleRatio420,
			{4, 1}: image.YCbCrSubsampleRatio411, {4, 2}: image.YCbCrSubsampleRatio410,
		}[[2]int{y.h / cb.h, y.v / cb.v}]
	}
	if known {
		return &image.YCbCr{
			Y: y.pix, Cb: cb.pix, Cr: cr.pix, YStride: y.stride, CStride: cb.stride, SubsampleRatio: ratio, Rect: bounds,
		}
	}
	img := image.NewYCbCr(bounds, image.YCbCrSubsampleRatio444)
	r.spread(y, img.Y, img.YStride, 1, bounds)
	r.spread(cb, img.Cb, img.CStride, 1, bounds)
	r.spread(cr, img.Cr, img.CStride, 1, bounds)
	r.parts = nil
	return img
}

// cmyk makes a picture of four components, inverted as Adobe's marker tells, by
// image/jpeg's rules.
func (r *reduction) cmyk(bounds image.Rectangle) (image.Image, error) {
	if r.adobe < 0 {
		return nil, jpeg.UnsupportedError("unknown color model: 4-component JPEG doesn't have Adobe APP14 metadata")
	}
	img := image.NewCMYK(bounds)
	for c := range r.parts {
		r.spread(&r.parts[c], img.Pix[c:], img.Stride, 4, bounds)
		r.parts[c].pix = nil
	}
	for i := 0; i < len(img.Pix); i += 4 {
		p := img.Pix[i : i+4 : i+4]
		if r.adobe != 0 { // YCbCrK, whose colours are inverted twice
			p[0], p[1], p[2] = color.YCbCrToRGB(p[0], p[1], p[2])
		} else {
			p[0], p[1], p[2] = 255-p[0], 255-p[1], 255-p[2]
		}
		p[3] = 255 - p[3]
	}
	return img, nil
}

// spread writes a component to every step-th byte of rows, repeating samples where
// it is stored smaller than the picture.
func (r *reduction) spread(p *part, dst []byte, stride, step int, bounds image.Rectangle) {
	hMax, vMax := r.parts[0].h, r.parts[0].v
	for i := range r.parts {
		hMax, vMax = max(hMax, r.parts[i].h), max(vMax, r.parts[i].v)
	}
	for y := range bounds.Dy() {
		src := p.pix[y*p.v/vMax*p.stride:]
		row := dst[y*stride:]
		for x := range bounds.Dx() {
			row[x*step] = src[x*p.h/hMax]
		}
	}
}
