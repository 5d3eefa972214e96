package localnet

import (
	"math/big"
)

// A subnet's pool trades TAO for its alpha. Its reserves are one position of
// a fixed liquidity over all prices: with the square root of the price s and
// the liquidity l, a purchase of n rao raises s by n/l and gives
// l*(1/s - 1/s') alpha. Numbers have 64 fraction bits, as the runtime's, so
// the results are its own to the unit.

// minReserve is what both reserves of a pool must hold for it to trade.
const minReserve = 1_000_000

// Limits of the price, in rao per whole alpha.
const (
	minPrice = 1_000
	maxPrice = 1_000_000_000_000_000
)

var fixedOne = new(big.Int).Lsh(big.NewInt(1), 64)

func toFixed(v uint64) *big.Int { return new(big.Int).Lsh(new(big.Int).SetUint64(v), 64) }

func fixedMul(a, b *big.Int) *big.Int {
	z := new(big.Int).Mul(a, b)
	return z.Rsh(z, 64)
}

// fixedDiv is a/b; 0 when b is.
func fixedDiv(a, b *big.Int) *big.Int {
	if b.Sign() == 0 {
		return new(big.Int)
	}
	z := new(big.Int).Lsh(a, 64)
	return z.Quo(z, b)
}

// whole is the integer part, saturating.
func whole(a *big.Int) uint64 {
	z := new(big.Int).Rsh(a, 64)
	if z.Sign() < 0 {
		return 0
	}
	if !z.IsUint64() {
		return ^uint64(0)
	}
	return z.Uint64()
}

// sqrtRatio is the square root of a/b with 64 fraction bits.
func sqrtRatio(a, b uint64) *big.Int {
	if b == 0 {
		return new(big.Int)
	}
	z := new(big.Int).Lsh(new(big.Int).SetUint64(a), 128)
	z.Quo(z, new(big.Int).SetUint64(b))
	return z.Sqrt(z)
}

// swapped is what a trade moved: the amount that went in, less the fee, what
// came out, and the fee, which is in the currency that went in.
type swapped struct{ in, out, fee uint64 }

// stable reports whether a subnet's token is TAO itself: root, and subnets of
// the old mechanism.
func (s *storage) stable(netuid uint16) bool { return s.u16("SubnetMechanism", le16(netuid)) == 0 }

// sqrtPrice is the square root of the price of alpha in TAO.
func (s *storage) sqrtPrice(netuid uint16) *big.Int {
	id := le16(netuid)
	if s.flag("Swap.SwapV3Initialized", id) {
		return s.shares("Swap.AlphaSqrtPrice", id)
	}
	return sqrtRatio(s.u64("SubnetTAO", id), s.u64("SubnetAlphaIn", id))
}

func (s *storage) liquidity(netuid uint16) uint64 {
	id := le16(netuid)
	if s.flag("Swap.SwapV3Initialized", id) {
		return s.u64("Swap.CurrentLiquidity", id)
	}
	z := new(big.Int).Mul(new(big.Int).SetUint64(s.u64("SubnetTAO", id)), new(big.Int).SetUint64(s.u64("SubnetAlphaIn", id)))
	return z.Sqrt(z).Uint64()
}

// setPool stores a pool's price and liquidity.
func (e *env) setPool(netuid uint16, sqrtPrice *big.Int, liquidity uint64) {
	id := le16(netuid)
	e.setFlag("Swap.SwapV3Initialized", true, id)
	e.setShares("Swap.AlphaSqrtPrice", sqrtPrice, id)
	e.setU64("Swap.CurrentLiquidity", liquidity, id)
}

// grow adds reserves to a pool without moving its price.
func (e *env) grow(netuid uint16, tao, alpha uint64) {
	s, l := e.sqrtPrice(netuid), toFixed(e.liquidity(netuid))
	z := new(big.Int).Mul(
		new(big.Int).SetUint64(satAdd(whole(fixedMul(l, s)), tao)),
		new(big.Int).SetUint64(satAdd(whole(fixedDiv(l, s)), alpha)))
	e.setPool(netuid, s, z.Sqrt(z).Uint64())
}

