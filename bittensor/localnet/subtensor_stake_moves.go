package localnet

import (
	"math/big"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// stakeMove is stake on its way from one place to another.
type stakeMove struct {
	fromColdkey, toColdkey ss58.AccountID
	fromHotkey, toHotkey   ss58.AccountID
	fromNetuid, toNetuid   uint16
	amount                 uint64 // alpha of the subnet that it leaves
	limited                bool   // a limit of the price was given
	limit                  uint64 // TAO of one alpha in alphas of the other, in 1e-9
	partial                bool
	transfer               bool // to another coldkey: subnets may forbid it
}

func stakeMoveCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.move_stake": func(e *env, from origin, a args) error {
			who, err := from.signed()
			if err != nil {
				return err
			}
			m := stakeMove{
				fromColdkey: who, toColdkey: who, fromHotkey: a.account("origin_hotkey"), toHotkey: a.account("destination_hotkey"),
				fromNetuid: a.u16("origin_netuid"), toNetuid: a.u16("destination_netuid"), amount: a.u64("alpha_amount"),
			}
			moved, err := e.moveStake(m)
			if err != nil {
				return err
			}
			e.emit("SubtensorModule", "StakeMoved", who, m.fromHotkey, m.fromNetuid, m.toHotkey, m.toNetuid, moved)
			return nil
		},
		"SubtensorModule.transfer_stake": func(e *env, from origin, a args) error {
			who, err := from.signed()
			if err != nil {
				return err
			}
			m := stakeMove{
				fromColdkey: who, toColdkey: a.account("destination_coldkey"), fromHotkey: a.account("hotkey"), toHotkey: a.account("hotkey"),
				fromNetuid: a.u16("origin_netuid"), toNetuid: a.u16("destination_netuid"), amount: a.u64("alpha_amount"), transfer: true,
			}
			moved, err := e.moveStake(m)
			if err != nil {
				return err
			}
			e.emit("SubtensorModule", "StakeTransferred", who, m.toColdkey, m.fromHotkey, m.fromNetuid, m.toNetuid, moved)
			return nil
		},
		"SubtensorModule.add_stake_burn":   (*env).addStakeBurn,
		"SubtensorModule.swap_stake":       swapStake(false),
		"SubtensorModule.swap_stake_limit": swapStake(true),
	}
}

func swapStake(limited bool) callFunc {
	return func(e *env, from origin, a args) error {
		who, err := from.signed()
		if err != nil {
			return err
		}
		m := swapArgs(who, a, limited)
		moved, err := e.moveStake(m)
		if err != nil {
			return err
		}
		e.emit("SubtensorModule", "StakeSwapped", who, m.fromHotkey, m.fromNetuid, m.toNetuid, moved)
		return nil
	}
}

func swapArgs(who ss58.AccountID, a args, limited bool) stakeMove {
	return stakeMove{
		fromColdkey: who, toColdkey: who, fromHotkey: a.account("hotkey"), toHotkey: a.account("hotkey"),
		fromNetuid: a.u16("origin_netuid"), toNetuid: a.u16("destination_netuid"), amount: a.u64("alpha_amount"),
		limited: limited, limit: a.u64("limit_price"), partial: arg[bool](a, "allow_partial"),
	}
}

// canMove holds the checks of a move, in the runtime's order.
func (e *env) canMove(m stakeMove, most uint64) error {
	same := m.fromNetuid == m.toNetuid
	switch {
	case m.fromColdkey == m.toColdkey && m.fromHotkey == m.toHotkey && same:
		return e.fail("SameNetuid")
	case e.justStaked(m.fromColdkey, m.fromHotkey, m.fromNetuid):
		return e.fail("StakingOperationRateLimitExceeded")
	case !e.subnetExists(m.fromNetuid) || !e.subnetExists(m.toNetuid):
		return e.fail("SubnetNotExists")
	case !e.flag("SubtokenEnabled", le16(m.fromNetuid)) || !e.flag("SubtokenEnabled", le16(m.toNetuid)):
		return e.fail("SubtokenDisabled")
	case !e.has("Owner", m.fromHotkey[:]) || !e.has("Owner", m.toHotkey[:]):
		return e.fail("HotKeyAccountNotExists")
	case m.amount > e.stakeOf(m.fromHotkey, m.fromColdkey, m.fromNetuid):
		return e.fail("NotEnoughStakeToWithdraw")
	}
	if !same || e.rt.spec == 293 {
		out, _, err := e.trade(m.fromNetuid, false, m.amount, minPrice, false)
		switch {
		case err != nil:
			return e.fail("InsufficientLiquidity")
		case out.out <= minStake:
			return e.fail("AmountTooLow")
		case m.limited && !m.partial && m.amount > most:
			return e.fail("SlippageTooHigh")
		}
	}
	if m.transfer && (!e.flag("TransferToggle", le16(m.fromNetuid)) || !e.flag("TransferToggle", le16(m.toNetuid))) {
		return e.fail("TransferDisallowed")
	}
	return nil
}

