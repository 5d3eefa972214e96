package subtensor

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/netip"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Metagraph is the state of a subnet at one block.
type Metagraph struct {
	Netuid  uint16
	Block   uint64
	Neurons []Neuron // Neurons[i].UID == i
	// Source says how it was read: "get_metagraph", "get_neurons_lite" or "storage".
	Source string
	// Subnet is what is known of the subnet as a whole; nil where Source is not
	// "get_metagraph".
	Subnet *Subnet
}

// Neuron is one member of a subnet.
type Neuron struct {
	UID             uint16
	Hotkey, Coldkey ss58.AccountID
	// Active means that it set weights within the activity cutoff.
	Active          bool
	ValidatorPermit bool
	Axon            AxonInfo
	// Stake in rao: alpha of the subnet and weighted TAO together.
	Stake uint64
	// AlphaStake is the part in alpha; TAOStake is what it has in TAO (subnet 0),
	// before that is weighted. Before dTAO both are Stake.
	AlphaStake, TAOStake uint64
	// Emission in rao per tempo.
	Emission uint64
	// Shares from 0 to 1, in steps of 1/65535.
	Rank, Trust, ValidatorTrust, Consensus, Incentive, Dividends float64
	// LastUpdate is the block at which it last set weights.
	LastUpdate   uint64
	RegisteredAt uint64
	// PruningScore is its rank among those that a newcomer may replace, from 0 (the
	// first to go) to 1.
	PruningScore float64
	// Weights and Bonds are its rows, as the chain keeps them; read only with
	// MetagraphOptions.Full.
	Weights, Bonds []Weight
}

// AxonInfo is where a neuron serves, as it told the chain.
type AxonInfo struct {
	IP       netip.Addr
	Port     uint16
	Version  uint32
	Protocol uint8
	// Block is when it was told; not read by ServeAxon.
	Block uint64
}

// Serving reports whether the neuron gave an address that can be asked.
func (a AxonInfo) Serving() bool { return a.IP.IsValid() && !a.IP.IsUnspecified() && a.Port != 0 }

// AxonAt describes an axon that listens at an address, for ServeAxon: that of a
// listener (its Addr), or one that others know it by.
func AxonAt(addr netip.AddrPort) AxonInfo {
	return AxonInfo{IP: addr.Addr().Unmap(), Port: addr.Port()}
}

// AddrPort is the address to ask the neuron at.
func (a AxonInfo) AddrPort() netip.AddrPort { return netip.AddrPortFrom(a.IP, a.Port) }

// ByHotkey finds a neuron.
func (m *Metagraph) ByHotkey(id ss58.AccountID) (Neuron, bool) {
	for _, n := range m.Neurons {
		if n.Hotkey == id {
			return n, true
		}
	}
	return Neuron{}, false
}

// Serving lists the neurons that can be asked, by uid.
func (m *Metagraph) Serving() []Neuron {
	var out []Neuron
	for _, n := range m.Neurons {
		if n.Axon.Serving() {
			out = append(out, n)
		}
	}
	return out
}

// ErrNoSubnet means that the chain has no subnet of this number.
var ErrNoSubnet = errors.New("the chain has no such subnet")

// axonWire is an axon as the chain stores it.
type axonWire struct {
	Block    uint64
	Version  uint32
	IP       *big.Int
	Port     uint16
	IPType   uint8 `scale:"ip_type"`
	Protocol uint8
}

func (w axonWire) info() AxonInfo {
	a := AxonInfo{Port: w.Port, Version: w.Version, Protocol: w.Protocol, Block: w.Block}
	if w.IP != nil && w.IP.BitLen() <= 128 { // a chain may write it in a wider type
		var ip [16]byte
		w.IP.FillBytes(ip[:])
		a.IP = addrOf(ip, w.IPType)
	}
	return a
}

// share turns the chain's 65535ths into a number from 0 to 1.
func share(v uint16) float64 { return float64(v) / 65535 }

// MetagraphOptions say what of a metagraph to read.
type MetagraphOptions struct {
	// Block is the block to read at; 0 is the newest. A node forgets the state of old
	// blocks, a few hundred back unless it is an archive.
	Block uint64
	// Full adds every neuron's weights and bonds, and the subnet's mechanisms.
	Full bool
}

// Metagraph reads a subnet at the newest block: through the runtime API that gives all of
// it where the chain has one, else the one that lists neurons, else from storage.
func (c *Client) Metagraph(ctx context.Context, netuid uint16) (*Metagraph, error) {
	return c.MetagraphWith(ctx, netuid, MetagraphOptions{})
}

