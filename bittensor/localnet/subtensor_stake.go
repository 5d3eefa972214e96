package localnet

import (
	"math/big"
	"math/bits"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// minStake is the least amount that can be staked or unstaked, in rao.
const minStake = 2_000_000

func stakingCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.add_stake":          (*env).addStake,
		"SubtensorModule.remove_stake":       (*env).removeStake,
		"SubtensorModule.add_stake_limit":    (*env).addStake,
		"SubtensorModule.remove_stake_limit": (*env).removeStake,
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
	e.appendAccount("StakingHotkeys", hotkey, coldkey[:])
	id := le16(netuid)
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

// The pool of a subnet holds TAO and alpha whose product a swap keeps. Root
// (mechanism 0) swaps one for one.

// alphaForTao returns how much alpha an amount of TAO buys.
func (s *storage) alphaForTao(netuid uint16, tao uint64) uint64 {
	id := le16(netuid)
	if s.u16("SubnetMechanism", id) == 0 {
		return tao
	}
	return swapOut(s.u64("SubnetTAO", id), s.u64("SubnetAlphaIn", id), tao)
}

// taoForAlpha returns how much TAO an amount of alpha sells for.
func (s *storage) taoForAlpha(netuid uint16, alpha uint64) uint64 {
	id := le16(netuid)
	if s.u16("SubnetMechanism", id) == 0 {
		return alpha
	}
	return swapOut(s.u64("SubnetAlphaIn", id), s.u64("SubnetTAO", id), alpha)
}

// swapOut is out*amount/(in+amount), rounded down.
func swapOut(in, out, amount uint64) uint64 {
	sum, carry := bits.Add64(in, amount, 0)
	if sum == 0 || carry != 0 {
		return 0
	}
	hi, lo := bits.Mul64(out, amount)
	q, _ := bits.Div64(hi, lo, sum)
	return q
}

// price is the price of alpha in rao per whole token.
func (s *storage) price(netuid uint16) uint64 {
	id := le16(netuid)
	alpha := s.u64("SubnetAlphaIn", id)
	if s.u16("SubnetMechanism", id) == 0 || alpha == 0 {
		return 1_000_000_000
	}
	hi, lo := bits.Mul64(s.u64("SubnetTAO", id), 1_000_000_000)
	if hi >= alpha {
		return ^uint64(0)
	}
	q, _ := bits.Div64(hi, lo, alpha)
	return q
}

func (e *env) swapTaoForAlpha(netuid uint16, tao uint64) uint64 {
	id := le16(netuid)
	alpha := e.alphaForTao(netuid, tao)
	e.addU64("SubnetTAO", tao, id)
	if e.u16("SubnetMechanism", id) != 0 {
		e.subU64("SubnetAlphaIn", alpha, id)
	}
	e.addU64("SubnetAlphaOut", alpha, id)
	e.addU64("TotalStake", tao)
	e.addVolume(netuid, tao)
	return alpha
}

func (e *env) swapAlphaForTao(netuid uint16, alpha uint64) uint64 {
	id := le16(netuid)
	tao := e.taoForAlpha(netuid, alpha)
	if e.u16("SubnetMechanism", id) != 0 {
		e.addU64("SubnetAlphaIn", alpha, id)
	}
	e.subU64("SubnetAlphaOut", alpha, id)
	e.subU64("SubnetTAO", tao, id)
	e.subU64("TotalStake", tao)
	e.addVolume(netuid, tao)
	return tao
}

// addVolume counts the TAO traded; the counter has 128 bits.
func (e *env) addVolume(netuid uint16, tao uint64) {
	v := e.shares("SubnetVolume", le16(netuid))
	e.setShares("SubnetVolume", v.Add(v, new(big.Int).SetUint64(tao)), le16(netuid))
}

// checkAddStake holds the checks that a transaction already fails validation
// by.
func (e *env) checkAddStake(coldkey ss58.AccountID, a args) error {
	netuid, hotkey, amount := a.u16("netuid"), a.account("hotkey"), a.u64("amount_staked")
	switch {
	case !e.subnetExists(netuid):
		return e.fail("SubnetNotExists")
	case !e.flag("SubtokenEnabled", le16(netuid)):
		return e.fail("SubtokenDisabled")
	case amount < minStake:
		return e.fail("AmountTooLow")
	case e.balance(coldkey) < amount:
		return e.fail("NotEnoughBalanceToStake")
	case !e.has("Owner", hotkey[:]):
		return e.fail("HotKeyAccountNotExists")
	case e.alphaForTao(netuid, amount) == 0:
		return e.fail("InsufficientLiquidity")
	}
	if limit, ok := a.rec.Get("limit_price"); ok && limit != nil && e.priceAfterBuy(netuid, amount) > a.u64("limit_price") {
		return e.fail("SlippageTooHigh")
	}
	return nil
}

// priceAfterBuy is the price once an amount of TAO has been spent.
func (e *env) priceAfterBuy(netuid uint16, tao uint64) (after uint64) {
	_ = e.nested(func(inner *env) error {
		inner.swapTaoForAlpha(netuid, tao)
		after = inner.price(netuid)
		return errUndo
	})
	return after
}

// errUndo ends a nested execution that was only tried.
var errUndo = &dispatchError{name: "undo", value: asVariant("Other")}

func (e *env) addStake(from origin, a args) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	if err := e.checkAddStake(coldkey, a); err != nil {
		return err
	}
	netuid, hotkey, amount := a.u16("netuid"), a.account("hotkey"), a.u64("amount_staked")
	if err := e.withdraw(coldkey, amount); err != nil {
		return e.fail("BalanceWithdrawalError")
	}
	e.emit("Balances", "Withdraw", coldkey, amount)
	e.burnIssuance(amount)
	alpha := e.swapTaoForAlpha(netuid, amount)
	e.addAlpha(hotkey, coldkey, netuid, alpha)
	e.setU64("LastColdkeyHotkeyStakeBlock", e.block, coldkey[:], hotkey[:])
	e.emit("SubtensorModule", "StakeAdded", coldkey, hotkey, amount, alpha, netuid, uint64(0))
	return nil
}

func (e *env) checkRemoveStake(coldkey ss58.AccountID, a args) error {
	netuid, hotkey, amount := a.u16("netuid"), a.account("hotkey"), a.u64("amount_unstaked")
	owned := e.stakeOf(hotkey, coldkey, netuid)
	switch {
	case !e.subnetExists(netuid):
		return e.fail("SubnetNotExists")
	case !e.flag("SubtokenEnabled", le16(netuid)):
		return e.fail("SubtokenDisabled")
	case !e.has("Owner", hotkey[:]):
		return e.fail("HotKeyAccountNotExists")
	case amount > owned:
		return e.fail("NotEnoughStakeToWithdraw")
	case e.taoForAlpha(netuid, amount) < minStake && amount != owned || amount == 0:
		return e.fail("AmountTooLow")
	}
	return nil
}

func (e *env) removeStake(from origin, a args) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	if err := e.checkRemoveStake(coldkey, a); err != nil {
		return err
	}
	netuid, hotkey, amount := a.u16("netuid"), a.account("hotkey"), a.u64("amount_unstaked")
	e.takeAlpha(hotkey, coldkey, netuid, amount)
	tao := e.swapAlphaForTao(netuid, amount)
	e.emit("SubtensorModule", "StakeRemoved", coldkey, hotkey, tao, amount, netuid, uint64(0))
	e.deposit(coldkey, tao)
	e.mintIssuance(tao)
	e.emit("Balances", "Deposit", coldkey, tao)
	return nil
}