// moveStake moves stake and returns its worth in TAO, in rao. Between subnets
// it is sold and bought again.
func (e *env) moveStake(m stakeMove) (uint64, error) {
	// The order is the same for calls whose amount was cut down to what is
	// there; the runtime of spec 293 refuses those instead.
	if e.rt.spec != 293 {
		m.amount = min(m.amount, e.stakeOf(m.fromHotkey, m.fromColdkey, m.fromNetuid))
	}
	most := m.amount
	if m.limited && m.fromNetuid != m.toNetuid {
		var err error
		if most, err = e.mostToMove(m.fromNetuid, m.toNetuid, m.limit); err != nil {
			return 0, err
		}
	}
	if err := e.canMove(m, most); err != nil {
		return 0, err
	}
	m.amount = min(m.amount, most)
	if m.fromNetuid == m.toNetuid {
		return e.moveWithin(m)
	}
	// The fee is taken once, on the side that is not root.
	fromRoot := m.fromNetuid == 0
	got, err := e.unstakeFrom(m.fromHotkey, m.fromColdkey, m.fromNetuid, m.amount, minPrice, fromRoot)
	if err != nil {
		return 0, err
	}
	if got >= minStake {
		if _, err := e.stakeInto(m.toHotkey, m.toColdkey, m.toNetuid, got, maxPrice, !m.transfer, !fromRoot); err != nil {
			return 0, err
		}
		return got, nil
	}
	// Too little to stake: the runtime would let it go; it is counted as burnt.
	e.subU64("TotalIssuance", got)
	return got, nil
}

// moveWithin changes the owner or the hotkey of stake on one subnet.
func (e *env) moveWithin(m stakeMove) (uint64, error) {
	worth := mulDiv(m.amount, e.price(m.fromNetuid), tao)
	if worth < minStake {
		return 0, e.fail("AmountTooLow")
	}
	e.takeAlpha(m.fromHotkey, m.fromColdkey, m.fromNetuid, m.amount)
	e.addAlpha(m.toHotkey, m.toColdkey, m.fromNetuid, m.amount)
	e.setU64("LastColdkeyHotkeyStakeBlock", e.block, m.toColdkey[:], m.toHotkey[:])
	e.emit("SubtensorModule", "StakeRemoved", m.fromColdkey, m.fromHotkey, worth, m.amount, m.fromNetuid, uint64(0))
	e.emit("SubtensorModule", "StakeAdded", m.toColdkey, m.toHotkey, worth, m.amount, m.fromNetuid, uint64(0))
	return worth, nil
}

// mostToMove is how much alpha can move before the price of the one in the
// other falls below a limit.
func (e *env) mostToMove(from, to uint16, limit uint64) (uint64, error) {
	none := e.fail("ZeroMaxStakeAmount")
	switch {
	case e.stable(from) && e.stable(to):
		if limit > tao {
			return 0, none
		}
		return ^uint64(0), nil
	case e.stable(from):
		if limit == 0 {
			return ^uint64(0), nil
		}
		return e.mostToBuy(to, mulDiv(tao, tao, limit))
	case e.stable(to):
		return e.mostToSell(from, limit)
	}
	tao1, tao2 := e.u64("SubnetTAO", le16(from)), e.u64("SubnetTAO", le16(to))
	in1, in2 := e.u64("SubnetAlphaIn", le16(from)), e.u64("SubnetAlphaIn", le16(to))
	if tao1 == 0 || tao2 == 0 || in1 == 0 || in2 == 0 {
		return 0, none
	}
	root1, root2 := e.sqrtPrice(from), e.sqrtPrice(to)
	price := fixedDiv(fixedMul(root1, root1), fixedMul(root2, root2))
	wanted := fixedDiv(new(big.Int).SetUint64(limit), big.NewInt(tao))
	switch {
	case wanted.Cmp(price) > 0:
		return 0, none
	case limit == 0:
		return ^uint64(0), nil
	}
	sum := new(big.Int).Add(toFixed(tao1), toFixed(tao2))
	most := fixedDiv(fixedMul(toFixed(in2), fixedDiv(toFixed(tao1), sum)), wanted)
	most.Sub(most, fixedMul(toFixed(in1), fixedDiv(toFixed(tao2), sum)))
	if n := whole(most); n > 0 {
		return n, nil
	}
	return 0, none
}

