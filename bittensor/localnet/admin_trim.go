package localnet

import (
	"cmp"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

const (
	txTrim = 9 // key of TransactionKeyLastBlock
	// trimBlocks is how often an owner may make a subnet smaller, as in the
	// runtime's fast build.
	trimBlocks = 1
	// mostImmune is the share of the neurons left, in percent, that those who
	// may not be removed have to stay below.
	mostImmune = 80
)

// trim makes a subnet smaller: the neurons that earned least leave, and the
// others move up into their uids.
func (e *env) trim(from origin, a args) error {
	netuid, most := a.u16("netuid"), a.u16("max_n")
	id := le16(netuid)
	if err := e.ownerOrRoot(from, netuid); err != nil {
		return err
	}
	if !from.root {
		last := e.u64("TransactionKeyLastBlock", from.id[:], id, le16(txTrim))
		if last != 0 && satSub(e.block, last) < trimBlocks {
			return e.fail("TxRateLimitExceeded")
		}
	}
	if err := e.adminWindowOpen(netuid); err != nil {
		return err
	}
	switch {
	case !e.subnetExists(netuid):
		return e.fail("SubnetNotExists")
	case most < e.u16("MinAllowedUids", id) || most > e.u16("MaxAllowedUids", id):
		return e.fail("InvalidValue")
	}
	if e.u16("SubnetworkN", id) > most {
		kept, ok := e.trimmed(netuid, most)
		if !ok {
			return e.fail("TrimmingWouldExceedMaxImmunePercentage")
		}
		e.compress(netuid, kept)
	}
	e.setU16("MaxAllowedUids", most, id)
	if !from.root {
		e.setU64("TransactionKeyLastBlock", e.block, from.id[:], id, le16(txTrim))
	}
	return nil
}

// trimmed chooses the uids that stay, in ascending order: the owner's, those
// still immune, and of the others the ones of most emission, then of lower
// uid. It fails where those who must stay leave too little choice.
func (e *env) trimmed(netuid, most uint16) (kept []uint16, ok bool) {
	id := le16(netuid)
	stays := e.ownersNeurons(netuid)
	n, immunity := e.u16("SubnetworkN", id), uint64(e.u16("ImmunityPeriod", id))
	emission := sized(e.u64s("Emission", id), int(n))
	var others []uint16
	for uid := range n {
		if stays[uid] || satSub(e.block, e.u64("BlockAtRegistration", id, le16(uid))) < immunity {
			kept = append(kept, uid)
		} else {
			others = append(others, uid)
		}
	}
	if len(kept)*100/int(max(most, 1)) >= mostImmune {
		return nil, false
	}
	slices.SortStableFunc(others, func(a, b uint16) int { return cmp.Compare(emission[b], emission[a]) })
	kept = append(kept, others[:int(most)-len(kept)]...)
	slices.Sort(kept)
	return kept, true
}

// compress removes all neurons of a subnet but those of the ascending uids,
// which become 0, 1, and so on, in weights and bonds too.
func (e *env) compress(netuid uint16, kept []uint16) {
	id, n := le16(netuid), e.u16("SubnetworkN", le16(netuid))
	place := map[uint16]uint16{}
	for to, from := range kept {
		place[from] = uint16(to)
	}
	for uid := range n {
		if _, stays := place[uid]; stays {
			continue
		}
		hotkey := e.hotkeyOf(netuid, uid)
		e.remove("Uids", id, hotkey[:])
		e.remove("IsNetworkMember", hotkey[:], id)
		for _, item := range []string{"AlphaDividendsPerSubnet", "Axons", "NeuronCertificates", "Prometheus"} {
			e.remove(item, id, hotkey[:])
		}
		e.remove("Keys", id, le16(uid))
		e.remove("BlockAtRegistration", id, le16(uid))
	}
	mechanisms := max(e.u8("MechanismCountCurrent", id), 1)
	for to, from := range kept {
		to := uint16(to)
		hotkey := e.hotkeyOf(netuid, from)
		e.setU16("Uids", to, id, hotkey[:])
		if to != from {
			e.moveRaw("Keys", [][]byte{id, le16(from)}, [][]byte{id, le16(to)})
			e.moveRaw("BlockAtRegistration", [][]byte{id, le16(from)}, [][]byte{id, le16(to)})
		}
	}
	e.setFlags("Active", pick(e.flags("Active", id), kept), id)
	e.setFlags("ValidatorPermit", pick(e.flags("ValidatorPermit", id), kept), id)
	e.setU64s("Emission", pick(e.u64s("Emission", id), kept), id)
	for _, item := range []string{"Rank", "Trust", "Consensus", "Dividends", "ValidatorTrust", "PruningScores", "StakeWeight"} {
		if e.has(item, id) {
			e.setU16s(item, pick(e.u16s(item, id), kept), id)
		}
	}
	for m := range mechanisms {
		index := le16(storageIndex(netuid, m))
		e.setU16s("Incentive", pick(e.u16s("Incentive", index), kept), index)
		e.setU64s("LastUpdate", pick(e.u64s("LastUpdate", index), kept), index)
		for _, item := range []string{"Weights", "Bonds"} {
			e.compressRows(item, index, n, kept, place)
		}
	}
	e.setU16("SubnetworkN", uint16(len(kept)), id)
}

// compressRows moves the rows of weights or bonds to the new uids, and drops
// the rows and the entries of those who left.
func (e *env) compressRows(item string, index []byte, n uint16, kept []uint16, place map[uint16]uint16) {
	rows := make([][]yuma.Pair, len(kept))
	for to, from := range kept {
		for _, p := range e.pairs(item, index, le16(from)) {
			if uid, stays := place[p.UID]; stays {
				rows[to] = append(rows[to], yuma.Pair{UID: uid, Value: p.Value})
			}
		}
	}
	for uid := range n {
		e.remove(item, index, le16(uid))
	}
	for to, row := range rows {
		if len(row) > 0 {
			e.setPairs(item, row, index, le16(uint16(to)))
		}
	}
}

// pick is the values at the given places, zero past the end.
func pick[T any](v []T, places []uint16) []T {
	out := make([]T, len(places))
	for i, p := range places {
		if int(p) < len(v) {
			out[i] = v[p]
		}
	}
	return out
}
