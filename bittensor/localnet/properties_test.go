package localnet

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// checkBooks checks what must hold of any state, whatever calls made it.
func checkBooks(s *storage) error {
	var held uint64
	for _, key := range s.prefixKeys("System.Account") {
		a := s.accountInfo(ss58.AccountID([]byte(key[len(key)-32:])))
		held += a.free + a.reserved
	}
	balances, staked, all := s.u64("Balances.TotalIssuance"), s.u64("TotalStake"), s.u64("TotalIssuance")
	if held != balances {
		return fmt.Errorf("accounts hold %d of %d", held, balances)
	}
	if balances+staked != all {
		return fmt.Errorf("%d in balances and %d in stake are not %d", balances, staked, all)
	}
	var pools uint64
	for _, netuid := range s.netuids() {
		pools += s.u64("SubnetTAO", le16(netuid))
		if err := checkNeurons(s, netuid); err != nil {
			return fmt.Errorf("subnet %d: %w", netuid, err)
		}
		if err := checkStakes(s, netuid); err != nil {
			return fmt.Errorf("subnet %d: %w", netuid, err)
		}
	}
	if pools > staked {
		return fmt.Errorf("the pools hold %d, staked are %d", pools, staked)
	}
	if n := len(s.netuids()); int(s.u16("TotalNetworks")) != n {
		return fmt.Errorf("%d subnets, counted %d", n, s.u16("TotalNetworks"))
	}
	return nil
}

// checkNeurons checks that uids run from 0 without a gap and belong to one
// hotkey each.
func checkNeurons(s *storage, netuid uint16) error {
	id := le16(netuid)
	n := s.u16("SubnetworkN", id)
	for uid := range n {
		hotkey := s.hotkeyOf(netuid, uid)
		if got, ok := s.uidOf(netuid, hotkey); !ok || got != uid {
			return fmt.Errorf("uid %d belongs to %s, who has %d, %v", uid, hotkey, got, ok)
		}
		if !s.flag("IsNetworkMember", hotkey[:], id) {
			return fmt.Errorf("uid %d is no member", uid)
		}
	}
	for _, item := range []string{"Uids", "Keys"} {
		if got := len(s.prefixKeys(item, id)); got != int(n) {
			return fmt.Errorf("%d entries of %s for %d neurons", got, item, n)
		}
	}
	for _, item := range []string{"Consensus", "Incentive", "Dividends", "ValidatorTrust"} {
		if got := len(s.u16s(item, id)); got != int(n) {
			return fmt.Errorf("%s has %d entries for %d neurons", item, got, n)
		}
	}
	if got := len(s.u64s("LastUpdate", id)); got != int(n) {
		return fmt.Errorf("LastUpdate has %d entries for %d neurons", got, n)
	}
	return nil
}

// checkStakes checks that no more is owned than is there, and no more is
// there than was emitted and bought.
func checkStakes(s *storage, netuid uint16) error {
	id := le16(netuid)
	owned := map[ss58.AccountID]uint64{}
	for _, key := range s.prefixKeys("Alpha") {
		parts := key[len(key)-98:]
		if parts[96:] != string(id) {
			continue
		}
		hotkey, coldkey := ss58.AccountID([]byte(parts[16:48])), ss58.AccountID([]byte(parts[64:96]))
		owned[hotkey] += s.stakeOf(hotkey, coldkey, netuid)
	}
	var all uint64
	for _, key := range s.prefixKeys("TotalHotkeyAlpha") {
		parts := key[len(key)-50:]
		if parts[48:] != string(id) {
			continue
		}
		hotkey := ss58.AccountID([]byte(parts[16:48]))
		there := s.hotkeyAlpha(hotkey, netuid)
		if owned[hotkey] > there {
			return fmt.Errorf("%d owned of %d behind %s", owned[hotkey], there, hotkey)
		}
		all += there
	}
	pending := s.u64("PendingServerEmission", id) + s.u64("PendingValidatorEmission", id) + s.u64("PendingOwnerCut", id)
	if s.items["PendingServerEmission"] == nil {
		pending = s.u64("PendingEmission", id) + s.u64("PendingOwnerCut", id)
	}
	if out := s.u64("SubnetAlphaOut", id); all+pending > out {
		return fmt.Errorf("%d alpha staked and %d pending of %d", all, pending, out)
	}
	return nil
}

