package localnet

import (
	"errors"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// callTyped calls a runtime function and reads its result.
func callTyped(t *testing.T, e *env, api, method string, into any, args ...[]byte) {
	t.Helper()
	var input []byte
	for _, a := range args {
		input = append(input, a...)
	}
	raw, err := e.callAPI(api, method, input)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	decl, err := e.rt.meta.API(api, method)
	if err != nil {
		t.Fatal(err)
	}
	v, err := e.rt.meta.DecodeAll(decl.Output, raw)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	if err := substrate.Assign(v, into); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

func TestDelegatesAPI(t *testing.T) {
	c := testChain(t, Config{})
	register(t, c, "//Bob", "//m1")
	e := newEnv(c.rt, c.st, c.recent.head().number)
	hot, bob, eve := key(t, "//m1").AccountID(), key(t, "//Bob").AccountID(), key(t, "//Eve").AccountID()
	e.setU16("Delegates", 13107, hot[:]) // a fifth
	e.addAlpha(hot, bob, 1, 70)
	e.addAlpha(hot, eve, 1, 30)
	e.addAlpha(hot, eve, 0, 500*tao)
	uid, _ := e.uidOf(1, hot)
	e.setFlags("ValidatorPermit", setAt(e.flags("ValidatorPermit", le16(1)), int(uid), true), le16(1))
	e.setU64s("Emission", setAt(e.u64s("Emission", le16(1)), int(uid), 1000), le16(1))

	type delegate struct {
		DelegateSS58     substrate.Hash `scale:"delegate_ss58"`
		OwnerSS58        substrate.Hash `scale:"owner_ss58"`
		Take             uint16
		Registrations    []uint16
		ValidatorPermits []uint16
		ReturnPer1000    uint64 `scale:"return_per_1000"`
		TotalDailyReturn uint64
		Nominators       []any
	}
	var list []delegate
	callTyped(t, e, "DelegateInfoRuntimeApi", "get_delegates", &list)
	if len(list) != 1 {
		t.Fatalf("delegates %v", list)
	}
	d := list[0]
	// Tempo 10: 720 epochs a day of 1000 rao; 500 TAO on root, a fifth taken.
	if d.DelegateSS58 != substrate.Hash(hot) || d.OwnerSS58 != substrate.Hash(bob) || d.Take != 13107 || d.TotalDailyReturn != 720_000 {
		t.Errorf("delegate %+v", d)
	}
	if want := uint64(720_000 * 4 / 5 * 2); d.ReturnPer1000 < want-2 || d.ReturnPer1000 > want {
		t.Errorf("%d for 1000 TAO, want %d", d.ReturnPer1000, want)
	}
	if len(d.Nominators) != 2 || len(d.Registrations) != 1 || d.Registrations[0] != 1 || len(d.ValidatorPermits) != 1 {
		t.Errorf("delegate %+v", d)
	}
	var delegated []any
	callTyped(t, e, "DelegateInfoRuntimeApi", "get_delegated", &delegated, eve[:])
	if len(delegated) != 2 {
		t.Errorf("Eve's stakes %v, want one on root and one on the subnet", delegated)
	}
	callTyped(t, e, "DelegateInfoRuntimeApi", "get_delegated", &delegated, hot[:])
	if len(delegated) != 0 {
		t.Errorf("stakes of nobody: %v", delegated)
	}
}

func TestMechagraph(t *testing.T) {
	c := testChain(t, Config{})
	register(t, c, "//Bob", "//m1")
	e := newEnv(c.rt, c.st, c.recent.head().number)
	e.setU8("MechanismCountCurrent", 2, le16(1))
	index := le16(storageIndex(1, 1))
	e.setU64s("LastUpdate", []uint64{7, 8}, index)
	e.setU16s("Incentive", []uint16{100, 65435}, index)
	type graph struct {
		Netuid     uint16
		LastUpdate []uint64
		Incentives []uint16
		NumUids    uint16 `scale:"num_uids"`
	}
	var m, first graph
	callTyped(t, e, "SubnetInfoRuntimeApi", "get_mechagraph", &m, le16(1), []byte{1})
	if m.Netuid != storageIndex(1, 1) || m.LastUpdate[1] != 8 || m.Incentives[1] != 65435 || m.NumUids != 2 {
		t.Errorf("the second mechanism %+v", m)
	}
	callTyped(t, e, "SubnetInfoRuntimeApi", "get_mechagraph", &first, le16(1), []byte{0})
	if first.Netuid != 1 || first.Incentives[1] == 65435 {
		t.Errorf("the first mechanism %+v", first)
	}
	var none any
	callTyped(t, e, "SubnetInfoRuntimeApi", "get_mechagraph", &none, le16(1), []byte{2})
	if none != nil {
		t.Errorf("a third mechanism: %v", none)
	}
	var all []graph
	callTyped(t, e, "SubnetInfoRuntimeApi", "get_all_mechagraphs", &all)
	if len(all) != 3 {
		t.Errorf("%d mechanisms, want root's and two", len(all))
	}
}

func TestSimulatedSwapIsTheSwap(t *testing.T) {
	c := testChain(t, Config{})
	register(t, c, "//Bob", "//m1")
	e := newEnv(c.rt, c.st, c.recent.head().number)
	type result struct{ TaoAmount, AlphaAmount, TaoFee, AlphaFee, TaoSlippage, AlphaSlippage uint64 }
	var buy, sell result
	callTyped(t, e, "SwapRuntimeApi", "sim_swap_tao_for_alpha", &buy, le16(1), le64(50*tao))
	callTyped(t, e, "SwapRuntimeApi", "sim_swap_alpha_for_tao", &sell, le16(1), le64(20*tao))
	before := e.u64("SubnetAlphaIn", le16(1))
	_ = e.nested(func(inner *env) error {
		done, err := inner.buyAlpha(1, 50*tao, maxPrice, false)
		if err != nil || done.out != buy.AlphaAmount || done.fee != buy.TaoFee || done.in != buy.TaoAmount {
			t.Errorf("bought %+v, %v; simulated %+v", done, err, buy)
		}
		return errors.New("undo")
	})
	done, err := e.sellAlpha(1, 20*tao, minPrice, false)
	if err != nil || done.out != sell.TaoAmount || done.fee != sell.AlphaFee || done.in != sell.AlphaAmount {
		t.Errorf("sold %+v, %v; simulated %+v", done, err, sell)
	}
	if buy.TaoFee == 0 || buy.AlphaSlippage == 0 || sell.TaoSlippage == 0 {
		t.Errorf("no fee or no slippage: %+v %+v", buy, sell)
	}
	if e.u64("SubnetAlphaIn", le16(1)) != before+done.in {
		t.Error("a simulation changed the pool")
	}
	var none result
	callTyped(t, e, "SwapRuntimeApi", "sim_swap_tao_for_alpha", &none, le16(9), le64(50*tao))
	// As the runtime: nothing comes out, and so all of it is slippage.
	if none != (result{AlphaSlippage: 50 * tao}) {
		t.Errorf("a swap on no subnet gives %+v", none)
	}
	var fee uint64
	var place scale.Encoder
	place.Uint8(1)
	place.Raw(make([]byte, 32))
	place.Uint16(1)
	callTyped(t, e, "StakeInfoRuntimeApi", "get_stake_fee", &fee, []byte{0}, make([]byte, 32), place.Bytes(), make([]byte, 32), le64(50*tao))
	if fee != buy.TaoFee {
		t.Errorf("told fee %d, taken %d", fee, buy.TaoFee)
	}
}
