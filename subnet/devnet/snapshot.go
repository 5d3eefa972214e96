package devnet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// Snapshot is the state of the subnet at one moment. Counts are since the chain
// began, restarts included, and summed over the validators.
type Snapshot struct {
	Blocks     uint64  `json:"blocks"`
	Challenges uint64  `json:"challenges"`
	WeightsSet uint64  `json:"weights_set"`
	Miners     []Miner `json:"miners"`
	Images     Images  `json:"images"`
}

// Images counts the challenges by class.
type Images struct {
	Real      uint64 `json:"real"`
	Synthetic uint64 `json:"synthetic"`
}

// Miner is one miner as the validators and the chain see it.
type Miner struct {
	UID       uint16  `json:"uid"`
	Hotkey    string  `json:"hotkey"`
	Detector  string  `json:"detector"`
	Asked     uint64  `json:"asked"`
	Answered  uint64  `json:"answered"`
	Accuracy  float64 `json:"accuracy"`  // share of the answers that were right
	Score     float64 `json:"score"`     // moving score in [0,1], mean over the validators
	Incentive float64 `json:"incentive"` // share of the miners' pay in [0,1], from the chain
}

// BlocksToEpoch returns how many blocks pass until the next epoch, 1 for the next block.
func (d *Devnet) BlocksToEpoch() uint64 {
	return yuma.BlocksUntilEpoch(d.chain.BlockNumber()+1, d.cfg.Netuid, d.cfg.Tempo) + 1
}

// Snapshot returns the present state, miners by uid.
func (d *Devnet) Snapshot() Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Snapshot{Blocks: d.chain.BlockNumber(), Miners: []Miner{}}
	correct := make(map[uint16]uint64)
	views := make(map[uint16]int)
	miners := make(map[uint16]Miner)
	for _, v := range d.validators {
		view := v.Snapshot()
		s.Challenges += view.Challenges
		s.WeightsSet += view.WeightsSet
		s.Images.Real += view.Images.Real
		s.Images.Synthetic += view.Images.Synthetic
		for _, m := range view.Miners {
			sum := miners[m.UID]
			sum.UID = m.UID
			sum.Hotkey = m.Hotkey.String()
			sum.Detector = d.names[m.Hotkey]
			sum.Asked += m.Asked
			sum.Answered += m.Answered
			sum.Incentive = d.incentives[m.Hotkey]
			sum.Score += m.Score
			correct[m.UID] += m.Correct
			views[m.UID]++
			miners[m.UID] = sum
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(miners)) {
		m := miners[uid]
		m.Score /= float64(views[uid])
		if m.Answered > 0 {
			m.Accuracy = float64(correct[uid]) / float64(m.Answered)
		}
		s.Miners = append(s.Miners, m)
	}
	return s
}

// watchIncentives keeps the incentives as the chain last set them: it reads them at once
// and after each epoch.
func (d *Devnet) watchIncentives(ctx context.Context, client *subtensor.Client) error {
	var next uint64
	for block := range client.Blocks(ctx) {
		if block.Number < next {
			continue
		}
		if err := d.readIncentives(ctx, client); err != nil {
			if ctx.Err() == nil {
				d.log.Warn("reading incentives failed", "error", err)
			}
			continue // again at the next block
		}
		next = block.Number + 1 + yuma.BlocksUntilEpoch(block.Number+1, d.cfg.Netuid, d.cfg.Tempo)
	}
	return nil
}

func (d *Devnet) readIncentives(ctx context.Context, client *subtensor.Client) error {
	graph, err := client.Metagraph(ctx, d.cfg.Netuid)
	if err != nil {
		return err
	}
	incentives := make(map[ss58.AccountID]float64, len(graph.Neurons))
	for _, n := range graph.Neurons {
		incentives[n.Hotkey] = n.Incentive
	}
	d.mu.Lock()
	d.incentives = incentives
	d.mu.Unlock()
	return nil
}

// awaitEpoch waits until the chain has run an epoch after the present block, so
// that the last weights have become incentives.
func (d *Devnet) awaitEpoch(ctx context.Context, client *subtensor.Client) error {
	target := d.chain.BlockNumber() + d.BlocksToEpoch()
	tick := time.NewTicker(max(d.cfg.BlockTime/4, 10*time.Millisecond))
	defer tick.Stop()
	for d.chain.BlockNumber() < target {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	if err := d.readIncentives(ctx, client); err != nil {
		return fmt.Errorf("reading the incentives: %w", err)
	}
	return nil
}
