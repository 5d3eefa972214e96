package localnet

import (
	"fmt"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// BenchmarkBlocks makes empty blocks: the work that every block has.
func BenchmarkBlocks(b *testing.B) {
	for _, dir := range []string{"memory", "disk"} {
		b.Run(dir, func(b *testing.B) {
			cfg := Config{}
			if dir == "disk" {
				cfg.Dir = b.TempDir()
			}
			c := testChain(b, cfg)
			for b.Loop() {
				c.mustProduce(b)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "blocks/s")
		})
	}
}

// BenchmarkTransfers makes blocks of 100 transfers.
func BenchmarkTransfers(b *testing.B) {
	c := testChain(b, Config{})
	alice := key(b, "//Alice")
	call := encodedCall(b, c, "Balances", "transfer_keep_alive",
		substrate.Entry{Name: "dest", Value: key(b, "//Bob").AccountID()}, substrate.Entry{Name: "value", Value: 1000})
	for b.Loop() {
		for range 100 {
			if _, err := c.submit(signedExtrinsic(b, c, alice, call, nil), nil); err != nil {
				b.Fatal(err)
			}
		}
		c.mustProduce(b)
	}
	b.ReportMetric(float64(100*b.N)/b.Elapsed().Seconds(), "extrinsics/s")
}

// BenchmarkEpochBlock makes the block of an epoch: 256 neurons, of which 64
// validators weigh everybody.
func BenchmarkEpochBlock(b *testing.B) {
	c := testChain(b, Config{Tempo: 1})
	c.poke(func(s *storage) {
		e := &env{storage: *s, rt: c.rt}
		id := le16(1)
		permit := make([]bool, 256)
		for uid := uint16(1); uid < 256; uid++ {
			hotkey := hashOf(le16(uid))
			e.createHotkey(key(b, "//Bob").AccountID(), [32]byte(hotkey))
			e.appendNeuron(1, uid, [32]byte(hotkey))
			if uid > 64 {
				continue
			}
			permit[uid] = true
			e.addAlpha([32]byte(hotkey), key(b, "//Bob").AccountID(), 1, uint64(uid)*tao)
			row := make([]yuma.Pair, 256)
			for i := range row {
				row[i] = yuma.Pair{UID: uint16(i), Value: uint16(i*int(uid)) | 1}
			}
			e.setPairs("Weights", row, id, le16(uid))
		}
		e.setFlags("ValidatorPermit", permit, id)
		e.setU16("Tempo", 1, id)
	})
	for b.Loop() {
		c.mustProduce(b)
		c.mustProduce(b) // every second block has an epoch
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		c, err := New(Config{})
		if err != nil {
			b.Fatal(err)
		}
		_ = fmt.Sprint(c.genesis)
	}
}
