package localnet

import (
	"bytes"
	"encoding/binary"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// maxCommitBytes bounds a time-locked commit.
const maxCommitBytes = 5000

// commitRevealVersion is the version that commit_crv3_mechanism_weights stands for.
const commitRevealVersion = 4

// timelockedCommit is an encrypted row of weights that waits for its round.
type timelockedCommit struct {
	hotkey     ss58.AccountID
	block      uint64 // not kept by runtimes with version 3
	ciphertext []byte
	round      uint64
}

// timelockItem is where commits wait: by storage index and epoch of the commit.
func (s *storage) timelockItem() string {
	if s.timelocked() {
		return "TimelockedWeightCommits"
	}
	return "CRV3WeightCommits"
}

func (s *storage) decodeTimelocked(raw []byte) []timelockedCommit {
	return vector(raw, 41, func(d *scale.Decoder) (c timelockedCommit, err error) {
		if c.hotkey, err = readAccount(d); err != nil {
			return c, err
		}
		if s.timelocked() {
			if c.block, err = d.Uint64(); err != nil {
				return c, err
			}
		}
		if c.ciphertext, err = d.Blob(); err != nil {
			return c, err
		}
		c.round, err = d.Uint64()
		return c, err
	})
}

func (e *env) setTimelocked(list []timelockedCommit, index, epoch []byte) {
	if len(list) == 0 {
		e.remove(e.timelockItem(), index, epoch)
		return
	}
	e.setRaw(e.timelockItem(), encodeVector(list, 60, func(w *scale.Encoder, c timelockedCommit) {
		w.Raw(c.hotkey[:])
		if e.timelocked() {
			w.Uint64(c.block)
		}
		w.Blob(c.ciphertext)
		w.Uint64(c.round)
	}), index, epoch)
}

// commitTimelocked makes the call for one version of the runtime's calls: those that
// carry no version mean a fixed one.
func commitTimelocked(version func(e *env, a args) uint16) callFunc {
	return func(e *env, from origin, a args) error {
		netuid, mechanism := a.u16("netuid"), arg[uint8](a, "mecid")
		if err := e.checkMechanism(netuid, mechanism); err != nil {
			return err
		}
		hotkey, err := from.signed()
		if err != nil {
			return err
		}
		if !e.flag("CommitRevealWeightsEnabled", le16(netuid)) {
			return e.fail("CommitRevealDisabled")
		}
		if e.timelocked() && version(e, a) != e.u16("CommitRevealWeightsVersion") {
			return e.fail("IncorrectCommitRevealVersion")
		}
		uid, ok := e.uidOf(netuid, hotkey)
		if !ok {
			return e.fail("HotKeyNotRegisteredInSubNet")
		}
		index := le16(storageIndex(netuid, mechanism))
		if e.weightsTooFast(netuid, index, uid) {
			return e.fail("CommittingWeightsTooFast")
		}
		// The epoch that runs in this block closed before the commit came.
		number := e.epochIndex(netuid, e.block)
		if yuma.Due(e.block, netuid, e.u16("Tempo", le16(netuid))) {
			number++
		}
		epoch := le64(number)
		waiting := e.decodeTimelocked(e.raw(e.timelockItem(), index, epoch))
		own := 0
		for _, c := range waiting {
			if c.hotkey == hotkey {
				own++
			}
		}
		if own >= maxCommits {
			return e.fail("TooManyUnrevealedCommits")
		}
		ciphertext, round := arg[[]byte](a, "commit"), a.u64("reveal_round")
		e.setTimelocked(append(waiting, timelockedCommit{hotkey, e.block, ciphertext, round}), index, epoch)
		hash := hashOf(ciphertext)
		if e.timelocked() {
			e.emit("SubtensorModule", "TimelockedWeightsCommitted", hotkey, storageIndex(netuid, mechanism), hash, round)
		} else {
			e.emit("SubtensorModule", "CRV3WeightsCommitted", hotkey, netuid, hash)
		}
		e.setU64s("LastUpdate", setAt(e.u64s("LastUpdate", index), int(uid), e.block), index)
		return nil
	}
}

// revealTimelocked reveals what is ripe on every subnet, in each block: a commit waits
// in its reveal epoch until its round's pulse is there, and is lost after it. Runtimes
// with version 3 reveal only in the block of an epoch, and do not wait.
func (e *env) revealTimelocked(netuid uint16) {
	period := e.u64("RevealPeriodEpochs", le16(netuid))
	now := e.epochIndex(netuid, e.block)
	ripe := satSub(now, period)
	tooEarly := now < period
	if !e.timelocked() {
		ripe, tooEarly = satSub(now, satSub(period, 1)), now < 2
	}
	for mechanism := range max(e.u8("MechanismCountCurrent", le16(netuid)), 1) {
		number := storageIndex(netuid, mechanism)
		index := le16(number)
		for _, key := range e.prefixKeys(e.timelockItem(), index) {
			if binary.LittleEndian.Uint64([]byte(key[len(key)-8:])) < ripe {
				e.w.set(key, nil)
			}
		}
		if tooEarly {
			return
		}
		waiting := e.decodeTimelocked(e.raw(e.timelockItem(), index, le64(ripe)))
		if len(waiting) == 0 {
			continue
		}
		var rest []timelockedCommit
		for _, c := range waiting {
			signature, ok := e.pulse(c.round)
			if !ok {
				if e.timelocked() {
					rest = append(rest, c)
				}
				continue
			}
			e.revealOne(netuid, mechanism, c, signature)
		}
		if len(rest) != len(waiting) || !e.timelocked() {
			e.setTimelocked(rest, index, le64(ripe))
		}
	}
}

// revealOne opens a commit and sets its weights. Like the runtime it drops silently
// what does not open, is of another hotkey, or holds weights that may not be set.
func (e *env) revealOne(netuid uint16, mechanism uint8, c timelockedCommit, rawSignature []byte) {
	signature, err := timelock.ParseSignature(bytes.TrimPrefix(rawSignature, []byte("0x")))
	if err != nil {
		return
	}
	plain, err := timelock.Decrypt(c.ciphertext, signature)
	if err != nil {
		return
	}
	// Version 3 knows only the form without a hotkey.
	decode := timelock.DecodeWeightsPayload
	if !e.timelocked() {
		decode = timelock.DecodeLegacyWeightsPayload
	}
	payload, err := decode(plain)
	if err != nil || !payload.Legacy && payload.Hotkey != c.hotkey {
		return
	}
	// An error leaves no trace on the chain.
	_ = e.nested(func(e *env) error {
		if err := e.setWeights(c.hotkey, netuid, mechanism, payload.UIDs, payload.Values, payload.VersionKey); err != nil {
			return err
		}
		if e.timelocked() {
			e.emit("SubtensorModule", "TimelockedWeightsRevealed", storageIndex(netuid, mechanism), c.hotkey)
		} else {
			e.emit("SubtensorModule", "CRV3WeightsRevealed", netuid, c.hotkey)
		}
		return nil
	})
}
