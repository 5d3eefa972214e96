package localnet

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// A hotkey lends shares of the stake behind it to children on a subnet. The
// children weigh more in consensus, and the dividends that they earn so go to
// the parent, less the child's take.

// kin is a hotkey's relation to a child or a parent: the share of the
// parent's stake that counts as the child's, of which 2^64-1 is all.
type kin struct {
	Share  uint64
	Hotkey ss58.AccountID
}

const (
	maxChildren       = 5
	setChildrenWait   = 150 // blocks between two changes of a hotkey's children on a subnet
	txSetChildren     = 0   // in TransactionKeyLastBlock
	txSetChildkeyTake = 1
	wholeShare        = ^uint64(0)
)

func childrenCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.set_children": func(e *env, from origin, a args) error {
			return e.scheduleChildren(from, a.account("hotkey"), a.u16("netuid"), arg[[]kin](a, "children"))
		},
		"SubtensorModule.set_childkey_take": func(e *env, from origin, a args) error {
			return e.setChildTake(from, a.account("hotkey"), a.u16("netuid"), a.u16("take"))
		},
	}
}

func readKin(d *scale.Decoder) (k kin, err error) {
	if k.Share, err = d.Uint64(); err != nil {
		return kin{}, err
	}
	k.Hotkey, err = readAccount(d)
	return k, err
}

func encodeKin(list []kin) []byte {
	return encodeVector(list, 40, func(e *scale.Encoder, k kin) {
		e.Uint64(k.Share)
		e.Raw(k.Hotkey[:])
	})
}

// relatives reads ChildKeys or ParentKeys.
func (s *storage) relatives(item string, hotkey ss58.AccountID, netuid uint16) []kin {
	return vector(s.raw(item, hotkey[:], le16(netuid)), 40, readKin)
}

// setRelatives writes ChildKeys or ParentKeys; an empty list is no entry.
func (e *env) setRelatives(item string, hotkey ss58.AccountID, netuid uint16, list []kin) {
	if len(list) == 0 {
		e.remove(item, hotkey[:], le16(netuid))
		return
	}
	e.setRaw(item, encodeKin(list), hotkey[:], le16(netuid))
}

// withKin returns a list with one relation set, in place or at the end.
func withKin(list []kin, k kin) []kin {
	if i := slices.IndexFunc(list, func(x kin) bool { return x.Hotkey == k.Hotkey }); i >= 0 {
		list[i] = k
		return list
	}
	return append(list, k)
}

func withoutKin(list []kin, hotkey ss58.AccountID) []kin {
	return slices.DeleteFunc(list, func(k kin) bool { return k.Hotkey == hotkey })
}

// tooSoon reports whether a hotkey's last action of a kind on a subnet was
// fewer blocks ago than wanted.
func (e *env) tooSoon(hotkey ss58.AccountID, netuid, kind uint16, wait uint64) bool {
	last := e.u64("TransactionKeyLastBlock", hotkey[:], le16(netuid), le16(kind))
	return last != 0 && satSub(e.block, last) < wait
}

func (e *env) setLastAction(hotkey ss58.AccountID, netuid, kind uint16) {
	e.setU64("TransactionKeyLastBlock", e.block, hotkey[:], le16(netuid), le16(kind))
}

