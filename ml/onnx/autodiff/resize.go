package autodiff

import "github.com/maxmos001/bitmind-subnet/ml/onnx"

// Modes of Resize.
const (
	Nearest = "nearest" // pixel i comes from floor(i * old / new)
	Linear  = "linear"  // pixel centres are aligned, as in PyTorch with align_corners=False
)

// ResizeOptions name the new size in pixels.
type ResizeOptions struct {
	Height, Width int
	Mode          string // Nearest or Linear; "" is Nearest
}

// Resize scales x [N, C, H, W]. Both modes are a product with one matrix an axis,
// which is how the gradient is computed; without smoothing where it shrinks.
func (g *Graph) Resize(x *Value, o ResizeOptions) *Value {
	if o.Mode == "" {
		o.Mode = Nearest
	}
	if len(x.shape) != 4 || x.shape[2] < 1 || x.shape[3] < 1 || o.Height < 1 || o.Width < 1 || (o.Mode != Nearest && o.Mode != Linear) {
		g.failf("resizing %v to %d by %d, %s", x.shape, o.Height, o.Width, o.Mode)
		return x
	}
	attrs := []onnx.Attribute{onnx.StringAttr("mode", o.Mode)}
	if o.Mode == Nearest {
		attrs = append(attrs, onnx.StringAttr("coordinate_transformation_mode", "asymmetric"), onnx.StringAttr("nearest_mode", "floor"))
	} else {
		attrs = append(attrs, onnx.StringAttr("coordinate_transformation_mode", "half_pixel"))
	}
	size := []int{x.shape[0], x.shape[1], o.Height, o.Width}
	inputs := []string{x.name, "", ""}
	if x.shape[0] >= 0 {
		inputs = append(inputs, g.ints(size...))
	} else { // a dynamic batch: by factors, which are float32 whatever the graph's type
		factors := onnx.Tensor{Shape: []int{4}, Data: []float32{1, 1,
			float32(o.Height) / float32(x.shape[2]), float32(o.Width) / float32(x.shape[3])}}
		inputs[2] = g.Constant(factors).name
		g.consts[inputs[2]] = (&Graph{}).tensor(inputs[2], factors)
	}
	y := g.op("Resize", inputs, size, attrs...)
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		h, w := x.shape[2], x.shape[3]
		if kh, kw := o.Height/h, o.Width/w; o.Mode == Nearest && kh*h == o.Height && kw*w == o.Width {
			// Each pixel was repeated: sum the copies.
			apart := g.Reshape(dy, x.shape[0]*x.shape[1], h, kh, w, kw)
			return []*Value{g.Reshape(g.ReduceSum(apart, ReduceOptions{Axes: []int{2, 4}}), x.shape...)}
		}
		rows, columns := g.Constant(scaling(h, o.Height, o.Mode)), g.Constant(scaling(w, o.Width, o.Mode))
		return []*Value{g.MatMul(g.Transpose(rows, 1, 0), g.MatMul(dy, columns))}
	})
}

// scaling is the matrix [to, from] that resizes one axis.
func scaling(from, to int, mode string) onnx.Tensor {
	m := onnx.NewTensor(to, from)
	for i := range to {
		if mode == Nearest {
			m.Data[i*from+min(i*from/to, from-1)] = 1
			continue
		}
		at := min(max((float64(i)+0.5)*float64(from)/float64(to)-0.5, 0), float64(from-1))
		low := int(at)
		part := at - float64(low)
		m.Data[i*from+low] += float32(1 - part)
		m.Data[i*from+min(low+1, from-1)] += float32(part)
	}
	return m
}
