package localnet

import (
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// vote is the urgency that the runtime's own extension gives to a transaction
// beyond what its fee does.
type vote struct {
	priority uint64
	// brief transactions are forgotten after one block.
	brief bool
}

// weighing are the calls that need the stake for setting weights before they
// are let in. The extension does not know the calls of mechanisms, which fail
// in the block. Spec 293 orders them by how long ago the hotkey set weights,
// and forgets them after a block.
var weighing = map[string]bool{
	"set_weights": true, "commit_weights": true, "reveal_weights": true, "batch_reveal_weights": true, "commit_crv3_weights": true,
	"commit_timelocked_weights": true,
}

// precheck makes the checks by which the runtime's own extension refuses
// calls before they enter a block. Spec 293 checks staking as well and gives
// every call a priority; later runtimes leave that to the calls.
func (e *env) precheck(t *transaction) (vote, error) {
	v := vote{}
	if e.rt.spec == 293 {
		v.priority = ^uint64(0)
	}
	if err := e.precheckColdkeySwap(t.Signer, t.Call); err != nil {
		return v, err
	}
	if t.Call.Pallet != "SubtensorModule" {
		return v, nil
	}
	a := args{t.Call.Args}
	netuid := a.u16("netuid")
	if weighing[t.Call.Name] && !e.hasMinStake(t.Signer, netuid) {
		return v, &invalidity{name: "Custom", custom: customCodes["AmountTooLow"]}
	}
	if err := e.precheckCommit(t.Signer, t.Call.Name, a); err != nil {
		return v, err
	}
	if e.rt.spec == 293 && weighing[t.Call.Name] {
		return vote{e.weightsPriority(t.Signer, netuid), true}, nil
	}
	switch t.Call.Name {
	case "serve_axon":
		return v, refused(e.checkAxon(t.Signer, a))
	case "burned_register", "register":
		if e.subnetExists(netuid) && e.intervalFull(netuid) {
			return v, &invalidity{name: "Custom", custom: 6}
		}
	case "register_network":
		if e.rt.spec != 293 && !e.networkRateOpen() {
			return v, &invalidity{name: "Custom", custom: 6}
		}
	case "add_stake_burn":
		if e.account("SubnetOwner", le16(netuid)) != t.Signer {
			return v, &invalidity{name: "BadSigner"}
		}
		v.priority = 100
	}
	if e.rt.spec != 293 {
		return v, nil
	}
	return e.precheckStaking(t, a, v)
}

// precheckStaking makes spec 293's checks of stake on its way.
func (e *env) precheckStaking(t *transaction, a args, v vote) (vote, error) {
	who, netuid := t.Signer, a.u16("netuid")
	hotkey := a.account("hotkey")
	noLimit := &invalidity{name: "Custom", custom: 14}
	var err error
	switch t.Call.Name {
	case "add_stake":
		amount := a.u64("amount_staked")
		v.priority, err = e.stakingPriority(who, hotkey, amount), e.canBuy(who, hotkey, netuid, amount, amount, false)
	case "add_stake_limit":
		most, limitErr := e.mostToBuy(netuid, a.u64("limit_price"))
		if limitErr != nil {
			return v, noLimit
		}
		amount := a.u64("amount_staked")
		v.priority, err = e.stakingPriority(who, hotkey, amount), e.canBuy(who, hotkey, netuid, amount, most, arg[bool](a, "allow_partial"))
	case "remove_stake":
		amount := a.u64("amount_unstaked")
		v.priority, err = e.stakingPriority(who, hotkey, amount), e.canSell(who, hotkey, netuid, amount, amount, false)
	case "remove_stake_limit":
		most, limitErr := e.mostToSell(netuid, a.u64("limit_price"))
		if limitErr != nil {
			return v, noLimit
		}
		amount := a.u64("amount_unstaked")
		v.priority, err = e.stakingPriority(who, hotkey, amount), e.canSell(who, hotkey, netuid, amount, most, arg[bool](a, "allow_partial"))
	case "unstake_all":
		err = e.sellsAny(who, hotkey, false)
	case "unstake_all_alpha":
		err = e.sellsAny(who, hotkey, true)
	case "move_stake":
		m := stakeMove{
			fromColdkey: who, toColdkey: who, fromHotkey: a.account("origin_hotkey"), toHotkey: a.account("destination_hotkey"),
			fromNetuid: a.u16("origin_netuid"), toNetuid: a.u16("destination_netuid"), amount: a.u64("alpha_amount"),
		}
		v.priority, err = e.stakingPriority(who, m.fromHotkey, m.amount), e.canMove(m, m.amount)
	case "transfer_stake":
		m := stakeMove{
			fromColdkey: who, toColdkey: a.account("destination_coldkey"), fromHotkey: hotkey, toHotkey: hotkey,
			fromNetuid: a.u16("origin_netuid"), toNetuid: a.u16("destination_netuid"), amount: a.u64("alpha_amount"), transfer: true,
		}
		v.priority, err = e.stakingPriority(who, hotkey, m.amount), e.canMove(m, m.amount)
	case "swap_stake":
		m := swapArgs(who, a, false)
		v.priority, err = e.stakingPriority(who, hotkey, m.amount), e.canMove(m, m.amount)
	case "swap_stake_limit":
		m := swapArgs(who, a, true)
		most, limitErr := e.mostToMove(m.fromNetuid, m.toNetuid, m.limit)
		if limitErr != nil {
			return v, noLimit
		}
		v.priority, err = e.stakingPriority(who, hotkey, m.amount), e.canMove(m, most)
	}
	return v, refused(err)
}

// weightsPriority grows with the blocks since a hotkey last set weights.
func (e *env) weightsPriority(hotkey ss58.AccountID, netuid uint16) uint64 {
	uid, ok := e.uidOf(netuid, hotkey)
	if !ok {
		return 0
	}
	return satSub(e.block, at(e.u64s("LastUpdate", le16(netuid)), int(uid))) + 1<<32 - 1
}

// stakingPriority grows with the amount, and with the blocks since the pair
// of keys last changed its stake.
func (e *env) stakingPriority(coldkey, hotkey ss58.AccountID, amount uint64) uint64 {
	if !e.has("LastColdkeyHotkeyStakeBlock", coldkey[:], hotkey[:]) {
		return amount
	}
	last := e.u64("LastColdkeyHotkeyStakeBlock", coldkey[:], hotkey[:])
	return satAdd(satSub(e.block, last)+1<<32-1, amount)
}

// validity is what validation says about a good transaction.
type validity struct {
	priority, longevity uint64
}

// verdict is the validity of a transaction that has passed validation.
func (e *env) verdict(t *transaction) validity {
	v, _ := e.precheck(t)
	out := validity{
		priority:  satAdd(v.priority, t.info.priority(len(t.raw), t.Tip)),
		longevity: satSub(t.Era.Death(e.block), e.block),
	}
	if v.brief {
		out.longevity = min(out.longevity, 1)
	}
	return out
}
