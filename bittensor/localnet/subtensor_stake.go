package localnet

import (
	"math/big"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// minStake is the least amount that can be staked or unstaked, in rao.
const minStake = 2_000_000

func stakingCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.add_stake": func(e *env, from origin, a args) error {
			_, err := e.addStake(from, a.account("hotkey"), a.u16("netuid"), a.u64("amount_staked"))
			return err
		},
		"SubtensorModule.remove_stake": func(e *env, from origin, a args) error {
			return e.removeStake(from, a.account("hotkey"), a.u16("netuid"), a.u64("amount_unstaked"))
		},
		"SubtensorModule.add_stake_limit": func(e *env, from origin, a args) error {
			_, err := e.addStakeLimit(from, a.account("hotkey"), a.u16("netuid"), a.u64("amount_staked"), a.u64("limit_price"), arg[bool](a, "allow_partial"))
			return err
		},
		"SubtensorModule.remove_stake_limit": func(e *env, from origin, a args) error {
			return e.removeStakeLimit(from, a.account("hotkey"), a.u16("netuid"), a.u64("amount_unstaked"), a.u64("limit_price"), arg[bool](a, "allow_partial"))
		},
		"SubtensorModule.remove_stake_full_limit": func(e *env, from origin, a args) error {
			who, err := from.signed()
			if err != nil {
				return err
			}
			hotkey, netuid := a.account("hotkey"), a.u16("netuid")
			all := e.stakeOf(hotkey, who, netuid)
			if a.any("limit_price") == nil {
				return e.removeStake(from, hotkey, netuid, all)
			}
			return e.removeStakeLimit(from, hotkey, netuid, all, a.u64("limit_price"), false)
		},
		"SubtensorModule.unstake_all":       func(e *env, from origin, a args) error { return e.unstakeAll(from, a.account("hotkey"), false) },
		"SubtensorModule.unstake_all_alpha": func(e *env, from origin, a args) error { return e.unstakeAll(from, a.account("hotkey"), true) },
		"SubtensorModule.recycle_alpha": func(e *env, from origin, a args) error {
			return e.destroyAlpha(from, a.account("hotkey"), a.u64("amount"), a.u16("netuid"), true)
		},
		"SubtensorModule.burn_alpha": func(e *env, from origin, a args) error {
			return e.destroyAlpha(from, a.account("hotkey"), a.u64("amount"), a.u16("netuid"), false)
		},
	}
}

// Stake on a subnet is held in its token, alpha. What stands behind a hotkey
// is one amount (TotalHotkeyAlpha), of which each coldkey owns shares, so
// that dividends reach all of them with one addition. Shares are unsigned
// 64.64-bit fixed-point numbers.

func (s *storage) shares(name string, parts ...[]byte) *big.Int {
	b := s.raw(name, parts...)
	be := make([]byte, len(b))
	for i := range b {
		be[len(b)-1-i] = b[i]
	}
	return new(big.Int).SetBytes(be)
}

func (s *storage) setShares(name string, v *big.Int, parts ...[]byte) {
	if v.Sign() <= 0 {
		s.remove(name, parts...)
		return
	}
	b := make([]byte, 16)
	for i, x := range v.Bytes() {
		if at := len(v.Bytes()) - 1 - i; at < 16 {
			b[at] = x
		}
	}
	s.setRaw(name, b, parts...)
}

// hotkeyAlpha is all stake behind a hotkey on a subnet; on root it is TAO.
func (s *storage) hotkeyAlpha(hotkey ss58.AccountID, netuid uint16) uint64 {
	return s.u64("TotalHotkeyAlpha", hotkey[:], le16(netuid))
}

// stakeOf is what one coldkey owns of the stake behind a hotkey.
func (s *storage) stakeOf(hotkey, coldkey ss58.AccountID, netuid uint16) uint64 {
	id := le16(netuid)
	all := s.shares("TotalHotkeyShares", hotkey[:], id)
	if all.Sign() == 0 {
		return 0
	}
	own := s.shares("Alpha", hotkey[:], coldkey[:], id)
	own.Mul(own, new(big.Int).SetUint64(s.hotkeyAlpha(hotkey, netuid)))
	return own.Div(own, all).Uint64()
}

// addAlpha adds stake of a coldkey behind a hotkey.
func (e *env) addAlpha(hotkey, coldkey ss58.AccountID, netuid uint16, amount uint64) {
	if amount == 0 {
		return
	}
	id := le16(netuid)
	if !e.has("Alpha", hotkey[:], coldkey[:], id) {
		e.appendAccount("StakingHotkeys", hotkey, coldkey[:])
	}
	all := e.shares("TotalHotkeyShares", hotkey[:], id)
	value := e.hotkeyAlpha(hotkey, netuid)
	added := new(big.Int).Lsh(new(big.Int).SetUint64(amount), 64)
	if all.Sign() > 0 && value > 0 {
		added.SetUint64(amount)
		added.Mul(added, all).Div(added, new(big.Int).SetUint64(value))
	}
	e.changeShares(hotkey, coldkey, id, all, added)
	e.setU64("TotalHotkeyAlpha", satAdd(value, amount), hotkey[:], id)
}

