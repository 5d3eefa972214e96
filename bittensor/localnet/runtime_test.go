package localnet

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

func entry(name string, value any) substrate.Entry { return substrate.Entry{Name: name, Value: value} }

// do submits a call and makes a block of it; it returns the dispatch error's
// name.
func do(t testing.TB, c *Chain, signer, pallet, name string, fields ...substrate.Entry) string {
	t.Helper()
	x := signedExtrinsic(t, c, key(t, signer), encodedCall(t, c, pallet, name, fields...), nil)
	if _, err := c.submit(x, nil); err != nil {
		t.Fatalf("%s.%s: %v", pallet, name, err)
	}
	c.mustProduce(t)
	_, failure := eventNames(t, c, 1)
	return failure
}

// mustDo is do for calls that must not fail.
func mustDo(t testing.TB, c *Chain, signer, pallet, name string, fields ...substrate.Entry) {
	t.Helper()
	if failure := do(t, c, signer, pallet, name, fields...); failure != "" {
		t.Fatalf("%s.%s: %s", pallet, name, failure)
	}
}

func TestDevAccounts(t *testing.T) {
	c := testChain(t, Config{})
	for i, name := range []string{"Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie"} {
		id := key(t, "//"+name).AccountID()
		if id.String() != devAccounts[i] {
			t.Errorf("//%s is %s, not %s", name, id, devAccounts[i])
		}
		if got := c.latest().balance(id); got != 1_000_000*tao {
			t.Errorf("//%s has %d rao", name, got)
		}
	}
	if got := c.latest().account("SubnetOwner", le16(1)); got.String() != devAccounts[0] {
		t.Errorf("the subnet belongs to %s", got)
	}
	if uid, ok := c.latest().uidOf(1, key(t, "//Alice").AccountID()); !ok || uid != 0 {
		t.Errorf("//Alice has uid %d, %v", uid, ok)
	}
}

// TestSameExtrinsicsGiveTheSameState runs the same mixed history twice.
func TestSameExtrinsicsGiveTheSameState(t *testing.T) {
	var extrinsics [][][]byte // of the first run, by block
	run := func() (map[string]string, substrate.Hash) {
		start := time.Unix(1_750_000_000, 0)
		c := testChain(t, Config{Tempo: 4, Now: func() time.Time { start = start.Add(time.Second); return start }})
		rng := rand.New(rand.NewPCG(1, 2))
		for block := range 40 {
			if len(extrinsics) <= block {
				extrinsics = append(extrinsics, mixedExtrinsics(t, c, rng, block))
			}
			for _, x := range extrinsics[block] {
				if _, err := c.submit(x, nil); err != nil {
					t.Fatalf("block %d: %v", block, err)
				}
			}
			c.mustProduce(t)
		}
		return allState(c), c.recent.head().id
	}
	state1, head1 := run()
	state2, head2 := run()
	if d := cmp.Diff(state1, state2); d != "" {
		t.Errorf("the states differ:\n%.2000s", d)
	}
	if head1 != head2 {
		t.Errorf("heads %s and %s", head1, head2)
	}
}

// mixedExtrinsics signs what a small subnet does in a block.
func mixedExtrinsics(t *testing.T, c *Chain, rng *rand.Rand, block int) [][]byte {
	bob := key(t, "//Bob")
	var out [][]byte
	sign := func(signer string, pallet, name string, fields ...substrate.Entry) {
		nonce := c.nextNonce(key(t, signer).AccountID())
		for _, x := range out {
			if d, err := c.rt.decode(x); err == nil && d.Signer == key(t, signer).AccountID() {
				nonce++
			}
		}
		out = append(out, signedExtrinsic(t, c, key(t, signer), encodedCall(t, c, pallet, name, fields...), func(p *substrate.ExtrinsicParams) { p.Nonce = nonce }))
	}
	switch {
	case block < 6:
		hotkey := key(t, fmt.Sprintf("//n%d", block)).AccountID()
		sign("//Bob", "SubtensorModule", "burned_register", entry("netuid", 1), entry("hotkey", hotkey))
	case block < 8:
		hotkey := key(t, fmt.Sprintf("//n%d", block-6)).AccountID()
		sign("//Bob", "SubtensorModule", "add_stake", entry("hotkey", hotkey), entry("netuid", 1), entry("amount_staked", (50+rng.Uint64N(50))*tao))
	case block > 14 && block%5 < 2:
		sign(fmt.Sprintf("//n%d", block%5), "SubtensorModule", "set_weights", entry("netuid", 1), entry("dests", []uint16{3, 4, 5}),
			entry("weights", []uint16{uint16(1 + rng.IntN(9)), uint16(1 + rng.IntN(9)), uint16(1 + rng.IntN(9))}), entry("version_key", 0))
	default:
		sign("//Charlie", "Balances", "transfer_keep_alive", entry("dest", bob.AccountID()), entry("value", rng.Uint64N(tao)+1000))
		sign("//Charlie", "Balances", "transfer_allow_death", entry("dest", bob.AccountID()), entry("value", rng.Uint64N(tao)+1000))
	}
	return out
}

