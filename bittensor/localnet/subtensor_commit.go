package localnet

import (
	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// maxCommits is how many commits of one hotkey may wait.
const maxCommits = 10

// weightCommit is a hash that a validator published before its weights.
type weightCommit struct {
	hash                     substrate.Hash
	block, firstReveal, last uint64
}

func (s *storage) commits(index []byte, hotkey ss58.AccountID) []weightCommit {
	return vector(s.raw("WeightCommits", index, hotkey[:]), 56, func(d *scale.Decoder) (c weightCommit, err error) {
		b, err := d.Raw(56)
		if err != nil {
			return c, err
		}
		copy(c.hash[:], b)
		r := scale.NewDecoder(b[32:])
		for _, field := range []*uint64{&c.block, &c.firstReveal, &c.last} {
			if *field, err = r.Uint64(); err != nil {
				return c, err
			}
		}
		return c, nil
	})
}

func (e *env) setCommits(list []weightCommit, index []byte, hotkey ss58.AccountID) {
	if len(list) == 0 {
		e.remove("WeightCommits", index, hotkey[:])
		return
	}
	e.setRaw("WeightCommits", encodeVector(list, 56, func(w *scale.Encoder, c weightCommit) {
		w.Raw(c.hash[:])
		w.Uint64(c.block)
		w.Uint64(c.firstReveal)
		w.Uint64(c.last)
	}), index, hotkey[:])
}

// epochIndex numbers the epochs of a subnet.
func (s *storage) epochIndex(netuid uint16, block uint64) uint64 {
	return (block + uint64(netuid) + 1) / (uint64(s.u16("Tempo", le16(netuid))) + 1)
}

// revealEpoch is the only epoch in which a commit may be revealed.
func (s *storage) revealEpoch(netuid uint16, committed uint64) uint64 {
	return s.epochIndex(netuid, committed) + s.u64("RevealPeriodEpochs", le16(netuid))
}

func (s *storage) commitExpired(netuid uint16, committed, now uint64) bool {
	return s.epochIndex(netuid, now) > s.revealEpoch(netuid, committed)
}

func (e *env) commitWeights(from origin, a args) error {
	hotkey, err := from.signed()
	if err != nil {
		return err
	}
	netuid, mechanism := a.u16("netuid"), arg[uint8](a, "mecid")
	id := le16(netuid)
	uid, registered := e.uidOf(netuid, hotkey)
	switch {
	case !e.subnetExists(netuid):
		return e.fail("SubNetworkDoesNotExist", "MechanismDoesNotExist")
	case mechanism >= max(e.u8("MechanismCountCurrent", id), 1):
		return e.fail("MechanismDoesNotExist")
	case !e.flag("CommitRevealWeightsEnabled", id):
		return e.fail("CommitRevealDisabled")
	case !registered:
		return e.fail("HotKeyNotRegisteredInSubNet")
	}
	index := le16(storageIndex(netuid, mechanism))
	if last := at(e.u64s("LastUpdate", index), int(uid)); last != 0 && satSub(e.block, last) < e.u64("WeightsSetRateLimit", id) {
		return e.fail("CommittingWeightsTooFast")
	}
	var waiting []weightCommit
	for _, c := range e.commits(index, hotkey) {
		if !e.commitExpired(netuid, c.block, e.block) {
			waiting = append(waiting, c)
		}
	}
	if len(waiting) >= maxCommits {
		return e.fail("TooManyUnrevealedCommits")
	}
	// The reveal epoch's first block: (first + netuid + 1) / (tempo + 1) is it.
	tempo := uint64(e.u16("Tempo", id))
	first := satSub(e.revealEpoch(netuid, e.block)*(tempo+1), uint64(netuid)+1)
	hash := arg[substrate.Hash](a, "commit_hash")
	e.setCommits(append(waiting, weightCommit{hash, e.block, first, first + tempo}), index, hotkey)
	e.setU64s("LastUpdate", setAt(e.u64s("LastUpdate", index), int(uid), e.block), index)
	e.emit("SubtensorModule", "WeightsCommitted", hotkey, storageIndex(netuid, mechanism), hash)
	return nil
}

// CommitHash is the hash that commits to weights before they are revealed:
// blake2b-256 of the hotkey, the netuid, uids, values, salt and version key
// in SCALE.
func CommitHash(hotkey ss58.AccountID, netuid uint16, uids, values, salt []uint16, version uint64) substrate.Hash {
	var w scale.Encoder
	w.Raw(hotkey[:])
	w.Uint16(netuid)
	for _, v := range [][]uint16{uids, values, salt} {
		w.Raw(encodeVector(v, 2, (*scale.Encoder).Uint16))
	}
	w.Uint64(version)
	return blake2b.Sum256(w.Bytes())
}

func (e *env) revealWeights(from origin, a args) error {
	hotkey, err := from.signed()
	if err != nil {
		return err
	}
	netuid, mechanism := a.u16("netuid"), arg[uint8](a, "mecid")
	if !e.flag("CommitRevealWeightsEnabled", le16(netuid)) {
		return e.fail("CommitRevealDisabled")
	}
	index := le16(storageIndex(netuid, mechanism))
	waiting := e.commits(index, hotkey)
	if len(waiting) == 0 {
		return e.fail("NoWeightsCommitFound")
	}
	hash := CommitHash(hotkey, storageIndex(netuid, mechanism), a.u16s("uids"), a.u16s("values"), a.u16s("salt"), a.u64("version_key"))
	expired := false
	for i, c := range waiting {
		old := e.commitExpired(netuid, c.block, e.block)
		if c.hash != hash {
			expired = expired || old
			continue
		}
		switch {
		case old:
			return e.fail("ExpiredWeightCommit")
		case e.epochIndex(netuid, e.block) < e.revealEpoch(netuid, c.block):
			return e.fail("RevealTooEarly")
		}
		// What was committed before is superseded.
		e.setCommits(waiting[i+1:], index, hotkey)
		if err := e.setWeights(hotkey, netuid, mechanism, a.u16s("uids"), a.u16s("values"), a.u64("version_key")); err != nil {
			return err
		}
		e.emit("SubtensorModule", "WeightsRevealed", hotkey, storageIndex(netuid, mechanism), hash)
		return nil
	}
	if expired {
		return e.fail("ExpiredWeightCommit")
	}
	return e.fail("InvalidRevealCommitHashNotMatch")
}