// takeAlpha removes stake of a coldkey; the caller has checked that it is
// there.
func (e *env) takeAlpha(hotkey, coldkey ss58.AccountID, netuid uint16, amount uint64) {
	id := le16(netuid)
	all := e.shares("TotalHotkeyShares", hotkey[:], id)
	own := e.shares("Alpha", hotkey[:], coldkey[:], id)
	value := e.hotkeyAlpha(hotkey, netuid)
	removed := new(big.Int).SetUint64(amount)
	// Rounded up: nobody keeps a share without value.
	removed.Mul(removed, all).Add(removed, new(big.Int).SetUint64(satSub(value, 1)))
	removed.Div(removed, new(big.Int).SetUint64(max(value, 1)))
	if removed.Cmp(own) > 0 || amount >= e.stakeOf(hotkey, coldkey, netuid) {
		removed.Set(own)
	}
	e.changeShares(hotkey, coldkey, id, all, removed.Neg(removed))
	if left := satSub(value, amount); left > 0 {
		e.setU64("TotalHotkeyAlpha", left, hotkey[:], id)
	} else {
		e.remove("TotalHotkeyAlpha", hotkey[:], id)
	}
}

func (e *env) changeShares(hotkey, coldkey ss58.AccountID, id []byte, all, delta *big.Int) {
	own := e.shares("Alpha", hotkey[:], coldkey[:], id)
	e.setShares("Alpha", own.Add(own, delta), hotkey[:], coldkey[:], id)
	e.setShares("TotalHotkeyShares", all.Add(all, delta), hotkey[:], id)
}

// canBuy holds the checks of staking an amount, in the runtime's order. With
// partial an amount beyond the most is cut down, else refused.
func (e *env) canBuy(coldkey, hotkey ss58.AccountID, netuid uint16, amount, most uint64, partial bool) error {
	switch {
	case !e.subnetExists(netuid):
		return e.fail("SubnetNotExists")
	case !e.flag("SubtokenEnabled", le16(netuid)):
		return e.fail("SubtokenDisabled")
	case amount < minStake+e.swapFee(netuid, minStake):
		return e.fail("AmountTooLow")
	case !partial && amount > most:
		return e.fail("SlippageTooHigh")
	}
	amount = min(amount, most)
	switch {
	case e.balance(coldkey) < amount:
		return e.fail("NotEnoughBalanceToStake")
	case !e.has("Owner", hotkey[:]):
		return e.fail("HotKeyAccountNotExists")
	}
	out, _, err := e.trade(netuid, true, amount, maxPrice, false)
	switch {
	case err != nil:
		return e.fail("InsufficientLiquidity")
	case out.in < minStake:
		return e.fail("AmountTooLow")
	case out.out == 0:
		return e.fail("InsufficientLiquidity")
	}
	return nil
}

// canSell holds the checks of unstaking an amount of alpha.
func (e *env) canSell(coldkey, hotkey ss58.AccountID, netuid uint16, amount, most uint64, partial bool) error {
	owned := e.stakeOf(hotkey, coldkey, netuid)
	switch {
	case !e.subnetExists(netuid):
		return e.fail("SubnetNotExists")
	case e.justStaked(coldkey, hotkey, netuid):
		return e.fail("StakingOperationRateLimitExceeded")
	case amount == 0:
		return e.fail("AmountTooLow")
	case amount > owned:
		return e.fail("NotEnoughStakeToWithdraw")
	}
	out, _, err := e.trade(netuid, false, amount, minPrice, false)
	switch {
	case err != nil:
		return e.fail("InsufficientLiquidity")
	case amount < owned && out.out < minStake:
		return e.fail("AmountTooLow")
	case !partial && amount > most:
		return e.fail("SlippageTooHigh")
	case !e.has("Owner", hotkey[:]):
		return e.fail("HotKeyAccountNotExists")
	}
	return nil
}

// justStaked reports whether stake was added in this block, which may not be
// removed in the same one.
func (s *storage) justStaked(coldkey, hotkey ss58.AccountID, netuid uint16) bool {
	return s.has("StakingOperationRateLimiter", hotkey[:], coldkey[:], le16(netuid))
}

// stakeInto spends TAO that has left a balance on stake.
func (e *env) stakeInto(hotkey, coldkey ss58.AccountID, netuid uint16, amount, limit uint64, limited, feeless bool) (uint64, error) {
	bought, err := e.buyAlpha(netuid, amount, limit, feeless)
	if err != nil {
		return 0, err
	}
	if bought.out == 0 {
		return 0, e.fail("AmountTooLow")
	}
	e.addAlpha(hotkey, coldkey, netuid, bought.out)
	e.setU64("LastColdkeyHotkeyStakeBlock", e.block, coldkey[:], hotkey[:])
	if limited {
		e.setFlag("StakingOperationRateLimiter", true, hotkey[:], coldkey[:], le16(netuid))
	}
	e.emit("SubtensorModule", "StakeAdded", coldkey, hotkey, amount, bought.out, netuid, bought.fee)
	return bought.out, nil
}