// scheduleChildren notes the children that a hotkey shall have on a subnet.
// They take effect with the first epoch after the cooldown.
func (e *env) scheduleChildren(from origin, hotkey ss58.AccountID, netuid uint16, children []kin) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	id := le16(netuid)
	switch {
	case e.tooSoon(hotkey, netuid, txSetChildren, setChildrenWait):
		return e.fail("TxRateLimitExceeded")
	case netuid == 0:
		return e.fail("RegistrationNotPermittedOnRootSubnet")
	case !e.flag("NetworksAdded", id):
		return e.fail("SubnetNotExists")
	case !e.has("Owner", hotkey[:]) || e.account("Owner", hotkey[:]) != coldkey:
		return e.fail("NonAssociatedColdKey")
	}
	seen := map[ss58.AccountID]bool{}
	for _, k := range children {
		if seen[k.Hotkey] {
			return e.fail("DuplicateChild")
		}
		seen[k.Hotkey] = true
	}
	if err := e.checkChildren(hotkey, netuid, children, true); err != nil {
		return err
	}
	owners := e.has("SubnetOwnerHotkey", id) && e.account("SubnetOwnerHotkey", id) == hotkey
	if len(children) > 0 && !owners && e.stakeInTao(hotkey) < e.u64("StakeThreshold") {
		return e.fail("NotEnoughStakeToSetChildkeys")
	}
	e.setLastAction(hotkey, netuid, txSetChildren)
	due := satAdd(e.block, e.u64("PendingChildKeyCooldown"))
	e.setScheduled(netuid, scheduled{hotkey, children, due})
	e.emit("SubtensorModule", "SetChildrenScheduled", hotkey, netuid, due, kinValues(children))
	return nil
}

// checkChildren refuses children that a hotkey cannot have: itself, more than
// five when they are asked for, more than all its stake, its own parents.
func (e *env) checkChildren(hotkey ss58.AccountID, netuid uint16, children []kin, counted bool) error {
	parents := e.relatives("ParentKeys", hotkey, netuid)
	var sum uint64
	var over, self, parent bool
	for _, k := range children {
		over = over || sum+k.Share < sum
		sum += k.Share
		self = self || k.Hotkey == hotkey
		parent = parent || slices.ContainsFunc(parents, func(p kin) bool { return p.Hotkey == k.Hotkey })
	}
	switch {
	case self:
		return e.fail("InvalidChild")
	case counted && len(children) > maxChildren:
		return e.fail("TooManyChildren")
	case over:
		return e.fail("ProportionOverflow")
	case parent:
		return e.fail("ChildParentInconsistency")
	}
	return nil
}

// stakeInTao is all stake on a hotkey, at the pools' prices.
func (e *env) stakeInTao(hotkey ss58.AccountID) uint64 {
	var sum uint64
	for _, netuid := range e.netuids() {
		alpha := e.hotkeyAlpha(hotkey, netuid)
		if netuid != 0 {
			alpha = mulDiv(alpha, e.price(netuid), tao)
		}
		sum = satAdd(sum, alpha)
	}
	return sum
}

// applyChildren makes those scheduled children of a subnet real whose
// cooldown is over. What has become impossible meanwhile is dropped.
func (e *env) applyChildren(netuid uint16) {
	for _, p := range e.scheduledChildren(netuid) {
		if p.due >= e.block {
			continue
		}
		e.remove("PendingChildKeys", le16(netuid), p.parent[:])
		if e.checkChildren(p.parent, netuid, p.children, false) == nil {
			e.linkChildren(p.parent, netuid, p.children)
			e.emit("SubtensorModule", "SetChildren", p.parent, netuid, kinValues(p.children))
		}
	}
}

// scheduled are the children that a hotkey will have after a block.
type scheduled struct {
	parent   ss58.AccountID
	children []kin
	due      uint64
}

// scheduledChildren lists what PendingChildKeys has for a subnet.
func (s *storage) scheduledChildren(netuid uint16) []scheduled {
	var out []scheduled
	for _, key := range s.prefixKeys("PendingChildKeys", le16(netuid)) {
		parent := ss58.AccountID([]byte(key[len(key)-32:]))
		raw := s.raw("PendingChildKeys", le16(netuid), parent[:])
		if len(raw) < 8 {
			continue
		}
		children, due := raw[:len(raw)-8], raw[len(raw)-8:]
		out = append(out, scheduled{parent, vector(children, 40, readKin), binary.LittleEndian.Uint64(due)})
	}
	return out
}

func (e *env) setScheduled(netuid uint16, s scheduled) {
	e.setRaw("PendingChildKeys", append(encodeKin(s.children), le64(s.due)...), le16(netuid), s.parent[:])
}

