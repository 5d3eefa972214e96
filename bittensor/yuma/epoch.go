package yuma

import (
	"fmt"
	"math/bits"
	"slices"
)

// Pair is one stored weight or bond: the uid it points to and a u16 value.
type Pair struct {
	UID, Value uint16
}

// Hyperparameters are the settings of a subnet that the epoch reads, as the
// chain stores them.
type Hyperparameters struct {
	Tempo                 uint16 // blocks between epochs, less one
	ActivityCutoff        uint16 // blocks without an update before a validator is inactive
	Kappa                 uint16 // majority of stake for the consensus; 65535 is one
	BondsMovingAverage    uint64 // millionths that old bonds keep
	BondsPenalty          uint16 // 65535: bonds follow the clipped weights; 0: the plain ones
	LiquidAlphaOn         bool   // acts only together with Yuma3On
	AlphaLow, AlphaHigh   uint16 // bounds of liquid alpha; 65535 is one
	AlphaSigmoidSteepness int16  // hundredths
	Yuma3On               bool   // bonds as fixed proportions rather than column shares
	MaxAllowedValidators  uint16
	StakeThreshold        uint64 // least stake, in units of 1e-9, that counts
	TaoWeight             uint64 // weight of root TAO against a subnet's token; 2^64-1 is one
}

// Input is a subnet's state just before an epoch. All slices have one
// element per uid; Weights and Bonds may be shorter or hold nil rows.
type Input struct {
	Hyperparameters
	Block               uint64
	Emission            uint64 // units of 1e-9 to share out
	OwnerUID            int    // uid of the owner's hotkey, which may weigh itself; -1 if none
	LastUpdate          []uint64
	BlockAtRegistration []uint64
	ValidatorPermit     []bool
	AlphaStake          []uint64
	TaoStake            []uint64
	Weights             [][]Pair
	Bonds               [][]Pair

	// Trace, if set, is told every intermediate value under the runtime's
	// own label, in the runtime's order: []Fixed, []Wide, [][]Cell and plain
	// values. What it is given changes afterwards: it must not keep it.
	Trace func(label string, value any)
}

// Output is a subnet's state after an epoch, as the chain stores it, and
// the emission of each neuron.
type Output struct {
	Active          []bool
	Rank            []uint16
	Trust           []uint16
	ValidatorTrust  []uint16
	Consensus       []uint16
	Incentive       []uint16
	Dividends       []uint16
	Emission        []uint64 // both kinds together
	PruningScores   []uint16
	ValidatorPermit []bool
	StakeWeight     []uint16
	Bonds           [][]Pair // rows without a permit before and after are as they were

	ServerEmission    []uint64 // for miners
	ValidatorEmission []uint64 // for validators
}

func (in *Input) trace(label string, value any) {
	if in.Trace != nil {
		in.Trace(label, value)
	}
}

func (in *Input) check() error {
	n := len(in.LastUpdate)
	if n > 1<<15 {
		return fmt.Errorf("yuma: %d neurons, at most %d", n, 1<<15)
	}
	for _, v := range []struct {
		name string
		n    int
	}{
		{"BlockAtRegistration", len(in.BlockAtRegistration)}, {"ValidatorPermit", len(in.ValidatorPermit)},
		{"AlphaStake", len(in.AlphaStake)}, {"TaoStake", len(in.TaoStake)},
	} {
		if v.n != n {
			return fmt.Errorf("yuma: %s has %d elements, LastUpdate %d", v.name, v.n, n)
		}
	}
	if len(in.Weights) > n || len(in.Bonds) > n {
		return fmt.Errorf("yuma: more rows of weights (%d) or bonds (%d) than neurons (%d)", len(in.Weights), len(in.Bonds), n)
	}
	return nil
}

// Due reports whether a subnet's epoch falls on a block: once in tempo+1
// blocks, shifted by the netuid so that subnets take turns.
func Due(block uint64, netuid, tempo uint16) bool {
	return tempo > 0 && BlocksUntilEpoch(block, netuid, tempo) == 0
}

// BlocksUntilEpoch returns how many blocks after this one the subnet's next
// epoch runs; 0 means at this block. A subnet of tempo 0 has no epochs, for
// which the chain gives the largest number.
func BlocksUntilEpoch(block uint64, netuid, tempo uint16) uint64 {
	if tempo == 0 {
		return ^uint64(0)
	}
	return uint64(tempo) - (block+uint64(netuid)+1)%(uint64(tempo)+1)
}

