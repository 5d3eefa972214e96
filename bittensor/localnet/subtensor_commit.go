package localnet

import (
	"slices"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// maxCommits is how many commits of one hotkey may wait.
const maxCommits = 10

// commitCalls are the calls of commit-reveal: version 1, by hash, and the time-locked
// versions 3 and 4.
func commitCalls() map[string]callFunc {
	fixed := func(*env, args) uint16 { return commitRevealVersion }
	named := func(_ *env, a args) uint16 { return a.u16("commit_reveal_version") }
	return map[string]callFunc{
		"SubtensorModule.commit_weights":                      (*env).commitWeights,
		"SubtensorModule.commit_mechanism_weights":            (*env).commitWeights,
		"SubtensorModule.reveal_weights":                      (*env).revealWeights,
		"SubtensorModule.reveal_mechanism_weights":            (*env).revealWeights,
		"SubtensorModule.batch_commit_weights":                (*env).batchCommitWeights,
		"SubtensorModule.batch_reveal_weights":                (*env).batchRevealWeights,
		"SubtensorModule.batch_set_weights":                   (*env).batchSetWeights,
		"SubtensorModule.commit_crv3_weights":                 commitTimelocked(fixed),
		"SubtensorModule.commit_crv3_mechanism_weights":       commitTimelocked(fixed),
		"SubtensorModule.commit_timelocked_weights":           commitTimelocked(named),
		"SubtensorModule.commit_timelocked_mechanism_weights": commitTimelocked(named),
	}
}

// weightCommit is a hash that a validator published before its weights.
type weightCommit struct {
	hash                     substrate.Hash
	block, firstReveal, last uint64
}

func decodeCommits(raw []byte) []weightCommit {
	return vector(raw, 56, func(d *scale.Decoder) (c weightCommit, err error) {
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

// pendingCommits reads a hotkey's commits; those at the front that are expired come
// apart.
func (e *env) pendingCommits(netuid uint16, index []byte, hotkey ss58.AccountID) (expired, waiting []weightCommit) {
	waiting = decodeCommits(e.raw("WeightCommits", index, hotkey[:]))
	n := 0
	for n < len(waiting) && e.commitExpired(netuid, waiting[n].block, e.block) {
		n++
	}
	return waiting[:n], waiting[n:]
}

func indexOfHash(list []weightCommit, hash substrate.Hash) int {
	return slices.IndexFunc(list, func(c weightCommit) bool { return c.hash == hash })
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

func (s *storage) revealOpen(netuid uint16, committed, now uint64) bool {
	return s.epochIndex(netuid, now) == s.revealEpoch(netuid, committed)
}

// checkMechanism is the first check of the calls of runtimes that have mechanisms.
func (e *env) checkMechanism(netuid uint16, mechanism uint8) error {
	if e.items["MechanismCountCurrent"] == nil {
		return nil
	}
	if !e.subnetExists(netuid) || mechanism >= max(e.u8("MechanismCountCurrent", le16(netuid)), 1) {
		return e.fail("MechanismDoesNotExist")
	}
	return nil
}

// weightsTooFast says whether a neuron has set or committed weights within the rate
// limit.
func (e *env) weightsTooFast(netuid uint16, index []byte, uid uint16) bool {
	last := at(e.u64s("LastUpdate", index), int(uid))
	return last != 0 && satSub(e.block, last) < e.u64("WeightsSetRateLimit", le16(netuid))
}

func (e *env) commitWeights(from origin, a args) error {
	return e.commitHash(from, a.u16("netuid"), arg[uint8](a, "mecid"), arg[substrate.Hash](a, "commit_hash"))
}

func (e *env) commitHash(from origin, netuid uint16, mechanism uint8, hash substrate.Hash) error {
	if err := e.checkMechanism(netuid, mechanism); err != nil {
		return err
	}
	hotkey, err := from.signed()
	if err != nil {
		return err
	}
	id := le16(netuid)
	if !e.flag("CommitRevealWeightsEnabled", id) {
		return e.fail("CommitRevealDisabled")
	}
	uid, registered := e.uidOf(netuid, hotkey)
	if !registered {
		return e.fail("HotKeyNotRegisteredInSubNet")
	}
	index := le16(storageIndex(netuid, mechanism))
	if e.weightsTooFast(netuid, index, uid) {
		return e.fail("CommittingWeightsTooFast")
	}
	_, waiting := e.pendingCommits(netuid, index, hotkey)
	if len(waiting) >= maxCommits {
		return e.fail("TooManyUnrevealedCommits")
	}
	// The reveal epoch's first block: (first + netuid + 1) / (tempo + 1) is it.
	tempo := uint64(e.u16("Tempo", id))
	first := satSub(e.revealEpoch(netuid, e.block)*(tempo+1), uint64(netuid)+1)
	e.setCommits(append(waiting, weightCommit{hash, e.block, first, first + tempo}), index, hotkey)
	e.setU64s("LastUpdate", setAt(e.u64s("LastUpdate", index), int(uid), e.block), index)
	e.emit("SubtensorModule", "WeightsCommitted", hotkey, storageIndex(netuid, mechanism), hash)
	return nil
}

// CommitHash is the hash that commits to weights before they are revealed:
// blake2b-256 of the hotkey, the netuid, uids, values, salt and version key
// in SCALE. Where subnets have mechanisms, the netuid of mechanism m is
// m*4096+netuid.
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
	number := storageIndex(netuid, mechanism)
	expired, waiting := e.pendingCommits(netuid, le16(number), hotkey)
	if len(expired)+len(waiting) == 0 {
		return e.fail("NoWeightsCommitFound")
	}
	hash := CommitHash(hotkey, number, a.u16s("uids"), a.u16s("values"), a.u16s("salt"), a.u64("version_key"))
	at := indexOfHash(waiting, hash)
	switch {
	case at < 0 && indexOfHash(expired, hash) >= 0:
		return e.fail("ExpiredWeightCommit")
	case len(waiting) == 0:
		return e.fail("NoWeightsCommitFound")
	case at < 0:
		return e.fail("InvalidRevealCommitHashNotMatch")
	case !e.revealOpen(netuid, waiting[at].block, e.block):
		return e.fail("RevealTooEarly")
	}
	// What was committed before is superseded.
	e.setCommits(waiting[at+1:], le16(number), hotkey)
	if err := e.setWeights(hotkey, netuid, mechanism, a.u16s("uids"), a.u16s("values"), a.u64("version_key")); err != nil {
		return err
	}
	e.emit("SubtensorModule", "WeightsRevealed", hotkey, number, hash)
	return nil
}
