package localnet

import (
	"encoding/binary"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Owners replace their coldkey in two calls with some time between them: the
// hash of the successor is announced, and the swap follows. In between the
// coldkey can do nothing else; an owner who did not announce it disputes it,
// which stops even the swap until root decides. Runtimes before these items
// have no such calls.

func coldkeySwapCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.announce_coldkey_swap": func(e *env, from origin, a args) error {
			return e.announceColdkeySwap(from, arg[substrate.Hash](a, "new_coldkey_hash"))
		},
		"SubtensorModule.swap_coldkey_announced": func(e *env, from origin, a args) error {
			return e.swapColdkeyAnnounced(from, a.account("new_coldkey"))
		},
		"SubtensorModule.dispute_coldkey_swap": func(e *env, from origin, _ args) error {
			who, err := from.signed()
			if err != nil {
				return err
			}
			switch {
			case !e.has("ColdkeySwapAnnouncements", who[:]):
				return e.fail("ColdkeySwapAnnouncementNotFound")
			case e.has("ColdkeySwapDisputes", who[:]):
				return e.fail("ColdkeySwapAlreadyDisputed")
			}
			e.setU32("ColdkeySwapDisputes", uint32(e.block), who[:])
			e.emit("SubtensorModule", "ColdkeySwapDisputed", who)
			return nil
		},
		"SubtensorModule.reset_coldkey_swap": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			who := a.account("coldkey")
			e.forgetColdkeySwap(who)
			e.emit("SubtensorModule", "ColdkeySwapReset", who)
			return nil
		},
	}
}

// announcedSwap reads what a coldkey has announced: the block from which it
// may be swapped and the hash of its successor.
func (s *storage) announcedSwap(who ss58.AccountID) (when uint64, next substrate.Hash, ok bool) {
	raw := s.raw("ColdkeySwapAnnouncements", who[:])
	if !s.has("ColdkeySwapAnnouncements", who[:]) || len(raw) != 36 {
		return 0, next, false
	}
	copy(next[:], raw[4:])
	return uint64(binary.LittleEndian.Uint32(raw)), next, true
}

func (e *env) forgetColdkeySwap(who ss58.AccountID) {
	e.remove("ColdkeySwapAnnouncements", who[:])
	e.remove("ColdkeySwapDisputes", who[:])
}

// announceColdkeySwap takes the price of a swap, once; another successor can
// be announced some time after the swap could have been made.
func (e *env) announceColdkeySwap(from origin, next substrate.Hash) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	delay := func(name string) uint64 { return uint64(binary.LittleEndian.Uint32(e.raw(name))) }
	if when, _, again := e.announcedSwap(who); again {
		if e.block < when+delay("ColdkeySwapReannouncementDelay") {
			return e.fail("ColdkeySwapReannouncedTooEarly")
		}
	} else {
		cost := e.constant("KeySwapCost")
		if e.balance(who) < cost || e.payOut(who, cost) != nil {
			return e.fail("NotEnoughBalanceToPaySwapColdKey")
		}
		e.subU64("TotalIssuance", cost)
	}
	when := e.block + delay("ColdkeySwapAnnouncementDelay")
	e.setRaw("ColdkeySwapAnnouncements", append(le32(uint32(when)), next[:]...), who[:])
	e.emit("SubtensorModule", "ColdkeySwapAnnounced", who, next)
	return nil
}

func (e *env) swapColdkeyAnnounced(from origin, next ss58.AccountID) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	when, hash, announced := e.announcedSwap(who)
	switch {
	case !announced:
		return e.fail("ColdkeySwapAnnouncementNotFound")
	case hash != substrate.Hash(blake2b.Sum256(next[:])):
		return e.fail("AnnouncedColdkeyHashDoesNotMatch")
	case e.block < when:
		return e.fail("ColdkeySwapTooEarly")
	}
	e.remove("ColdkeySwapAnnouncements", who[:])
	if err := e.swapColdkey(who, next, 0); err != nil {
		return err
	}
	e.setLastTx(next, e.block)
	return nil
}

// precheckColdkeySwap refuses what a coldkey that has announced its successor
// signs or has a proxy do: everything but the calls of the swap, and these as
// well once the swap is disputed.
func (e *env) precheckColdkeySwap(signer ss58.AccountID, call substrate.Call) error {
	if call.Pallet == "Proxy" && (call.Name == "proxy" || call.Name == "proxy_announced") {
		a := args{call.Args}
		real, known := a.address("real")
		inner, ok := a.any("call").(substrate.Call)
		if !known || !ok {
			return &invalidity{name: "Custom", custom: 22}
		}
		signer, call = real, inner
	}
	switch {
	case !e.has("ColdkeySwapAnnouncements", signer[:]):
		return nil
	case e.has("ColdkeySwapDisputes", signer[:]):
		return &invalidity{name: "Custom", custom: 21}
	case call.Pallet == "MevShield" && call.Name == "submit_encrypted":
		return nil
	}
	if call.Pallet == "SubtensorModule" {
		switch call.Name {
		case "announce_coldkey_swap", "swap_coldkey_announced", "dispute_coldkey_swap":
			return nil
		}
	}
	return &invalidity{name: "Custom", custom: 0}
}
