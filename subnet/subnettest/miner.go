package subnettest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
	"github.com/maxmos001/bitmind-subnet/subnet/miner"
)

// Miner is a running miner.
type Miner struct {
	UID    uint16
	Hotkey *wallet.Keypair
	// Stop ends it; the chain keeps its address. A second call does nothing.
	Stop func()
}

// StartMiner registers a hotkey, paid by a coldkey, and runs a miner on a loopback
// port until the test ends.
func (c *Chain) StartMiner(t testing.TB, client *subtensor.Client, hotkey, coldkey string, d miner.Detector) *Miner {
	t.Helper()
	key := c.Register(t, client, hotkey, coldkey, 0)
	m, err := miner.New(miner.Config{
		Netuid: Netuid, Signer: key, Chain: client, Detector: d, IP: "127.0.0.1", Logger: Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Errorf("miner %s: %v", hotkey, err)
		}
	})
	stop := sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	select {
	case <-m.Ready():
	case <-time.After(Timeout):
		t.Fatalf("miner %s is not ready", hotkey)
	}
	return &Miner{UID: m.Stats().UID, Hotkey: key, Stop: stop}
}
