package score

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

const maxU16 = math.MaxUint16

// ErrNoScores is returned by Weights when no miner has a score above zero. No
// weights should be set then: a validator that knows nothing would, with uniform
// weights, pay every uid, the dead ones too; without, the chain keeps the weights
// it was given last.
var ErrNoScores = errors.New("no miner has a score above zero")

// Rules are the chain's rules for weights.
type Rules struct {
	// UIDs are all uids of the subnet in the order in which they may be used to
	// fill up too short a list: put the validator's own last.
	UIDs []uint16
	// MinAllowed is the least number of weights the chain takes (it lowers it to
	// the number of uids).
	MinAllowed uint16
	// MaxLimit, in 65535ths, is the largest share of the sum that one weight may
	// have. 65535 or 0 mean no limit.
	MaxLimit uint16
}

// Weights turns scores into the weights to set: uids in rising order, the largest
// weight 65535, the others round(score/largest*65535), zeros dropped.
//
// When fewer than the minimum count remain, uids without a score follow with a
// weight of 1 (1/65535 of the best), in the order of Rules.UIDs. With a maximum
// limit, the largest weights are cut to one level so that each has at most its
// share (the rule of the Python client's normalize_max_weight); where that takes
// more uids than have a score, they are added as above and all get the same.
//
// Scores of uids that the subnet does not have are left out. NaN, infinite or
// negative scores are an error; all zero is ErrNoScores.
func Weights(scores map[uint16]float64, rules Rules) (uids, weights []uint16, err error) {
	list, err := positive(scores, rules.UIDs)
	if err != nil {
		return nil, nil, err
	}
	limit := int(rules.MaxLimit)
	if limit == 0 {
		limit = maxU16
	}
	need := min(int(rules.MinAllowed), len(rules.UIDs))
	// Fewer than this many weights cannot all stay under the limit.
	spread := (maxU16 + limit - 1) / limit
	if spread > len(rules.UIDs) {
		return nil, nil, fmt.Errorf("a maximum weight of %d/65535 takes %d uids and the subnet has %d", limit, spread, len(rules.UIDs))
	}
	list = pad(list, rules.UIDs, max(need, spread))

	values := make([]float64, len(list))
	for i, w := range list {
		values[i] = w.value
	}
	rounded := limitAndRound(values, limit)
	keepAtLeast(rounded, values, max(need, spread))

	for i, w := range list {
		if rounded[i] > 0 {
			uids = append(uids, w.uid)
			weights = append(weights, rounded[i])
		}
	}
	return uids, weights, nil
}

type share struct {
	uid   uint16
	value float64 // largest is 1
}

// positive returns the scores above zero of known uids, by uid, scaled to a
// largest of 1.
func positive(scores map[uint16]float64, known []uint16) ([]share, error) {
	for uid, s := range scores {
		if math.IsNaN(s) || math.IsInf(s, 0) || s < 0 {
			return nil, fmt.Errorf("uid %d has the score %v", uid, s)
		}
	}
	var list []share
	largest := 0.0
	for _, uid := range known {
		if s := scores[uid]; s > 0 {
			list = append(list, share{uid, s})
			largest = max(largest, s)
		}
	}
	if len(list) == 0 {
		return nil, ErrNoScores
	}
	for i := range list {
		list[i].value /= largest
	}
	sortByUID(list)
	return list, nil
}

// pad adds uids with the least weight there is until the list has n entries.
func pad(list []share, known []uint16, n int) []share {
	has := make(map[uint16]bool, len(list))
	for _, w := range list {
		has[w.uid] = true
	}
	for _, uid := range known {
		if len(list) >= n {
			break
		}
		if !has[uid] {
			has[uid] = true
			list = append(list, share{uid, 1.0 / maxU16})
		}
	}
	sortByUID(list)
	return list
}

func sortByUID(list []share) {
	slices.SortFunc(list, func(a, b share) int { return cmp.Compare(a.uid, b.uid) })
}

// limitAndRound cuts the values so that none has more than limit/65535 of the
// sum, and rounds them to u16 with the largest at 65535.
func limitAndRound(values []float64, limit int) []uint16 {
	share := float64(limit) / maxU16
	round := math.RoundToEven
	for {
		cut := cutAt(values, share)
		largest := slices.Max(cut)
		rounded := make([]uint16, len(cut))
		sum := 0
		for i, v := range cut {
			rounded[i] = uint16(min(round(v/largest*maxU16), maxU16))
			sum += int(rounded[i])
		}
		// The chain's own check, without its fractions.
		if limit >= maxU16 || maxU16*maxU16 <= limit*sum {
			return rounded
		}
		// Rounding has put the largest a trace over its share: round up the rest,
		// and should floating point still be in the way, cut a little lower.
		if len(cut)*limit <= maxU16 || share*float64(len(cut)) <= 1 {
			for i := range rounded {
				rounded[i] = maxU16
			}
			return rounded
		}
		round = math.Ceil
		share *= 1 - 1e-6
	}
}

// cutAt lowers the largest values to one level, so that each has at most the
// given share of the sum. The caller has seen to it that len(values)*share >= 1.
func cutAt(values []float64, share float64) []float64 {
	cut := slices.Clone(values)
	if share >= 1 {
		return cut
	}
	sorted := slices.Clone(values)
	slices.SortFunc(sorted, func(a, b float64) int { return cmp.Compare(b, a) })
	rest := 0.0
	for _, v := range sorted {
		rest += v
	}
	// With the k largest at the level l: l = share * (k*l + rest).
	for k, v := range sorted {
		if 1-float64(k)*share <= 0 {
			break
		}
		level := share * rest / (1 - float64(k)*share)
		if v <= level {
			for i := range cut {
				cut[i] = min(cut[i], level)
			}
			return cut
		}
		rest -= v
	}
	for i := range cut {
		cut[i] = 1
	}
	return cut
}

// keepAtLeast gives a weight of 1 to the largest values that were rounded to
// zero, until n weights are above zero.
func keepAtLeast(rounded []uint16, values []float64, n int) {
	above := 0
	var zeros []int
	for i, w := range rounded {
		if w > 0 {
			above++
		} else {
			zeros = append(zeros, i)
		}
	}
	slices.SortStableFunc(zeros, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	for _, i := range zeros {
		if above >= n {
			return
		}
		rounded[i] = 1
		above++
	}
}