// price is the price of alpha in rao per whole token.
func (s *storage) price(netuid uint16) uint64 {
	if s.stable(netuid) {
		return tao
	}
	root := s.sqrtPrice(netuid)
	// Rounded at the half: the square of a root that was rounded down.
	z := fixedMul(root, root)
	z.Mul(z, big.NewInt(tao))
	return whole(z.Add(z, new(big.Int).Rsh(fixedOne, 1)))
}

// swapFee is the pool's fee on an amount.
func (s *storage) swapFee(netuid uint16, amount uint64) uint64 {
	if s.stable(netuid) {
		return 0
	}
	rate := fixedDiv(new(big.Int).SetUint64(uint64(s.u16("Swap.FeeRate", le16(netuid)))), big.NewInt(65535))
	return whole(new(big.Int).Mul(rate, new(big.Int).SetUint64(amount)))
}

// trade computes a trade of at most an amount: TAO for alpha, or alpha for
// TAO. It stops where the price, in rao per whole alpha, would pass the
// limit. The last result is the root of the price afterwards.
func (e *env) trade(netuid uint16, buy bool, amount, limit uint64, feeless bool) (swapped, *big.Int, error) {
	if e.stable(netuid) {
		if !e.subnetExists(netuid) {
			amount = 0
		}
		return swapped{in: amount, out: amount}, nil, nil
	}
	id := le16(netuid)
	if e.u64("SubnetTAO", id) < minReserve || e.u64("SubnetAlphaIn", id) < minReserve {
		return swapped{}, nil, e.fail("Swap.ReservesTooLow")
	}
	root, l := e.sqrtPrice(netuid), toFixed(e.liquidity(netuid))
	stop := sqrtRatio(limit, tao)
	if c := root.Cmp(stop); buy && c >= 0 || !buy && c <= 0 {
		return swapped{}, nil, e.fail("Swap.PriceLimitExceeded")
	}
	var out swapped
	if !feeless {
		out.fee = e.swapFee(netuid, amount)
	}
	out.in = satSub(amount, out.fee)
	if l.Sign() == 0 || root.Sign() == 0 {
		return swapped{}, nil, e.fail("Swap.InsufficientLiquidity")
	}
	target := afterTrade(root, l, buy, out.in)
	if c := target.Cmp(stop); buy && c > 0 || !buy && c < 0 {
		target = stop
		if buy {
			out.in = whole(fixedMul(l, new(big.Int).Sub(stop, root)))
		} else {
			out.in = whole(fixedMul(l, new(big.Int).Sub(fixedDiv(fixedOne, stop), fixedDiv(fixedOne, root))))
		}
		out.fee = 0
		if !feeless {
			rate := fixedDiv(new(big.Int).SetUint64(uint64(e.u16("Swap.FeeRate", id))), big.NewInt(65535))
			share := fixedDiv(rate, new(big.Int).Sub(fixedOne, rate))
			out.fee = whole(new(big.Int).Mul(share, new(big.Int).SetUint64(out.in)))
		}
	}
	out.out = tradeOutput(root, l, buy, out.in)
	reserve := "SubnetTAO"
	if buy {
		reserve = "SubnetAlphaIn"
	}
	if e.u64(reserve, id) < out.out {
		return swapped{}, nil, e.fail("Swap.InsufficientLiquidity")
	}
	return out, target, nil
}

// afterTrade is the root of the price after n more of a currency went in.
func afterTrade(root, l *big.Int, buy bool, n uint64) *big.Int {
	step := fixedDiv(toFixed(n), l)
	if buy {
		return step.Add(step, root)
	}
	return fixedDiv(fixedOne, step.Add(step, fixedDiv(fixedOne, root)))
}