// anyCall draws a call, most often one that could succeed.
func anyCall(t *rapid.T, accounts, hotkeys []ss58.AccountID) substrate.Call {
	account := func(label string) ss58.AccountID { return rapid.SampledFrom(accounts).Draw(t, label) }
	hotkey := func(label string) ss58.AccountID { return rapid.SampledFrom(hotkeys).Draw(t, label) }
	netuid := func(label string) uint16 {
		return rapid.SampledFrom([]uint16{0, 1, 1, 1, 1, 2, 2, 2, 2, 99}).Draw(t, label)
	}
	amount := func(label string) uint64 {
		likely := rapid.Uint64Range(tao/10, 60*tao)
		return rapid.OneOf(likely, likely, likely, rapid.Uint64Range(0, 5_000_000), rapid.Uint64Range(tao, 3000*tao), rapid.Just(^uint64(0))).Draw(t, label)
	}
	price := func() uint64 {
		return rapid.OneOf(rapid.Uint64Range(0, 3*tao), rapid.Uint64Range(tao/2, tao*3/2), rapid.Just(^uint64(0))).Draw(t, "price")
	}
	call := func(pallet, name string, fields ...substrate.Entry) substrate.Call {
		return substrate.Call{Pallet: pallet, Name: name, Args: fields}
	}
	sub := func(name string, fields ...substrate.Entry) substrate.Call {
		return call("SubtensorModule", name, fields...)
	}
	kinds := []func() substrate.Call{
		func() substrate.Call {
			return call("Balances", "transfer_keep_alive", entry("dest", account("to")), entry("value", amount("value")))
		},
		func() substrate.Call {
			return call("Balances", "transfer_allow_death", entry("dest", account("to")), entry("value", amount("value")))
		},
		func() substrate.Call {
			if rapid.IntRange(0, 9).Draw(t, "all") > 0 {
				return call("System", "remark", entry("remark", []byte{1}))
			}
			return call("Balances", "transfer_all", entry("dest", account("to")), entry("keep_alive", rapid.Bool().Draw(t, "keep")))
		},
		func() substrate.Call {
			return call("Balances", "burn", entry("value", amount("value")%tao), entry("keep_alive", true))
		},
		func() substrate.Call { return sub("register_network", entry("hotkey", hotkey("hotkey"))) },
		func() substrate.Call { return sub("start_call", entry("netuid", netuid("netuid"))) },
		func() substrate.Call {
			return sub("burned_register", entry("netuid", netuid("netuid")), entry("hotkey", hotkey("hotkey")))
		},
		func() substrate.Call { return sub("root_register", entry("hotkey", hotkey("hotkey"))) },
		func() substrate.Call {
			return sub("add_stake", entry("hotkey", hotkey("hotkey")), entry("netuid", netuid("netuid")), entry("amount_staked", amount("amount")))
		},
		func() substrate.Call {
			return sub("remove_stake", entry("hotkey", hotkey("hotkey")), entry("netuid", netuid("netuid")), entry("amount_unstaked", amount("amount")))
		},
		func() substrate.Call {
			return sub("add_stake_limit", entry("hotkey", hotkey("hotkey")), entry("netuid", netuid("netuid")), entry("amount_staked", amount("amount")),
				entry("limit_price", price()), entry("allow_partial", rapid.Bool().Draw(t, "partial")))
		},
		func() substrate.Call {
			return sub("remove_stake_limit", entry("hotkey", hotkey("hotkey")), entry("netuid", netuid("netuid")), entry("amount_unstaked", amount("amount")),
				entry("limit_price", price()), entry("allow_partial", rapid.Bool().Draw(t, "partial")))
		},
		func() substrate.Call {
			return sub("move_stake", entry("origin_hotkey", hotkey("from")), entry("destination_hotkey", hotkey("to")),
				entry("origin_netuid", netuid("fromNet")), entry("destination_netuid", netuid("toNet")), entry("alpha_amount", amount("amount")))
		},
		func() substrate.Call {
			return sub("transfer_stake", entry("destination_coldkey", account("to")), entry("hotkey", hotkey("hotkey")),
				entry("origin_netuid", netuid("fromNet")), entry("destination_netuid", netuid("toNet")), entry("alpha_amount", amount("amount")))
		},
		func() substrate.Call {
			return sub("swap_stake_limit", entry("hotkey", hotkey("hotkey")), entry("origin_netuid", netuid("fromNet")), entry("destination_netuid", netuid("toNet")),
				entry("alpha_amount", amount("amount")), entry("limit_price", price()), entry("allow_partial", rapid.Bool().Draw(t, "partial")))
		},
		func() substrate.Call { return sub("unstake_all", entry("hotkey", hotkey("hotkey"))) },
		func() substrate.Call { return sub("unstake_all_alpha", entry("hotkey", hotkey("hotkey"))) },
		func() substrate.Call {
			return sub("burn_alpha", entry("hotkey", hotkey("hotkey")), entry("amount", amount("amount")), entry("netuid", netuid("netuid")))
		},
		func() substrate.Call {
			return sub("recycle_alpha", entry("hotkey", hotkey("hotkey")), entry("amount", amount("amount")), entry("netuid", netuid("netuid")))
		},
		func() substrate.Call {
			return sub("swap_hotkey", entry("hotkey", hotkey("old")), entry("new_hotkey", hotkey("new")), entry("netuid", rapid.SampledFrom([]any{nil, 1, 2}).Draw(t, "netuid")))
		},
		func() substrate.Call {
			return sub("set_mechanism_weights", entry("netuid", netuid("netuid")), entry("mecid", 0),
				entry("dests", []uint16{0, 1, 2}), entry("weights", []uint16{1, 2, 3}), entry("version_key", 0))
		},
		func() substrate.Call {
			kind := rapid.SampledFrom([]string{"Any", "Transfer", "Staking"}).Draw(t, "kind")
			return call("Proxy", "add_proxy", entry("delegate", account("delegate")), entry("proxy_type", substrate.Variant{Name: kind}), entry("delay", 0))
		},
		func() substrate.Call { return call("Proxy", "remove_proxies") },
		func() substrate.Call {
			return call("Proxy", "create_pure", entry("proxy_type", substrate.Variant{Name: "Any"}), entry("delay", 0), entry("index", 0))
		},
	}
	c := rapid.SampledFrom(kinds).Draw(t, "kind")()
	switch rapid.IntRange(0, 19).Draw(t, "wrapped") {
	case 0:
		return call("Utility", "force_batch", entry("calls", []any{c, c}))
	case 1:
		return call("Proxy", "proxy", entry("real", account("real")), entry("force_proxy_type", nil), entry("call", c))
	case 2:
		return call("Sudo", "sudo", entry("call", rapid.SampledFrom([]substrate.Call{
			call("Balances", "force_set_balance", entry("who", account("who")), entry("new_free", 500_000*tao+amount("free")%(1<<50))),
			call("Balances", "force_transfer", entry("source", account("source")), entry("dest", account("dest")), entry("value", amount("value"))),
			sub("root_dissolve_network", entry("netuid", netuid("netuid"))),
			sub("swap_coldkey", entry("old_coldkey", account("old")), entry("new_coldkey", account("new")), entry("swap_cost", uint64(0))),
			call("AdminUtils", "sudo_set_max_allowed_uids", entry("netuid", netuid("netuid")), entry("max_allowed_uids", 64)),
			call("AdminUtils", "sudo_set_nominator_min_required_stake", entry("min_stake", tao)),
		}).Draw(t, "by root")))
	}
	return c
}