// Epoch runs one epoch of Yuma consensus. It fails only when the lengths in
// its input disagree.
func Epoch(in Input) (Output, error) {
	if err := in.check(); err != nil {
		return Output{}, err
	}
	n := len(in.LastUpdate)
	in.trace("Number of Neurons in Network", uint64(n))
	in.trace("current_block", in.Block)
	in.trace("tempo", uint64(in.Tempo))
	in.trace("activity_cutoff", uint64(in.ActivityCutoff))
	in.trace("Last update", in.LastUpdate)
	inactive := make([]bool, n)
	active := make([]bool, n)
	for i, updated := range in.LastUpdate {
		inactive[i] = saturatingAdd(updated, uint64(in.ActivityCutoff)) < in.Block
		active[i] = !inactive[i]
	}
	in.trace("Inactive", inactive)
	in.trace("Block at registration", in.BlockAtRegistration)

	total, filtered, stake := stakes(in.AlphaStake, in.TaoStake, in.TaoWeight, in.StakeThreshold)
	in.trace("tao_weight", Wide{Lo: taoWeight(in.TaoWeight) << 32, Hi: taoWeight(in.TaoWeight) >> 32})
	in.trace("alpha_stake", in.AlphaStake)
	in.trace("tao_stake", in.TaoStake)
	in.trace("total_stake", total)
	in.trace("Filtered stake", filtered)
	in.trace("Normalised Stake", stake)

	in.trace("validator_permits", in.ValidatorPermit)
	in.trace("max_allowed_validators", uint64(in.MaxAllowedValidators))
	permits := topNonzero(stake, int(in.MaxAllowedValidators))
	in.trace("new_validator_permits", permits)

	activeStake := slices.Clone(stake)
	for i := range activeStake {
		if inactive[i] || !in.ValidatorPermit[i] {
			activeStake[i] = 0
		}
	}
	normalize(activeStake)
	in.trace("Active Stake", activeStake)

	weights := in.maskedWeights(n)

	preranks := weights.mulRows(activeStake)
	in.trace("Ranks (before)", preranks)
	agreed := consensus(activeStake, weights, proportion(in.Kappa))
	in.trace("Consensus", agreed)
	clipped := weights.clipColumns(agreed)
	in.trace("Clipped Weights", clipped)
	validatorTrust := clipped.rowSums()
	in.trace("Validator Trust", validatorTrust)

	incentive := clipped.mulRows(activeStake)
	in.trace("Ranks (after)", incentive)
	trust := make([]Fixed, n)
	for j := range trust {
		trust[j] = incentive[j].div(preranks[j])
	}
	in.trace("Trust", trust)
	normalize(incentive)
	in.trace("Incentive (=Rank)", incentive)

	forBonds := interpolate(weights, clipped, proportion(in.BondsPenalty))
	bonds, dividends := in.bondsAndDividends(n, forBonds, agreed, activeStake, incentive)

	out := Output{
		Active:          active,
		Rank:            proportions(incentive),
		Trust:           proportions(trust),
		ValidatorTrust:  proportions(validatorTrust),
		Consensus:       proportions(agreed),
		Incentive:       proportions(incentive),
		Dividends:       proportions(dividends),
		ValidatorPermit: permits,
		StakeWeight:     proportions(stake),
		Bonds:           storedBonds(in.Bonds, bonds, in.ValidatorPermit, permits),
	}
	in.emission(&out, incentive, dividends, stake, activeStake)
	return out, nil
}

// maskedWeights returns the weights that count, each row normalised.
func (in *Input) maskedWeights(n int) matrix {
	weights := newMatrix(in.Weights, n, fromU16)
	in.trace("Weights", weights)
	weights.filter(func(i int, _ Cell) bool { return in.ValidatorPermit[i] })
	in.trace("Weights (permit)", weights)
	weights.filter(func(i int, c Cell) bool { return i != int(c.UID) || i == in.OwnerUID })
	in.trace("Weights (permit+diag)", weights)
	// A weight set before the uid was given to another neuron is not meant
	// for the new one.
	weights.filter(func(i int, c Cell) bool { return in.LastUpdate[i] > in.BlockAtRegistration[c.UID] })
	in.trace("Weights (permit+diag+outdate)", weights)
	weights.normalizeRows()
	in.trace("Weights (mask+norm)", weights)
	return weights
}

// bondsAndDividends returns the new bonds in the scale in which they are
// stored, and the normalised dividends.
func (in *Input) bondsAndDividends(n int, weights matrix, agreed, activeStake, incentive []Fixed) (matrix, []Fixed) {
	// Bonds to neurons registered since the last epoch belong to others.
	lastEpoch := saturatingSub(in.Block, uint64(in.Tempo))
	current := func(_ int, c Cell) bool { return lastEpoch > in.BlockAtRegistration[c.UID] }

	if in.Yuma3On {
		bonds := newMatrix(in.Bonds, n, proportion)
		in.trace("Bonds", bonds)
		bonds.filter(current)
		in.trace("Bonds (mask)", bonds)
		in.trace("weights_for_bonds", weights)
		bonds = in.fixedBonds(weights, bonds, agreed)
		in.trace("emaB", bonds)
		shares := bonds.clone()
		shares.normalizeColumns()
		in.trace("emaB norm", shares)
		dividends := make([]Fixed, n)
		for i, row := range shares {
			for _, c := range row {
				dividends[i] += c.Value.mul(incentive[c.UID])
			}
		}
		in.trace("total_bonds_per_validator", dividends)
		for i := range dividends {
			dividends[i], _ = dividends[i].tryMul(activeStake[i])
		}
		normalize(dividends)
		in.trace("Dividends", dividends)
		return bonds, dividends
	}

	bonds := newMatrix(in.Bonds, n, fromU16)
	in.trace("B", bonds)
	bonds.filter(current)
	in.trace("B (outdatedmask)", bonds)
	bonds.normalizeColumns()
	in.trace("B (mask+norm)", bonds)
	delta := weights.mapped(func(i int, c Cell) (Fixed, bool) { return c.Value.mul(activeStake[i]), true })
	in.trace("ΔB", delta)
	delta.normalizeColumns()
	in.trace("ΔB (norm)", delta)
	bonds = movingAverage(delta, bonds, bondsAlpha(in.BondsMovingAverage))
	in.trace("Exponential Moving Average Bonds Normal", bonds)
	bonds.normalizeColumns()
	in.trace("Exponential Moving Average Bonds", bonds)
	dividends := bonds.mulColumns(incentive)
	normalize(dividends)
	in.trace("Dividends", dividends)
	bonds.upscaleColumns()
	return bonds, dividends
}

