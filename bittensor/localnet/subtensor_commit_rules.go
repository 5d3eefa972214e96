package localnet

import (
	"encoding/binary"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Codes with which the pool refuses commits and reveals.
const (
	invalidRevealRound  = 15
	commitNotFound      = 16
	outsideRevealWindow = 17
	lengthsUnequal      = 18
)

// precheckCommit makes the checks by which the runtime's extension refuses commits and
// reveals before they enter a block. The mechanism forms of the calls are not among
// those that it looks at, and older runtimes leave all this to the calls.
func (e *env) precheckCommit(signer ss58.AccountID, name string, a args) error {
	custom := func(code uint8) error { return &invalidity{name: "Custom", custom: code} }
	if len(arg[[]byte](a, "commit")) > maxCommitBytes {
		return &invalidity{name: "Call"}
	}
	if !e.timelocked() {
		return nil
	}
	netuid := a.u16("netuid")
	switch name {
	case "commit_timelocked_weights":
		if a.u64("reveal_round") < e.u64("Drand.LastStoredRound") {
			return custom(invalidRevealRound)
		}
	case "reveal_weights":
		return e.precheckReveal(netuid, CommitHash(signer, netuid, a.u16s("uids"), a.u16s("values"), a.u16s("salt"), a.u64("version_key")))
	case "batch_reveal_weights":
		uids, values := arg[[][]uint16](a, "uids_list"), arg[[][]uint16](a, "values_list")
		salts, versions := arg[[][]uint16](a, "salts_list"), arg[[]uint64](a, "version_keys")
		if n := len(uids); n != len(values) || n != len(salts) || n != len(versions) {
			return custom(lengthsUnequal)
		}
		for i := range uids {
			if err := e.precheckReveal(netuid, CommitHash(signer, netuid, uids[i], values[i], salts[i], versions[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

// precheckReveal looks for a commit in all subnets, as the runtime does.
func (e *env) precheckReveal(netuid uint16, hash substrate.Hash) error {
	for _, key := range e.prefixKeys("WeightCommits") {
		list := decodeCommits(e.get(key))
		if at := indexOfHash(list, hash); at >= 0 {
			if !e.revealOpen(netuid, list[at].block, e.block) {
				return &invalidity{name: "Custom", custom: outsideRevealWindow}
			}
			return nil
		}
	}
	return &invalidity{name: "Custom", custom: commitNotFound}
}

// maxRevealPeriod is the longest reveal period in epochs.
const maxRevealPeriod = 100

func (s *storage) u32(name string, parts ...[]byte) uint32 {
	if b := s.raw(name, parts...); len(b) >= 4 {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}