// busySubnets opens a second subnet and root, with neurons and stakes on all
// three.
func busySubnets(t *testing.T, c *Chain, hotkeys []ss58.AccountID) {
	sub := func(signer, name string, fields ...substrate.Entry) {
		x := signedExtrinsic(t, c, key(t, signer), encodedCall(t, c, "SubtensorModule", name, fields...), nil)
		if _, err := c.submit(x, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, hotkey := range hotkeys[:4] {
		sub("//Bob", "burned_register", entry("netuid", 1), entry("hotkey", hotkey))
	}
	sub("//Charlie", "register_network", entry("hotkey", hotkeys[4]))
	sub("//Charlie", "start_call", entry("netuid", 2))
	c.mustProduce(t)
	sub("//Bob", "root_register", entry("hotkey", hotkeys[0]))
	for i, netuid := range []uint16{0, 1, 2, 1, 2} {
		for _, signer := range []string{"//Alice", "//Bob", "//Charlie", "//Dave"} {
			sub(signer, "add_stake", entry("hotkey", hotkeys[i]), entry("netuid", netuid), entry("amount_staked", 100*tao))
		}
	}
	c.mustProduce(t)
	c.poke(func(s *storage) {
		for _, netuid := range []uint16{1, 2} {
			s.setU16("ImmunityPeriod", 2, le16(netuid))
			s.setU16("MaxAllowedUids", 6, le16(netuid))
			s.setU16("MinNonImmuneUids", 0, le16(netuid))
			s.setU16("TargetRegistrationsPerInterval", 100, le16(netuid))
			s.setU16("Tempo", 3, le16(netuid))
			s.setFlag("CommitRevealWeightsEnabled", false, le16(netuid))
			s.setU64("WeightsSetRateLimit", 0, le16(netuid))
		}
	})
}

// TestBooksBalance makes random calls, good and bad, and checks the books
// after every block.
func TestBooksBalance(t *testing.T) {
	var accounts, hotkeys []ss58.AccountID
	signers := []string{"//Alice", "//Bob", "//Charlie", "//Dave", "//h0"}
	for _, name := range signers[:4] {
		accounts = append(accounts, key(t, name).AccountID())
	}
	accounts = append(accounts, key(t, "//nobody").AccountID())
	for i := range 6 {
		hotkeys = append(hotkeys, key(t, fmt.Sprintf("//h%d", i)).AccountID())
	}
	hotkeys = append(hotkeys, accounts[0])
	// The beginning is the same for all: it is made once and copied.
	begun := map[uint32]*Chain{}
	for _, spec := range []uint32{293, 381} {
		begun[spec] = testChain(t, Config{SpecVersion: spec, Tempo: 3})
		busySubnets(t, begun[spec], hotkeys)
	}
	rapid.Check(t, func(rt *rapid.T) {
		spec := rapid.SampledFrom([]uint32{381, 381, 381, 293}).Draw(rt, "spec")
		var logged bytes.Buffer
		c, err := New(Config{SpecVersion: spec, Tempo: 3, Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		if err != nil {
			rt.Fatal(err)
		}
		defer c.Close()
		for _, k := range begun[spec].st.keys("", "", 1<<30) {
			c.st.set(k, begun[spec].st.get(k))
		}
		c.recent.blocks = slices.Clone(begun[spec].recent.blocks)
		signer := rapid.SampledFrom(signers)
		for range rapid.IntRange(1, 6).Draw(rt, "blocks") {
			for range rapid.IntRange(0, 4).Draw(rt, "calls") {
				call := anyCall(rt, accounts, hotkeys)
				b, err := c.rt.meta.EncodeCall(call)
				if err != nil {
					continue // this runtime has no such call
				}
				// Refusals are answers too.
				_, _ = c.submit(signedExtrinsic(t, c, key(t, signer.Draw(rt, "signer")), b, nil), nil)
			}
			if err := c.ProduceBlock(); err != nil {
				rt.Fatal(err)
			}
			if logged.Len() > 0 {
				rt.Fatalf("logged: %s", logged.String())
			}
			if err := checkBooks(c.latest()); err != nil {
				rt.Fatalf("block %d: %v", c.BlockNumber(), err)
			}
		}
	})
}

// TestEveryDeclaredCallAnswers makes every call that a profile declares with
// zeros for arguments, by a signer and by root: nothing may panic, and every
// event must be one that the metadata knows.
func TestEveryDeclaredCallAnswers(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		c := testChain(t, Config{SpecVersion: spec})
		smallSubnet293(t, c)
		for _, pallet := range c.rt.meta.Pallets {
			if pallet.Calls == nil {
				continue
			}
			for _, v := range c.rt.meta.Types[*pallet.Calls].Variants {
				var zero substrate.Record
				for _, f := range v.Fields {
					b, err := c.rt.meta.ZeroValue(f.Type)
					if err != nil {
						t.Fatalf("%s.%s: %v", pallet.Name, v.Name, err)
					}
					value, err := c.rt.meta.DecodeAll(f.Type, b)
					if err != nil {
						t.Fatalf("%s.%s: %v", pallet.Name, v.Name, err)
					}
					zero = append(zero, substrate.Entry{Name: f.Name, Value: value})
				}
				for _, from := range []origin{{root: true}, {id: key(t, "//Alice").AccountID()}, {none: true}} {
					e := newEnv(c.rt, c.st, c.BlockNumber()+1)
					_ = e.dispatch(from, substrate.Call{Pallet: pallet.Name, Name: v.Name, Args: zero})
					for _, err := range e.failures {
						t.Errorf("spec %d: %s.%s: %v", spec, pallet.Name, v.Name, err)
					}
				}
			}
		}
	}
}

// smallSubnet293 is smallSubnet for any runtime.
func smallSubnet293(t *testing.T, c *Chain) {
	t.Helper()
	for _, hotkey := range []string{"//v", "//m1"} {
		register(t, c, "//Bob", hotkey)
	}
	mustDo(t, c, "//Bob", "SubtensorModule", "add_stake", entry("hotkey", key(t, "//v").AccountID()), entry("netuid", 1), entry("amount_staked", 100*tao))
}
