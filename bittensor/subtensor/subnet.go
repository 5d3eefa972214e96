package subtensor

import (
	"math"
	"math/big"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Subnet is what a chain says of a subnet as a whole, at the block of its metagraph.
// Amounts are in rao, of TAO or of the subnet's alpha.
type Subnet struct {
	Name, Symbol string
	// Identity is what the owner says of the subnet, by the chain's field names;
	// nil when nothing was said.
	Identity                  map[string]string `scale:"-"`
	OwnerHotkey, OwnerColdkey ss58.AccountID
	// NetworkRegisteredAt is the block at which the subnet was made.
	NetworkRegisteredAt uint64
	NumUIDs             uint16 `scale:"num_uids"`
	MaxUIDs             uint16 `scale:"max_uids"`
	// LastStep is the block of the last epoch.
	LastStep, BlocksSinceLastStep uint64
	Pool                          Pool      `scale:"-"`
	Emissions                     Emissions `scale:"-"`
	// Rules are the hyperparameters that the metagraph tells.
	Rules SubnetRules `scale:"-"`
	// MechanismCount is the number of the subnet's mechanisms, EmissionSplit how they
	// share, in 65535ths; no split means equal shares. Read only with
	// MetagraphOptions.Full; 0 where the chain knows no mechanisms.
	MechanismCount uint8    `scale:"-"`
	EmissionSplit  []uint16 `scale:"-"`
	// Identities tells what the neurons' owners say of themselves, by uid; nil where
	// nothing was said.
	Identities []map[string]string `scale:"-"`
	// TAODividends and AlphaDividends are what each hotkey's stakers earned at the
	// last epoch, by hotkey.
	TAODividends, AlphaDividends map[ss58.AccountID]uint64 `scale:"-"`
}

// Pool is a subnet's market of alpha against TAO, in rao.
type Pool struct {
	AlphaIn  uint64 `json:"alpha_in"`
	AlphaOut uint64 `json:"alpha_out"`
	TAOIn    uint64 `json:"tao_in"`
	// SubnetVolume is all that was ever traded, in rao of TAO.
	SubnetVolume *big.Int `json:"subnet_volume"`
	// MovingPrice is the smoothed price of one alpha in TAO.
	MovingPrice float64 `scale:"-" json:"moving_price"`
}

// Emissions are what a subnet gets per block, and what waits for its next epoch, in
// rao.
type Emissions struct {
	SubnetEmission       uint64 `json:"subnet_emission"`
	AlphaInEmission      uint64 `json:"alpha_in_emission"`
	AlphaOutEmission     uint64 `json:"alpha_out_emission"`
	TAOInEmission        uint64 `json:"tao_in_emission"`
	PendingAlphaEmission uint64 `json:"pending_alpha_emission"`
	PendingRootEmission  uint64 `json:"pending_root_emission"`
}

// SubnetRules are the hyperparameters in a metagraph: the chain's own numbers, as in
// Hyperparameters, with the rules of registration beside them.
type SubnetRules struct {
	Rho                        uint16 `json:"rho"`
	Kappa                      uint16 `json:"kappa"`
	Tempo                      uint16 `json:"tempo"`
	MinAllowedWeights          uint16 `json:"min_allowed_weights"`
	MaxWeightsLimit            uint16 `json:"max_weights_limit"`
	WeightsVersion             uint64 `json:"weights_version"`
	WeightsRateLimit           uint64 `json:"weights_rate_limit"`
	ActivityCutoff             uint16 `json:"activity_cutoff"`
	MaxValidators              uint16 `json:"max_validators"`
	ImmunityPeriod             uint16 `json:"immunity_period"`
	Burn                       uint64 `json:"burn"`
	MinBurn                    uint64 `json:"min_burn"`
	MaxBurn                    uint64 `json:"max_burn"`
	Difficulty                 uint64 `json:"difficulty"`
	MinDifficulty              uint64 `json:"min_difficulty"`
	MaxDifficulty              uint64 `json:"max_difficulty"`
	RegistrationAllowed        bool   `json:"registration_allowed"`
	PoWRegistrationAllowed     bool   `scale:"pow_registration_allowed" json:"pow_registration_allowed"`
	AdjustmentAlpha            uint64 `json:"adjustment_alpha"`
	AdjustmentInterval         uint16 `json:"adjustment_interval"`
	TargetRegsPerInterval      uint16 `json:"target_regs_per_interval"`
	MaxRegsPerBlock            uint16 `json:"max_regs_per_block"`
	ServingRateLimit           uint64 `json:"serving_rate_limit"`
	CommitRevealWeightsEnabled bool   `json:"commit_reveal_weights_enabled"`
	CommitRevealPeriod         uint64 `json:"commit_reveal_period"`
	LiquidAlphaEnabled         bool   `json:"liquid_alpha_enabled"`
	AlphaHigh                  uint16 `json:"alpha_high"`
	AlphaLow                   uint16 `json:"alpha_low"`
	BondsMovingAvg             uint64 `json:"bonds_moving_avg"`
}

// hotkeyAmount is an element of the lists of dividends.
type hotkeyAmount struct {
	Hotkey ss58.AccountID
	Amount uint64
}

// newSubnet reads the part of the runtime's metagraph that is not a list per uid.
func newSubnet(v any) (*Subnet, error) {
	s := &Subnet{TAODividends: map[ss58.AccountID]uint64{}, AlphaDividends: map[ss58.AccountID]uint64{}}
	var w struct {
		MovingPrice             *struct{ Bits *big.Int }
		TAODividendsPerHotkey   []hotkeyAmount
		AlphaDividendsPerHotkey []hotkeyAmount
		Identity                any
		Identities              []any
	}
	for _, dst := range []any{s, &s.Pool, &s.Emissions, &s.Rules, &w} {
		if err := substrate.Assign(v, dst); err != nil {
			return nil, err
		}
	}
	if w.MovingPrice != nil && w.MovingPrice.Bits != nil {
		bits, _ := new(big.Float).SetInt(w.MovingPrice.Bits).Float64()
		s.Pool.MovingPrice = math.Ldexp(bits, -32) // 32 of its bits are the fraction
	}
	for _, d := range w.TAODividendsPerHotkey {
		s.TAODividends[d.Hotkey] = d.Amount
	}
	for _, d := range w.AlphaDividendsPerHotkey {
		s.AlphaDividends[d.Hotkey] = d.Amount
	}
	s.Identity = texts(w.Identity)
	s.Identities = make([]map[string]string, len(w.Identities))
	for i, identity := range w.Identities {
		s.Identities[i] = texts(identity)
	}
	return s, nil
}

// texts reads a struct of texts, such as an identity: its fields and their number
// change with the runtime's versions.
func texts(v any) map[string]string {
	rec, ok := v.(substrate.Record)
	if !ok {
		return nil
	}
	out := make(map[string]string, len(rec))
	for _, e := range rec {
		var text string
		if substrate.Assign(e.Value, &text) == nil {
			out[e.Name] = text
		}
	}
	return out
}
