package neuron

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

// AxonChain is what announcing an axon needs of the chain.
type AxonChain interface {
	ServeAxon(ctx context.Context, hotkey subtensor.Signer, netuid uint16, axon subtensor.AxonInfo) (subtensor.Receipt, error)
}

// axonProtocol is what the Python client calls protocol 4: HTTP over TCP.
const axonProtocol = 4

// AxonVersion is the version that our axons announce and put into their headers,
// in the Python client's counting (1.0.0 is 1000000).
const AxonVersion = 1_000_000

// PublicAddr is the address under which others reach a server that listens on
// listen: the external one where it is given, which a neuron behind NAT needs;
// else the listener's own; for a listener on all addresses, the address of this
// machine that its default route uses.
func PublicAddr(listen net.Addr, externalIP netip.Addr, externalPort uint16) (netip.AddrPort, error) {
	own, err := netip.ParseAddrPort(listen.String())
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("reading the listener's address %q: %w", listen, err)
	}
	ip, port := own.Addr().Unmap().WithZone(""), own.Port()
	if externalPort != 0 {
		port = externalPort
	}
	switch {
	case externalIP.IsValid() && !externalIP.IsUnspecified():
		ip = externalIP.Unmap()
	case ip.IsUnspecified():
		ip = outboundIP()
	}
	return netip.AddrPortFrom(ip, port), nil
}

// outboundIP asks the system which of its addresses a packet to the outside
// would carry. Nothing is sent. Without a route it is the loopback address.
func outboundIP() netip.Addr {
	conn, err := net.Dial("udp", "192.0.2.1:9") // an address kept for documentation
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	defer conn.Close()
	addr, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return addr.Addr().Unmap().WithZone("")
}

// Announcer keeps the address of a neuron's axon on the chain: it is sent when
// it is missing there or another, and only then, as each time costs the neuron
// a rate-limited transaction.
type Announcer struct {
	Neuron *Neuron
	Chain  AxonChain
	Signer Signer
	Netuid uint16
	Addr   netip.AddrPort
	// OnAnnounced is called each time the chain is seen to hold the address.
	OnAnnounced func()
	Logger      *slog.Logger

	warned bool
}

// Step waits for the next look at the metagraph and announces the address where
// it has to; run it in a Loop.
func (a *Announcer) Step(ctx context.Context) error {
	var self subtensor.Neuron
	missing := func() bool {
		now, ok := a.Neuron.Self()
		if !ok {
			return false // not registered; the neuron has said so
		}
		if now.Axon.IP == a.Addr.Addr() && now.Axon.Port == a.Addr.Port() {
			if a.OnAnnounced != nil {
				a.OnAnnounced()
			}
			return false
		}
		self = now
		return true
	}
	if err := a.Neuron.WaitUntil(ctx, missing); err != nil {
		return err
	}
	log := OrDiscard(a.Logger)
	if a.Addr.Addr().IsPrivate() && !a.warned {
		a.warned = true
		log.Warn("announcing a private address; neurons elsewhere cannot reach it", "address", a.Addr, "try", "--axon.external_ip with this machine's public address")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := a.Chain.ServeAxon(ctx, a.Signer, a.Netuid, subtensor.AxonInfo{
		IP: a.Addr.Addr(), Port: a.Addr.Port(), Version: AxonVersion, Protocol: axonProtocol,
	})
	if err != nil {
		if a.Addr.Addr().IsLoopback() {
			return fmt.Errorf("announcing the axon's address %s: %w; try: --axon.external_ip with an address that others can reach", a.Addr, err)
		}
		return fmt.Errorf("announcing the axon's address %s: %w", a.Addr, err)
	}
	log.Info("axon announced", "address", a.Addr, "uid", self.UID)
	// The next look must see it, else it would be sent twice.
	return a.Neuron.Sync(ctx)
}