// MetagraphWith is Metagraph at another block or with more of it.
func (c *Client) MetagraphWith(ctx context.Context, netuid uint16, opts MetagraphOptions) (*Metagraph, error) {
	number, at, err := c.blockAt(ctx, opts.Block)
	if err != nil {
		return nil, fmt.Errorf("metagraph of subnet %d: %w", netuid, err)
	}
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return nil, fmt.Errorf("metagraph of subnet %d: %w", netuid, err)
	}
	var m *Metagraph
	switch {
	case returnsRecord(rt, "SubnetInfoRuntimeApi", "get_metagraph"):
		m, err = c.metagraphWhole(ctx, at, netuid)
	case returnsRecord(rt, "NeuronInfoRuntimeApi", "get_neurons_lite"):
		m, err = c.metagraphNeurons(ctx, rt, at, netuid)
	default:
		m, err = c.metagraphStorage(ctx, rt, at, netuid)
	}
	if err == nil && opts.Full {
		err = c.readRows(ctx, at, netuid, m.Neurons)
	}
	if err == nil && opts.Full && m.Subnet != nil {
		err = c.readMechanisms(ctx, rt, at, netuid, m.Subnet)
	}
	if err != nil {
		return nil, fmt.Errorf("metagraph of subnet %d: %w", netuid, err)
	}
	m.Netuid, m.Block = netuid, number
	return m, nil
}

// readRows adds the weights and bonds of every neuron.
func (c *Client) readRows(ctx context.Context, at substrate.Hash, netuid uint16, neurons []Neuron) error {
	keys := make([][]any, len(neurons))
	for uid := range keys {
		keys[uid] = []any{netuid, uint16(uid)}
	}
	weights, err := many[[]Weight](ctx, c, at, "Weights", keys)
	if err != nil {
		return err
	}
	bonds, err := many[[]Weight](ctx, c, at, "Bonds", keys)
	if err != nil {
		return err
	}
	for uid := range neurons {
		neurons[uid].Weights, neurons[uid].Bonds = weights[uid], bonds[uid]
	}
	return nil
}

// readMechanisms adds what a subnet's mechanisms are.
func (c *Client) readMechanisms(ctx context.Context, rt *substrate.Runtime, at substrate.Hash, netuid uint16, s *Subnet) error {
	if !rt.HasStorage(pallet, "MechanismCountCurrent") {
		return nil
	}
	if err := c.chain.Query(ctx, &at, &s.MechanismCount, pallet, "MechanismCountCurrent", netuid); err != nil {
		return err
	}
	return c.chain.Query(ctx, &at, &s.EmissionSplit, pallet, "MechanismEmissionSplit", netuid)
}

// returnsRecord reports whether a runtime API is there and returns a typed value: older
// runtimes return bytes that only their source explains.
func returnsRecord(rt *substrate.Runtime, api, method string) bool {
	f, err := rt.API(api, method)
	if err != nil {
		return false
	}
	name := rt.TypeName(f.Output)
	return name != "Vec<u8>" && name != "Option<Vec<u8>>"
}

// metagraphWhole reads SubnetInfoRuntimeApi.get_metagraph: a list per property.
func (c *Client) metagraphWhole(ctx context.Context, at substrate.Hash, netuid uint16) (*Metagraph, error) {
	v, err := c.chain.RuntimeCall(ctx, &at, "SubnetInfoRuntimeApi", "get_metagraph", netuid)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, ErrNoSubnet
	}
	var w struct {
		Hotkeys, Coldkeys       []ss58.AccountID
		Axons                   []axonWire
		Active, ValidatorPermit []bool
		LastUpdate, Emission    []uint64
		Dividends, Incentives   []uint16
		Consensus, Trust, Rank  []uint16
		PruningScore            []uint16
		BlockAtRegistration     []uint64
		AlphaStake, TAOStake    []uint64
		TotalStake              []uint64
	}
	if err := substrate.Assign(v, &w); err != nil {
		return nil, err
	}
	subnet, err := newSubnet(v)
	if err != nil {
		return nil, err
	}
	// The one property that this API leaves out.
	validatorTrust, err := c.vector(ctx, at, "ValidatorTrust", netuid)
	if err != nil {
		return nil, err
	}
	m := &Metagraph{Source: "get_metagraph", Subnet: subnet, Neurons: make([]Neuron, len(w.Hotkeys))}
	for i := range m.Neurons {
		m.Neurons[i] = Neuron{
			UID: uint16(i), Hotkey: w.Hotkeys[i], Coldkey: pick(w.Coldkeys, i),
			Active: pick(w.Active, i), ValidatorPermit: pick(w.ValidatorPermit, i), Axon: pick(w.Axons, i).info(),
			Stake: pick(w.TotalStake, i), AlphaStake: pick(w.AlphaStake, i), TAOStake: pick(w.TAOStake, i), Emission: pick(w.Emission, i),
			Rank: share(pick(w.Rank, i)), Trust: share(pick(w.Trust, i)), ValidatorTrust: share(pick(validatorTrust, i)),
			Consensus: share(pick(w.Consensus, i)), Incentive: share(pick(w.Incentives, i)), Dividends: share(pick(w.Dividends, i)),
			LastUpdate: pick(w.LastUpdate, i), RegisteredAt: pick(w.BlockAtRegistration, i),
			PruningScore: share(pick(w.PruningScore, i)),
		}
	}
	return m, nil
}

