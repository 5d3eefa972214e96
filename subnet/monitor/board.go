package monitor

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

const (
	maxTrend  = 30
	maxRecent = 50
)

// row is a miner with its hotkey.
type row struct {
	Miner
	hotkey ss58.AccountID
}

// Leaderboard lists the miners, best paid first: whoever was asked, or serves an
// axon and counts as a miner. Those that hold a permit and serve none are not.
func (m *Monitor) Leaderboard() Leaderboard {
	view, _ := m.view()
	list := slices.Collect(maps.Values(m.rows(view)))
	rank(list)
	board := Leaderboard{Items: make([]Miner, len(list))}
	for i, r := range list {
		board.Items[i] = r.Miner
	}
	return board
}

// rank orders by pay, then by score; of those alike, who has a record comes first.
func rank(list []*row) {
	slices.SortFunc(list, func(a, b *row) int {
		return cmp.Or(cmp.Compare(b.Incentive, a.Incentive), cmp.Compare(b.Score, a.Score),
			cmp.Compare(b.Accuracy, a.Accuracy), cmp.Compare(a.UID, b.UID))
	})
	for i, r := range list {
		r.Rank = i + 1
	}
}

// rows makes the leaderboard's rows, by hotkey, not ranked.
func (m *Monitor) rows(view neuron.View) map[ss58.AccountID]*row {
	rows := map[ss58.AccountID]*row{}
	views := map[ss58.AccountID]int{}
	alive := map[ss58.AccountID]bool{}
	own := map[ss58.AccountID]bool{} // validators of this process
	feeds := m.bound()
	for _, f := range feeds {
		own[f.hotkey] = true
	}
	for _, f := range feeds {
		for _, e := range f.validator.Snapshot().Miners {
			if own[e.Hotkey] {
				continue
			}
			r := rows[e.Hotkey]
			if r == nil {
				r = &row{hotkey: e.Hotkey, Miner: Miner{UID: e.UID, Hotkey: e.Hotkey.String()}}
				rows[e.Hotkey] = r
			}
			r.Asked += e.Asked
			r.Answered += e.Answered
			r.Score += e.Score
			r.Incentive = e.Incentive
			views[e.Hotkey]++
			if (score.Entry{Answered: e.Answered, Silent: e.Silent}).Alive() {
				alive[e.Hotkey] = true
			}
		}
	}
	neurons := map[ss58.AccountID]subtensor.Neuron{}
	if view.Metagraph != nil {
		for _, n := range view.Metagraph.Neurons {
			neurons[n.Hotkey] = n
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if view.Metagraph != nil {
		m.forget(func(h ss58.AccountID) bool { _, ok := neurons[h]; return ok })
	}
	for hotkey, r := range rows {
		n, registered := neurons[hotkey]
		if registered {
			r.Incentive, r.Coldkey = n.Incentive, n.Coldkey.String()
		}
		r.Score /= float64(views[hotkey])
		r.State = m.state(r, alive[hotkey])
		if list := m.miners[hotkey]; list != nil {
			list.describe(&r.Miner)
		}
	}
	return rows
}

// state says how a miner does, and fills in its detector. One that is silent is
// marked so wherever it runs.
func (m *Monitor) state(r *row, alive bool) string {
	foreign := false
	if m.cfg.Detector != nil {
		var own bool
		r.Detector, own = m.cfg.Detector(r.hotkey)
		foreign = !own
	}
	switch {
	case r.Asked > 0 && !alive:
		return Silent
	case foreign:
		return Foreign
	case r.Asked == 0:
		return Unasked
	}
	return Alive
}

// came lists the answers that came, oldest first, at most n.
func (a *answers) came(n int) []answer {
	var list []answer
	for i := a.len() - 1; i >= 0 && len(list) < n; i-- {
		if x := a.at(i); x.answered {
			list = append(list, x)
		}
	}
	slices.Reverse(list)
	return list
}

// describe fills in what the latest answers say. m.mu is held.
func (a *answers) describe(out *Miner) {
	all := a.came(maxAnswers)
	last := all[max(0, len(all)-accuracyWindow):]
	out.Window = len(last)
	out.Accuracy = accuracy(last)
	out.AccuracyLow, out.AccuracyHigh = Wilson(count(last), len(last))
	out.Trend = trend(all)
	out.LatencyMS = quantile(latencies(last), 0.5)
	if !a.lastSeen.IsZero() {
		seen := a.lastSeen
		out.LastSeen = &seen
	}
}

func count(list []answer) int {
	right := 0
	for _, x := range list {
		if x.right {
			right++
		}
	}
	return right
}

func accuracy(list []answer) float64 {
	if len(list) == 0 {
		return 0
	}
	return float64(count(list)) / float64(len(list))
}

// Wilson returns the 95 % score interval of a share, given how many of n were right
// (Wilson 1927); 0 to 1 for none.
func Wilson(right, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964
	p, size := float64(right)/float64(n), float64(n)
	middle := p + z*z/(2*size)
	half := z * math.Sqrt(p*(1-p)/size+z*z/(4*size*size))
	scale := 1 + z*z/size
	return max((middle-half)/scale, 0), min((middle+half)/scale, 1)
}

// trend is the accuracy of up to 30 stretches of equal length, ten answers or more.
func trend(list []answer) []float64 {
	size := max(10, (len(list)+maxTrend-1)/maxTrend)
	var points []float64
	for start := len(list) % size; start+size <= len(list); start += size {
		points = append(points, accuracy(list[start:start+size]))
	}
	return points
}

func latencies(list []answer) []float64 {
	out := make([]float64, len(list))
	for i, x := range list {
		out[i] = float64(x.latencyMS)
	}
	slices.Sort(out)
	return out
}

// quantile of a sorted list, 0 of none; between two values it is interpolated.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Miner returns all about the miner that holds a uid, or ErrNotFound.
func (m *Monitor) Miner(uid uint16) (MinerPage, error) {
	view, _ := m.view()
	list := slices.Collect(maps.Values(m.rows(view)))
	rank(list)
	i := slices.IndexFunc(list, func(r *row) bool { return r.UID == uid })
	if i < 0 {
		return MinerPage{}, fmt.Errorf("miner %d: %w", uid, ErrNotFound)
	}
	page := MinerPage{
		Miner: list[i].Miner, History: m.history.points(list[i].hotkey),
		BySource: []SourceAccuracy{}, Calibration: []CalibrationBin{}, Recent: []MinerAnswer{},
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if a := m.miners[list[i].hotkey]; a != nil {
		a.fill(&page)
	}
	return page, nil
}

// fill fills in what all kept answers say. m.mu is held.
func (a *answers) fill(page *MinerPage) {
	bySource := map[[2]string]*SourceAccuracy{}
	var bins [10]CalibrationBin
	page.Errors = map[string]int{}
	for i := range a.len() {
		x := a.at(i)
		c := x.record.report.Challenge
		if !x.answered {
			page.Confusion.NoAnswer++
			page.Errors[kind(x.record.report.Answers[x.at])]++
			continue
		}
		k := [2]string{c.Source, label(c.Label)}
		if bySource[k] == nil {
			bySource[k] = &SourceAccuracy{Source: k[0], Label: k[1]}
		}
		bySource[k].Answered++
		if x.right {
			bySource[k].Right++
		}
		isAI := k[1] == "ai"
		switch saidAI := isAI == x.right; {
		case saidAI && isAI:
			page.Confusion.AIIsAI++
		case saidAI:
			page.Confusion.AIIsReal++
		case isAI:
			page.Confusion.RealIsAI++
		default:
			page.Confusion.RealIsReal++
		}
		b := &bins[min(int(x.prediction*10), 9)]
		b.Answers++
		b.Mean += float64(x.prediction)
		if isAI {
			b.AIShare++
		}
	}
	for _, s := range bySource {
		s.Accuracy = float64(s.Right) / float64(s.Answered)
		page.BySource = append(page.BySource, *s)
	}
	slices.SortFunc(page.BySource, func(a, b SourceAccuracy) int {
		return cmp.Or(cmp.Compare(a.Accuracy, b.Accuracy), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Label, b.Label))
	})
	for i, b := range bins {
		if b.Answers > 0 {
			n := float64(b.Answers)
			b.Low, b.High, b.Mean, b.AIShare = float64(i)/10, float64(i+1)/10, b.Mean/n, b.AIShare/n
			page.Calibration = append(page.Calibration, b)
		}
	}
	sorted := latencies(a.came(accuracyWindow))
	page.Latency = Latency{P50MS: quantile(sorted, 0.5), P90MS: quantile(sorted, 0.9), P99MS: quantile(sorted, 0.99)}
	for i := a.len() - 1; i >= 0 && len(page.Recent) < maxRecent; i-- {
		page.Recent = append(page.Recent, a.at(i).told())
	}
}

func (x answer) told() MinerAnswer {
	r := x.record.report
	a := r.Answers[x.at]
	out := MinerAnswer{
		ChallengeID: r.Challenge.ID, Time: r.Time.Truncate(time.Millisecond), Label: label(r.Challenge.Label),
		Source: r.Challenge.Source, Right: x.right, LatencyMS: a.LatencyMS, Error: cut(a.Error),
	}
	if x.answered {
		out.Prediction = &a.Prediction
	}
	return out
}
