package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// program is a graph with the memory that its inputs and outputs are bound to.
type program struct {
	session *ort.Session
	in, out []binding
	written []*pair // change their sides after each run
	// The values of a run, kept to save their allocation.
	inputs, outputs []ort.Value
}

// binding is where an input is read or an output written: a part of a pair, the
// whole of one, or a fixed value.
type binding struct {
	pair  *pair
	index int // of the part; flat for the whole
	value *ort.Value
}

const flat = -1

func (b binding) on(side int) ort.Value {
	switch {
	case b.pair == nil:
		return *b.value
	case b.index == flat:
		return b.pair.flat[side]
	default:
		return b.pair.views[side][b.index]
	}
}

// newProgram makes a session of a graph and binds its inputs and outputs by
// their names.
func newProgram(r *ort.Runtime, g *autodiff.Graph, outputs map[string]*autodiff.Value, in, out map[string]binding, opts ort.SessionOptions) (*program, error) {
	model, err := g.Model(outputs, autodiff.ModelOptions{ParametersAsInputs: true})
	if err != nil {
		return nil, err
	}
	data, err := onnx.Marshal(model)
	if err != nil {
		return nil, err
	}
	session, err := r.NewSession(data, opts)
	if err != nil {
		return nil, err
	}
	p := &program{session: session}
	bind := func(ports []onnx.Port, by map[string]binding) ([]binding, error) {
		var list []binding
		for _, port := range ports {
			b, ok := by[port.Name]
			if !ok {
				return nil, fmt.Errorf("the training graph has a port %q that nothing is bound to", port.Name)
			}
			list = append(list, b)
		}
		return list, nil
	}
	var errIn, errOut error
	p.in, errIn = bind(session.Inputs(), in)
	p.out, errOut = bind(session.Outputs(), out)
	if err := errors.Join(errIn, errOut); err != nil {
		return nil, errors.Join(err, session.Close())
	}
	seen := map[*pair]bool{}
	for _, b := range p.out {
		if b.pair != nil && !seen[b.pair] {
			seen[b.pair] = true
			p.written = append(p.written, b.pair)
		}
	}
	p.inputs, p.outputs = make([]ort.Value, len(p.in)), make([]ort.Value, len(p.out))
	return p, nil
}

func (p *program) run() error {
	for i, b := range p.in {
		p.inputs[i] = b.on(b.side())
	}
	for i, b := range p.out {
		p.outputs[i] = b.on(1 - b.side())
	}
	// A step is never broken off half-way: its state would be half old, half new.
	if err := p.session.Run(context.Background(), p.inputs, p.outputs); err != nil {
		return err
	}
	for _, w := range p.written {
		w.flip()
	}
	return nil
}

func (b binding) side() int {
	if b.pair == nil {
		return 0
	}
	return b.pair.now
}
