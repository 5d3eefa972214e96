package seed

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
)

// minerPerformance lists a record for each miner that has answered challenges, by
// uid. Names of fields are the Python project's, "concensus" too.
func (h *Handler) minerPerformance(_ http.ResponseWriter, r *http.Request) (any, error) {
	if err := h.authorize(r, ""); err != nil {
		return nil, err
	}
	list := []map[string]any{}
	neurons := map[uint16]subtensor.Neuron{}
	if graph := h.cfg.Monitor.Metagraph(); graph != nil {
		for _, n := range graph.Neurons {
			neurons[n.UID] = n
		}
	}
	organic, err := h.organic(r.Context())
	if err != nil {
		return nil, err
	}
	for _, m := range h.cfg.Monitor.Leaderboard().Items {
		page, err := h.cfg.Monitor.Miner(m.UID)
		if err != nil || page.Hotkey != m.Hotkey {
			continue // it has left meanwhile
		}
		if row := performance(page, neurons[m.UID]); row != nil {
			row["organic"] = organic[m.UID]
			list = append(list, row)
		}
	}
	slices.SortFunc(list, func(a, b map[string]any) int { return int(a["miner_uid"].(uint16)) - int(b["miner_uid"].(uint16)) })
	return list, nil
}

// organic counts people's questions by miner, of the last 30 days.
func (h *Handler) organic(ctx context.Context) (map[uint16]dayCounts, error) {
	sums := map[uint16]dayCounts{}
	if h.cfg.Counters == nil {
		return sums, nil
	}
	now := h.cfg.Now()
	list, err := h.cfg.Counters.Counts(ctx, proxy.CountMiners, nil, now.AddDate(0, 0, 1-shownDays), now)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if uid, err := strconv.ParseUint(c.Subject, 10, 16); err == nil {
			sum := sums[uint16(uid)]
			sums[uint16(uid)] = dayCounts{sum.Success + c.Success, sum.Fail + c.Failure}
		}
	}
	return sums, nil
}

// performance is one miner's record; nil for none. AI-generated counts as positive.
func performance(page monitor.MinerPage, n subtensor.Neuron) map[string]any {
	c := page.Confusion
	answers := c.AIIsAI + c.AIIsReal + c.RealIsAI + c.RealIsReal
	if answers == 0 {
		return nil
	}
	precision, recall := ratio(c.AIIsAI, c.AIIsAI+c.AIIsReal), ratio(c.AIIsAI, c.AIIsAI+c.RealIsAI)
	f1 := 0.0
	if precision+recall > 0 {
		f1 = 2 * precision * recall / (precision + recall)
	}
	row := map[string]any{
		"miner_uid": page.UID, "accuracy": ratio(c.AIIsAI+c.RealIsReal, answers),
		"precision": precision, "recall": recall, "f-1": f1, "num_predictions": answers,
		"trust": n.Trust, "concensus": n.Consensus, "emission": float64(n.Emission) / 1e9,
		"incentive": n.Incentive, "rank": n.Rank,
	}
	// A source of one name may be there in both classes.
	answered, right := map[string]int{}, map[string]int{}
	for _, s := range page.BySource {
		answered[s.Source] += s.Answered
		right[s.Source] += s.Right
	}
	for source, n := range answered {
		row[source+" | accuracy"] = ratio(right[source], n)
		row[source+" | num_preds"] = n
	}
	return row
}

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
