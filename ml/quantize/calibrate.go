package quantize

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// outliers is the part of the pictures whose extremes don't count, at either
// end: one odd picture must not coarsen all others.
const outliers = 0.02

// Calibrate runs the model on pictures, each the values of the model's one input
// in the given shape, and gives what its inner values lay between. Memory does
// not grow with their number: the extremes are computed within the graph.
func Calibrate(ctx context.Context, runtime *ort.Runtime, m *onnxpb.ModelProto, shape []int64, pictures iter.Seq[[]float32]) (Ranges, error) {
	watched := proto.Clone(m).(*onnxpb.ModelProto)
	e, err := edit(watched, minStaticOpset)
	if err != nil {
		return nil, err
	}
	names := observed(e)
	if len(names) == 0 {
		return Ranges{}, nil
	}
	watch(e, names)
	data, err := onnx.Marshal(watched)
	if err != nil {
		return nil, err
	}
	session, err := runtime.NewSession(data, ort.SessionOptions{})
	if err != nil {
		return nil, fmt.Errorf("calibrating: %w", err)
	}
	extremes := make([][]float32, 2*len(names)) // by value and end, one per picture
	for pixels := range pictures {
		result, runErr := extremesOf(ctx, session, shape, pixels)
		if runErr != nil {
			err = fmt.Errorf("calibrating: %w", runErr)
			break
		}
		for i, v := range result {
			extremes[i] = append(extremes[i], v)
		}
	}
	if err = errors.Join(err, session.Close()); err != nil {
		return nil, err
	}
	if len(extremes[0]) == 0 {
		return nil, errors.New("calibrating without pictures")
	}
	ranges := Ranges{}
	for i, name := range names {
		low, high := extremes[2*i], extremes[2*i+1]
		slices.Sort(low)
		slices.Sort(high)
		skip := int(outliers * float64(len(low)))
		ranges[name] = Range{low[skip], high[len(high)-1-skip]}
	}
	return ranges, nil
}

func extremesOf(ctx context.Context, session *ort.Session, shape []int64, pixels []float32) ([]float32, error) {
	in, err := ort.NewTensor(pixels, shape...)
	if err != nil {
		return nil, err
	}
	results, err := session.Evaluate(ctx, []ort.Value{in})
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, err
	}
	return results[0].Data, nil
}

// watch replaces the graph's outputs by one: the least and the greatest of each
// named value.
func watch(e *onnx.Editor, names []string) {
	one := e.Fresh("one_axis")
	e.Store(onnx.IntsTensor(one, 1))
	var all []string
	for _, name := range names {
		for _, op := range []string{"ReduceMin", "ReduceMax"} {
			scalar, vector := e.Fresh(name+"_"+op), e.Fresh(name+"_"+op)
			e.Append(onnx.NewNode(op, []string{name}, scalar, onnx.IntAttr("keepdims", 0)),
				onnx.NewNode("Reshape", []string{scalar, one}, vector))
			all = append(all, vector)
		}
	}
	out := e.Fresh("extremes")
	e.Append(onnx.NewNode("Concat", all, out, onnx.IntAttr("axis", 0)))
	e.Graph.Output = []*onnxpb.ValueInfoProto{onnx.FloatValue(out, int64(len(all)))}
}
