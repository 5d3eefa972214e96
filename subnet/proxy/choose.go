package proxy

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/score"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// choose picks whom to ask: the best of those that answer, by score and then by
// incentive, and at random a few of the others and of those not asked yet. Miners
// that have gone silent are never among them. All of those not asked yet are as
// good as any while there are too few others.
func (p *Proxy) choose(all []validator.Candidate) []validator.Candidate {
	var alive, unasked []validator.Candidate
	for _, c := range all {
		switch {
		case c.Alive():
			alive = append(alive, c)
		case c.Asked == 0:
			unasked = append(unasked, c)
		}
	}
	slices.SortFunc(alive, func(a, b validator.Candidate) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Incentive, a.Incentive), cmp.Compare(a.UID, b.UID))
	})
	explore := int(max(p.cfg.Explore, 0) * float64(p.cfg.Sample))
	best := min(p.cfg.Sample-explore, len(alive))
	chosen := slices.Clone(alive[:best])
	others := append(slices.Clone(alive[best:]), unasked...)
	rng := p.fork()
	rng.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	return append(chosen, others[:min(p.cfg.Sample-best, len(others))]...)
}

// statusCutOff is the status of a request that was given up, see synapse.Response.
const statusCutOff = 499

// query asks each miner for its view of the picture and returns the answers in the
// order of the miners. Once two thirds have answered, and as many as must, the rest
// get as long again as that took: one slow miner need not hold up a person.
func (p *Proxy) query(ctx context.Context, miners []validator.Candidate, views [][]byte) []validator.Answer {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	type result struct {
		i      int
		answer validator.Answer
	}
	results := make(chan result, len(miners))
	start := time.Now()
	for i, m := range miners {
		go func() { // its owner is the loop below, which takes every result
			results <- result{i, p.cfg.Network.Ask(ctx, []validator.Candidate{m}, views[i%len(views)])[0]}
		}()
	}
	quorum := max(p.cfg.Minimum, (2*len(miners)+2)/3)
	answers := make([]validator.Answer, len(miners))
	good := 0
	for range miners {
		r := <-results
		answers[r.i] = r.answer
		if r.answer.Status != score.StatusOK || !score.Valid(r.answer.Prediction) {
			continue
		}
		if good++; good == quorum {
			grace := time.AfterFunc(max(time.Since(start), minGrace), cancel)
			defer grace.Stop()
		}
	}
	return answers
}

// minGrace is how long late answers are waited for at least.
const minGrace = 300 * time.Millisecond
