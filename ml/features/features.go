// Package features computes hand-made forensic statistics of a picture as an ONNX
// graph: an encoder without weights, which a probe reads like any other, alone or
// beside trained ones.
//
//	e, err := features.Encoder(256)
//	emb, err := e.Embed(encoder.EmbedOptions{Taps: []string{"all"}, Side: 256})
//
// The taps are families of statistics:
//
//	wavelet       moments of three levels of Haar wavelets (Lyu and Farid 2005)
//	median        moments of the residual to the local median
//	correlation   how residuals go with their neighbours and other colours (Popescu and Farid 2005)
//	spectrum      energy and peaks by spatial frequency (Durall et al. 2020)
//	grid          steps between neighbours by their place in blocks of eight (Fan and de Queiroz 2003)
//	quantisation  size of the 64 block DCT coefficients, and how many are nothing
//	noise         how evenly noise is spread, and how it goes with brightness
//
// Sizes enter as logarithms. Planes are luma and two colour differences, in
// levels of 0 to 255.
package features

import (
	"fmt"
	"math"

	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// Name is the encoder's name, for the flags that name encoders.
const Name = "forensic"

// planes is luma and two colour differences.
const planes = 3

// Encoder builds the statistics for pictures of a side, a multiple of 32 from 64
// on.
func Encoder(side int) (*encoder.Encoder, error) {
	if side < 64 || side%32 != 0 || side > 1024 {
		return nil, fmt.Errorf("%w: forensic statistics of %d pixels; try: 256, or another multiple of 32", encoder.ErrModel, side)
	}
	g := &graph{Builder: onnx.NewBuilder(Name), side: side, scalars: map[float32]string{}}
	x := g.Input("levels", "N", 3, side, side)
	p := g.conv(x, onnx.Tensor{Shape: []int{planes, 3, 1, 1}, Data: []float32{
		0.299, 0.587, 0.114, // luma
		1, -1, 0, // red - green
		0, -1, 1, // blue - green
	}}, 1, 1)
	luma := g.slice(p, 1, 0, 1)
	e := &encoder.Encoder{
		Name: Name, Title: "forensic statistics", Source: "computed", Licence: "MIT",
		Input: "levels", Side: side, Std: [3]float32{1.0 / 255, 1.0 / 255, 1.0 / 255},
	}
	for _, family := range []struct {
		name  string
		build func() ([]string, int)
	}{
		{"wavelet", func() ([]string, int) { return g.wavelet(p) }},
		{"median", func() ([]string, int) { return g.median(p) }},
		{"correlation", func() ([]string, int) { return g.correlation(p) }},
		{"spectrum", func() ([]string, int) { return g.spectrum(luma) }},
		{"grid", func() ([]string, int) { return g.grid(luma) }},
		{"quantisation", func() ([]string, int) { return g.quantisation(luma) }},
		{"noise", func() ([]string, int) { return g.noise(p, luma) }},
	} {
		parts, width := family.build()
		out := g.Node("Concat", parts, onnx.IntAttr("axis", 1))
		g.Output(out, "N", width)
		e.Taps = append(e.Taps, encoder.Tap{Name: family.name, Tensor: out, Kind: encoder.Vector, Width: width})
	}
	var err error
	if e.Model, err = g.Model(); err != nil {
		return nil, err
	}
	return e, encoder.Raise(e.Model)
}

// graph is a builder with the arithmetic that statistics need.
type graph struct {
	*onnx.Builder
	side    int
	stored  int
	scalars map[float32]string
}

func (g *graph) constant(t onnx.Tensor) string {
	g.stored++
	return g.Constant(fmt.Sprintf("constant_%d", g.stored), t)
}

func (g *graph) scalar(v float32) string {
	if g.scalars[v] == "" {
		g.scalars[v] = g.constant(onnx.Tensor{Shape: []int{1}, Data: []float32{v}})
	}
	return g.scalars[v]
}

func (g *graph) conv(x string, kernel onnx.Tensor, stride, groups int) string {
	k, s := int64(kernel.Shape[2]), int64(stride)
	return g.Node("Conv", []string{x, g.constant(kernel)}, onnx.IntsAttr("kernel_shape", k, int64(kernel.Shape[3])),
		onnx.IntsAttr("strides", s, s), onnx.IntAttr("group", int64(groups)))
}

func (g *graph) slice(x string, axis, from, to int64) string {
	return g.Node("Slice", []string{x, g.Ints(from), g.Ints(to), g.Ints(axis)})
}

func (g *graph) op(name string, x ...string) string { return g.Node(name, x) }

// log gives log(x + epsilon): 0.01 levels is what rounding leaves.
func (g *graph) log(x string) string { return g.op("Log", g.op("Add", x, g.scalar(0.01))) }

// mean averages over the axes and drops them.
func (g *graph) mean(x string, axes ...int64) string {
	return g.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", axes...), onnx.IntAttr("keepdims", 0))
}

// centred is x less its mean over space.
func (g *graph) centred(x string) string {
	return g.op("Sub", x, g.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", 2, 3), onnx.IntAttr("keepdims", 1)))
}

// moments gives, of [N, C, H, W], three of [N, C]: the logarithms of the mean size,
// of the standard deviation, and of the kurtosis.
func (g *graph) moments(x string) []string {
	d := g.centred(x)
	squares := g.op("Mul", d, d)
	variance := g.mean(squares, 2, 3)
	fourth := g.mean(g.op("Mul", squares, squares), 2, 3)
	floor := g.op("Add", variance, g.scalar(0.01))
	return []string{
		g.log(g.mean(g.op("Abs", x), 2, 3)),
		g.log(g.op("Sqrt", variance)),
		g.log(g.op("Div", fourth, g.op("Mul", floor, floor))),
	}
}

// wavelet takes three levels of Haar's: moments of the three detail bands of each
// plane.
func (g *graph) wavelet(p string) ([]string, int) {
	bands := [4][4]float32{{1, 1, 1, 1}, {1, -1, 1, -1}, {1, 1, -1, -1}, {1, -1, -1, 1}}
	kernel := func(from, to int) onnx.Tensor {
		t := onnx.NewTensor(planes*(to-from), 1, 2, 2)
		for i := range t.Data {
			t.Data[i] = bands[from+i/4%(to-from)][i%4] / 2
		}
		return t
	}
	var parts []string
	const levels = 3
	for level := range levels {
		parts = append(parts, g.moments(g.conv(p, kernel(1, 4), 2, planes))...)
		if level < levels-1 {
			p = g.conv(p, kernel(0, 1), 2, planes)
		}
	}
	return parts, levels * 3 * 3 * planes
}

// shifted is x without its border of two, moved by dy and dx, at most 2 each.
func (g *graph) shifted(x string, side, dy, dx int64) string {
	n := side - 4
	return g.Node("Slice", []string{x, g.Ints(2+dy, 2+dx), g.Ints(2+dy+n, 2+dx+n), g.Ints(2, 3)})
}

// median takes the residual to the median of three across and then of three down.
func (g *graph) median(p string) ([]string, int) {
	middle := func(a, b, c string) string {
		return g.op("Max", g.op("Min", a, b), g.op("Min", g.op("Max", a, b), c))
	}
	n := int64(g.side)
	across := middle(g.slice(p, 3, 0, n-2), g.slice(p, 3, 1, n-1), g.slice(p, 3, 2, n))
	both := middle(g.slice(across, 2, 0, n-2), g.slice(across, 2, 1, n-1), g.slice(across, 2, 2, n))
	inner := g.Node("Slice", []string{p, g.Ints(1, 1), g.Ints(n-1, n-1), g.Ints(2, 3)})
	return g.moments(g.op("Sub", inner, both)), 3 * planes
}

// correlation takes the residual to the four neighbours' mean, and how it goes with
// itself some pixels on, and with the other planes at the same pixel.
func (g *graph) correlation(p string) ([]string, int) {
	kernel := onnx.NewTensor(planes, 1, 3, 3)
	for c := range planes {
		copy(kernel.Data[9*c:], []float32{0.25, -0.5, 0.25, -0.5, 1, -0.5, 0.25, -0.5, 0.25})
	}
	r, side := g.conv(p, kernel, 1, planes), int64(g.side-2)
	d := g.centred(r)
	here := g.shifted(d, side, 0, 0)
	variance := g.op("Add", g.mean(g.op("Mul", here, here), 2, 3), g.scalar(0.01))
	shifts := [][2]int64{{0, 1}, {1, 0}, {1, 1}, {1, -1}, {0, 2}, {2, 0}, {2, 2}}
	var parts []string
	for _, s := range shifts {
		parts = append(parts, g.op("Div", g.mean(g.op("Mul", here, g.shifted(d, side, s[0], s[1])), 2, 3), variance))
	}
	deviation := g.op("Sqrt", variance)
	for i := range int64(planes) {
		for j := range i {
			product := g.mean(g.op("Mul", g.slice(here, 1, i, i+1), g.slice(here, 1, j, j+1)), 2, 3)
			size := g.op("Mul", g.slice(deviation, 1, i, i+1), g.slice(deviation, 1, j, j+1))
			parts = append(parts, g.op("Div", product, size))
		}
	}
	return parts, len(shifts)*planes + 3
}

// cosines is the orthonormal DCT-II matrix [n, n].
func cosines(n int) onnx.Tensor {
	t := onnx.NewTensor(n, n)
	for k := range n {
		scale := math.Sqrt(2 / float64(n))
		if k == 0 {
			scale = math.Sqrt(1 / float64(n))
		}
		for i := range n {
			t.Data[k*n+i] = float32(scale * math.Cos(math.Pi*(float64(i)+0.5)*float64(k)/float64(n)))
		}
	}
	return t
}

// spectrum takes the cosine transform of the whole picture, its energy in 16 x 16
// cells, and the means of their logarithms over rings of equal frequency; and how
// far the greatest coefficient of a cell stands out of it, likewise.
func (g *graph) spectrum(luma string) ([]string, int) {
	const cells, rings = 16, 20
	basis := cosines(g.side)
	transposed := onnx.NewTensor(g.side, g.side)
	for i := range g.side {
		for j := range g.side {
			transposed.Data[j*g.side+i] = basis.Data[i*g.side+j]
		}
	}
	t := g.op("MatMul", g.op("MatMul", g.constant(basis), luma), g.constant(transposed))
	power := g.op("Mul", t, t)
	k := int64(g.side / cells)
	pool := func(op, x string) string {
		return g.Node(op, []string{x}, onnx.IntsAttr("kernel_shape", k, k), onnx.IntsAttr("strides", k, k))
	}
	energy, peak := g.log(pool("AveragePool", power)), g.log(pool("MaxPool", power))
	member := onnx.NewTensor(cells*cells, rings)
	var count [rings]float32
	ring := func(i int) int {
		y, x := float64(i/cells)+0.5, float64(i%cells)+0.5
		return min(int(math.Hypot(y, x)*rings/(cells*math.Sqrt2)), rings-1)
	}
	for i := range cells * cells {
		count[ring(i)]++
	}
	for i := range cells * cells {
		member.Data[i*rings+ring(i)] = 1 / count[ring(i)]
	}
	m := g.constant(member)
	var parts []string
	for _, x := range []string{energy, g.op("Sub", peak, energy)} {
		flat := g.Node("Flatten", []string{x}, onnx.IntAttr("axis", 1))
		parts = append(parts, g.op("MatMul", flat, m))
	}
	return parts, 2 * rings
}

// grid takes the mean step between neighbours for each of the eight places of a
// block, relative to the mean of all: its greatest, least and spread. A picture that
// was compressed stands out at the place of the block's edges, wherever it was
// cropped.
func (g *graph) grid(luma string) ([]string, int) {
	n := int64(g.side)
	var parts []string
	for axis := int64(2); axis <= 3; axis++ {
		// The last step of the last block is left out with its block.
		steps := g.op("Abs", g.op("Sub", g.slice(luma, axis, 1, n-7), g.slice(luma, axis, 0, n-8)))
		line := g.mean(steps, 1, 5-axis) // [N, side-8]
		byPlace := g.mean(g.Node("Reshape", []string{line, g.Ints(0, n/8-1, 8)}), 1)
		logs := g.log(byPlace)
		relative := g.op("Sub", logs, g.Node("ReduceMean", []string{logs}, onnx.IntsAttr("axes", 1), onnx.IntAttr("keepdims", 1)))
		over := func(op, x string) string {
			return g.Node(op, []string{x}, onnx.IntsAttr("axes", 1), onnx.IntAttr("keepdims", 1))
		}
		parts = append(parts, over("ReduceMax", relative), over("ReduceMin", relative),
			g.op("Sqrt", over("ReduceMean", g.op("Mul", relative, relative))))
	}
	return parts, 6
}

// quantisation takes the block DCT on the grid of the picture's corner: mean size
// of each coefficient but the first, and how many lie within half a level of
// zero, which is where a coarse table puts them.
func (g *graph) quantisation(luma string) ([]string, int) {
	basis, kernel := cosines(8), onnx.NewTensor(63, 1, 8, 8)
	for f := range 63 {
		u, v := (f+1)/8, (f+1)%8
		for i := range 64 {
			kernel.Data[f*64+i] = basis.Data[u*8+i/8] * basis.Data[v*8+i%8]
		}
	}
	size := g.op("Abs", g.conv(luma, kernel, 8, 1))
	near := g.Node("Clip", []string{g.op("Sub", g.scalar(1), size), g.zero(), ""})
	return []string{g.log(g.mean(size, 2, 3)), g.mean(near, 2, 3)}, 2 * 63
}

func (g *graph) zero() string {
	return g.constant(onnx.Tensor{Shape: []int{}, Data: []float32{0}})
}

// noise takes the residual's deviation in blocks of 16 pixels: mean, spread and
// extremes of its logarithm over the blocks of each plane, and how the luma's goes
// with the blocks' brightness.
func (g *graph) noise(p, luma string) ([]string, int) {
	kernel := onnx.NewTensor(planes, 1, 3, 3)
	for c := range planes {
		copy(kernel.Data[9*c:], []float32{0.25, -0.5, 0.25, -0.5, 1, -0.5, 0.25, -0.5, 0.25})
	}
	r := g.conv(p, kernel, 1, planes)
	pool := func(x string) string {
		return g.Node("AveragePool", []string{x}, onnx.IntsAttr("kernel_shape", 16, 16), onnx.IntsAttr("strides", 16, 16))
	}
	level := g.log(g.op("Sqrt", pool(g.op("Mul", r, r))))
	d := g.centred(level)
	variance := g.mean(g.op("Mul", d, d), 2, 3)
	extreme := func(op string) string {
		return g.Node(op, []string{level}, onnx.IntsAttr("axes", 2, 3), onnx.IntAttr("keepdims", 0))
	}
	n := int64(g.side - 2)
	light := g.centred(pool(g.Node("Slice", []string{luma, g.Ints(1, 1), g.Ints(1+n, 1+n), g.Ints(2, 3)})))
	first := g.slice(d, 1, 0, 1)
	product := g.mean(g.op("Mul", first, light), 2, 3)
	size := g.op("Mul", g.mean(g.op("Mul", light, light), 2, 3), g.slice(variance, 1, 0, 1))
	return []string{
		g.mean(level, 2, 3), g.op("Sqrt", variance), extreme("ReduceMax"), extreme("ReduceMin"),
		g.op("Div", product, g.op("Sqrt", g.op("Add", size, g.scalar(0.01)))),
	}, 4*planes + 1
}