// smallSubnet registers a validator with stake and three miners, and lets
// the validator have its permit.
func smallSubnet(t *testing.T, c *Chain) {
	t.Helper()
	for _, hotkey := range []string{"//v", "//m1", "//m2", "//m3"} {
		register(t, c, "//Bob", hotkey)
	}
	mustDo(t, c, "//Bob", "SubtensorModule", "add_stake", entry("hotkey", key(t, "//v").AccountID()), entry("netuid", 1), entry("amount_staked", 100*tao))
	for !at(c.latest().flags("ValidatorPermit", le16(1)), 1) {
		c.mustProduce(t)
	}
}

func TestEpochPaysByWeights(t *testing.T) {
	c := testChain(t, Config{})
	smallSubnet(t, c)
	mustDo(t, c, "//v", "SubtensorModule", "set_mechanism_weights", entry("netuid", 1), entry("mecid", 0),
		entry("dests", []uint16{2, 3, 4}), entry("weights", []uint16{1, 2, 5}), entry("version_key", 0))
	before := c.BlockNumber()
	for c.latest().u64("LastMechansimStepBlock", le16(1)) <= before {
		c.mustProduce(t)
	}
	s := c.latest()
	id := le16(1)
	if got, want := s.u16s("Incentive", id), []uint16{0, 0, 8191, 16383, 40959}; !cmp.Equal(got, want) {
		t.Errorf("incentive %v, want %v", got, want)
	}
	if got := s.pairs("Bonds", id, le16(1)); len(got) != 3 {
		t.Errorf("bonds %v", got)
	}
	m1, m3 := key(t, "//m1").AccountID(), key(t, "//m3").AccountID()
	if a, b := s.hotkeyAlpha(m1, 1), s.hotkeyAlpha(m3, 1); a == 0 || b < 4*a || b > 6*a {
		t.Errorf("stakes of the miners are %d and %d", a, b)
	}
	if got, want := s.stakeOf(m3, key(t, "//Bob").AccountID(), 1), s.hotkeyAlpha(m3, 1); got != want {
		t.Errorf("the miner's owner holds %d of %d", got, want)
	}
}

func TestNoMoreAlphaIsPaidThanEmitted(t *testing.T) {
	c := testChain(t, Config{})
	smallSubnet(t, c)
	id := le16(1)
	for range 60 {
		c.mustProduce(t)
		s := c.latest()
		var staked uint64
		for uid := range s.u16("SubnetworkN", id) {
			staked += s.hotkeyAlpha(s.hotkeyOf(1, uid), 1)
		}
		pending := s.u64("PendingServerEmission", id) + s.u64("PendingValidatorEmission", id) + s.u64("PendingOwnerCut", id)
		if out := s.u64("SubnetAlphaOut", id); staked+pending > out {
			t.Fatalf("block %d: %d alpha staked and %d pending of %d", c.BlockNumber(), staked, pending, out)
		}
	}
}

func TestTwoMechanisms(t *testing.T) {
	c := testChain(t, Config{})
	smallSubnet(t, c)
	weigh := func() string {
		return do(t, c, "//v", "SubtensorModule", "set_mechanism_weights", entry("netuid", 1), entry("mecid", 1),
			entry("dests", []uint16{2}), entry("weights", []uint16{1}), entry("version_key", 0))
	}
	if got := weigh(); got != "MechanismDoesNotExist" {
		t.Errorf("a mechanism that is not there: %q", got)
	}
	mustDo(t, c, "//Alice", "AdminUtils", "sudo_set_max_allowed_uids", entry("netuid", 1), entry("max_allowed_uids", 128))
	mustDo(t, c, "//Alice", "Sudo", "sudo", entry("call", substrate.Call{Pallet: "AdminUtils", Name: "sudo_set_mechanism_count",
		Args: substrate.Record{entry("netuid", 1), entry("mechanism_count", 2)}}))
	if got := weigh(); got != "" {
		t.Errorf("the second mechanism: %q", got)
	}
	if got := c.latest().pairs("Weights", le16(4097), le16(1)); len(got) != 1 {
		t.Errorf("weights of the second mechanism %v", got)
	}
}

