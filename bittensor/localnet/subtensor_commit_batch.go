package localnet

import (
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// batchItems runs each item of a batch on its own and announces what failed. The batch
// itself succeeds.
func (e *env) batchItems(from origin, a args, n int, item func(e *env, i int) error) error {
	hotkey, err := from.signed()
	if err != nil {
		return err
	}
	failed := false
	var errs []error
	for i := range n {
		if err := e.nested(func(e *env) error { return item(e, i) }); err != nil {
			errs = append(errs, err)
		}
	}
	for _, err := range errs {
		if !failed {
			e.emit("SubtensorModule", "BatchCompletedWithErrors")
			failed = true
		}
		e.emit("SubtensorModule", "BatchWeightItemFailed", asDispatchError(err))
	}
	e.emit("SubtensorModule", "BatchWeightsCompleted", a.any("netuids"), hotkey)
	return nil
}

func (e *env) batchCommitWeights(from origin, a args) error {
	netuids, hashes := a.u16s("netuids"), arg[[]substrate.Hash](a, "commit_hashes")
	if len(netuids) != len(hashes) {
		return e.fail("InputLengthsUnequal")
	}
	return e.batchItems(from, a, len(netuids), func(e *env, i int) error {
		return e.commitHash(from, netuids[i], 0, hashes[i])
	})
}

func (e *env) batchSetWeights(from origin, a args) error {
	hotkey, err := from.signed()
	if err != nil {
		return err
	}
	netuids, versions := a.u16s("netuids"), arg[[]uint64](a, "version_keys")
	rows := arg[[][][2]uint16](a, "weights")
	if len(netuids) != len(rows) || len(netuids) != len(versions) {
		return e.fail("InputLengthsUnequal")
	}
	return e.batchItems(from, a, len(netuids), func(e *env, i int) error {
		if e.flag("CommitRevealWeightsEnabled", le16(netuids[i])) {
			return e.fail("CommitRevealEnabled")
		}
		var uids, values []uint16
		for _, pair := range rows[i] {
			uids, values = append(uids, pair[0]), append(values, pair[1])
		}
		return e.setWeights(hotkey, netuids[i], 0, uids, values, versions[i])
	})
}

// batchRevealWeights reveals several commits of one subnet: all or none.
func (e *env) batchRevealWeights(from origin, a args) error {
	netuid := a.u16("netuid")
	uids, values := arg[[][]uint16](a, "uids_list"), arg[[][]uint16](a, "values_list")
	salts, versions := arg[[][]uint16](a, "salts_list"), arg[[]uint64](a, "version_keys")
	if n := len(uids); n != len(values) || n != len(salts) || n != len(versions) {
		return e.fail("InputLengthsUnequal")
	}
	hotkey, err := from.signed()
	if err != nil {
		return err
	}
	if !e.flag("CommitRevealWeightsEnabled", le16(netuid)) {
		return e.fail("CommitRevealDisabled")
	}
	index := le16(netuid)
	expired, waiting := e.pendingCommits(netuid, index, hotkey)
	if len(expired)+len(waiting) == 0 {
		return e.fail("NoWeightsCommitFound")
	}
	missing := func(hash substrate.Hash) error {
		if indexOfHash(expired, hash) >= 0 {
			return e.fail("ExpiredWeightCommit")
		}
		return e.fail("InvalidRevealCommitHashNotMatch")
	}
	hashes := make([]substrate.Hash, len(uids))
	for i := range hashes {
		hashes[i] = CommitHash(hotkey, netuid, uids[i], values[i], salts[i], versions[i])
		at := indexOfHash(waiting, hashes[i])
		if at < 0 {
			return missing(hashes[i])
		}
		if !e.revealOpen(netuid, waiting[at].block, e.block) {
			return e.fail("RevealTooEarly")
		}
	}
	for i, hash := range hashes {
		at := indexOfHash(waiting, hash)
		if at < 0 {
			return missing(hash)
		}
		waiting = slices.Delete(waiting, at, at+1)
		if err := e.setWeights(hotkey, netuid, 0, uids[i], values[i], versions[i]); err != nil {
			return err
		}
	}
	e.setCommits(waiting, index, hotkey)
	e.emit("SubtensorModule", "WeightsBatchRevealed", hotkey, netuid, hashes)
	return nil
}