// linkChildren replaces the children of a hotkey, and itself among their
// parents.
func (e *env) linkChildren(hotkey ss58.AccountID, netuid uint16, children []kin) {
	for _, old := range e.relatives("ChildKeys", hotkey, netuid) {
		if !slices.ContainsFunc(children, func(k kin) bool { return k.Hotkey == old.Hotkey }) {
			e.setRelatives("ParentKeys", old.Hotkey, netuid, withoutKin(e.relatives("ParentKeys", old.Hotkey, netuid), hotkey))
		}
	}
	children = slices.Clone(children)
	slices.SortFunc(children, func(a, b kin) int { return bytes.Compare(a.Hotkey[:], b.Hotkey[:]) })
	e.setRelatives("ChildKeys", hotkey, netuid, children)
	for _, k := range children {
		e.setRelatives("ParentKeys", k.Hotkey, netuid, withKin(e.relatives("ParentKeys", k.Hotkey, netuid), kin{k.Share, hotkey}))
	}
}

// moveChildren gives a hotkey's children and parents on a subnet, and the
// children that are scheduled, to the hotkey that takes its place.
func (e *env) moveChildren(netuid uint16, old, next ss58.AccountID) error {
	children, parents := e.relatives("ChildKeys", old, netuid), e.relatives("ParentKeys", old, netuid)
	for _, k := range append(slices.Clone(children), parents...) {
		if k.Hotkey == next {
			return e.fail("InvalidChild")
		}
	}
	e.linkChildren(old, netuid, nil)
	if len(children) > 0 {
		e.linkChildren(next, netuid, children)
	}
	for _, p := range parents {
		list := withKin(withoutKin(e.relatives("ChildKeys", p.Hotkey, netuid), old), kin{p.Share, next})
		e.setRelatives("ChildKeys", p.Hotkey, netuid, list)
	}
	e.setRelatives("ParentKeys", old, netuid, nil)
	if len(parents) > 0 {
		e.setRelatives("ParentKeys", next, netuid, parents)
	}
	id := le16(netuid)
	e.moveRaw("PendingChildKeys", [][]byte{id, old[:]}, [][]byte{id, next[:]})
	for _, p := range e.scheduledChildren(netuid) {
		i := slices.IndexFunc(p.children, func(k kin) bool { return k.Hotkey == old })
		if i >= 0 {
			p.children[i].Hotkey = next
			e.setScheduled(netuid, p)
		}
	}
	return nil
}

// setChildTake changes what a child keeps of its parents' dividends. It may
// fall at any time, and rise after a number of blocks.
func (e *env) setChildTake(from origin, hotkey ss58.AccountID, netuid, take uint16) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	switch {
	case !e.has("Owner", hotkey[:]) || e.account("Owner", hotkey[:]) != coldkey:
		return e.fail("NonAssociatedColdKey")
	case take > e.u16("MaxChildkeyTake"):
		return e.fail("InvalidChildkeyTake")
	case take > e.u16("ChildkeyTake", hotkey[:], le16(netuid)) && e.tooSoon(hotkey, netuid, txSetChildkeyTake, e.u64("TxChildkeyTakeRateLimit")):
		return e.fail("TxChildkeyTakeRateLimitExceeded")
	}
	e.setLastAction(hotkey, netuid, txSetChildkeyTake)
	e.setU16("ChildkeyTake", take, hotkey[:], le16(netuid))
	e.emit("SubtensorModule", "ChildKeyTakeSet", hotkey, take)
	return nil
}

// kinValues gives relations the form in which events carry them.
func kinValues(list []kin) []any {
	out := make([]any, len(list))
	for i, k := range list {
		out[i] = []any{k.Share, k.Hotkey}
	}
	return out
}

// Numbers with 32 fraction bits, as the runtime counts here.

func fixed32(v uint64) *big.Int { return new(big.Int).Lsh(new(big.Int).SetUint64(v), 32) }

func times32(a, b *big.Int) *big.Int {
	p := new(big.Int).Mul(a, b)
	return p.Rsh(p, 32)
}

// ofAll is v/most with 32 fraction bits.
func ofAll(v, most uint64) *big.Int {
	n := fixed32(v)
	return n.Quo(n, new(big.Int).SetUint64(most))
}

// floor32 drops the fraction.
func floor32(v *big.Int) uint64 { return new(big.Int).Rsh(v, 32).Uint64() }

