package localnet

import (
	_ "embed"
	"fmt"
	"math/bits"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Weights in picoseconds of reference time, as measured by the runtime.
const (
	baseWeight    = 108_157_000 // every extrinsic
	defaultWeight = 150_000_000 // calls whose cost is not known
	maxWeight     = 4_000_000_000_000
)

// Lengths in bytes that the extrinsics of a block may have together.
const (
	maxNormalLength      = 0x780000
	maxOperationalLength = 0xa00000
)

// operationalMultiplier raises the priority of operational calls.
const operationalMultiplier = 5

// callInfo is what a call costs.
type callInfo struct {
	refTime, proofSize uint64
	operational        bool
	free               bool // no fee
	// refunded calls give their fee back when they succeed: those of Sudo.
	refunded bool
}

// costsFile lists the costs of calls by spec version, from the weights that
// the runtimes declare.
//
//go:embed profiles/costs.txt
var costsFile string

// frameCosts are the costs of calls of FRAME's own pallets. remark_with_event
// was recorded with 256 bytes; how much a byte adds is not known.
var frameCosts = map[string]callInfo{
	"Balances.transfer_keep_alive":  {refTime: 165_655_000, proofSize: 3593},
	"Balances.transfer_allow_death": {refTime: 165_655_000, proofSize: 3593},
	"Balances.transfer_all":         {refTime: 165_655_000, proofSize: 3593},
	"Balances.force_transfer":       {refTime: 165_655_000, proofSize: 6196},
	"System.remark":                 {refTime: 2_169_387},
	"System.remark_with_event":      {refTime: 24_024_418},
}

// costs reads the costs of one runtime's calls.
func costs(spec uint32) (map[string]callInfo, error) {
	out := map[string]callInfo{}
	for name, info := range frameCosts {
		out[name] = info
	}
	for _, line := range strings.Split(costsFile, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		var (
			version           uint32
			name, class, pays string
			info              callInfo
		)
		if _, err := fmt.Sscan(line, &version, &name, &info.refTime, &info.proofSize, &class, &pays); err != nil {
			return nil, fmt.Errorf("reading the costs of calls: line %q: %w", line, err)
		}
		if version != spec {
			continue
		}
		info.operational, info.free = class == "operational", pays == "free"
		out[name] = info
	}
	return out, nil
}

// wrapperCost is what a call costs that runs others: for itself, and for each
// of them.
type wrapperCost struct{ refTime, each, proofSize uint64 }

// wrapperCosts are those of spec 293 and, where it differs, of later ones.
var wrapperCosts = map[string][2]wrapperCost{
	"Utility.batch":                {{52_694_370, 5_005_941, 3997}, {54_034_000, 4_914_560, 3997}},
	"Utility.batch_all":            {{62_948_874, 5_162_821, 3997}, {54_075_000, 5_127_263, 3997}},
	"Utility.force_batch":          {{54_879_712, 4_955_816, 3997}, {54_035_000, 4_902_729, 3997}},
	"Utility.as_derivative":        {{184_639_000, 0, 3997}, {181_097_000, 0, 3997}},
	"Utility.dispatch_as":          {{7_452_000, 0, 0}, {5_720_000, 0, 0}},
	"Utility.dispatch_as_fallible": {{5_705_000, 0, 0}, {5_705_000, 0, 0}},
	"Utility.if_else":              {{86_571_000, 0, 7004}, {86_571_000, 0, 7004}},
	"Utility.with_weight":          {},
	"Sudo.sudo":                    {{36_501_000, 0, 1517}, {36_501_000, 0, 1517}},
	"Sudo.sudo_as":                 {{36_501_000, 0, 1517}, {36_501_000, 0, 1517}},
	"Sudo.sudo_unchecked_weight":   {{36_501_000, 0, 1517}, {36_501_000, 0, 1517}},
}

// infoOf finds what a call costs; calls that run others cost those too.
func (rt *runtime) infoOf(c substrate.Call) callInfo {
	name := c.Pallet + "." + c.Name
	if wrapper, ok := wrapperCosts[name]; ok {
		w := wrapper[0]
		if rt.spec != 293 {
			w = wrapper[1]
		}
		var inner []substrate.Call
		for _, arg := range c.Args {
			if one, ok := arg.Value.(substrate.Call); ok {
				inner = append(inner, one)
			} else {
				inner = append(inner, nestedCalls(arg.Value)...)
			}
		}
		return rt.wrapped(callInfo{refTime: w.refTime + w.each*uint64(len(inner)), proofSize: w.proofSize, refunded: c.Pallet == "Sudo"}, inner, c.Pallet == "Utility")
	}
	info, ok := rt.costs[name]
	if !ok {
		info = callInfo{refTime: defaultWeight, free: c.Pallet == "SubtensorModule"}
	}
	if name == "Proxy.proxy" || name == "Proxy.proxy_announced" {
		if inner, ok := (args{c.Args}).any("call").(substrate.Call); ok {
			return rt.wrapped(info, []substrate.Call{inner}, false)
		}
	}
	return info
}

// wrapped adds the cost of inner calls. A batch is operational when all its
// calls are, and free when all are.
func (rt *runtime) wrapped(info callInfo, inner []substrate.Call, mayBeFree bool) callInfo {
	info.operational, info.free = len(inner) > 0, mayBeFree && len(inner) > 0
	for _, c := range inner {
		one := rt.infoOf(c)
		info.refTime = satAdd(info.refTime, one.refTime)
		info.proofSize = satAdd(info.proofSize, one.proofSize)
		info.operational = info.operational && one.operational
		info.free = info.free && one.free
	}
	return info
}

// fee is the price of an extrinsic of a length in bytes, in rao: one per
// byte and one per 2000 picoseconds.
func (i callInfo) fee(length int) uint64 {
	if i.free {
		return 0
	}
	return uint64(length) + baseWeight/2000 + i.refTime/2000
}

// priority orders transactions by what they pay for the share of a block
// that they take.
func (i callInfo) priority(length int, tip uint64) uint64 {
	limit := uint64(maxNormalLength)
	if i.operational {
		limit = maxOperationalLength
	}
	perBlock := min(maxWeight/min(max(i.refTime, 1), maxWeight), limit/min(max(uint64(length), 1), limit))
	hi, reward := bits.Mul64(perBlock, satAdd(tip, 1))
	if hi != 0 {
		reward = ^uint64(0)
	}
	if !i.operational {
		return reward
	}
	hi, virtual := bits.Mul64(i.fee(length)*operationalMultiplier, perBlock)
	if hi != 0 {
		virtual = ^uint64(0)
	}
	return satAdd(reward, virtual)
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
