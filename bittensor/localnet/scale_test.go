package localnet

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// submitAll submits extrinsics in batches over HTTP.
func submitAll(t testing.TB, addr string, extrinsics [][]byte) {
	t.Helper()
	for len(extrinsics) > 0 {
		n := min(100, len(extrinsics))
		requests := make([]string, n)
		for i, x := range extrinsics[:n] {
			requests[i] = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"author_submitExtrinsic","params":[%q]}`, i, substrate.Hex(x))
		}
		extrinsics = extrinsics[n:]
		_, answer := post(t, addr, "["+strings.Join(requests, ",")+"]")
		var list []response
		if err := json.Unmarshal([]byte(answer), &list); err != nil || len(list) != n {
			t.Fatalf("%v in %.300s", err, answer)
		}
		for i, r := range list {
			if r.Error != nil || string(r.ID) != fmt.Sprint(i) {
				t.Fatalf("submission %d: id %s, %v", i, r.ID, r.Error)
			}
		}
	}
}

// TestBlockOf1000Extrinsics puts 1,000 signed transfers into one block: of one
// sender, and of a hundred.
func TestBlockOf1000Extrinsics(t *testing.T) {
	const n = 1000
	for _, senders := range []int{1, 100} {
		t.Run(fmt.Sprint(senders), func(t *testing.T) {
			c := testChain(t, Config{Dir: t.TempDir()})
			addr := serve(t, c)
			keys := make([]*wallet.Keypair, senders)
			for i := range keys {
				keys[i] = key(t, fmt.Sprintf("//Sender//%d", i))
			}
			c.poke(func(s *storage) {
				e := &env{storage: *s, rt: c.rt}
				for _, k := range keys {
					e.setAccountInfo(k.AccountID(), accountInfo{providers: 1, free: 1000 * tao, flags: newLogicFlag})
				}
			})
			to := key(t, "//nobody").AccountID()
			call := encodedCall(t, c, "Balances", "transfer_keep_alive",
				substrate.Entry{Name: "dest", Value: to}, substrate.Entry{Name: "value", Value: tao / 10})
			extrinsics := make([][]byte, n)
			for i := range extrinsics {
				extrinsics[i] = signedExtrinsic(t, c, keys[i%senders], call, func(p *substrate.ExtrinsicParams) { p.Nonce = uint64(i / senders) })
			}
			submitAll(t, addr, extrinsics)
			c.mustProduce(t)
			if got := len(c.recent.head().body) - 1; got != n {
				t.Errorf("the block holds %d of %d extrinsics", got, n)
			}
			if got := c.latest().balance(to); got != n*tao/10 {
				t.Errorf("%d rao arrived, want %d", got, n*tao/10)
			}
			if s := c.Stats(); s.Pending != 0 || s.Refused != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// TestRegister1024 fills a subnet through real registrations, then runs its
// epoch and reads its metagraph.
func TestRegister1024(t *testing.T) {
	const n = 1024
	c := testChain(t, Config{Tempo: 4})
	addr := serve(t, c)
	c.poke(func(s *storage) {
		id := le16(1)
		s.setU16("MaxAllowedUids", n, id)
		s.setU16("MaxRegistrationsPerBlock", n, id)
		s.setU16("TargetRegistrationsPerInterval", n, id)
	})
	coldkeys := []*wallet.Keypair{key(t, "//Bob"), key(t, "//Charlie"), key(t, "//Dave"), key(t, "//Eve")}
	nonces := make([]uint64, len(coldkeys))
	var extrinsics [][]byte
	for uid := 1; uid < n; uid++ {
		who := uid % len(coldkeys)
		call := encodedCall(t, c, "SubtensorModule", "burned_register",
			substrate.Entry{Name: "netuid", Value: 1}, substrate.Entry{Name: "hotkey", Value: ss58.AccountID(hashOf(le16(uint16(uid))))})
		extrinsics = append(extrinsics, signedExtrinsic(t, c, coldkeys[who], call, func(p *substrate.ExtrinsicParams) { p.Nonce = nonces[who] }))
		nonces[who]++
	}
	submitAll(t, addr, extrinsics)
	c.mustProduce(t)
	if got := c.latest().u16("SubnetworkN", le16(1)); got != n {
		t.Fatalf("%d neurons, want %d", got, n)
	}
	for range 6 {
		c.mustProduce(t)
	}
	if last := c.latest().u64("LastMechansimStepBlock", le16(1)); last == 0 {
		t.Error("no epoch was run")
	}
	lite := mustAsk[string](t, addr, "state_call", "NeuronInfoRuntimeApi_get_neurons_lite", "0100")
	// The length of the list, 1024, as a compact number.
	if !strings.HasPrefix(lite, "0x0110") {
		t.Errorf("the neurons begin %.12s", lite)
	}
}
