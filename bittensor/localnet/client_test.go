package localnet

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

func key(t testing.TB, uri string) *wallet.Keypair {
	t.Helper()
	k, err := wallet.FromURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWithClient(t *testing.T) {
	c, err := New(Config{BlockTime: 100 * time.Millisecond, AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go c.Serve(ctx, ln)
	go c.Run(ctx)
	cl, err := subtensor.Dial(ctx, subtensor.Options{Network: "ws://" + ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	bob, val := key(t, "//Bob"), key(t, "//validator")
	if _, err := cl.BurnedRegister(ctx, bob, 1, val.AccountID()); err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"//m1", "//m2", "//m3"} {
		k := key(t, m)
		if _, err := cl.BurnedRegister(ctx, bob, 1, k.AccountID()); err != nil {
			t.Fatal(err)
		}
		if _, err := cl.ServeAxon(ctx, k, 1, subtensor.AxonInfo{IP: netip.MustParseAddr("127.0.0.1"), Port: 8091, Version: 1, Protocol: 4}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cl.AddStake(ctx, bob, val.AccountID(), 1, 100e9); err != nil {
		t.Fatal(err)
	}
	h, err := cl.Hyperparameters(ctx, 1)
	t.Logf("%+v %v", h, err)
	for i := 0; ; i++ {
		_, err = cl.SetWeights(ctx, val, 1, []uint16{2, 3, 4}, []uint16{1, 2, 5}, 0)
		if err == nil {
			break
		}
		if i > 30 {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	for {
		m, err := cl.Metagraph(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if m.Neurons[4].Incentive > 0 {
			for _, n := range m.Neurons {
				t.Logf("%+v", n)
			}
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%+v", c.Stats())
}
