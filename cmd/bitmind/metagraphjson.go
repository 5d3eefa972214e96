package main

import (
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

// metagraphReport is the JSON of the metagraph command.
type metagraphReport struct {
	Netuid  uint16       `json:"netuid"`
	Block   uint64       `json:"block"`
	Source  string       `json:"source"`
	Subnet  *subnetJSON  `json:"subnet,omitempty"` // absent from chains that tell it in no one call
	Neurons []neuronJSON `json:"neurons"`
}

type subnetJSON struct {
	Name                string                `json:"name"`
	Symbol              string                `json:"symbol"`
	Identity            map[string]string     `json:"identity"`
	NetworkRegisteredAt uint64                `json:"network_registered_at"`
	OwnerHotkey         string                `json:"owner_hotkey"`
	OwnerColdkey        string                `json:"owner_coldkey"`
	Tempo               uint16                `json:"tempo"`
	LastStep            uint64                `json:"last_step"`
	BlocksSinceLastStep uint64                `json:"blocks_since_last_step"`
	NumUIDs             uint16                `json:"num_uids"`
	MaxUIDs             uint16                `json:"max_uids"`
	Rules               subtensor.SubnetRules `json:"hparams"`
	Pool                subtensor.Pool        `json:"pool"`
	Emissions           subtensor.Emissions   `json:"emissions"`
	TAODividends        map[string]uint64     `json:"tao_dividends_per_hotkey"`
	AlphaDividends      map[string]uint64     `json:"alpha_dividends_per_hotkey"`
	MechanismCount      *uint8                `json:"mechanism_count,omitempty"`
	EmissionSplit       *[]uint16             `json:"emissions_split,omitempty"`
}

type neuronJSON struct {
	UID             uint16            `json:"uid"`
	Hotkey          string            `json:"hotkey"`
	Coldkey         string            `json:"coldkey"`
	Active          bool              `json:"active"`
	ValidatorPermit bool              `json:"validator_permit"`
	StakeRao        uint64            `json:"stake_rao"`
	AlphaStakeRao   uint64            `json:"alpha_stake_rao"`
	TAOStakeRao     uint64            `json:"tao_stake_rao"` // unweighted
	EmissionRao     uint64            `json:"emission_rao"`
	Rank            float64           `json:"rank"`
	Trust           float64           `json:"trust"`
	ValidatorTrust  float64           `json:"validator_trust"`
	Consensus       float64           `json:"consensus"`
	Incentive       float64           `json:"incentive"`
	Dividends       float64           `json:"dividends"`
	PruningScore    float64           `json:"pruning_score"`
	LastUpdate      uint64            `json:"last_update"`
	RegisteredAt    uint64            `json:"registered_at"`
	Serving         bool              `json:"serving"`
	Axon            string            `json:"axon,omitempty"`
	AxonInfo        axonJSON          `json:"axon_info"`
	Identity        map[string]string `json:"identity"`
	Weights         *[]rowEntry       `json:"weights,omitempty"`
	Bonds           *[]rowEntry       `json:"bonds,omitempty"`
}

// axonJSON is what a neuron told the chain of its axon. IP is empty when it is unset.
type axonJSON struct {
	IP       string `json:"ip"`
	Port     uint16 `json:"port"`
	IPType   uint8  `json:"ip_type"` // 4, 6, or 0 when unset
	Version  uint32 `json:"version"`
	Protocol uint8  `json:"protocol"`
	Block    uint64 `json:"block"`
}

// rowEntry is [uid, value].
type rowEntry [2]uint16

func newMetagraphReport(m *subtensor.Metagraph, full bool) metagraphReport {
	report := metagraphReport{Netuid: m.Netuid, Block: m.Block, Source: m.Source, Neurons: []neuronJSON{}}
	var identities []map[string]string
	if m.Subnet != nil {
		report.Subnet = newSubnetJSON(m.Subnet, full)
		identities = m.Subnet.Identities
	}
	for i, n := range m.Neurons {
		j := neuronJSON{
			UID: n.UID, Hotkey: n.Hotkey.String(), Coldkey: n.Coldkey.String(), Active: n.Active, ValidatorPermit: n.ValidatorPermit,
			StakeRao: n.Stake, AlphaStakeRao: n.AlphaStake, TAOStakeRao: n.TAOStake, EmissionRao: n.Emission,
			Rank: n.Rank, Trust: n.Trust, ValidatorTrust: n.ValidatorTrust, Consensus: n.Consensus,
			Incentive: n.Incentive, Dividends: n.Dividends, PruningScore: n.PruningScore,
			LastUpdate: n.LastUpdate, RegisteredAt: n.RegisteredAt, Serving: n.Axon.Serving(), AxonInfo: newAxonJSON(n.Axon),
		}
		if j.Serving {
			j.Axon = n.Axon.Addr()
		}
		if i < len(identities) {
			j.Identity = identities[i]
		}
		if full {
			j.Weights, j.Bonds = row(n.Weights), row(n.Bonds)
		}
		report.Neurons = append(report.Neurons, j)
	}
	return report
}

func newSubnetJSON(s *subtensor.Subnet, full bool) *subnetJSON {
	j := &subnetJSON{
		Name: s.Name, Symbol: s.Symbol, Identity: s.Identity, NetworkRegisteredAt: s.NetworkRegisteredAt,
		OwnerHotkey: s.OwnerHotkey.String(), OwnerColdkey: s.OwnerColdkey.String(), Tempo: s.Rules.Tempo,
		LastStep: s.LastStep, BlocksSinceLastStep: s.BlocksSinceLastStep, NumUIDs: s.NumUIDs, MaxUIDs: s.MaxUIDs,
		Rules: s.Rules, Pool: s.Pool, Emissions: s.Emissions,
		TAODividends: byAddress(s.TAODividends), AlphaDividends: byAddress(s.AlphaDividends),
	}
	if full {
		split := append([]uint16{}, s.EmissionSplit...)
		j.MechanismCount, j.EmissionSplit = &s.MechanismCount, &split
	}
	return j
}

func newAxonJSON(a subtensor.AxonInfo) axonJSON {
	j := axonJSON{Port: a.Port, Version: a.Version, Protocol: a.Protocol, Block: a.Block}
	if a.IP.IsValid() {
		j.IP, j.IPType = a.IP.String(), 4
		if a.IP.Is6() {
			j.IPType = 6
		}
	}
	return j
}

func byAddress(amounts map[ss58.AccountID]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(amounts))
	for id, rao := range amounts {
		out[id.String()] = rao
	}
	return out
}

func row(list []subtensor.Weight) *[]rowEntry {
	out := make([]rowEntry, len(list))
	for i, w := range list {
		out[i] = rowEntry{w.UID, w.Value}
	}
	return &out
}
