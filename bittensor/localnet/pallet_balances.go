package localnet

import (
	"encoding/binary"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// existentialDeposit is the least balance, in rao, with which an account
// exists.
const existentialDeposit = 500

// accountInfo is an entry of System.Account, 56 bytes in SCALE.
type accountInfo struct {
	nonce, consumers, providers, sufficients uint32
	free, reserved, frozen                   uint64
	flags                                    [16]byte
}

// newLogicFlag is the flag of accounts that follow the current rules of
// reserves; every account of a new chain has it.
var newLogicFlag = [16]byte{15: 0x80}

func (s *storage) accountInfo(id ss58.AccountID) accountInfo {
	b := s.raw("System.Account", id[:])
	if len(b) != 56 {
		return accountInfo{flags: newLogicFlag}
	}
	le := binary.LittleEndian
	return accountInfo{
		nonce: le.Uint32(b), consumers: le.Uint32(b[4:]), providers: le.Uint32(b[8:]), sufficients: le.Uint32(b[12:]),
		free: le.Uint64(b[16:]), reserved: le.Uint64(b[24:]), frozen: le.Uint64(b[32:]), flags: [16]byte(b[40:]),
	}
}

func (s *storage) setAccountInfo(id ss58.AccountID, a accountInfo) {
	b := make([]byte, 0, 56)
	le := binary.LittleEndian
	for _, v := range []uint32{a.nonce, a.consumers, a.providers, a.sufficients} {
		b = le.AppendUint32(b, v)
	}
	for _, v := range []uint64{a.free, a.reserved, a.frozen} {
		b = le.AppendUint64(b, v)
	}
	s.setRaw("System.Account", append(b, a.flags[:]...), id[:])
}

func (s *storage) balance(id ss58.AccountID) uint64 { return s.accountInfo(id).free }

// deposit adds to a balance, creating the account. It announces only the
// creation: what moved the money announces itself.
func (e *env) deposit(id ss58.AccountID, amount uint64) {
	if amount == 0 {
		return
	}
	a := e.accountInfo(id)
	if a.providers == 0 {
		a.providers = 1
		e.emit("System", "NewAccount", id)
		e.emit("Balances", "Endowed", id, amount)
	}
	a.free = satAdd(a.free, amount)
	e.setAccountInfo(id, a)
}

// withdraw takes from a balance. An account left with less than the
// existential deposit ends, its rest burnt.
func (e *env) withdraw(id ss58.AccountID, amount uint64) error {
	a := e.accountInfo(id)
	if a.free < amount {
		return arithmeticError("Underflow")
	}
	a.free -= amount
	if a.free < existentialDeposit && a.reserved == 0 && a.providers > 0 {
		if a.free > 0 {
			e.emit("Balances", "DustLost", id, a.free)
			e.burnTotal(a.free)
			a.free = 0
		}
		a.providers = 0
		e.emit("System", "KilledAccount", id)
	}
	e.setAccountInfo(id, a)
	return nil
}

// burnIssuance takes destroyed tokens out of the total.
func (e *env) burnIssuance(amount uint64) {
	e.subU64("Balances.TotalIssuance", amount)
}

// burnTotal takes tokens out of existence, by both counts: that of the
// balances, and TotalIssuance, which has the TAO in the pools as well.
func (e *env) burnTotal(amount uint64) {
	e.burnIssuance(amount)
	e.subU64("TotalIssuance", amount)
}

// mintTotal brings new tokens into existence, by both counts.
func (e *env) mintTotal(amount uint64) {
	e.mintIssuance(amount)
	e.addU64("TotalIssuance", amount)
}

// mintIssuance adds new tokens to the total.
func (e *env) mintIssuance(amount uint64) {
	e.addU64("Balances.TotalIssuance", amount)
}

// errCannotLookup means that an address is of a kind that names no account.
var errCannotLookup = &dispatchError{name: "CannotLookup", value: asVariant("CannotLookup")}

// changeReserve makes what an account has set aside for a purpose go from one
// amount to another.
func (e *env) changeReserve(id ss58.AccountID, from, to uint64) error {
	a := e.accountInfo(id)
	switch {
	case to > from:
		if a.free < to-from {
			return e.fail("Balances.InsufficientBalance")
		}
		if a.free-(to-from) < existentialDeposit {
			return e.fail("Balances.LiquidityRestrictions")
		}
		a.free -= to - from
		a.reserved += to - from
		e.emit("Balances", "Reserved", id, to-from)
	case to < from:
		back := min(from-to, a.reserved)
		a.reserved -= back
		a.free += back
		e.emit("Balances", "Unreserved", id, back)
	default:
		return nil
	}
	e.setAccountInfo(id, a)
	return nil
}

func balancesCalls() map[string]callFunc {
	return map[string]callFunc{
		"Balances.transfer_keep_alive": func(e *env, from origin, a args) error {
			return e.transferCall(from, a, a.u64("value"), true)
		},
		"Balances.transfer_allow_death": func(e *env, from origin, a args) error {
			return e.transferCall(from, a, a.u64("value"), false)
		},
		"Balances.transfer_all": func(e *env, from origin, a args) error {
			keep := arg[bool](a, "keep_alive")
			amount := e.balance(from.id)
			if keep || e.accountInfo(from.id).reserved > 0 {
				amount = satSub(amount, existentialDeposit)
			}
			return e.transferCall(from, a, amount, keep)
		},
		"Balances.force_transfer": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			source, ok := a.address("source")
			dest, known := a.address("dest")
			if !ok || !known {
				return errCannotLookup
			}
			return e.transfer(source, dest, a.u64("value"), false)
		},
		"Balances.force_set_balance":           (*env).forceSetBalance,
		"Balances.force_adjust_total_issuance": (*env).forceAdjustIssuance,
		"Balances.force_unreserve": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			who, ok := a.address("who")
			if !ok {
				return errCannotLookup
			}
			amount := min(a.u64("amount"), e.accountInfo(who).reserved)
			return e.changeReserve(who, amount, 0)
		},
		"Balances.upgrade_accounts": func(_ *env, from origin, _ args) error {
			// Every account follows the current rules already.
			_, err := from.signed()
			return err
		},
		"Balances.burn": func(e *env, from origin, a args) error {
			who, err := from.signed()
			if err != nil {
				return err
			}
			amount, keep := a.u64("value"), arg[bool](a, "keep_alive")
			if err := e.spendable(who, amount, keep); err != nil {
				return err
			}
			if err := e.withdraw(who, amount); err != nil {
				return err
			}
			e.burnTotal(amount)
			e.emit("Balances", "Burned", who, amount)
			return nil
		},
	}
}

