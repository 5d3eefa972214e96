package subtensor

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Receipt tells in which block a transaction took effect.
type Receipt struct {
	BlockHash     substrate.Hash
	BlockNumber   uint64
	ExtrinsicHash substrate.Hash
	// Events are what it caused.
	Events []substrate.Event
}

// Weight is one entry of a validator's weights: Value of 65535, as the chain keeps it.
type Weight struct {
	UID   uint16
	Value uint16
}

// Submit signs any call, sends it and waits until a block has taken it. The Receipt is
// valid also with a *substrate.DispatchError: the call failed inside its block. Where a
// wrong clock may be the reason of a failure, the error wraps a *ClockError too. See
// substrate.Client.Submit for what is checked before and tried again.
func (c *Client) Submit(ctx context.Context, call substrate.Call, signer Signer) (Receipt, error) {
	in, err := c.chain.Submit(ctx, call, signer, substrate.SubmitOptions{EraPeriod: c.opts.EraPeriod})
	var r Receipt
	if in != nil {
		r = Receipt{in.BlockHash, in.BlockNumber, in.ExtrinsicHash, in.Events}
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", call.Name, c.nameClock(ctx, err))
	}
	return r, nil
}

func module(name string, args ...substrate.Entry) substrate.Call {
	return substrate.Call{Pallet: pallet, Name: name, Args: args}
}

func arg(name string, value any) substrate.Entry { return substrate.Entry{Name: name, Value: value} }

// BurnedRegisterCall is the call of BurnedRegister.
func BurnedRegisterCall(netuid uint16, hotkey ss58.AccountID) substrate.Call {
	return module("burned_register", arg("netuid", netuid), arg("hotkey", hotkey))
}

// BurnedRegister registers a hotkey in a subnet; the coldkey pays BurnCost.
func (c *Client) BurnedRegister(ctx context.Context, coldkey Signer, netuid uint16, hotkey ss58.AccountID) (Receipt, error) {
	return c.Submit(ctx, BurnedRegisterCall(netuid, hotkey), coldkey)
}

// ServeAxonCall is the call of ServeAxon.
func ServeAxonCall(netuid uint16, a AxonInfo) (substrate.Call, error) {
	addr := a.IP.Unmap()
	if !addr.IsValid() {
		return substrate.Call{}, errors.New("serve_axon: the axon has no address")
	}
	kind := uint8(4)
	if addr.Is6() {
		kind = 6
	}
	return module("serve_axon",
		arg("netuid", netuid), arg("version", a.Version), arg("ip", new(big.Int).SetBytes(addr.AsSlice())),
		arg("port", a.Port), arg("ip_type", kind), arg("protocol", a.Protocol),
		arg("placeholder1", 0), arg("placeholder2", 0)), nil
}

// ServeAxon tells the chain where a hotkey serves.
func (c *Client) ServeAxon(ctx context.Context, hotkey Signer, netuid uint16, a AxonInfo) (Receipt, error) {
	call, err := ServeAxonCall(netuid, a)
	if err != nil {
		return Receipt{}, err
	}
	return c.Submit(ctx, call, hotkey)
}

// AddStakeCall is the call of AddStake as this chain has it: before dTAO stake belongs to
// a hotkey alone.
func (c *Client) AddStakeCall(ctx context.Context, hotkey ss58.AccountID, netuid uint16, rao uint64) (substrate.Call, error) {
	return c.stakeCall(ctx, "add_stake", hotkey, netuid, arg("amount_staked", rao))
}

func (c *Client) stakeCall(ctx context.Context, name string, hotkey ss58.AccountID, netuid uint16, amount substrate.Entry) (substrate.Call, error) {
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return substrate.Call{}, err
	}
	_, v, err := rt.Call(pallet, name)
	if err != nil {
		return substrate.Call{}, err
	}
	call := module(name, arg("hotkey", hotkey))
	for _, f := range v.Fields {
		if f.Name == "netuid" {
			call.Args = append(call.Args, arg("netuid", netuid))
		}
	}
	call.Args = append(call.Args, amount)
	return call, nil
}

// AddStake moves rao from the coldkey's balance to a hotkey's stake in a subnet.
func (c *Client) AddStake(ctx context.Context, coldkey Signer, hotkey ss58.AccountID, netuid uint16, rao uint64) (Receipt, error) {
	call, err := c.AddStakeCall(ctx, hotkey, netuid, rao)
	if err != nil {
		return Receipt{}, err
	}
	return c.Submit(ctx, call, coldkey)
}

// RemoveStakeCall is the call of RemoveStake as this chain has it.
func (c *Client) RemoveStakeCall(ctx context.Context, hotkey ss58.AccountID, netuid uint16, amount uint64) (substrate.Call, error) {
	return c.stakeCall(ctx, "remove_stake", hotkey, netuid, arg("amount_unstaked", amount))
}

