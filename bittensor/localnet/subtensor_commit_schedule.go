package localnet

import "github.com/maxmos001/bitmind-subnet/bittensor/substrate"

// scheduleItems are three storage items of later runtimes. The Python SDK 10.5.0 reads
// them before every time-locked commit, to foresee the block of the reveal, and cannot
// commit without them; so the runtimes with time-locked commits declare them here too.
func scheduleItems() []substrate.StorageDecl {
	var out []substrate.StorageDecl
	for _, name := range []string{"LastEpochBlock", "PendingEpochAt", "SubnetEpochIndex"} {
		out = append(out, substrate.StorageDecl{
			Name: name, Modifier: substrate.Default, Hashers: []substrate.Hasher{substrate.Identity},
			Key: "u16", Value: "u64", DefaultRaw: le64(0),
		})
	}
	return out
}

// noteSchedule keeps those items at an epoch. The runtimes that have them run the next
// epoch tempo blocks after the last one, this one tempo+1 blocks after; the block after
// the epoch makes both the same.
func (e *env) noteSchedule(netuid uint16) {
	id := le16(netuid)
	e.setU64("LastEpochBlock", e.block+1, id)
	e.setU64("SubnetEpochIndex", e.epochIndex(netuid, e.block+1), id)
}
