package localnet

import (
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

func TestRegisterLimit(t *testing.T) {
	c := testChain(t, Config{})
	hotkey := key(t, "//new").AccountID()
	register := func(netuid int, limit uint64) string {
		return do(t, c, "//Bob", "SubtensorModule", "register_limit", entry("netuid", netuid), entry("hotkey", hotkey), entry("limit_price", limit))
	}
	cost := c.latest().u64("Burn", le16(1))
	for _, test := range []struct {
		netuid int
		limit  uint64
		want   string
	}{
		{0, cost, "RegistrationNotPermittedOnRootSubnet"},
		{9, cost, "SubnetNotExists"},
		{1, cost / 2, "RegistrationPriceLimitExceeded"},
		{1, cost, ""},
		{1, ^uint64(0), "HotKeyAlreadyRegisteredInSubNet"},
	} {
		if got := register(test.netuid, test.limit); got != test.want {
			t.Errorf("on subnet %d at most %d: %q, want %q", test.netuid, test.limit, got, test.want)
		}
	}
	if _, ok := c.latest().uidOf(1, hotkey); !ok {
		t.Error("the hotkey has no uid")
	}
	if _, err := newRuntime(293, false); err != nil {
		t.Fatal(err)
	} else if p, err := loadProfile(293); err != nil || p.Pallets["SubtensorModule"].Storage["HotkeyLock"].Value != "" {
		t.Errorf("spec 293 has what came after 381: %v", err)
	}
}

func TestLaterRuntimeAPIs(t *testing.T) {
	c := testChain(t, Config{})
	ask := func(name string, args ...[]byte) any {
		t.Helper()
		input := []byte{}
		for _, a := range args {
			input = append(input, a...)
		}
		e := newEnv(c.rt, c.st, c.recent.head().number)
		out, err := c.stateCall(e, name, input)
		if err != nil {
			t.Fatal(err)
		}
		api, method, _ := strings.Cut(name, "_")
		decl, err := c.rt.meta.API(api, method)
		if err != nil {
			t.Fatal(err)
		}
		v, err := c.rt.meta.DecodeAll(decl.Output, out)
		if err != nil {
			t.Fatal(err)
		}
		if some, ok := v.(substrate.Some); ok {
			v = some.Value
		}
		return v
	}
	old, ok := ask("SubnetInfoRuntimeApi_get_subnet_hyperparams_v2", le16(1)).(substrate.Record)
	if !ok {
		t.Fatal("no hyperparameters")
	}
	list, ok := ask("SubnetInfoRuntimeApi_get_subnet_hyperparams_v3", le16(1)).([]any)
	if !ok {
		t.Fatal("no list of hyperparameters")
	}
	text := func(v any) string { return substrate.Record{{Name: "v", Value: v}}.String() }
	named := map[string]string{}
	for _, v := range list {
		var p struct {
			Name  []byte
			Value any
		}
		rec := v.(substrate.Record)
		if err := substrate.Assign(rec[0].Value, &p.Name); err != nil {
			t.Fatal(err)
		}
		named[string(p.Name)] = text(rec[1].Value.(substrate.Variant).Value)
	}
	for _, p := range old {
		if named[p.Name] != text(p.Value) {
			t.Errorf("%s is %s in the list, %s in the struct", p.Name, named[p.Name], text(p.Value))
		}
	}
	if got := ask("SubnetInfoRuntimeApi_get_subnet_hyperparams_v3", le16(7)); got != nil {
		t.Errorf("a subnet that is not there has %v", got)
	}
	block := c.recent.head().number
	next, ok := ask("SubnetInfoRuntimeApi_get_next_epoch_start_block", le16(1)).(uint64)
	if !ok || next <= block || !yuma.Due(next, 1, c.latest().u16("Tempo", le16(1))) {
		t.Errorf("the next epoch after block %d is in %d", block, next)
	}
	alice := key(t, "//Alice").AccountID()
	if got := ask("StakeInfoRuntimeApi_get_coldkey_lock", alice[:], le16(1)); got != nil {
		t.Errorf("a lock: %v", got)
	}
}

// btcli 9.8 reads the identities of the registry whatever it prints.
func TestRegistryIsDeclared(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		rt, err := newRuntime(spec, false)
		if err != nil {
			t.Fatal(err)
		}
		_, item, err := rt.meta.StorageItem("Registry", "IdentityOf")
		if err != nil {
			t.Fatal(err)
		}
		zero, err := rt.meta.ZeroValue(item.Value)
		if err != nil {
			t.Fatal(err)
		}
		// A deposit, no additional fields, eight empty texts and no fingerprint.
		if len(zero) != 8+1+8 {
			t.Errorf("spec %d: an empty identity has %d bytes", spec, len(zero))
		}
	}
}

// TestOwnerCut switches the owner's share of a subnet's emission off: all of
// it goes to miners and validators then.
func TestOwnerCut(t *testing.T) {
	x := newTable(t, 381)
	id := le16(1)
	pending := func() (owner, rest uint64) {
		for _, item := range []string{"PendingOwnerCut", "PendingServerEmission", "PendingValidatorEmission"} {
			x.e.setU64(item, 0, id)
		}
		x.e.distribute([]uint16{1})
		return x.e.u64("PendingOwnerCut", id), x.e.u64("PendingServerEmission", id) + x.e.u64("PendingValidatorEmission", id)
	}
	owner, rest := pending()
	if owner == 0 {
		t.Error("no cut at first")
	}
	set := func(signer, want string, netuid int) {
		t.Helper()
		x.by(signer, want, "AdminUtils", "sudo_set_owner_cut_enabled", entry("netuid", netuid), entry("enabled", false))
	}
	set("//Bob", "BadOrigin", 1)
	set("", "AdminUtils.SubnetDoesNotExist", 9)
	set("//Alice", "", 1)
	if none, all := pending(); none != 0 || all != owner+rest {
		t.Errorf("%d for the owner, %d for the others, of %d", none, all, owner+rest)
	}
}
