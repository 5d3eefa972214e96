package train

import (
	"errors"

	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// pair is a vector in two copies: a run of the graph reads the one and writes
// the other, and then they change roles, so that nothing is ever copied.
type pair struct {
	values [2][]float32
	now    int // which of the two holds the current values
	parts  []part
	// views are the graph's inputs and outputs: one for each part, or one of all
	// as a flat vector.
	views [2][]ort.Value
	flat  [2]ort.Value
}

// part is a tensor within a vector.
type part struct {
	name  string
	shape []int
	start int
}

func newPair(parts []part, length int) (*pair, error) {
	p := &pair{parts: parts}
	for side := range p.values {
		p.values[side] = make([]float32, length)
		if length == 0 {
			continue
		}
		flat, err := ort.NewTensor(p.values[side], int64(length))
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.flat[side] = flat
		for _, t := range parts {
			view, err := ort.NewTensor(p.values[side][t.start:t.start+elements(t.shape)], int64s(t.shape)...)
			if err != nil {
				return nil, errors.Join(err, p.close())
			}
			p.views[side] = append(p.views[side], view)
		}
	}
	return p, nil
}

func (p *pair) current() []float32 { return p.values[p.now] }

func (p *pair) flip() { p.now = 1 - p.now }

// set fills both copies: a part that no graph writes then stays what it was.
func (p *pair) set(values []float32) {
	copy(p.values[0], values)
	copy(p.values[1], values)
}

func (p *pair) close() error {
	var errs []error
	for side := range p.values {
		for _, v := range append(p.views[side], p.flat[side]) {
			if v != nil {
				errs = append(errs, v.Close())
			}
		}
		p.views[side], p.flat[side] = nil, nil
	}
	return errors.Join(errs...)
}

// lay puts tensors one behind the other and gives the length of all.
func lay(names []string, shapes [][]int) (parts []part, length int) {
	for i, name := range names {
		parts = append(parts, part{name, shapes[i], length})
		length += elements(shapes[i])
	}
	return parts, length
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

func int64s(v []int) []int64 {
	out := make([]int64, len(v))
	for i, d := range v {
		out[i] = int64(d)
	}
	return out
}