// unstakeFrom turns stake into TAO that is not in a balance yet.
func (e *env) unstakeFrom(hotkey, coldkey ss58.AccountID, netuid uint16, amount, limit uint64, feeless bool) (uint64, error) {
	e.takeAlpha(hotkey, coldkey, netuid, amount)
	sold, err := e.sellAlpha(netuid, amount, limit, feeless)
	if err != nil {
		return 0, err
	}
	// What the limit left unsold goes back.
	e.addAlpha(hotkey, coldkey, netuid, satSub(amount, satAdd(sold.in, sold.fee)))
	e.setU64("LastColdkeyHotkeyStakeBlock", e.block, coldkey[:], hotkey[:])
	e.emit("SubtensorModule", "StakeRemoved", coldkey, hotkey, sold.out, amount, netuid, sold.fee)
	return sold.out, nil
}

// payIn puts TAO from a pool into a balance.
func (e *env) payIn(coldkey ss58.AccountID, amount uint64) {
	if amount == 0 {
		return
	}
	e.deposit(coldkey, amount)
	e.mintIssuance(amount)
	e.emit("Balances", "Deposit", coldkey, amount)
}

// payOut takes TAO out of a balance, for a pool.
func (e *env) payOut(coldkey ss58.AccountID, amount uint64) error {
	if err := e.withdraw(coldkey, amount); err != nil {
		return e.fail("BalanceWithdrawalError")
	}
	e.emit("Balances", "Withdraw", coldkey, amount)
	e.burnIssuance(amount)
	return nil
}

func (e *env) addStake(from origin, hotkey ss58.AccountID, netuid uint16, amount uint64) (uint64, error) {
	coldkey, err := from.signed()
	if err != nil {
		return 0, err
	}
	if !e.flag("SubtokenEnabled", le16(netuid)) {
		return 0, e.fail("SubtokenDisabled")
	}
	if err := e.canBuy(coldkey, hotkey, netuid, amount, amount, false); err != nil {
		return 0, err
	}
	if err := e.payOut(coldkey, amount); err != nil {
		return 0, err
	}
	return e.stakeInto(hotkey, coldkey, netuid, amount, maxPrice, true, false)
}

func (e *env) addStakeLimit(from origin, hotkey ss58.AccountID, netuid uint16, amount, limit uint64, partial bool) (uint64, error) {
	coldkey, err := from.signed()
	if err != nil {
		return 0, err
	}
	most, err := e.mostToBuy(netuid, limit)
	if err != nil {
		return 0, err
	}
	if err := e.canBuy(coldkey, hotkey, netuid, amount, most, partial); err != nil {
		return 0, err
	}
	amount = min(amount, most)
	if err := e.payOut(coldkey, amount); err != nil {
		return 0, err
	}
	return e.stakeInto(hotkey, coldkey, netuid, amount, limit, true, false)
}

func (e *env) removeStake(from origin, hotkey ss58.AccountID, netuid uint16, amount uint64) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	if !e.flag("SubtokenEnabled", le16(netuid)) {
		return e.fail("SubtokenDisabled")
	}
	if e.rt.spec != 293 {
		amount = min(amount, e.stakeOf(hotkey, coldkey, netuid))
	}
	if err := e.canSell(coldkey, hotkey, netuid, amount, amount, false); err != nil {
		return err
	}
	return e.unstakeTo(coldkey, hotkey, netuid, amount, minPrice)
}

func (e *env) removeStakeLimit(from origin, hotkey ss58.AccountID, netuid uint16, amount, limit uint64, partial bool) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	most, err := e.mostToSell(netuid, limit)
	if err != nil {
		return err
	}
	if err := e.canSell(coldkey, hotkey, netuid, amount, most, partial); err != nil {
		return err
	}
	return e.unstakeTo(coldkey, hotkey, netuid, min(amount, most), limit)
}

// unstakeTo unstakes into the coldkey's balance, and the rest of a nomination
// that has become too small with it.
func (e *env) unstakeTo(coldkey, hotkey ss58.AccountID, netuid uint16, amount, limit uint64) error {
	got, err := e.unstakeFrom(hotkey, coldkey, netuid, amount, limit, false)
	if err != nil {
		return err
	}
	e.payIn(coldkey, got)
	e.clearSmall(hotkey, coldkey, netuid)
	return nil
}

// clearSmall unstakes a nomination of less than the least that a nominator
// may hold. Owners may hold any amount.
func (e *env) clearSmall(hotkey, coldkey ss58.AccountID, netuid uint16) {
	least := mulDiv(e.u64("NominatorMinRequiredStake"), tao, e.price(netuid))
	held := e.stakeOf(hotkey, coldkey, netuid)
	if e.account("Owner", hotkey[:]) == coldkey || held == 0 || held >= least {
		return
	}
	err := e.nested(func(inner *env) error {
		got, err := inner.unstakeFrom(hotkey, coldkey, netuid, held, minPrice, false)
		if err == nil {
			inner.payIn(coldkey, got)
		}
		return err
	})
	if err != nil {
		e.takeAlpha(hotkey, coldkey, netuid, held)
	}
}
