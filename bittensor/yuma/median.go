package yuma

// consensus returns, per column, the stake-weighted median weight: the
// largest weight that validators with at least a share kappa of the active
// stake give. Rows without stake do not count.
func consensus(stake []Fixed, weights matrix, kappa Fixed) []Fixed {
	n := len(weights)
	out := make([]Fixed, n)
	var used []Fixed
	var rows []int
	for i, s := range stake {
		if s > 0 {
			used = append(used, s)
			rows = append(rows, i)
		}
	}
	if len(used) == 0 {
		return out
	}
	normalize(used)
	total := sum(used)
	minority := total.sub(kappa)

	k := len(used)
	scores := make([]Fixed, n*k) // one column after another
	for r, i := range rows {
		for _, c := range weights[i] {
			scores[int(c.UID)*k+r] = c.Value
		}
	}
	m := medianFinder{stake: used, scratch: make([]int, 0, 3*k)}
	for j := range out {
		out[j] = m.find(scores[j*k:(j+1)*k], minority, total)
	}
	return out
}

// medianFinder looks for weighted medians over the same stakes.
type medianFinder struct {
	stake   []Fixed
	scratch []int
}

// find narrows the interval of stake [low, high] around the minority mark.
// The pivot is the middle index, as in the runtime: which sums are formed,
// and so their truncation, depends on it.
func (m *medianFinder) find(score []Fixed, minority, total Fixed) Fixed {
	k := len(score)
	index := m.scratch[:k]
	for i := range index {
		index[i] = i
	}
	lower, upper := m.scratch[k:k:2*k], m.scratch[2*k:2*k:3*k]
	var low Fixed
	high := total
	for {
		switch len(index) {
		case 0:
			return 0
		case 1:
			return score[index[0]]
		}
		pivot := score[index[len(index)/2]]
		lower, upper = lower[:0], upper[:0]
		var lowStake, highStake Fixed
		for _, i := range index {
			switch s := score[i]; {
			case s < pivot:
				lowStake = lowStake.add(m.stake[i])
				lower = append(lower, i)
			case s > pivot:
				highStake = highStake.add(m.stake[i])
				upper = append(upper, i)
			}
		}
		left, right := low.add(lowStake), high.sub(highStake)
		switch {
		case left <= minority && minority < right:
			return pivot
		case minority < left && len(lower) > 0:
			high = left
			index, lower = lower, index
		case right <= minority && len(upper) > 0:
			low = right
			index, upper = upper, index
		default:
			return pivot
		}
	}
}