// pick is list[i], or zero where the chain gives a shorter list or none: properties come
// and go with the runtime's versions.
func pick[T any](list []T, i int) T {
	if i < len(list) {
		return list[i]
	}
	var zero T
	return zero
}

// vector reads a storage list of one number per uid; empty where the chain keeps none.
func (c *Client) vector(ctx context.Context, at substrate.Hash, item string, netuid uint16) ([]uint16, error) {
	var out []uint16
	err := c.chain.Query(ctx, &at, &out, pallet, item, netuid)
	var missing *substrate.MissingError
	if errors.As(err, &missing) {
		return nil, nil
	}
	return out, err
}

// metagraphNeurons reads NeuronInfoRuntimeApi.get_neurons_lite: a struct per neuron.
func (c *Client) metagraphNeurons(ctx context.Context, rt *substrate.Runtime, at substrate.Hash, netuid uint16) (*Metagraph, error) {
	v, err := c.chain.RuntimeCall(ctx, &at, "NeuronInfoRuntimeApi", "get_neurons_lite", netuid)
	if err != nil {
		return nil, err
	}
	var list []struct {
		Hotkey, Coldkey                                              ss58.AccountID
		UID                                                          uint16
		Active, ValidatorPermit                                      bool
		AxonInfo                                                     axonWire
		Rank, Trust, ValidatorTrust, Consensus, Incentive, Dividends uint16
		PruningScore                                                 uint16
		Emission, LastUpdate                                         uint64
	}
	if err := substrate.Assign(v, &list); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		if exists, err := c.SubnetExists(ctx, netuid); err != nil || !exists {
			return nil, errors.Join(err, ErrNoSubnet)
		}
	}
	registered, err := c.registeredAt(ctx, at, netuid, len(list))
	if err != nil {
		return nil, err
	}
	// This API counts alpha only; the stake that matters includes weighted TAO.
	hotkeys := make([]ss58.AccountID, len(list))
	for i, w := range list {
		hotkeys[i] = w.Hotkey
	}
	stakes, err := c.stakes(ctx, rt, at, netuid, hotkeys)
	if err != nil {
		return nil, err
	}
	m := &Metagraph{Source: "get_neurons_lite"}
	for i, w := range list {
		n := Neuron{
			UID: w.UID, Hotkey: w.Hotkey, Coldkey: w.Coldkey, Active: w.Active, ValidatorPermit: w.ValidatorPermit,
			Axon: w.AxonInfo.info(), Stake: stakes[i].total, AlphaStake: stakes[i].alpha, TAOStake: stakes[i].tao, Emission: w.Emission,
			Rank: share(w.Rank), Trust: share(w.Trust), ValidatorTrust: share(w.ValidatorTrust),
			Consensus: share(w.Consensus), Incentive: share(w.Incentive), Dividends: share(w.Dividends),
			LastUpdate: w.LastUpdate, RegisteredAt: registered[i], PruningScore: share(w.PruningScore),
		}
		m.Neurons = append(m.Neurons, n)
	}
	return m, nil
}

func (c *Client) registeredAt(ctx context.Context, at substrate.Hash, netuid uint16, n int) ([]uint64, error) {
	keys := make([][]any, n)
	for uid := range keys {
		keys[uid] = []any{netuid, uint16(uid)}
	}
	return many[uint64](ctx, c, at, "BlockAtRegistration", keys)
}

// many reads a storage map at several keys into typed values.
func many[T any](ctx context.Context, c *Client, at substrate.Hash, item string, keys [][]any) ([]T, error) {
	values, err := c.chain.GetMany(ctx, at, pallet, item, keys)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(keys))
	for i, v := range values {
		if err := substrate.Assign(v, &out[i]); err != nil {
			return nil, fmt.Errorf("reading %s: %w", item, err)
		}
	}
	return out, nil
}

