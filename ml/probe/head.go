package probe

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// Kinds of heads.
const (
	Logistic = "logistic" // one weight for each feature
	MLP      = "mlp"      // one hidden layer
)

// head gives logits from standardised features.
type head interface {
	logits(x *matrix) []float64
	// appendTo adds the head to a graph: from features [N, D] to outputName [N, 1].
	appendTo(g *appender, features string)
}

// fitHead trains a head of the chosen kind; before, where not nil, is that of a
// stronger regularisation.
func (t *trainer) fitHead(ctx context.Context, x *matrix, samples []sample, l2 float64, before head) (head, error) {
	switch t.opts.Head {
	case Logistic:
		var start []float64
		if b, ok := before.(*linear); ok {
			start = b.theta
		}
		theta, err := fit(ctx, x, samples, l2, start)
		if err != nil {
			return nil, err
		}
		return &linear{theta}, nil
	case MLP:
		return fitMLP(ctx, x, samples, l2, t.opts.Hidden, t.opts.Epochs, t.opts.Seed)
	}
	return nil, fmt.Errorf("a head %q; try: %s or %s", t.opts.Head, Logistic, MLP)
}

// linear is the logistic head: a weight for each feature, and the bias.
type linear struct{ theta []float64 }

func (h *linear) logits(x *matrix) []float64 {
	beta := make([]float32, x.cols)
	for i := range beta {
		beta[i] = float32(h.theta[i])
	}
	return x.product(beta, h.theta[x.cols])
}

func (h *linear) appendTo(g *appender, features string) {
	n := len(h.theta) - 1
	w := onnx.NewTensor(n, 1)
	for i := range n {
		w.Data[i] = float32(h.theta[i])
	}
	x := g.node("MatMul", "head/product", features, g.store("head/weights", w))
	g.node("Add", outputName, x, g.store("head/bias", onnx.Tensor{Shape: []int{1}, Data: []float32{float32(h.theta[n])}}))
}

// appender adds nodes behind a finished graph.
type appender struct{ *onnxpb.GraphProto }

func (g *appender) store(name string, t onnx.Tensor) string {
	g.Initializer = append(g.Initializer, t.Proto(name))
	return name
}

func (g *appender) node(op, output string, inputs ...string) string {
	g.Node = append(g.Node, onnx.NewNode(op, inputs, output))
	return output
}

// output declares outputName [N, 1] as the graph's only output.
func (g *appender) output() {
	out := g.Output[0]
	out.Name = proto.String(outputName)
	dims := out.GetType().GetTensorType().GetShape().GetDim()
	dims[1].Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 1}
	g.Output = g.Output[:1]
}
