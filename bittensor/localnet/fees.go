package localnet

import (
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Weights in picoseconds of reference time, as measured by the runtime.
const (
	baseWeight    = 108_157_000 // every extrinsic
	defaultWeight = 150_000_000
)

// callInfo is what a call costs.
type callInfo struct {
	refTime, proofSize uint64
	operational        bool
	free               bool // no fee
}

// knownInfo are recorded weights; other calls get defaultWeight. Most calls
// of SubtensorModule are free, since hotkeys hold no balance.
var knownInfo = map[string]callInfo{
	"Balances.transfer_keep_alive":     {refTime: 165_655_000, proofSize: 3593},
	"System.remark_with_event":         {refTime: 24_024_418},
	"SubtensorModule.burned_register":  {refTime: 5_879_400_000, free: true},
	"SubtensorModule.register_network": {refTime: 6_360_500_000, operational: true, free: true},
	"SubtensorModule.serve_axon":       {refTime: 235_670_000, free: true},
	"SubtensorModule.serve_prometheus": {refTime: 231_170_000, free: true},
	"SubtensorModule.add_stake":        {refTime: 2_495_500_000, free: true},
	"SubtensorModule.remove_stake":     {refTime: 1_671_800_000, free: true},
	"SubtensorModule.set_weights":      {refTime: 123_705_000_000, free: true},
	"SubtensorModule.commit_weights":   {refTime: 447_300_000, free: true},
	"SubtensorModule.reveal_weights":   {refTime: 722_000_000, free: true},
	"AdminUtils.sudo_set_kappa":        {refTime: 141_440_000},
	"Sudo.sudo":                        {refTime: 150_501_000, proofSize: 1517, operational: true},
}

func infoOf(c substrate.Call) callInfo {
	if info, ok := knownInfo[c.Pallet+"."+c.Name]; ok {
		return info
	}
	return callInfo{refTime: defaultWeight, free: c.Pallet == "SubtensorModule" && !strings.HasPrefix(c.Name, "sudo_")}
}

// fee is the price of an extrinsic of a length in bytes, in rao: one per
// byte and one per 2000 picoseconds.
func (i callInfo) fee(length int) uint64 {
	if i.free {
		return 0
	}
	return uint64(length) + (baseWeight+i.refTime)/2000
}

func (i callInfo) class() substrate.Variant {
	if i.operational {
		return asVariant("Operational")
	}
	return asVariant("Normal")
}

func weight(refTime, proofSize uint64) substrate.Record {
	return substrate.Record{{Name: "ref_time", Value: refTime}, {Name: "proof_size", Value: proofSize}}
}

// dispatchInfo is the cost as events report it.
func (i callInfo) dispatchInfo() substrate.Record {
	pays := asVariant("Yes")
	if i.free {
		pays = asVariant("No")
	}
	return substrate.Record{
		{Name: "weight", Value: weight(baseWeight+i.refTime, i.proofSize)},
		{Name: "class", Value: i.class()},
		{Name: "pays_fee", Value: pays},
	}
}