// lent is the stake that counts for a hotkey in a subnet: its own there and on root,
// less what its children have, and its share of its parents'.
func (s *storage) lent(hotkey ss58.AccountID, netuid uint16) (alpha, root uint64) {
	alpha, root = s.hotkeyAlpha(hotkey, netuid), s.hotkeyAlpha(hotkey, 0)
	if netuid == 0 {
		return alpha, root
	}
	children, parents := s.relatives("ChildKeys", hotkey, netuid), s.relatives("ParentKeys", hotkey, netuid)
	if len(children)+len(parents) == 0 {
		return alpha, root
	}
	return s.afterKin(alpha, netuid, children, parents), s.afterKin(root, 0, children, parents)
}

// afterKin takes the children's part from a stake in the pool "at" and adds that of the
// parents'.
func (s *storage) afterKin(own uint64, at uint16, children, parents []kin) uint64 {
	sum, given := fixed32(own), new(big.Int)
	for _, k := range children {
		given.Add(given, times32(fixed32(own), ofAll(k.Share, wholeShare)))
	}
	if sum.Sub(sum, given); sum.Sign() < 0 {
		sum.SetUint64(0)
	}
	for _, k := range parents {
		sum.Add(sum, times32(fixed32(s.hotkeyAlpha(k.Hotkey, at)), ofAll(k.Share, wholeShare)))
	}
	return floor32(sum)
}

// earning is a hotkey's part of a validator's dividends.
type earning struct {
	hotkey ss58.AccountID
	amount uint64
}

// shareDividend splits what a validator earned in an epoch among its parents
// and itself, by the stake that each brought. The child keeps its take of what
// goes to parents of other coldkeys. What a network burns of it is taken out
// of the alpha that exists.
func (e *env) shareDividend(hotkey ss58.AccountID, netuid uint16, dividend uint64) []earning {
	parents := e.relatives("ParentKeys", hotkey, netuid)
	if len(parents) == 0 {
		return []earning{{hotkey, dividend}}
	}
	weight := ofAll(e.u64("TaoWeight"), wholeShare)
	brought := func(id ss58.AccountID, share *big.Int) *big.Int {
		root := times32(times32(fixed32(e.hotkeyAlpha(id, 0)), share), weight)
		return root.Add(root, times32(fixed32(e.hotkeyAlpha(id, netuid)), share))
	}
	kept := fixed32(1)
	for _, k := range e.relatives("ChildKeys", hotkey, netuid) {
		if kept.Sub(kept, ofAll(k.Share, wholeShare)); kept.Sign() < 0 {
			kept.SetUint64(0)
		}
	}
	total := fixed32(floor32(brought(hotkey, kept)))
	parts := make([]*big.Int, len(parents))
	for i, k := range parents {
		parts[i] = brought(k.Hotkey, ofAll(k.Share, wholeShare))
		total.Add(total, parts[i])
	}
	burn := ofAll(e.u64("CKBurn"), wholeShare)
	take := ofAll(uint64(e.u16("ChildkeyTake", hotkey[:], le16(netuid))), 65535)
	all, owner := fixed32(dividend), e.account("Owner", hotkey[:])
	rest, takes := fixed32(dividend), new(big.Int)
	var out []earning
	for i, k := range parents {
		part := new(big.Int)
		if total.Sign() > 0 {
			part.Quo(part.Lsh(parts[i], 32), total)
		}
		part = times32(all, part)
		if rest.Sub(rest, part); rest.Sign() < 0 {
			rest.SetUint64(0)
		}
		if e.account("Owner", k.Hotkey[:]) != owner {
			burnt, taken := times32(part, burn), times32(part, take)
			part.Sub(part, burnt).Sub(part, taken)
			takes.Add(takes, taken)
			if b := floor32(burnt); b > 0 {
				e.subU64("SubnetAlphaOut", b, le16(netuid))
			}
		}
		out = append(out, earning{k.Hotkey, floor32(part)})
	}
	return append(out, earning{hotkey, floor32(rest.Add(rest, takes))})
}
