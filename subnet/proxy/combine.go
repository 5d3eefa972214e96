package proxy

import (
	"cmp"
	"math"
	"slices"

	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

const (
	// maxShare is the most say that one miner has among three or more: less than
	// half, so that the median cannot leave the answers of the others.
	maxShare = 0.45
	// minSkill is the weight of a miner that does no better than guessing, or of
	// which nothing is known.
	minSkill = 0.05
)

// skill is how much better than guessing a miner's score is, from minSkill to 1.
// Scores are shares of right answers, of which guessing gives one half.
func skill(c validator.Candidate) float64 { return max(2*c.Score-1, minSkill) }

// Combine returns the weighted median of the replies' predictions, and sets each
// Weight to the miner's final share: the weights given, scaled to a sum of 1, with
// none above 0.45 where there are three replies or more.
//
// So one miner that lies, whatever its record, moves the result no further than to
// the nearest answer of another. Where exactly half the weight lies on each side,
// the result is the mean of the two answers in the middle. No replies give 0.5.
func Combine(replies []Reply) float64 {
	if len(replies) == 0 {
		return 0.5
	}
	shares(replies)
	order := slices.SortedFunc(slices.Values(replies), func(a, b Reply) int { return cmp.Compare(a.Prediction, b.Prediction) })
	const half, rounding = 0.5, 1e-9
	sum := 0.0
	for i, r := range order {
		sum += r.Weight
		switch {
		case sum > half+rounding || i == len(order)-1:
			return r.Prediction
		case sum > half-rounding:
			return (r.Prediction + order[i+1].Prediction) / 2
		}
	}
	return order[len(order)-1].Prediction
}

// shares scales the weights to a sum of 1, and cuts the largest to maxShare where
// there are enough others to make up the sum.
func shares(replies []Reply) {
	most := 0.0
	for _, r := range replies {
		most = max(most, r.Weight)
	}
	total := 0.0
	for i, r := range replies {
		// Nobody is without any say, not even where all weights are zero.
		replies[i].Weight = max(r.Weight, 1e-6*most, math.SmallestNonzeroFloat32)
		total += replies[i].Weight
	}
	for i := range replies {
		replies[i].Weight /= total
	}
	if len(replies) < 3 {
		return
	}
	// Cutting one makes the shares of the others larger, so that the next may need
	// cutting too; after two there is none left, since three at the limit exceed 1.
	for range 2 {
		i, most := 0, 0.0
		for j, r := range replies {
			if r.Weight > most {
				i, most = j, r.Weight
			}
		}
		if most <= maxShare {
			return
		}
		free := 0.0 // of the others that are below the limit
		cut := maxShare
		for j, r := range replies {
			switch {
			case j == i:
			case r.Weight == maxShare:
				cut += maxShare
			default:
				free += r.Weight
			}
		}
		for j := range replies {
			switch {
			case j == i:
				replies[j].Weight = maxShare
			case replies[j].Weight != maxShare:
				replies[j].Weight *= (1 - cut) / free
			}
		}
	}
}

// agreement is the share of the replies on the prediction's side of one half.
func agreement(replies []Reply, prediction float64) float64 {
	same := 0
	for _, r := range replies {
		if (r.Prediction > 0.5) == (prediction > 0.5) {
			same++
		}
	}
	return float64(same) / float64(len(replies))
}
