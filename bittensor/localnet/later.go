package localnet

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// laterSince is the first spec version whose profile is given what later
// runtimes declare.
const laterSince = 381

// addLater adds declarations of runtimes after the profile's own. Current
// clients look for them by name, whatever spec version the chain has, and
// btcli 9.23 registers, unstakes and prints a metagraph through them alone. They
// only add: nothing of the profile changes its number or its type. Their
// numbers are those of spec 425.
func (p *profile) addLater() error {
	data, err := profileFiles.ReadFile("profiles/later.json")
	if err != nil {
		return err
	}
	var later profile
	if err := json.Unmarshal(data, &later); err != nil {
		return fmt.Errorf("reading the later declarations: %w", err)
	}
	for name, add := range later.Pallets {
		pallet, known := p.Pallets[name]
		if !known {
			p.Pallets[name] = add
			continue
		}
		pallet.Calls = append(pallet.Calls, add.Calls...)
		maps.Copy(pallet.Errors, add.Errors)
		maps.Copy(pallet.Storage, add.Storage)
		p.Pallets[name] = pallet
	}
	for name, methods := range later.APIs {
		maps.Copy(p.APIs[name], methods)
	}
	maps.Copy(p.Types, later.Types)
	return nil
}

func laterCalls() map[string]callFunc {
	all := map[string]callFunc{
		// register_limit is burned_register at a price that the caller
		// still agrees to.
		"SubtensorModule.register_limit": func(e *env, from origin, a args) error {
			if _, err := from.signed(); err != nil {
				return err
			}
			netuid := a.u16("netuid")
			switch {
			case netuid == 0:
				return e.fail("RegistrationNotPermittedOnRootSubnet")
			case !e.subnetExists(netuid):
				return e.fail("SubnetNotExists")
			case e.u64("Burn", le16(netuid)) > a.u64("limit_price"):
				return e.fail("RegistrationPriceLimitExceeded")
			}
			return e.burnedRegister(from, netuid, a.account("hotkey"))
		},
	}
	maps.Copy(all, shieldCalls())
	return all
}

func laterAPIs() map[string]apiFunc {
	return map[string]apiFunc{
		"StakeInfoRuntimeApi_get_coldkey_lock": func(e *env, in []any) (any, error) {
			return e.coldkeyLock(asArg[ss58.AccountID](in, 0), asArg[uint16](in, 1))
		},
		"SubnetInfoRuntimeApi_get_subnet_hyperparams_v3": func(e *env, in []any) (any, error) {
			netuid := asArg[uint16](in, 0)
			if !e.subnetExists(netuid) {
				return nil, nil
			}
			return e.hyperparameterList(netuid), nil
		},
		"SubnetInfoRuntimeApi_get_next_epoch_start_block": func(e *env, in []any) (any, error) {
			netuid := asArg[uint16](in, 0)
			tempo := e.u16("Tempo", le16(netuid))
			if !e.subnetExists(netuid) || tempo == 0 {
				return nil, nil
			}
			next := e.block + 1
			for !yuma.Due(next, netuid, tempo) {
				next++
			}
			return next, nil
		},
	}
}

// coldkeyLock is the stake that a coldkey has locked on a subnet, or nil. No
// call of this chain locks stake, but a state that came from elsewhere may
// hold locks; they are given as stored, without the decay since.
func (e *env) coldkeyLock(coldkey ss58.AccountID, netuid uint16) (any, error) {
	keys := e.prefixKeys("Lock", coldkey[:], le16(netuid))
	if len(keys) == 0 {
		return nil, nil
	}
	_, item, err := e.rt.meta.StorageItem("SubtensorModule", "Lock")
	if err != nil {
		return nil, err
	}
	return e.rt.meta.DecodeAll(item.Value, e.get(keys[0]))
}

// ownerCut tells whether a subnet's owner gets a share of its emission; in
// runtimes that cannot switch it off, always.
func (s *storage) ownerCut(netuid uint16) bool {
	return s.items["OwnerCutEnabled"] == nil || s.flag("OwnerCutEnabled", le16(netuid))
}

// hyperparameterList names a subnet's hyperparameters with their types, in the
// order of the runtime. Those that this chain has not are left out, which the
// form allows.
func (e *env) hyperparameterList(netuid uint16) []any {
	values := e.hyperparameters(netuid)
	values["user_liquidity_enabled"] = e.flag("Swap.EnabledUserLiquidity", le16(netuid))
	values["owner_cut_enabled"] = e.ownerCut(netuid)
	values["min_childkey_take"] = e.u16("MinChildkeyTake")
	var out []any
	for _, p := range []struct{ kind, name string }{
		{"U16", "rho"}, {"U16", "kappa"}, {"U16", "immunity_period"}, {"U16", "min_allowed_weights"}, {"U16", "max_weights_limit"},
		{"U16", "tempo"}, {"U64", "min_difficulty"}, {"U64", "max_difficulty"}, {"U64", "weights_version"}, {"U64", "weights_rate_limit"},
		{"U16", "adjustment_interval"}, {"U64", "activity_cutoff"}, {"Bool", "registration_allowed"}, {"U16", "target_regs_per_interval"},
		{"TaoBalance", "min_burn"}, {"TaoBalance", "max_burn"}, {"U64", "bonds_moving_avg"}, {"U16", "max_regs_per_block"},
		{"U64", "serving_rate_limit"}, {"U16", "max_validators"}, {"U64", "adjustment_alpha"}, {"U64", "difficulty"},
		{"U64", "commit_reveal_period"}, {"Bool", "commit_reveal_weights_enabled"}, {"U16", "alpha_high"}, {"U16", "alpha_low"},
		{"Bool", "liquid_alpha_enabled"}, {"I32F32", "alpha_sigmoid_steepness"}, {"U16", "yuma_version"}, {"Bool", "subnet_is_active"},
		{"Bool", "transfers_enabled"}, {"Bool", "bonds_reset_enabled"}, {"Bool", "user_liquidity_enabled"},
		{"Bool", "owner_cut_enabled"}, {"U16", "min_childkey_take"},
	} {
		out = append(out, substrate.Record{
			{Name: "name", Value: []byte(p.name)},
			{Name: "value", Value: substrate.Variant{Name: p.kind, Value: values[p.name]}},
		})
	}
	return out
}
