package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/loader"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// scorer gives the logits of the pictures held out, each seen once in every
// tier.
type scorer struct {
	loaders []*loader.Loader
	tiers   []transform.Tier
	size    int
	total   int // looks at pictures
}

// scorerBatch is how many pictures are read at a time, while the graph looks at
// the ones before.
const scorerBatch = 16

// newScorer takes the options of a loader but for those of validation.
func newScorer(opts loader.Options, tiers []transform.Tier) (*scorer, error) {
	s := &scorer{tiers: tiers, size: opts.Size}
	opts.Validation, opts.Batch = true, scorerBatch
	opts.Memory = loader.DefaultMemory / int64(2*len(tiers))
	for _, tier := range tiers {
		opts.Tier = tier
		l, err := loader.New(opts)
		if err != nil {
			return nil, err
		}
		s.loaders = append(s.loaders, l)
		real, synthetic := opts.Set.Count()
		s.total += real + synthetic
	}
	return s, nil
}

// look is one look at a picture held out.
type look struct {
	loader.Item
	tier  transform.Tier
	logit float64
}

// run scores all pictures with a graph that has one input [N,3,S,S] and one
// output [N,1]. Pictures that cannot be read are left out.
func (s *scorer) run(ctx context.Context, session *ort.Session, done func(n, of int)) (all []look, err error) {
	item := 3 * s.size * s.size
	batcher, err := session.NewBatcher(ort.BatchOptions{Item: []int64{3, int64(s.size), int64(s.size)}, Parallel: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, batcher.Close()) }()
	for i, l := range s.loaders {
		for batch, err := range l.Epoch(ctx, 0, 0) {
			if err == nil {
				err = batcher.Run(ctx, len(batch.Items),
					func(k int, dst []float32) error { copy(dst, batch.Pixels[k*item:]); return nil },
					func(k int, result []float32) {
						all = append(all, look{batch.Items[k], s.tiers[i], float64(result[0])})
					})
			}
			if err != nil {
				return nil, fmt.Errorf("scoring the pictures held out: %w", err)
			}
			if done != nil {
				done(len(all), s.total)
			}
		}
	}
	return all, nil
}

// judge gives the scores under a calibration.
func judge(all []look, c detector.Calibration) ([]evaluate.Judgement, error) {
	judged := make([]evaluate.Judgement, len(all))
	for i, p := range all {
		score, err := c.Score(p.logit)
		if err != nil {
			return nil, fmt.Errorf("%w: the logit of %s is %v", ErrDiverged, p.Key(), p.logit)
		}
		judged[i] = evaluate.Judgement{Source: p.Source, Label: p.Label, Score: score, Picture: p.Key()}
	}
	return judged, nil
}

func labelsAndLogits(all []look) (labels []int, logits []float64) {
	for _, p := range all {
		labels, logits = append(labels, p.Label), append(logits, p.logit)
	}
	return labels, logits
}
