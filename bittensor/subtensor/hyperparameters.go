package subtensor

import (
	"context"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Hyperparameters are the rules of a subnet. Numbers are the chain's own: shares and
// limits in 65535ths, amounts in rao, times in blocks.
type Hyperparameters struct {
	Rho, Kappa uint16
	// Tempo is the number of blocks between epochs, less one.
	Tempo uint16
	// MinAllowedWeights is the fewest uids that set_weights must name.
	MinAllowedWeights uint16
	// MaxWeightsLimit is the largest share of one uid, of 65535.
	MaxWeightsLimit uint16
	// WeightsVersion is the least version key that set_weights must carry.
	WeightsVersion uint64
	// WeightsRateLimit is the number of blocks between two set_weights.
	WeightsRateLimit uint64
	ImmunityPeriod   uint16
	// ActivityCutoff is after how many blocks without weights a validator counts no
	// more.
	ActivityCutoff      uint16
	MaxValidators       uint16
	RegistrationAllowed bool
	MinBurn, MaxBurn    uint64
	// ServingRateLimit is the number of blocks between two serve_axon.
	ServingRateLimit uint64
	// CommitRevealEnabled means that set_weights is refused: weights are committed
	// first and revealed CommitRevealPeriod epochs later.
	CommitRevealEnabled bool `scale:"commit_reveal_weights_enabled"`
	CommitRevealPeriod  uint64
	LiquidAlphaEnabled  bool
	// BondsMovingAverage is per million.
	BondsMovingAverage uint64 `scale:"bonds_moving_avg"`
	// Schedule is where the subnet stands, on runtimes whose epochs are counted; nil
	// where they follow from the block's number (see yuma.Due).
	Schedule *EpochSchedule
}

// Hyperparameters reads a subnet's rules: through a runtime API where the chain has one,
// else from storage.
func (c *Client) Hyperparameters(ctx context.Context, netuid uint16) (Hyperparameters, error) {
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return Hyperparameters{}, fmt.Errorf("hyperparameters of subnet %d: %w", netuid, err)
	}
	h, err := c.hyperparameters(ctx, rt, netuid)
	if err == nil {
		h.Schedule, err = c.epochSchedule(ctx, rt, netuid)
	}
	if err != nil {
		return h, fmt.Errorf("hyperparameters of subnet %d: %w", netuid, err)
	}
	return h, nil
}

func (c *Client) hyperparameters(ctx context.Context, rt *substrate.Runtime, netuid uint16) (Hyperparameters, error) {
	for _, method := range []string{"get_subnet_hyperparams_v2", "get_subnet_hyperparams"} {
		if returnsRecord(rt, "SubnetInfoRuntimeApi", method) {
			var h *Hyperparameters
			v, err := c.chain.RuntimeCall(ctx, nil, "SubnetInfoRuntimeApi", method, netuid)
			if err == nil {
				err = substrate.Assign(v, &h)
			}
			if err != nil {
				return Hyperparameters{}, err
			}
			if h == nil {
				return Hyperparameters{}, ErrNoSubnet
			}
			return *h, nil
		}
	}
	return c.hyperparametersStorage(ctx, rt, netuid)
}

func (c *Client) hyperparametersStorage(ctx context.Context, rt *substrate.Runtime, netuid uint16) (Hyperparameters, error) {
	exists, err := c.SubnetExists(ctx, netuid)
	if err != nil || !exists {
		if err == nil {
			err = ErrNoSubnet
		}
		return Hyperparameters{}, err
	}
	var h Hyperparameters
	for _, item := range []struct {
		name string
		dst  any
	}{
		{"Rho", &h.Rho}, {"Kappa", &h.Kappa}, {"Tempo", &h.Tempo},
		{"MinAllowedWeights", &h.MinAllowedWeights}, {"MaxWeightsLimit", &h.MaxWeightsLimit},
		{"WeightsVersionKey", &h.WeightsVersion}, {"WeightsSetRateLimit", &h.WeightsRateLimit},
		{"ImmunityPeriod", &h.ImmunityPeriod}, {"ActivityCutoff", &h.ActivityCutoff},
		{"MaxAllowedValidators", &h.MaxValidators}, {"NetworkRegistrationAllowed", &h.RegistrationAllowed},
		{"MinBurn", &h.MinBurn}, {"MaxBurn", &h.MaxBurn}, {"ServingRateLimit", &h.ServingRateLimit},
		{"CommitRevealWeightsEnabled", &h.CommitRevealEnabled}, {"RevealPeriodEpochs", &h.CommitRevealPeriod},
		{"LiquidAlphaOn", &h.LiquidAlphaEnabled}, {"BondsMovingAverage", &h.BondsMovingAverage},
	} {
		if !rt.HasStorage(pallet, item.name) {
			continue // a rule that this runtime does not have
		}
		if err := c.chain.Query(ctx, nil, item.dst, pallet, item.name, netuid); err != nil {
			return Hyperparameters{}, err
		}
	}
	return h, nil
}
