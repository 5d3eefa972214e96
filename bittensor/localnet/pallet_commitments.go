package localnet

import (
	"bytes"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// minCommitment is what the shortest commitment counts for, in bytes.
const minCommitment = 100

func commitmentsCalls() map[string]callFunc {
	return map[string]callFunc{
		"Commitments.set_commitment": (*env).setCommitment,
		"Commitments.set_max_space": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			e.setU32("Commitments.MaxSpace", arg[uint32](a, "new_limit"))
			return nil
		},
		// The limit itself is gone; the call was kept for some time.
		"Commitments.set_rate_limit": func(_ *env, from origin, _ args) error {
			if !from.root {
				return errBadOrigin
			}
			return nil
		},
	}
}

// committed is the size of a field that counts towards the limit of space.
func committed(field substrate.Variant) uint64 {
	switch {
	case field.Name == "None" || field.Name == "ResetBondsFlag":
		return 0
	case field.Name == "TimelockEncrypted":
		rec, _ := field.Value.(substrate.Record)
		return uint64(len(arg[[]byte](args{rec}, "encrypted")))
	case strings.HasPrefix(field.Name, "Raw") || field.Name == "BigRaw":
		var b []byte
		if substrate.Assign(field.Value, &b) == nil {
			return uint64(len(b))
		}
		return 0
	}
	return 32 // a hash
}

// setCommitment publishes up to three fields under a hotkey of a subnet, for
// so many bytes in each epoch.
func (e *env) setCommitment(from origin, a args) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	netuid := a.u16("netuid")
	id := le16(netuid)
	info, _ := a.any("info").(substrate.Record)
	list, _ := args{info}.any("fields").([]any)
	if _, ok := e.uidOf(netuid, who); !ok {
		return e.fail("Commitments.AccountNotAllowedCommit")
	}
	if most, err := e.rt.meta.Constant("Commitments", "MaxFields"); err == nil && uint64(len(list)) > most.(uint64) {
		return e.fail("Commitments.TooManyFieldsInCommitmentInfo")
	}
	var space, round uint64
	timelocked, reset := false, false
	for _, x := range list {
		field, _ := x.(substrate.Variant)
		space += committed(field)
		switch field.Name {
		case "ResetBondsFlag":
			reset = true
		case "TimelockEncrypted":
			if rec, ok := field.Value.(substrate.Record); ok && !timelocked {
				timelocked, round = true, args{rec}.u64("reveal_round")
			}
		}
	}
	if reset {
		e.setU32("Commitments.LastBondsReset", uint32(e.block), id, who[:])
		e.resetBonds(netuid, who)
	}
	d := scale.NewDecoder(e.raw("Commitments.UsedSpaceOf", id, who[:]))
	epoch, _ := d.Uint64()
	used, _ := d.Uint64()
	if now := e.epochIndex(netuid, e.block); epoch != now {
		epoch, used = now, 0
	}
	used = satAdd(used, max(space, minCommitment))
	if used > uint64(e.u32("Commitments.MaxSpace")) {
		return e.fail("Commitments.SpaceLimitExceeded")
	}
	e.setRaw("Commitments.UsedSpaceOf", append(le64(epoch), le64(used)...), id, who[:])
	// A commitment is free; one that was not gives its deposit back.
	if old, err := scale.NewDecoder(e.raw("Commitments.CommitmentOf", id, who[:])).Uint64(); err == nil && old > 0 {
		if err := e.changeReserve(who, old, 0); err != nil {
			return err
		}
	}
	registration := substrate.Record{{Name: "deposit", Value: uint64(0)}, {Name: "block", Value: uint32(e.block)}, {Name: "info", Value: info}}
	if err := e.setStruct("Commitments.CommitmentOf", registration, id, who[:]); err != nil {
		return err
	}
	e.setU32("Commitments.LastCommitment", uint32(e.block), id, who[:])
	e.indexTimelocked(netuid, who, timelocked)
	if timelocked {
		e.emit("Commitments", "TimelockCommitment", netuid, who, round)
	} else {
		e.emit("Commitments", "Commitment", netuid, who)
	}
	return nil
}

// indexTimelocked keeps the set of who has a commitment that waits for its
// round.
func (e *env) indexTimelocked(netuid uint16, who ss58.AccountID, waits bool) {
	const item, size = "Commitments.TimelockedIndex", 34
	set := vector(e.raw(item), size, func(d *scale.Decoder) ([]byte, error) { return d.Raw(size) })
	entry := append(le16(netuid), who[:]...)
	// Sorted by the number of the subnet, which is little-endian, then by key.
	compare := func(a, b []byte) int {
		if c := bytes.Compare([]byte{a[1], a[0]}, []byte{b[1], b[0]}); c != 0 {
			return c
		}
		return bytes.Compare(a[2:], b[2:])
	}
	at, found := slices.BinarySearchFunc(set, entry, compare)
	switch {
	case waits && !found:
		set = slices.Insert(set, at, entry)
	case !waits && found:
		set = slices.Delete(set, at, at+1)
	default:
		return
	}
	e.setRaw(item, encodeVector(set, size, func(w *scale.Encoder, x []byte) { w.Raw(x) }))
}

// resetBonds forgets the bonds that validators hold in a neuron, where the
// subnet allows it.
func (e *env) resetBonds(netuid uint16, hotkey ss58.AccountID) {
	id := le16(netuid)
	target, ok := e.uidOf(netuid, hotkey)
	if !ok || !e.flag("BondsResetOn", id) {
		return
	}
	for m := range max(e.u8("MechanismCountCurrent", id), 1) {
		index := le16(storageIndex(netuid, m))
		for uid := range e.u16("SubnetworkN", id) {
			row := e.pairs("Bonds", index, le16(uid))
			left := slices.DeleteFunc(slices.Clone(row), func(p yuma.Pair) bool { return p.UID == target })
			if len(left) != len(row) {
				e.setPairs("Bonds", left, index, le16(uid))
			}
		}
	}
}
