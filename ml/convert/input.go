package convert

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// defaultSize is the side of a picture where neither graph nor caller name one.
const defaultSize = 224

// takeInput makes the graph's input float32 [N, 3, height, width].
func (c *converter) takeInput(context.Context) error {
	stored := map[string]bool{}
	for _, t := range c.Graph.GetInitializer() {
		stored[t.GetName()] = true
	}
	// Files of IR version 3 list the weights as well.
	c.Graph.Input = slices.DeleteFunc(c.Graph.Input, func(v *onnxpb.ValueInfoProto) bool { return stored[v.GetName()] })
	c.Model.IrVersion = proto.Int64(max(c.Model.GetIrVersion(), 4))
	switch ports := c.Graph.GetInput(); len(ports) {
	case 1:
	case 0:
		return refuse("it has no input; try: export it with the picture as its input")
	default:
		return refuse("it has %d inputs (%s), a detector has one picture; try: export it with the others fixed", len(ports), list(ports))
	}
	in := c.Graph.Input[0]
	port := onnx.PortOf(in)
	dims := port.Dims
	if dims == nil {
		dims = []int64{-1, 3, -1, -1}
		c.note("the input states no shape; taken as [N, 3, height, width]")
	}
	if len(dims) != 4 {
		return refuse("its input is %s, a picture has four axes: [N, 3, height, width]; try: export it with a batch axis in front", port)
	}
	if dims[0] > 1 {
		return refuse("its input is %s, for %d pictures at a time; try: export it with a dynamic first axis, or 1", port, dims[0])
	}
	c.fixedBatch = dims[0] == 1
	channelsLast, err := layout(port, dims)
	if err != nil {
		return err
	}
	height, width := dims[2], dims[3]
	if channelsLast {
		height, width = dims[1], dims[2]
	}
	if err := c.size(height, width); err != nil {
		return err
	}
	return c.rewire(in, port, channelsLast)
}

// layout says whether the channels are the last axis.
func layout(port onnx.Port, dims []int64) (channelsLast bool, err error) {
	switch {
	case dims[1] == 3:
		return false, nil
	case dims[3] == 3:
		return true, nil
	case dims[1] == 1 || dims[3] == 1:
		return false, refuse("its input is %s, grey pictures; a detector sees red, green and blue; try: export it with three channels", port)
	case dims[1] == -1:
		return false, nil // the trial tells
	}
	return false, refuse("its input is %s, which has no axis of 3 channels; try: export it as [N, 3, height, width]", port)
}

// size settles the side of the pictures.
func (c *converter) size(height, width int64) error {
	wanted := int64(c.opts.Size)
	for _, side := range []*int64{&height, &width} {
		switch {
		case *side > 0 && wanted > 0 && *side != wanted:
			return refuse("its input is fixed at %d x %d pixels, not %d; try: without a size", width, height, wanted)
		case *side == 0 || *side > maxSide:
			return refuse("its input would be %d x %d pixels; try: sides from 1 to %d", width, height, maxSide)
		}
	}
	if height < 0 && width < 0 && wanted == 0 && c.described != nil {
		c.width, c.height = c.described.Preprocess.Size()
		return nil
	}
	if height < 0 && width < 0 && wanted == 0 {
		c.note("the graph takes pictures of any size; they are given at %d x %d", defaultSize, defaultSize)
		wanted = defaultSize
	}
	pick := func(side, other int64) int {
		switch {
		case side > 0:
			return int(side)
		case wanted > 0:
			return int(wanted)
		}
		return int(other)
	}
	c.width, c.height = pick(width, height), pick(height, width)
	return nil
}

// maxSide is the greatest side that a detector's description allows.
const maxSide = 4096

// rewire puts a new input in front of the old one, which becomes an inner value
// under its old name.
func (c *converter) rewire(in *onnxpb.ValueInfoProto, port onnx.Port, channelsLast bool) error {
	old := in.GetName()
	var chain []*onnxpb.NodeProto
	c.input = old
	value := c.Fresh("picture")
	first := value
	step := func(make func(from, to string) *onnxpb.NodeProto) {
		to := c.Fresh(value + "_")
		chain = append(chain, make(value, to))
		value = to
	}
	switch kind := onnxpb.TensorProto_DataType(in.GetType().GetTensorType().GetElemType()); kind {
	case onnxpb.TensorProto_FLOAT:
	case onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_DOUBLE, onnxpb.TensorProto_BFLOAT16:
		c.note("the input is cast from float32 to the graph's %s", port.Type)
		step(func(from, to string) *onnxpb.NodeProto { return onnx.NewCast(from, to, kind) })
	case onnxpb.TensorProto_UINT8:
		if c.opts.Mean != nil || c.opts.Std != nil {
			return refuse("its input is %s, bytes as they are; try: without mean and std", port)
		}
		c.bytes = true
		c.note("the graph takes bytes: values from 0 to 1 are scaled back, and mean and std left out")
		scale, half := c.Fresh("byte_scale"), c.Fresh("byte_half")
		c.Store(onnx.Tensor{Shape: []int{1}, Data: []float32{255}}.Proto(scale))
		c.Store(onnx.Tensor{Shape: []int{1}, Data: []float32{0.5}}.Proto(half))
		step(func(from, to string) *onnxpb.NodeProto { return onnx.NewNode("Mul", []string{from, scale}, to) })
		step(func(from, to string) *onnxpb.NodeProto { return onnx.NewNode("Add", []string{from, half}, to) })
		step(func(from, to string) *onnxpb.NodeProto { return onnx.NewNode("Floor", []string{from}, to) })
		step(func(from, to string) *onnxpb.NodeProto { return onnx.NewCast(from, to, kind) })
	default:
		return refuse("its input is %s; a picture is float32, float16, float64 or uint8; try: export it with one of these", port)
	}
	if channelsLast {
		c.note("the graph has the channels last ([N, height, width, 3]); a Transpose is put before it")
		step(func(from, to string) *onnxpb.NodeProto {
			return onnx.NewNode("Transpose", []string{from}, to, onnx.IntsAttr("perm", 0, 2, 3, 1))
		})
	}
	if len(chain) > 0 {
		chain[len(chain)-1].Output[0] = old
		c.input = first
		c.Prepend(chain...)
	}
	c.declareInput()
	return nil
}

// declareInput states the input's form.
func (c *converter) declareInput() {
	batch := int64(-1)
	if c.fixedBatch {
		batch = 1
	}
	c.Graph.Input = []*onnxpb.ValueInfoProto{onnx.FloatValue(c.input, batch, 3, int64(c.height), int64(c.width))}
}

func list(ports []*onnxpb.ValueInfoProto) string {
	var all []string
	for i, p := range ports {
		if i == 6 {
			all = append(all, fmt.Sprintf("and %d more", len(ports)-i))
			break
		}
		all = append(all, onnx.PortOf(p).String())
	}
	return strings.Join(all, ", ")
}