func (e *env) forceSetBalance(from origin, a args) error {
	if !from.root {
		return errBadOrigin
	}
	who, ok := a.address("who")
	if !ok {
		return errCannotLookup
	}
	old, amount := e.balance(who), a.u64("new_free")
	if amount < existentialDeposit {
		amount = 0
	}
	switch {
	case amount > old:
		e.deposit(who, amount-old)
		e.mintTotal(amount - old)
	case amount < old:
		if err := e.withdraw(who, old-amount); err != nil {
			return err
		}
		e.burnTotal(old - amount)
	}
	e.emit("Balances", "BalanceSet", who, amount)
	return nil
}

// forceAdjustIssuance corrects the count of the tokens.
func (e *env) forceAdjustIssuance(from origin, a args) error {
	if !from.root {
		return errBadOrigin
	}
	delta := a.u64("delta")
	if delta == 0 {
		return e.fail("Balances.DeltaZero")
	}
	old := e.u64("Balances.TotalIssuance")
	if v, ok := a.any("direction").(substrate.Variant); ok && v.Name == "Increase" {
		e.mintIssuance(delta)
	} else {
		e.burnIssuance(delta)
	}
	e.emit("Balances", "TotalIssuanceForced", old, e.u64("Balances.TotalIssuance"))
	return nil
}

// spendable says why an amount cannot leave an account. An account with a
// reserve must stay alive.
func (e *env) spendable(who ss58.AccountID, amount uint64, keepAlive bool) error {
	a := e.accountInfo(who)
	switch {
	case a.free < amount:
		return arithmeticError("Underflow")
	case (keepAlive || a.reserved > 0) && amount > 0 && a.free-amount < existentialDeposit:
		return tokenError("NotExpendable")
	}
	return nil
}

func (e *env) transferCall(from origin, a args, amount uint64, keepAlive bool) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	to, ok := a.address("dest")
	if !ok {
		return errCannotLookup
	}
	return e.transfer(who, to, amount, keepAlive)
}

func (e *env) transfer(who, to ss58.AccountID, amount uint64, keepAlive bool) error {
	if who != to {
		if err := e.spendable(who, amount, keepAlive); err != nil {
			return err
		}
		if e.accountInfo(to).providers == 0 && amount < existentialDeposit {
			return tokenError("BelowMinimum")
		}
		if err := e.withdraw(who, amount); err != nil {
			return err
		}
		e.deposit(to, amount)
	} else if e.balance(who) < amount {
		return arithmeticError("Underflow")
	}
	e.emit("Balances", "Transfer", who, to, amount)
	return nil
}