// RemoveStake takes stake back from a hotkey in a subnet; what it sells for goes to the
// coldkey's balance. The amount is in the unit of the stake, 1e9 to the whole: the
// subnet's alpha, or TAO in subnet 0 and on chains before dTAO. See Stake.
func (c *Client) RemoveStake(ctx context.Context, coldkey Signer, hotkey ss58.AccountID, netuid uint16, amount uint64) (Receipt, error) {
	call, err := c.RemoveStakeCall(ctx, hotkey, netuid, amount)
	if err != nil {
		return Receipt{}, err
	}
	return c.Submit(ctx, call, coldkey)
}

// Stake returns what a coldkey has staked on a hotkey in a subnet, in the unit that
// RemoveStake takes.
func (c *Client) Stake(ctx context.Context, hotkey, coldkey ss58.AccountID, netuid uint16) (uint64, error) {
	amount, err := c.stake(ctx, hotkey, coldkey, netuid)
	if err != nil {
		return 0, fmt.Errorf("stake of %v on %v in subnet %d: %w", coldkey, hotkey, netuid, err)
	}
	return amount, nil
}

func (c *Client) stake(ctx context.Context, hotkey, coldkey ss58.AccountID, netuid uint16) (uint64, error) {
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return 0, err
	}
	if rt.HasAPI("StakeInfoRuntimeApi", "get_stake_info_for_hotkey_coldkey_netuid") {
		v, err := c.chain.RuntimeCall(ctx, nil, "StakeInfoRuntimeApi", "get_stake_info_for_hotkey_coldkey_netuid", hotkey, coldkey, netuid)
		if err != nil {
			return 0, err
		}
		var info *struct{ Stake uint64 }
		if err := substrate.Assign(v, &info); err != nil || info == nil {
			return 0, err
		}
		return info.Stake, nil
	}
	if rt.HasStorage(pallet, "Stake") { // before dTAO
		var rao uint64
		err := c.chain.Query(ctx, nil, &rao, pallet, "Stake", hotkey, coldkey)
		return rao, err
	}
	return 0, &substrate.MissingError{Kind: "runtime API", Name: "StakeInfoRuntimeApi.get_stake_info_for_hotkey_coldkey_netuid"}
}

// TransferCall is the call of Transfer.
func TransferCall(to ss58.AccountID, rao uint64) substrate.Call {
	return substrate.Call{Pallet: "Balances", Name: "transfer_keep_alive", Args: substrate.Record{arg("dest", to), arg("value", rao)}}
}

// Transfer sends rao from the coldkey's balance to another account. The coldkey keeps
// what an account needs to exist; a transfer that would take it fails.
func (c *Client) Transfer(ctx context.Context, coldkey Signer, to ss58.AccountID, rao uint64) (Receipt, error) {
	return c.Submit(ctx, TransferCall(to, rao), coldkey)
}

// SetWeightsCall is the call of SetWeights as this chain has it: where subnets have
// mechanisms, the weights of the first.
func (c *Client) SetWeightsCall(ctx context.Context, netuid uint16, uids, weights []uint16, versionKey uint64) (substrate.Call, error) {
	if len(uids) != len(weights) {
		return substrate.Call{}, fmt.Errorf("set_weights: %d uids and %d weights", len(uids), len(weights))
	}
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return substrate.Call{}, err
	}
	rest := []substrate.Entry{arg("dests", uids), arg("weights", weights), arg("version_key", versionKey)}
	if rt.HasCall(pallet, "set_mechanism_weights") {
		return module("set_mechanism_weights", append([]substrate.Entry{arg("netuid", netuid), arg("mecid", 0)}, rest...)...), nil
	}
	return module("set_weights", append([]substrate.Entry{arg("netuid", netuid)}, rest...)...), nil
}

// SetWeights sets a validator's weights: weights[i] of 65535 for uids[i]. It returns once
// a block holds them. The chain's refusals have names: "SettingWeightsTooFast",
// "NeuronNoValidatorPermit", "WeightVecLengthIsLow", "CommitRevealEnabled", ... (see
// substrate.ErrorName).
func (c *Client) SetWeights(ctx context.Context, hotkey Signer, netuid uint16, uids, weights []uint16, versionKey uint64) (Receipt, error) {
	call, err := c.SetWeightsCall(ctx, netuid, uids, weights, versionKey)
	if err != nil {
		return Receipt{}, err
	}
	return c.Submit(ctx, call, hotkey)
}

// Weights reads the weights that a uid has set, in the order in which it gave them.
func (c *Client) Weights(ctx context.Context, netuid, uid uint16) ([]Weight, error) {
	var out []Weight
	if err := c.chain.Query(ctx, nil, &out, pallet, "Weights", netuid, uid); err != nil {
		return nil, fmt.Errorf("weights of uid %d in subnet %d: %w", uid, netuid, err)
	}
	return out, nil
}