// unstakeAll unstakes from every subnet that allows it; with toRoot from all
// but root, to stake the TAO there.
func (e *env) unstakeAll(from origin, hotkey ss58.AccountID, toRoot bool) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	if !e.has("Owner", hotkey[:]) {
		return e.fail("HotKeyAccountNotExists")
	}
	var total uint64
	for _, netuid := range e.netuids() {
		held := e.stakeOf(hotkey, coldkey, netuid)
		if toRoot && netuid == 0 || !e.flag("SubtokenEnabled", le16(netuid)) || e.canSell(coldkey, hotkey, netuid, held, held, false) != nil {
			continue
		}
		got, err := e.unstakeFrom(hotkey, coldkey, netuid, held, minPrice, false)
		if err != nil {
			return err
		}
		if toRoot {
			total = satAdd(total, got)
		} else {
			e.payIn(coldkey, got)
		}
		e.clearSmall(hotkey, coldkey, netuid)
	}
	if !toRoot {
		return nil
	}
	_, err = e.stakeInto(hotkey, coldkey, 0, total, maxPrice, false, false)
	return err
}

// sellsAny reports whether unstakeAll would unstake anything.
func (e *env) sellsAny(coldkey, hotkey ss58.AccountID, toRoot bool) error {
	if !e.has("Owner", hotkey[:]) {
		return e.fail("HotKeyAccountNotExists")
	}
	for _, netuid := range e.netuids() {
		held := e.stakeOf(hotkey, coldkey, netuid)
		if (!toRoot || netuid != 0) && e.canSell(coldkey, hotkey, netuid, held, held, false) == nil {
			return nil
		}
	}
	return e.fail("AmountTooLow")
}

// destroyAlpha takes stake out of existence. Recycled alpha leaves the
// subnet's issuance as well, so that it may be emitted again.
func (e *env) destroyAlpha(from origin, hotkey ss58.AccountID, amount uint64, netuid uint16, recycle bool) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	switch {
	case !e.subnetExists(netuid):
		return e.fail("SubnetNotExists")
	case netuid == 0:
		return e.fail("CannotBurnOrRecycleOnRootSubnet")
	case !e.flag("SubtokenEnabled", le16(netuid)):
		return e.fail("SubtokenDisabled")
	case !e.has("Owner", hotkey[:]):
		return e.fail("HotKeyAccountNotExists")
	}
	owned := e.stakeOf(hotkey, coldkey, netuid)
	if e.rt.spec == 293 && owned < amount {
		return e.fail("NotEnoughStakeToWithdraw")
	}
	amount = min(amount, owned)
	if e.u64("SubnetAlphaOut", le16(netuid)) < amount {
		return e.fail("InsufficientLiquidity")
	}
	e.takeAlpha(hotkey, coldkey, netuid, amount)
	event := "AlphaBurned"
	if recycle {
		e.subU64("SubnetAlphaOut", amount, le16(netuid))
		event = "AlphaRecycled"
	}
	e.emit("SubtensorModule", event, coldkey, hotkey, amount, netuid)
	return nil
}

// addStakeBurn lets a subnet's owner buy alpha and burn it, once a tempo.
func (e *env) addStakeBurn(from origin, a args) error {
	netuid, hotkey, amount := a.u16("netuid"), a.account("hotkey"), a.u64("amount")
	if from.root {
		return errBadOrigin
	}
	if err := e.ownerOrRoot(from, netuid); err != nil {
		return err
	}
	key := lastStakeBurn(netuid)
	if last := e.u64("LastRateLimitedBlock", key); last != 0 && satSub(e.block, last) < uint64(e.u16("Tempo", le16(netuid))) {
		return e.fail("AddStakeBurnRateLimitExceeded")
	}
	var alpha uint64
	var err error
	if a.any("limit") == nil {
		alpha, err = e.addStake(from, hotkey, netuid, amount)
	} else {
		alpha, err = e.addStakeLimit(from, hotkey, netuid, amount, a.u64("limit"), false)
	}
	if err != nil {
		return err
	}
	if err := e.destroyAlpha(from, hotkey, alpha, netuid, false); err != nil {
		return err
	}
	e.setU64("LastRateLimitedBlock", e.block, key)
	e.emit("SubtensorModule", "AddStakeBurn", netuid, hotkey, amount, alpha)
	return nil
}