func TestStakeGoesBothWays(t *testing.T) {
	c := testChain(t, Config{})
	smallSubnet(t, c)
	v, bob := key(t, "//v").AccountID(), key(t, "//Bob").AccountID()
	if failure := do(t, c, "//Charlie", "SubtensorModule", "add_stake", entry("hotkey", v), entry("netuid", 1), entry("amount_staked", 10*tao)); failure != "" {
		t.Fatal(failure)
	}
	charlie := key(t, "//Charlie").AccountID()
	own, all := c.latest().stakeOf(v, charlie, 1), c.latest().hotkeyAlpha(v, 1)
	if others := c.latest().stakeOf(v, bob, 1); own == 0 || own+others > all || all-own-others > 2 {
		t.Errorf("%d and %d of %d alpha", own, others, all)
	}
	before := c.latest().balance(charlie)
	mustDo(t, c, "//Charlie", "SubtensorModule", "remove_stake", entry("hotkey", v), entry("netuid", 1), entry("amount_unstaked", own))
	if got := c.latest().balance(charlie) - before; got < 9*tao || got > 11*tao {
		t.Errorf("unstaking gave %d rao", got)
	}
	if c.latest().has("Alpha", v[:], charlie[:], le16(1)) {
		t.Error("an entry without value is left")
	}
}

func TestSharesNeverGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rt := sharedRuntime
		e := newEnv(rt, newStore(), 1)
		hotkey := ss58.AccountID{1}
		owners := []ss58.AccountID{{2}, {3}, {4}}
		var in, out uint64
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			owner := owners[rapid.IntRange(0, 2).Draw(t, "owner")]
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				n := rapid.Uint64Range(1, 1e15).Draw(t, "amount")
				e.addAlpha(hotkey, owner, 1, n)
				in += n
			case 1:
				n := rapid.Uint64Range(0, 1e12).Draw(t, "dividend")
				if e.hotkeyAlpha(hotkey, 1) > 0 {
					e.addU64("TotalHotkeyAlpha", n, hotkey[:], le16(1))
					in += n
				}
			case 2:
				if own := e.stakeOf(hotkey, owner, 1); own > 0 {
					n := rapid.Uint64Range(1, own).Draw(t, "taken")
					e.takeAlpha(hotkey, owner, 1, n)
					out += n
				}
			}
			var held uint64
			for _, o := range owners {
				held += e.stakeOf(hotkey, o, 1)
			}
			if held > e.hotkeyAlpha(hotkey, 1) || e.hotkeyAlpha(hotkey, 1) != in-out {
				t.Fatalf("%d held of %d; %d came in, %d went out", held, e.hotkeyAlpha(hotkey, 1), in, out)
			}
		}
	})
}

var sharedRuntime = func() *runtime {
	rt, err := newRuntime(DefaultSpec, false)
	if err != nil {
		panic(err)
	}
	return rt
}()

func TestFullSubnetReplacesTheWorst(t *testing.T) {
	c := testChain(t, Config{})
	smallSubnet(t, c)
	id := le16(1)
	c.poke(func(s *storage) {
		s.setU16("MaxAllowedUids", 5, id)
		s.setU16("ImmunityPeriod", 1, id)
		s.setU16("MinNonImmuneUids", 0, id)
		s.setU64s("Emission", []uint64{0, 100, 30, 10, 20}, id)
	})
	old := key(t, "//m2").AccountID()
	mustDo(t, c, "//m2", "SubtensorModule", "serve_axon", entry("netuid", 1), entry("version", 1), entry("ip", 0x0a000001), entry("port", 9000),
		entry("ip_type", 4), entry("protocol", 4), entry("placeholder1", 0), entry("placeholder2", 0))
	register(t, c, "//Bob", "//new")
	s := c.latest()
	if uid, ok := s.uidOf(1, key(t, "//new").AccountID()); !ok || uid != 3 {
		t.Errorf("the newcomer has uid %d, %v; want 3", uid, ok)
	}
	if _, ok := s.uidOf(1, old); ok || s.has("Axons", id, old[:]) || s.registeredAnywhere(old) {
		t.Error("the old neuron is still there")
	}
	if got := s.u64("BlockAtRegistration", id, le16(3)); got != c.BlockNumber() {
		t.Errorf("registered at %d", got)
	}
}

