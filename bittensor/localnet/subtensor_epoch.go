package localnet

import (
	"fmt"
	"math/big"
	"math/bits"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// blockStep is what the runtime does at the beginning of each block before
// any extrinsic: registration prices, emission, and the epochs that are due.
func (e *env) blockStep() error {
	var earning []uint16
	for _, netuid := range e.netuids() {
		e.adjustBurn(netuid)
		if netuid == 0 {
			continue
		}
		if e.has("FirstEmissionBlockNumber", le16(netuid)) {
			earning = append(earning, netuid)
		}
	}
	if e.timelocked() {
		for _, netuid := range e.netuids() {
			if netuid != 0 {
				e.revealTimelocked(netuid)
			}
		}
	}
	e.distribute(earning)
	for _, netuid := range e.netuids() {
		if netuid == 0 {
			continue
		}
		id := le16(netuid)
		if !yuma.Due(e.block, netuid, e.u16("Tempo", id)) {
			e.addU64("BlocksSinceLastStep", 1, id)
			continue
		}
		if !e.timelocked() {
			e.revealTimelocked(netuid)
		}
		if err := e.epoch(netuid); err != nil {
			return fmt.Errorf("epoch of subnet %d at block %d: %w", netuid, e.block, err)
		}
		e.applyChildren(netuid)
	}
	return nil
}

// finish ends a block after its last extrinsic: stake that was added in it
// may be removed again.
func (e *env) finish() {
	for _, key := range e.prefixKeys("StakingOperationRateLimiter") {
		e.w.set(key, nil)
	}
}

// distribute adds one block's emission. The TAO is shared by the subnets' prices
// and goes into their pools, with alpha beside it so that the price stays;
// as much alpha again as a block emits is pending for the owner (18 %), the
// miners and the validators.
func (e *env) distribute(netuids []uint16) {
	emission := e.u64("BlockEmission")
	var prices uint64
	for _, netuid := range netuids {
		prices = satAdd(prices, e.price(netuid))
	}
	for _, netuid := range netuids {
		id := le16(netuid)
		price := e.price(netuid)
		// Kept with 32 fraction bits; here it follows the price at once.
		e.setShares("SubnetMovingPrice", new(big.Int).SetUint64(mulDiv(price, 1<<32, tao)), id)
		added := mulDiv(emission, price, prices)
		alphaIn := min(mulDiv(added, tao, price), emission)
		alphaOut := emission
		e.setU64("SubnetTaoInEmission", added, id)
		e.setU64("SubnetAlphaInEmission", alphaIn, id)
		e.setU64("SubnetAlphaOutEmission", alphaOut, id)
		e.grow(netuid, added, alphaIn)
		e.addU64("SubnetTAO", added, id)
		e.addU64("SubnetAlphaIn", alphaIn, id)
		e.addU64("SubnetAlphaOut", alphaOut, id)
		e.addU64("TotalStake", added)
		e.addU64("TotalIssuance", added)

		owner := uint64(0)
		if e.ownerCut(netuid) {
			owner = mulDiv(alphaOut, uint64(e.u16("SubnetOwnerCut")), 65535)
		}
		e.addU64("PendingOwnerCut", owner, id)
		rest := alphaOut - owner
		e.addU64("PendingServerEmission", rest/2, id)
		e.addU64("PendingValidatorEmission", rest-rest/2, id)
		// Runtimes before these two kept one sum.
		e.addU64("PendingEmission", rest, id)
	}
}

// mulDiv is a*b/c rounded down, saturating; 0 when c is.
func mulDiv(a, b, c uint64) uint64 {
	if c == 0 {
		return 0
	}
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return ^uint64(0)
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}

// drain reads a counter and resets it.
func (e *env) drain(name string, netuid uint16) uint64 {
	v := e.u64(name, le16(netuid))
	if v != 0 {
		e.setU64(name, 0, le16(netuid))
	}
	return v
}

// yumaInput gathers what the epoch reads.
func (s *storage) yumaInput(netuid uint16, block uint64) yuma.Input {
	id := le16(netuid)
	n := int(s.u16("SubnetworkN", id))
	in := yuma.Input{
		Hyperparameters: yuma.Hyperparameters{
			Tempo: s.u16("Tempo", id), ActivityCutoff: s.u16("ActivityCutoff", id), Kappa: s.u16("Kappa", id),
			BondsMovingAverage: s.u64("BondsMovingAverage", id), BondsPenalty: s.u16("BondsPenalty", id),
			LiquidAlphaOn: s.flag("LiquidAlphaOn", id), Yuma3On: s.flag("Yuma3On", id),
			AlphaSigmoidSteepness: int16(s.u16("AlphaSigmoidSteepness", id)),
			MaxAllowedValidators:  s.u16("MaxAllowedValidators", id),
			StakeThreshold:        s.u64("StakeThreshold"), TaoWeight: s.u64("TaoWeight"),
		},
		Block: block, OwnerUID: -1,
		LastUpdate: s.u64s("LastUpdate", id), ValidatorPermit: s.flags("ValidatorPermit", id),
	}
	if b := s.raw("AlphaValues", id); len(b) == 4 {
		in.AlphaLow, in.AlphaHigh = uint16(b[0])|uint16(b[1])<<8, uint16(b[2])|uint16(b[3])<<8
	}
	if uid, ok := s.uidOf(netuid, s.account("SubnetOwnerHotkey", id)); ok {
		in.OwnerUID = int(uid)
	}
	in.LastUpdate = sized(in.LastUpdate, n)
	in.ValidatorPermit = sized(in.ValidatorPermit, n)
	for uid := range uint16(n) {
		hotkey := s.hotkeyOf(netuid, uid)
		in.BlockAtRegistration = append(in.BlockAtRegistration, s.u64("BlockAtRegistration", id, le16(uid)))
		alpha, root := s.lent(hotkey, netuid)
		in.AlphaStake, in.TaoStake = append(in.AlphaStake, alpha), append(in.TaoStake, root)
		in.Weights = append(in.Weights, s.pairs("Weights", id, le16(uid)))
		in.Bonds = append(in.Bonds, s.pairs("Bonds", id, le16(uid)))
	}
	return in
}

// sized cuts or fills a vector to a length.
func sized[T any](v []T, n int) []T {
	out := make([]T, n)
	copy(out, v)
	return out
}

// epoch runs Yuma consensus on a subnet and pays what is pending.
func (e *env) epoch(netuid uint16) error {
	id := le16(netuid)
	e.setU64("BlocksSinceLastStep", 0, id)
	e.setU64("LastMechansimStepBlock", e.block, id)
	e.noteSchedule(netuid)
	pending := e.drain("PendingServerEmission", netuid) + e.drain("PendingValidatorEmission", netuid)
	if old := e.drain("PendingEmission", netuid); pending == 0 {
		pending = old
	}
	ownerCut := e.drain("PendingOwnerCut", netuid)

	in := e.yumaInput(netuid, e.block)
	in.Emission = pending
	out, err := yuma.Epoch(in)
	if err != nil {
		return err
	}
	e.setFlags("Active", out.Active, id)
	e.setU16s("Rank", out.Rank, id)
	e.setU16s("Trust", out.Trust, id)
	e.setU16s("ValidatorTrust", out.ValidatorTrust, id)
	e.setU16s("Consensus", out.Consensus, id)
	e.setU16s("Incentive", out.Incentive, id)
	e.setU16s("Dividends", out.Dividends, id)
	e.setU64s("Emission", out.Emission, id)
	e.setU16s("PruningScores", out.PruningScores, id)
	e.setFlags("ValidatorPermit", out.ValidatorPermit, id)
	e.setU16s("StakeWeight", out.StakeWeight, id)
	for uid := range out.Bonds {
		if out.ValidatorPermit[uid] || in.ValidatorPermit[uid] {
			e.setPairs("Bonds", out.Bonds[uid], id, le16(uint16(uid)))
		}
	}
	e.payEpoch(netuid, in, out, pending, ownerCut)
	return nil
}

// payEpoch adds the emission to stakes: the owner's cut, incentives to the
// miners' coldkeys, dividends to all who stake on a validator, or on a parent
// of it, less its take.
func (e *env) payEpoch(netuid uint16, in yuma.Input, out yuma.Output, pending, ownerCut uint64) {
	id := le16(netuid)
	hotkeys := make([]ss58.AccountID, len(in.LastUpdate))
	for uid := range hotkeys {
		hotkeys[uid] = e.hotkeyOf(netuid, uint16(uid))
	}
	hotkeys, dividends := e.earners(netuid, hotkeys, out.ValidatorEmission)
	n := len(hotkeys)
	take, alpha, root := make([]uint16, n), make([]uint64, n), make([]uint64, n)
	for i, hotkey := range hotkeys {
		take[i] = e.u16("Delegates", hotkey[:])
		alpha[i], root[i] = e.hotkeyAlpha(hotkey, netuid), e.hotkeyAlpha(hotkey, 0)
	}
	paid := yuma.PayOut(yuma.PayoutInput{
		PendingAlpha: pending, OwnerUID: in.OwnerUID, AlphaStake: alpha, TaoStake: root,
		StoredTaoShare: in.TaoWeight, Take: take,
		ServerEmission: sized(out.ServerEmission, n), ValidatorEmission: dividends,
	})
	if hotkey := e.account("SubnetOwnerHotkey", id); hotkey != (ss58.AccountID{}) {
		e.addAlpha(hotkey, e.account("SubnetOwner", id), netuid, ownerCut)
	}
	for _, key := range e.prefixKeys("AlphaDividendsPerSubnet", id) {
		e.w.set(key, nil)
	}
	for i, hotkey := range hotkeys {
		coldkey := e.account("Owner", hotkey[:])
		e.payIncentive(hotkey, coldkey, netuid, paid.Incentive[i])
		e.addAlpha(hotkey, coldkey, netuid, paid.AlphaTake[i])
		if rest := paid.AlphaRest[i]; rest > 0 {
			e.addU64("TotalHotkeyAlpha", rest, hotkey[:], id)
			e.setU64("AlphaDividendsPerSubnet", rest, id, hotkey[:])
		}
		if all := e.hotkeyAlpha(hotkey, netuid); all > 0 {
			e.setU64("TotalHotkeyAlphaLastEpoch", all, hotkey[:], id)
		}
	}
}

// earners splits the dividends of validators among themselves and their
// parents. Parents that have no neuron on the subnet follow the neurons.
func (e *env) earners(netuid uint16, hotkeys []ss58.AccountID, dividends []uint64) ([]ss58.AccountID, []uint64) {
	if len(e.prefixKeys("ParentKeys")) == 0 {
		return hotkeys, dividends
	}
	at := map[ss58.AccountID]int{}
	for i, hotkey := range hotkeys {
		at[hotkey] = i
	}
	sums := make([]uint64, len(hotkeys))
	for uid, hotkey := range hotkeys[:len(dividends)] {
		for _, part := range e.shareDividend(hotkey, netuid, dividends[uid]) {
			i, known := at[part.hotkey]
			if !known {
				i = len(hotkeys)
				at[part.hotkey] = i
				hotkeys, sums = append(hotkeys, part.hotkey), append(sums, 0)
			}
			sums[i] = satAdd(sums[i], part.amount)
		}
	}
	return hotkeys, sums
}
