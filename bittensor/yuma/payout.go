package yuma

import "math/bits"

// PayoutInput is what an epoch's emission is paid out by. Stakes are those
// before the epoch. Child hotkeys are not part of it: every hotkey keeps
// its own dividends.
type PayoutInput struct {
	PendingAlpha   uint64 // emission collected since the last epoch, less Swapped
	Swapped        uint64 // part of the emission already sold for RootTao
	RootTao        uint64 // TAO for the root stake behind the validators
	OwnerUID       int    // whose hotkey gets no incentive (it is burnt); -1 if none
	AlphaStake     []uint64
	TaoStake       []uint64
	StoredTaoShare uint64   // TaoWeight as stored
	Take           []uint16 // share a validator keeps before its nominators; 65535 is one

	ServerEmission, ValidatorEmission []uint64 // of the epoch, run with PendingAlpha+Swapped
}

// Payout lists, per uid, what is added to stakes.
type Payout struct {
	Incentive []uint64 // alpha to a miner's owner
	AlphaTake []uint64 // alpha to a validator's owner
	AlphaRest []uint64 // alpha shared by all who stake on the validator
	TaoTake   []uint64 // root TAO to a validator's owner
	TaoRest   []uint64 // root TAO shared by all who stake on the validator
}

// Alpha returns all alpha added to a uid's stake.
func (p Payout) Alpha(uid int) uint64 { return p.Incentive[uid] + p.AlphaTake[uid] + p.AlphaRest[uid] }

// amount is a non-negative number with 32 fraction bits in 128 (the
// runtime's U96F32).
type amount Wide

func (a amount) floor() uint64 { return a.Hi<<32 | a.Lo>>32 }

func (a amount) add(b amount) amount {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	return amount{a.Hi + b.Hi + carry, lo}
}

func (a amount) sub(b amount) amount {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	return amount{a.Hi - b.Hi - borrow, lo}
}

// shareOf returns a/total with 32 fraction bits; 0 if total is zero. It
// needs a <= total.
func (a amount) shareOf(total amount) uint64 {
	if total == (amount{}) {
		return 0
	}
	return uint64(Wide(a).fraction(Wide(total)))
}

// times multiplies a whole number with a share of 32 fraction bits.
func times(whole, share uint64) amount {
	hi, lo := bits.Mul64(whole, share)
	return amount{hi, lo}
}

// taken splits a take off an amount.
func (a amount) taken(take uint16) (kept, rest uint64) {
	share := uint64(proportion(take))
	// The product of a and share, less its lowest 32 bits.
	h1, l1 := bits.Mul64(a.Lo, share)
	part := amount{h1 >> 32, h1<<32 | l1>>32}
	h2, l2 := bits.Mul64(a.Hi, share)
	part = part.add(amount{h2<<32 | l2>>32, l2 << 32})
	return part.floor(), a.sub(part).floor()
}

// PayOut shares the emission of an epoch: incentives to miners as the epoch
// gave them, dividends to validators in proportion to what they earned with
// alpha and with root TAO, less their take. It follows the coinbase of the
// runtime at spec version 293 to the unit.
func PayOut(in PayoutInput) Payout {
	n := len(in.ServerEmission)
	out := Payout{
		Incentive: make([]uint64, n),
		AlphaTake: make([]uint64, n), AlphaRest: make([]uint64, n),
		TaoTake: make([]uint64, n), TaoRest: make([]uint64, n),
	}
	var mined uint64
	for uid, e := range in.ServerEmission {
		mined += e
		if uid != in.OwnerUID {
			out.Incentive[uid] = e
		}
	}
	forValidators := in.PendingAlpha
	if mined != 0 {
		forValidators = saturatingSub(saturatingAdd(in.PendingAlpha, in.Swapped)/2, in.Swapped)
	}

	w := taoWeight(in.StoredTaoShare)
	fromAlpha, fromRoot := make([]amount, n), make([]amount, n)
	var allAlpha, allRoot amount
	for uid, dividend := range in.ValidatorEmission {
		root := times(in.TaoStake[uid], w)
		share := root.shareOf(root.add(times(in.AlphaStake[uid], 1<<32)))
		fromRoot[uid] = times(dividend, share)
		fromAlpha[uid] = times(dividend, 1<<32).sub(fromRoot[uid])
		allAlpha, allRoot = allAlpha.add(fromAlpha[uid]), allRoot.add(fromRoot[uid])
	}
	for uid := range n {
		alpha := times(forValidators, fromAlpha[uid].shareOf(allAlpha))
		out.AlphaTake[uid], out.AlphaRest[uid] = alpha.taken(in.Take[uid])
		tao := times(in.RootTao, fromRoot[uid].shareOf(allRoot))
		out.TaoTake[uid], out.TaoRest[uid] = tao.taken(in.Take[uid])
	}
	return out
}
