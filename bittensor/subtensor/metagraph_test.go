package subtensor_test

import (
	"math/big"
	"net/netip"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

// An address is a number of the chain's, which may be any: too large a one is none.
func TestAxonAddress(t *testing.T) {
	tooLarge := new(big.Int).Lsh(big.NewInt(1), 128)
	for _, c := range []struct {
		ip   *big.Int
		kind uint8
		want netip.Addr
	}{
		{big.NewInt(0x0a010203), 4, netip.MustParseAddr("10.1.2.3")},
		{nil, 4, netip.Addr{}}, {tooLarge, 4, netip.Addr{}}, {tooLarge, 6, netip.Addr{}},
	} {
		if got := subtensor.AxonAddr(c.ip, c.kind); got != c.want {
			t.Errorf("%v: %v, want %v", c.ip, got, c.want)
		}
	}
}

// Serving lists those with an address, and AxonAt tells that of a listener.
func TestServing(t *testing.T) {
	at := netip.MustParseAddrPort("[::ffff:10.1.2.3]:8091")
	m := subtensor.Metagraph{Neurons: []subtensor.Neuron{{UID: 0}, {UID: 1, Axon: subtensor.AxonAt(at)}, {UID: 2, Axon: subtensor.AxonInfo{Port: 1}}}}
	got := m.Serving()
	if len(got) != 1 || got[0].UID != 1 || got[0].Axon.AddrPort() != netip.MustParseAddrPort("10.1.2.3:8091") {
		t.Errorf("%+v", got)
	}
}
