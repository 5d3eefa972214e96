package yuma

import "math/bits"

// bondsAlpha converts the bonds moving average (millionths kept of the old
// bonds) to the share that a new observation gets.
func bondsAlpha(movingAverage uint64) Fixed {
	hi, lo := bits.Mul64(movingAverage, 1<<32)
	if hi >= 1_000_000 {
		return one.sub(maxFixed)
	}
	q, _ := bits.Div64(hi, lo, 1_000_000)
	return one.sub(Fixed(min(q, uint64(maxFixed))))
}

// movingAverage returns alpha*observed + (1-alpha)*old, sorted by column,
// cells that are not positive left out.
func movingAverage(observed, old matrix, alpha Fixed) matrix {
	n := len(observed)
	rest := one.sub(alpha)
	out := make(matrix, n)
	row := make([]Fixed, n)
	for i := range observed {
		if len(observed[i]) == 0 && len(old[i]) == 0 {
			continue
		}
		clear(row)
		for _, c := range observed[i] {
			row[c.UID] = row[c.UID].add(alpha.mul(c.Value))
		}
		for _, c := range old[i] {
			row[c.UID] = row[c.UID].add(rest.mul(c.Value))
		}
		cells := make([]Cell, 0, len(observed[i])+len(old[i]))
		for j, v := range row {
			if v > 0 {
				cells = append(cells, Cell{uint16(j), v})
			}
		}
		out[i] = cells
	}
	return out
}

// liquidAlpha computes a separate alpha per validator and miner from how
// far the validator's weight or old bond is from the consensus.
type liquidAlpha struct {
	low, high, steepness Fixed
	consensus            []Fixed

	// The sigmoid of the last difference: most cells share the difference
	// zero.
	lastDiff, lastAlpha Fixed
	cached              bool
}

func newLiquidAlpha(p Hyperparameters, consensus []Fixed) *liquidAlpha {
	return &liquidAlpha{
		low:       proportion(p.AlphaLow),
		high:      proportion(p.AlphaHigh),
		steepness: Fixed(p.AlphaSigmoidSteepness) << 32,
		consensus: consensus,
	}
}

func (l *liquidAlpha) at(j int, weight, bond Fixed) Fixed {
	var diff Fixed
	if weight >= bond {
		diff = clamp(weight.sub(l.consensus[j]), 0, one)
	} else {
		diff = clamp(bond.sub(weight), 0, one)
	}
	if l.cached && diff == l.lastDiff {
		return l.lastAlpha
	}
	x := l.steepness.satDiv(-100 * one).mul(diff.sub(half))
	// The denominator is at least one, since exp is never negative.
	sigmoid := one.satDiv(one.add(exp(x)))
	alpha := clamp(l.low.add(sigmoid.mul(l.high.sub(l.low))), l.low, l.high)
	l.lastDiff, l.lastAlpha, l.cached = diff, alpha, true
	return alpha
}

// rowReader walks a row along rising columns. Rows that are not sorted lose
// the cells out of order, exactly as in the runtime.
type rowReader struct {
	row []Cell
	pos int
}

func (r *rowReader) at(j int) Fixed {
	for r.pos < len(r.row) && int(r.row[r.pos].UID) < j {
		r.pos++
	}
	if r.pos < len(r.row) && int(r.row[r.pos].UID) == j {
		return r.row[r.pos].Value
	}
	return 0
}

// row fills the alphas of one validator.
func (l *liquidAlpha) row(weights, bonds []Cell, into []Fixed) {
	w, b := rowReader{row: weights}, rowReader{row: bonds}
	for j := range into {
		into[j] = l.at(j, w.at(j), b.at(j))
	}
}

// buy lets each validator move its bonds towards its weights by the cell's
// alpha; a bond without a weight is dropped, and none exceeds one.
func (l *liquidAlpha) buy(weights, bonds matrix) matrix {
	n := len(weights)
	alphas, decayed := make([]Fixed, n), make([]Fixed, n)
	out := make(matrix, n)
	for i := range weights {
		if len(weights[i]) == 0 {
			continue
		}
		l.row(weights[i], bonds[i], alphas)
		clear(decayed)
		for _, c := range bonds[i] {
			decayed[c.UID] = one.sub(alphas[c.UID]).mul(c.Value)
		}
		cells := make([]Cell, 0, len(weights[i]))
		for _, c := range weights[i] {
			bought := max(alphas[c.UID].mul(c.Value), 0)
			if v := min(decayed[c.UID].add(bought), one); v > 0 {
				cells = append(cells, Cell{c.UID, v})
			}
		}
		out[i] = cells
	}
	return out
}

// ResetBonds removes all bonds to uid, in place, as the runtime does when a
// miner publishes a commitment on a subnet with BondsResetOn.
func ResetBonds(bonds [][]Pair, uid uint16) {
	for i, row := range bonds {
		kept := row[:0]
		for _, p := range row {
			if p.UID != uid {
				kept = append(kept, p)
			}
		}
		bonds[i] = kept
	}
}