// fixedBonds moves Yuma3's bonds towards the weights.
func (in *Input) fixedBonds(weights, bonds matrix, agreed []Fixed) matrix {
	anyAgreed := slices.ContainsFunc(agreed, func(c Fixed) bool { return c != 0 })
	if !in.LiquidAlphaOn || !anyAgreed {
		return movingAverage(weights, bonds, bondsAlpha(in.BondsMovingAverage))
	}
	l := newLiquidAlpha(in.Hyperparameters, agreed)
	if in.Trace != nil {
		alphas := make([][]Fixed, len(weights))
		for i := range alphas {
			alphas[i] = make([]Fixed, len(weights))
			l.row(weights[i], bonds[i], alphas[i])
		}
		in.trace("alphas", alphas)
	}
	return l.buy(weights, bonds)
}

// emission shares out the emission by incentive and dividends.
func (in *Input) emission(out *Output, incentive, dividends, stake, activeStake []Fixed) {
	combined := make([]Fixed, len(incentive))
	for i := range combined {
		combined[i] = incentive[i].add(dividends[i])
	}
	all := sum(combined)
	server, validator := slices.Clone(incentive), slices.Clone(dividends)
	normalizeBy(server, all)
	normalizeBy(validator, all)
	normalize(combined)
	if all == 0 {
		// No weights that count: pay by stake, active if there is any.
		validator = activeStake
		if sum(activeStake) == 0 {
			validator = stake
		}
		combined = validator
	}
	out.ServerEmission = shares(server, in.Emission)
	out.ValidatorEmission = shares(validator, in.Emission)
	out.Emission = shares(combined, in.Emission)
	out.PruningScores = MaxUpscaleFixed(combined)
	in.trace("Normalized Server Emission", server)
	in.trace("Server Emission", out.ServerEmission)
	in.trace("Normalized Validator Emission", validator)
	in.trace("Validator Emission", out.ValidatorEmission)
	in.trace("Normalized Combined Emission", combined)
	in.trace("Combined Emission", out.Emission)
	in.trace("Pruning Scores", combined)
}

// shares multiplies proportions with an amount, rounding down.
func shares(proportion []Fixed, amount uint64) []uint64 {
	out := make([]uint64, len(proportion))
	for i, p := range proportion {
		if p > 0 {
			hi, lo := bits.Mul64(uint64(p), amount)
			if hi>>32 != 0 {
				out[i] = ^uint64(0)
				continue
			}
			out[i] = hi<<32 | lo>>32
		}
	}
	return out
}

func proportions(v []Fixed) []uint16 {
	out := make([]uint16, len(v))
	for i, x := range v {
		out[i] = x.proportionU16()
	}
	return out
}

// storedBonds returns the rows to store: new ones for validators, empty
// ones for those that lost their permit, the old ones for everybody else.
func storedBonds(old [][]Pair, bonds matrix, before, after []bool) [][]Pair {
	out := make([][]Pair, len(bonds))
	for i, row := range bonds {
		switch {
		case after[i]:
			out[i] = make([]Pair, len(row))
			for k, c := range row {
				out[i][k] = Pair{c.UID, c.Value.proportionU16()}
			}
		case before[i]:
			out[i] = []Pair{}
		case i < len(old):
			out[i] = slices.Clone(old[i])
		}
	}
	return out
}

// topNonzero marks the k largest values that are not zero; of equal ones
// the later uid wins.
func topNonzero(v []Fixed, k int) []bool {
	out := make([]bool, len(v))
	for i, x := range v {
		out[i] = x != 0
	}
	if len(v) < k {
		return out
	}
	index := make([]int, len(v))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int {
		switch {
		case v[a] < v[b]:
			return -1
		case v[a] > v[b]:
			return 1
		}
		return 0
	})
	for _, i := range index[:len(v)-k] {
		out[i] = false
	}
	return out
}

func saturatingAdd(a, b uint64) uint64 {
	if s := a + b; s >= a {
		return s
	}
	return ^uint64(0)
}

func saturatingSub(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}