// metagraphStorage reads the subnet item by item. A neuron's stake is its alpha and its
// weighted TAO; stake that children or parents delegate is known to the runtime APIs only.
func (c *Client) metagraphStorage(ctx context.Context, rt *substrate.Runtime, at substrate.Hash, netuid uint16) (*Metagraph, error) {
	var size uint16
	var exists bool
	if err := c.chain.Query(ctx, &at, &exists, pallet, "NetworksAdded", netuid); err != nil {
		return nil, err
	}
	if !exists {
		return nil, ErrNoSubnet
	}
	if err := c.chain.Query(ctx, &at, &size, pallet, "SubnetworkN", netuid); err != nil {
		return nil, err
	}
	byUID := make([][]any, size)
	for uid := range byUID {
		byUID[uid] = []any{netuid, uint16(uid)}
	}
	hotkeys, err := many[ss58.AccountID](ctx, c, at, "Keys", byUID)
	if err != nil {
		return nil, err
	}
	registered, err := many[uint64](ctx, c, at, "BlockAtRegistration", byUID)
	if err != nil {
		return nil, err
	}
	byHotkey, onSubnet := make([][]any, size), make([][]any, size)
	for i, id := range hotkeys {
		byHotkey[i], onSubnet[i] = []any{id}, []any{netuid, id}
	}
	coldkeys, err := many[ss58.AccountID](ctx, c, at, "Owner", byHotkey)
	if err != nil {
		return nil, err
	}
	axons, err := many[axonWire](ctx, c, at, "Axons", onSubnet)
	if err != nil {
		return nil, err
	}
	stakes, err := c.stakes(ctx, rt, at, netuid, hotkeys)
	if err != nil {
		return nil, err
	}
	var flags [2][]bool
	for i, item := range []string{"Active", "ValidatorPermit"} {
		if err := c.chain.Query(ctx, &at, &flags[i], pallet, item, netuid); err != nil {
			return nil, err
		}
	}
	var counts [2][]uint64
	for i, item := range []string{"Emission", "LastUpdate"} {
		if err := c.chain.Query(ctx, &at, &counts[i], pallet, item, netuid); err != nil {
			return nil, err
		}
	}
	shares := map[string][]uint16{}
	for _, item := range []string{"Rank", "Trust", "ValidatorTrust", "Consensus", "Incentive", "Dividends", "PruningScores"} {
		if shares[item], err = c.vector(ctx, at, item, netuid); err != nil {
			return nil, err
		}
	}
	m := &Metagraph{Source: "storage", Neurons: make([]Neuron, size)}
	for i := range m.Neurons {
		of := func(item string) float64 { return share(pick(shares[item], i)) }
		m.Neurons[i] = Neuron{
			UID: uint16(i), Hotkey: hotkeys[i], Coldkey: coldkeys[i], Active: pick(flags[0], i), ValidatorPermit: pick(flags[1], i),
			Axon: axons[i].info(), Stake: stakes[i].total, AlphaStake: stakes[i].alpha, TAOStake: stakes[i].tao, Emission: pick(counts[0], i), LastUpdate: pick(counts[1], i),
			Rank: of("Rank"), Trust: of("Trust"), ValidatorTrust: of("ValidatorTrust"), Consensus: of("Consensus"),
			Incentive: of("Incentive"), Dividends: of("Dividends"), RegisteredAt: registered[i], PruningScore: of("PruningScores"),
		}
	}
	return m, nil
}

// staked is what a hotkey has at stake, in rao.
type staked struct{ total, alpha, tao uint64 }

// stakes reads what each hotkey has at stake in a subnet. Before dTAO a hotkey had one
// stake for all subnets; since then it has alpha per subnet, and its TAO (subnet 0)
// counts with the weight TaoWeight / 2^64.
func (c *Client) stakes(ctx context.Context, rt *substrate.Runtime, at substrate.Hash, netuid uint16, hotkeys []ss58.AccountID) ([]staked, error) {
	keys, root := make([][]any, len(hotkeys)), make([][]any, len(hotkeys))
	out := make([]staked, len(hotkeys))
	if !rt.HasStorage(pallet, "TotalHotkeyAlpha") {
		for i, id := range hotkeys {
			keys[i] = []any{id}
		}
		stake, err := many[uint64](ctx, c, at, "TotalHotkeyStake", keys)
		for i, rao := range stake {
			out[i] = staked{rao, rao, rao}
		}
		return out, err
	}
	for i, id := range hotkeys {
		keys[i], root[i] = []any{id, netuid}, []any{id, uint16(0)}
	}
	alpha, err := many[uint64](ctx, c, at, "TotalHotkeyAlpha", keys)
	if err != nil {
		return nil, err
	}
	tao, err := many[uint64](ctx, c, at, "TotalHotkeyAlpha", root)
	if err != nil {
		return nil, err
	}
	var weight uint64
	if err := c.chain.Query(ctx, &at, &weight, pallet, "TaoWeight"); err != nil {
		return nil, err
	}
	for i := range out {
		w := new(big.Int).Mul(new(big.Int).SetUint64(tao[i]), new(big.Int).SetUint64(weight))
		out[i] = staked{alpha[i] + w.Rsh(w, 64).Uint64(), alpha[i], tao[i]}
	}
	return out, nil
}