// tradeOutput is what comes out for n that goes in.
func tradeOutput(root, l *big.Int, buy bool, n uint64) uint64 {
	if n == 0 {
		return 0
	}
	in := toFixed(n)
	if buy {
		a := fixedMul(l, root)
		a = fixedMul(a.Add(a, in), root)
		return whole(fixedMul(fixedDiv(l, a), in))
	}
	a := fixedDiv(l, root)
	a = fixedDiv(l, a.Add(a, in))
	return whole(fixedMul(in, fixedMul(a, root)))
}

// charge counts a fee towards the pool's position.
func (e *env) charge(netuid uint16, item string, fee, liquidity uint64) {
	if fee == 0 {
		return
	}
	id := le16(netuid)
	total := e.shares(item, id)
	e.setShares(item, total.Add(total, fixedDiv(toFixed(fee), toFixed(liquidity))), id)
}

// buyAlpha spends TAO that has left a balance on a subnet's alpha. All of it
// counts as staked TAO; the fee is not part of the reserve.
func (e *env) buyAlpha(netuid uint16, amount, limit uint64, feeless bool) (swapped, error) {
	out, target, err := e.trade(netuid, true, amount, limit, feeless)
	if err != nil {
		return out, err
	}
	id := le16(netuid)
	if target != nil {
		l := e.liquidity(netuid)
		e.setPool(netuid, target, l)
		e.charge(netuid, "Swap.FeeGlobalTao", out.fee, l)
		e.subU64("SubnetAlphaIn", out.out, id)
	}
	e.addU64("SubnetAlphaOut", out.out, id)
	e.addU64("SubnetTAO", out.in, id)
	e.addU64("TotalStake", amount)
	e.addVolume(netuid, amount)
	return out, nil
}

// sellAlpha sells alpha that has left a stake.
func (e *env) sellAlpha(netuid uint16, amount, limit uint64, feeless bool) (swapped, error) {
	out, target, err := e.trade(netuid, false, amount, limit, feeless)
	if err != nil {
		return out, err
	}
	id := le16(netuid)
	if target != nil {
		l := e.liquidity(netuid)
		e.setPool(netuid, target, l)
		e.charge(netuid, "Swap.FeeGlobalAlpha", out.fee, l)
		e.addU64("SubnetAlphaIn", out.in, id)
	}
	e.subU64("SubnetAlphaOut", out.in, id)
	e.subU64("SubnetTAO", out.out, id)
	e.subU64("TotalStake", out.out)
	e.addVolume(netuid, out.out)
	return out, nil
}

// addVolume counts the TAO traded; the counter has 128 bits.
func (e *env) addVolume(netuid uint16, tao uint64) {
	v := e.shares("SubnetVolume", le16(netuid))
	e.setShares("SubnetVolume", v.Add(v, new(big.Int).SetUint64(tao)), le16(netuid))
}

// mostToBuy is how much TAO, fee included, can be spent before the price
// passes a limit.
func (e *env) mostToBuy(netuid uint16, limit uint64) (uint64, error) {
	return e.mostTo(netuid, true, limit)
}

// mostToSell is how much alpha can be sold before the price falls below a
// limit.
func (e *env) mostToSell(netuid uint16, limit uint64) (uint64, error) {
	return e.mostTo(netuid, false, limit)
}

func (e *env) mostTo(netuid uint16, buy bool, limit uint64) (uint64, error) {
	if e.stable(netuid) {
		if buy == (limit >= tao) || limit == tao {
			return ^uint64(0), nil
		}
		return 0, e.fail("ZeroMaxStakeAmount")
	}
	out, _, err := e.trade(netuid, buy, ^uint64(0), limit, false)
	if err != nil {
		return 0, err
	}
	if most := satAdd(out.in, out.fee); most > 0 {
		return most, nil
	}
	return 0, e.fail("ZeroMaxStakeAmount")
}
