package transform

import "math"

// rotate writes the square RGB picture src, turned counter-clockwise about its
// centre by angle degrees, to dst as RGBA. Each pixel is the nearest one of src,
// or black where that is outside: PIL's default, in its 16-bit fixed point.
func rotate(dst, src []byte, size int, angle float64) {
	// PIL turns by the angle modulo a full turn and rounds the sine and cosine
	// to 15 decimals, which makes quarter turns exact.
	rad := -math.Mod(math.Mod(angle, 360)+360, 360) * math.Pi / 180
	const decimals = 1e15
	cos, sin := math.RoundToEven(math.Cos(rad)*decimals)/decimals, math.RoundToEven(math.Sin(rad)*decimals)/decimals
	c := float64(size) / 2
	fix := func(v float64) int { return int(math.Floor(v*65536 + 0.5)) }
	offX := -cos*c - sin*c + c
	offY := sin*c - cos*c + c
	stepX, stepY := fix(cos), fix(-sin) // of the source, for one pixel to the right
	rowX, rowY := fix(offX+cos*0.5+sin*0.5), fix(offY-sin*0.5+cos*0.5)
	downX, downY := fix(sin), fix(cos)

	for y := range size {
		fx, fy := rowX, rowY
		out := dst[4*size*y : 4*size*(y+1)]
		for i := 0; i < len(out); i += 4 {
			x, y := fx>>16, fy>>16
			if uint(x) < uint(size) && uint(y) < uint(size) {
				s := src[3*(y*size+x):]
				*(*[4]byte)(out[i:]) = [4]byte{s[0], s[1], s[2], 255}
			} else {
				*(*[4]byte)(out[i:]) = [4]byte{0, 0, 0, 255}
			}
			fx += stepX
			fy += stepY
		}
		rowX += downX
		rowY += downY
	}
}
