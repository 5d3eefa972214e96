package detector

import (
	"errors"
	"fmt"
	"sync"

	"github.com/maxmos001/bitmind-subnet/ml/locate"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// loaded is a graph that can be run.
type loaded struct {
	session *ort.Session
	batcher *ort.Batcher
	// Which of the outputs they are; -1: it has none.
	heatmap, kinds int
}

func (l *loaded) close() error {
	if l == nil {
		return nil
	}
	var err error
	if l.batcher != nil {
		err = l.batcher.Close()
	}
	return errors.Join(err, l.session.Close())
}

// extension is the graph with all outputs that the description names, also those
// that are made at loading.
type extension struct {
	mu     sync.Mutex
	loaded *loaded // nil before the first use
	closed bool
}

// close frees it unless it is the detector's own graph.
func (x *extension) close(own *loaded) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	if x.loaded == own {
		return nil
	}
	return x.loaded.close()
}

// extensible says whether the description names outputs that the graph lacks.
func (d *Description) extensible() bool {
	return d.Heatmap != nil && d.Heatmap.Added() || d.Kinds != nil
}

// extrasAreFree says whether each run may give those outputs too: a head asked about
// windows would take half as long again as the score alone.
func (d *Description) extrasAreFree() bool {
	return d.Heatmap == nil || d.Heatmap.Windows == nil
}

// extend adds the outputs that the description names and the graph lacks.
func (d *Description) extend(graph []byte) ([]byte, error) {
	side, _ := d.Preprocess.Size()
	var more locate.More
	if h := d.Heatmap; h != nil && h.Windows != nil {
		more.Windows = &locate.Windows{Name: h.Name, Side: side, Grid: h.Windows.Grid, Window: h.Windows.Side}
	}
	if h := d.Heatmap; h != nil && h.Patches != nil {
		more.Patches = &locate.Patches{Name: h.Name, Layer: h.Patches.Layer, Grid: h.Patches.Grid, Weights: h.Patches.Weights}
	}
	if k := d.Kinds; k != nil {
		more.Linear = &locate.Linear{Name: kindsOutput, From: k.From, To: k.To, Weights: k.Weights, Bias: k.Bias}
	}
	return locate.Extend(graph, d.Output.Name, more)
}

// extended gives the graph with all outputs, loaded when it is first asked for.
func (m *model) extended() (*loaded, error) {
	x := &m.extension
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, ErrClosed
	}
	if x.loaded != nil {
		return x.loaded, nil
	}
	d, graph, err := m.from()
	if err != nil {
		return nil, fmt.Errorf("reading the detector again: %w", err)
	}
	if got, want := d.Graph.SHA256, m.description.Graph.SHA256; got != want {
		return nil, fmt.Errorf("%w: it is %s now, not %s; try: load the detector again", ErrHash, got, want)
	}
	if graph, err = m.description.extend(graph); err != nil {
		return nil, err
	}
	x.loaded, err = m.load(graph, true)
	return x.loaded, err
}