func TestBurnFollowsDemand(t *testing.T) {
	c := testChain(t, Config{})
	id := le16(1)
	c.poke(func(s *storage) {
		s.setU16("AdjustmentInterval", 5, id)
		s.setU16("TargetRegistrationsPerInterval", 2, id)
	})
	start := c.latest().u64("Burn", id)
	for i := range 4 {
		register(t, c, "//Bob", fmt.Sprintf("//d%d", i))
	}
	for range 2 {
		c.mustProduce(t)
	}
	raised := c.latest().u64("Burn", id)
	if raised <= start {
		t.Errorf("after twice the target the price went from %d to %d", start, raised)
	}
	for range 12 {
		c.mustProduce(t)
	}
	if fallen := c.latest().u64("Burn", id); fallen >= raised {
		t.Errorf("without registrations the price went from %d to %d", raised, fallen)
	}
	for _, c := range []struct {
		burn         uint64
		made, target uint16
		alpha, want  uint64
	}{
		{100, 3, 1, 0, 200}, {100, 0, 1, 0, 50}, {100, 1, 1, 0, 100},
		{100, 3, 1, ^uint64(0), 100}, {100, 3, 1, 1 << 63, 150}, {100, 0, 0, 0, 1}, {1 << 40, 9, 1, 0, 1 << 41},
	} {
		if got := adjusted(c.burn, c.made, c.target, c.alpha, 1, 1<<41); got != c.want {
			t.Errorf("adjusted(%d, %d, %d, %d) = %d, want %d", c.burn, c.made, c.target, c.alpha, got, c.want)
		}
	}
}

func TestLoopbackAxons(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		c := testChain(t, Config{AllowLoopback: allowed})
		register(t, c, "//Bob", "//m1")
		x := signedExtrinsic(t, c, key(t, "//m1"), encodedCall(t, c, "SubtensorModule", "serve_axon", entry("netuid", 1), entry("version", 1),
			entry("ip", 0x7f000001), entry("port", 9000), entry("ip_type", 4), entry("protocol", 4), entry("placeholder1", 0), entry("placeholder2", 0)), nil)
		if _, err := c.submit(x, nil); (err == nil) != allowed {
			t.Errorf("loopback allowed %v: %v", allowed, err)
		}
	}
}

func TestUndeclaredCallsAreFiltered(t *testing.T) {
	c := testChain(t, Config{})
	if got := do(t, c, "//Alice", "SubtensorModule", "associate_evm_key", entry("netuid", 1), entry("evm_key", make([]byte, 20)), entry("block_number", 1), entry("signature", make([]byte, 65))); got != "CallFiltered" {
		t.Errorf("error %q", got)
	}
	tempo := substrate.Call{Pallet: "AdminUtils", Name: "sudo_set_tempo", Args: substrate.Record{entry("netuid", 1), entry("tempo", 7)}}
	if got := do(t, c, "//Alice", tempo.Pallet, tempo.Name, tempo.Args...); got != "BadOrigin" {
		t.Errorf("the owner sets the tempo: %q", got)
	}
	mustDo(t, c, "//Alice", "Sudo", "sudo", entry("call", tempo))
	if got := c.latest().u16("Tempo", le16(1)); got != 7 {
		t.Errorf("tempo %d", got)
	}
}

func TestBatchAllUndoes(t *testing.T) {
	c := testChain(t, Config{})
	dave := key(t, "//nobody").AccountID()
	send := func(value uint64) substrate.Call {
		return substrate.Call{Pallet: "Balances", Name: "transfer_keep_alive", Args: substrate.Record{entry("dest", dave), entry("value", value)}}
	}
	calls := []any{send(tao), send(10_000_000 * tao)}
	if got := do(t, c, "//Alice", "Utility", "batch_all", entry("calls", calls)); got != "Arithmetic.Underflow" {
		t.Errorf("error %q", got)
	}
	if got := c.latest().balance(dave); got != 0 {
		t.Errorf("a failed batch_all left %d rao", got)
	}
	if got := do(t, c, "//Alice", "Utility", "force_batch", entry("calls", calls)); got != "" {
		t.Errorf("error %q", got)
	}
	if got := c.latest().balance(dave); got != tao {
		t.Errorf("force_batch left %d rao", got)
	}
}

