package train

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// Teacher is a trained detector with a heatmap, whose scores of patches a smaller
// architecture learns in place of the labels: how LaDeDa becomes its tiny form
// (Cavia et al. 2024).
type Teacher struct {
	// Description and Graph as detector.ReadPath gives them.
	Description *detector.Description
	Graph       []byte
}

// teacher scores the passes of a training step.
type teacher struct {
	patches arch.Patches
	shape   []int // of a pass's scores: [N, h, w]
	session *ort.Session
	batcher *ort.Batcher
	output  int // index of the heatmap
	scores  []float32
	value   ort.Value // the graph's input
}

// ErrTeacher says that a detector cannot teach an architecture.
var ErrTeacher = errors.New("the teacher does not fit")

func newTeacher(r *ort.Runtime, t *Teacher, a arch.Architecture, s Settings, opts ort.SessionOptions) (_ *teacher, err error) {
	d := t.Description
	switch {
	case a.Heatmap == nil:
		return nil, fmt.Errorf("%w: %s has no patches to score; try: tiny-ladeda", ErrTeacher, a.Name)
	case d.Heatmap == nil || d.Heatmap.Added():
		return nil, fmt.Errorf("%w: %s scores no patches; try: a detector of architecture ladeda", ErrTeacher, d.Name)
	case d.Preprocess.Mean != a.Mean || d.Preprocess.Std != a.Std:
		return nil, fmt.Errorf("%w: %s normalises pictures in another way than %s", ErrTeacher, d.Name, a.Name)
	}
	if w, h := d.Preprocess.Size(); w != s.Size || h != s.Size {
		return nil, fmt.Errorf("%w: %s looks at %d x %d pixels; try: --size %d", ErrTeacher, d.Name, w, h, w)
	}
	k := &teacher{patches: arch.Patches{First: d.Heatmap.First, Stride: d.Heatmap.Stride}}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	if k.session, err = r.NewSession(t.Graph, opts); err != nil {
		return nil, err
	}
	k.batcher, err = k.session.NewBatcher(ort.BatchOptions{Item: []int64{3, int64(s.Size), int64(s.Size)}, Max: s.MicroBatch, Parallel: 1})
	if err != nil {
		return nil, err
	}
	for i, port := range k.session.Outputs() {
		if port.Name == d.Heatmap.Name {
			k.output = i
		}
	}
	k.shape = []int{s.MicroBatch}
	for _, side := range k.batcher.Shape(k.output) {
		k.shape = append(k.shape, int(side))
	}
	if len(k.shape) != 3 || slices.Min(k.shape) < 1 {
		return nil, fmt.Errorf("%w: the heatmap of %s has the shape %v", ErrTeacher, d.Name, k.shape)
	}
	k.scores = make([]float32, elements(k.shape))
	k.value, err = ort.NewTensor(k.scores, int64s(k.shape)...)
	return k, err
}

// look scores the patches of a pass's pictures.
func (k *teacher) look(pixels []float32) error {
	item, patches := len(pixels)/k.shape[0], len(k.scores)/k.shape[0]
	return k.batcher.RunAll(context.Background(), k.shape[0],
		func(i int, dst []float32) error { copy(dst, pixels[i*item:]); return nil },
		func(i int, results [][]float32) { copy(k.scores[i*patches:(i+1)*patches], results[k.output]) })
}

func (k *teacher) close() error {
	var errs []error
	if k.value != nil {
		errs = append(errs, k.value.Close())
	}
	if k.batcher != nil {
		errs = append(errs, k.batcher.Close())
	}
	if k.session != nil {
		errs = append(errs, k.session.Close())
	}
	return errors.Join(errs...)
}
