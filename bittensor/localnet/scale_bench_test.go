package localnet

import (
	"fmt"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// fillSubnet writes neurons into the chain's subnet, up to n of them, of which
// the first validators have stake, a permit and a row of weights for everybody.
func fillSubnet(tb testing.TB, c *Chain, n, validators int) {
	tb.Helper()
	bob := key(tb, "//Bob").AccountID()
	c.poke(func(s *storage) {
		e := &env{storage: *s, rt: c.rt}
		netuid := c.cfg.Netuid
		id := le16(netuid)
		e.setU16("MaxAllowedUids", uint16(n), id)
		e.setU16("MaxAllowedValidators", uint16(validators), id)
		permit := make([]bool, n)
		for uid := e.u16("SubnetworkN", id); uid < uint16(n); uid++ {
			hotkey := ss58.AccountID(hashOf(le16(uid)))
			e.createHotkey(bob, hotkey)
			e.appendNeuron(netuid, uid, hotkey)
			if int(uid) > validators {
				continue
			}
			permit[uid] = true
			e.addAlpha(hotkey, bob, netuid, uint64(uid)*1000*tao)
			row := make([]yuma.Pair, n)
			for i := range row {
				row[i] = yuma.Pair{UID: uint16(i), Value: uint16(i*int(uid)) | 1}
			}
			e.setPairs("Weights", row, id, le16(uid))
			// Weights older than a neuron's registration do not count for it.
			e.setU64s("LastUpdate", setAt(e.u64s("LastUpdate", id), int(uid), 1), id)
		}
		e.setFlags("ValidatorPermit", permit, id)
	})
}

// BenchmarkEpoch1024x64 makes the block in which a subnet of 1,024 neurons, 64
// of them validators that weigh everybody, has its epoch: consensus, payment,
// storage writes and the saving of the block. yuma is the time of the consensus
// alone, and snapshot that of saving the whole state.
func BenchmarkEpoch1024x64(b *testing.B) {
	b.Run("yuma", func(b *testing.B) {
		c := testChain(b, Config{})
		fillSubnet(b, c, 1024, 64)
		for b.Loop() {
			in := c.latest().yumaInput(1, 100)
			in.Emission = tao
			out, err := yuma.Epoch(in)
			if err != nil || out.Incentive[1000] == 0 {
				b.Fatal("nobody earns", err)
			}
		}
	})
	for _, dir := range []string{"memory", "disk"} {
		b.Run(dir, func(b *testing.B) {
			cfg := Config{Tempo: 1}
			if dir == "disk" {
				cfg.Dir = b.TempDir()
			}
			c := testChain(b, cfg)
			fillSubnet(b, c, 1024, 64)
			fastest := time.Hour
			for b.Loop() {
				b.StopTimer()
				for !yuma.Due(c.BlockNumber()+1, 1, 1) {
					c.mustProduce(b)
				}
				b.StartTimer()
				start := time.Now()
				c.mustProduce(b)
				fastest = min(fastest, time.Since(start))
			}
			// What the work takes when nothing else runs on the machine.
			b.ReportMetric(float64(fastest.Microseconds())/1000, "ms-fastest")
			earning := 0
			for _, v := range c.latest().u16s("Incentive", le16(1)) {
				if v > 0 {
					earning++
				}
			}
			bonds := len(c.latest().pairs("Bonds", le16(1), le16(64)))
			if earning < 900 || bonds < 900 {
				b.Fatalf("%d neurons earn, a validator has %d bonds", earning, bonds)
			}
		})
	}
	b.Run("snapshot", func(b *testing.B) {
		c := testChain(b, Config{Dir: b.TempDir(), Tempo: 1})
		fillSubnet(b, c, 1024, 64)
		for range 4 {
			c.mustProduce(b)
		}
		for b.Loop() {
			if err := c.save(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBlock1000Extrinsics submits 1,000 signed transfers of 1,000 accounts
// over a socket and makes one block of them.
func BenchmarkBlock1000Extrinsics(b *testing.B) {
	const n = 1000
	c := testChain(b, Config{Dir: b.TempDir()})
	addr := serve(b, c)
	signers := make([]*wallet.Keypair, n)
	for i := range signers {
		signers[i] = key(b, fmt.Sprintf("//Sender//%d", i))
	}
	c.poke(func(s *storage) {
		e := &env{storage: *s, rt: c.rt}
		for _, k := range signers {
			e.setAccountInfo(k.AccountID(), accountInfo{providers: 1, free: 1000 * tao, flags: newLogicFlag})
		}
	})
	call := encodedCall(b, c, "Balances", "transfer_keep_alive",
		substrate.Entry{Name: "dest", Value: key(b, "//Bob").AccountID()}, substrate.Entry{Name: "value", Value: 1000})
	var submitting, producing float64
	for b.Loop() {
		b.StopTimer()
		extrinsics := make([][]byte, n)
		for i, k := range signers {
			extrinsics[i] = signedExtrinsic(b, c, k, call, nil)
		}
		b.StartTimer()
		start := b.Elapsed()
		submitAll(b, addr, extrinsics)
		middle := b.Elapsed()
		c.mustProduce(b)
		submitting += (middle - start).Seconds()
		producing += (b.Elapsed() - middle).Seconds()
		if got := len(c.recent.head().body) - 1; got != n {
			b.Fatalf("the block holds %d of %d extrinsics", got, n)
		}
	}
	b.ReportMetric(float64(n*b.N)/submitting, "submitted/s")
	b.ReportMetric(1000*producing/float64(b.N), "ms/block")
}