// TestEveryValueDecodes reads all state back through the metadata, as a
// generic client does.
func TestEveryValueDecodes(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		c := testChain(t, Config{SpecVersion: spec})
		smallSubnet(t, c)
		for range 15 {
			c.mustProduce(t)
		}
		seen := 0
		for _, p := range c.rt.meta.Pallets {
			for _, item := range p.Storage {
				prefix, err := c.rt.meta.StorageKey(p.Name, item.Name)
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range c.st.keys(string(prefix), "", 1<<20) {
					seen++
					if _, err := c.rt.meta.DecodeStorageKey(p.Name, item.Name, []byte(k)); err != nil {
						t.Errorf("spec %d: %v", spec, err)
					}
					if _, err := c.rt.meta.DecodeStorage(p.Name, item.Name, c.st.get(k)); err != nil {
						t.Errorf("spec %d: %v", spec, err)
					}
				}
			}
		}
		if seen != c.st.size {
			t.Errorf("spec %d: %d of %d keys belong to a declared item", spec, seen, c.st.size)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, cfg := range []Config{{BlockTime: time.Millisecond}, {SpecVersion: 12}, {Dir: "/dev/null/x"}} {
		if c, err := New(cfg); err == nil {
			c.Close()
			t.Errorf("%+v opens", cfg)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("error of several lines: %q", err)
		}
	}
}

// TestStateAgainstMap compares store, layer and past with plain maps.
func TestStateAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.Custom(func(t *rapid.T) string {
			p := strings.Repeat(string(rune('a'+rapid.IntRange(0, 2).Draw(t, "item"))), bucketLen)
			return p + rapid.StringOfN(rapid.RuneFrom([]rune("xyz")), 0, 2, -1).Draw(t, "rest")
		})
		st := newStore()
		var histories []map[string]string
		var undone []changes
		model := map[string]string{}
		for range rapid.IntRange(1, 6).Draw(t, "blocks") {
			before := map[string]string{}
			for k, v := range model {
				before[k] = v
			}
			histories = append(histories, before)
			l := newLayer(st)
			for range rapid.IntRange(0, 8).Draw(t, "writes") {
				k := key.Draw(t, "key")
				if rapid.Bool().Draw(t, "remove") {
					l.set(k, nil)
					delete(model, k)
				} else {
					v := rapid.StringN(0, 3, -1).Draw(t, "value")
					l.set(k, append([]byte{}, v...))
					model[k] = v
				}
			}
			compareState(t, l, model, key)
			undo := changes{}
			for k, v := range l.writes {
				undo[k] = st.set(k, v)
			}
			undone = append(undone, undo)
			compareState(t, st, model, key)
		}
		if st.size != len(model) {
			t.Fatalf("size %d, want %d", st.size, len(model))
		}
		for i, want := range histories {
			compareState(t, &past{latest: st, undone: undone[i:]}, want, key)
		}
	})
}

func compareState(t *rapid.T, r reader, want map[string]string, anyKey *rapid.Generator[string]) {
	k := anyKey.Draw(t, "looked up")
	if v, ok := want[k]; ok != (r.get(k) != nil) || string(r.get(k)) != v {
		t.Fatalf("%T: %q is %q, want %q", r, k, r.get(k), v)
	}
	prefix := k[:rapid.IntRange(0, len(k)).Draw(t, "prefix")]
	after := ""
	if rapid.Bool().Draw(t, "paged") {
		after = anyKey.Draw(t, "after")
	}
	limit := rapid.IntRange(0, 5).Draw(t, "limit")
	var keys []string
	for _, k := range sortedKeys(want) {
		if strings.HasPrefix(k, prefix) && (after == "" || k > after) && len(keys) < limit {
			keys = append(keys, k)
		}
	}
	if got := r.keys(prefix, after, limit); len(got) != len(keys) || len(got) > 0 && !cmp.Equal(got, keys) {
		t.Fatalf("%T: keys(%q, %q, %d) = %q, want %q", r, prefix, after, limit, got, keys)
	}
}

func TestRecentBlocksAreBounded(t *testing.T) {
	r := recentBlocks{byID: map[substrate.Hash]*block{}}
	body := make([]byte, 3<<20)
	for n := range uint64(200) {
		b := &block{header: header{number: n}, id: hashOf(le64(n)), body: [][]byte{body}, undo: changes{"key": body[:1000]}}
		r.push(b, 10)
	}
	if r.bytes > maxRecent || len(r.blocks) != len(r.byID) || len(r.blocks) != maxRecent/(3<<20) {
		t.Errorf("%d blocks of %d bytes", len(r.blocks), r.bytes)
	}
	if r.byNumber(199) != r.head() || r.byNumber(0) != nil {
		t.Error("the wrong blocks were forgotten")
	}
	for n := range uint64(keepBlocks) {
		r.push(&block{header: header{number: 200 + n}, id: hashOf(le64(200 + n))}, 10)
	}
	if r.bytes != 0 || len(r.blocks) != keepBlocks {
		t.Errorf("%d blocks, %d bytes are left", len(r.blocks), r.bytes)
	}
}
