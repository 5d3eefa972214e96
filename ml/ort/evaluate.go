package ort

import (
	"context"
	"errors"
	"fmt"

	ortgo "github.com/yalue/onnxruntime_go"
)

// Result is an output whose shape the model itself decided.
type Result struct {
	Dims []int64
	Data []float32
}

// Evaluate computes float32 outputs whose shapes are not known before. The
// results are copies; Run is for what is computed often.
func (s *Session) Evaluate(ctx context.Context, inputs []Value) (results []Result, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(inputs) != len(s.inputs) {
		return nil, fmt.Errorf("running a model: %d inputs given, it has %d", len(inputs), len(s.inputs))
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.session == nil {
		return nil, ErrClosed
	}
	out := make([]ortgo.Value, len(s.outputs))
	defer func() {
		for _, v := range out {
			if v != nil {
				err = errors.Join(err, v.Destroy())
			}
		}
	}()
	if err := s.session.Run(values(inputs), out); err != nil {
		return nil, fmt.Errorf("running a model: %s", reason(err))
	}
	for i, v := range out {
		t, ok := v.(*ortgo.Tensor[float32])
		if !ok {
			return nil, fmt.Errorf("running a model: its output %s is not float32", s.outputs[i])
		}
		results = append(results, Result{append([]int64{}, t.GetShape()...), append([]float32{}, t.GetData()...)})
	}
	return results, nil
}
