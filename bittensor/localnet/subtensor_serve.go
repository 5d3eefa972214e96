package localnet

import (
	"math/big"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

func servingCalls() map[string]callFunc {
	axon := func(e *env, from origin, a args) error {
		hotkey, err := from.signed()
		if err != nil {
			return err
		}
		if err := e.checkAxon(hotkey, a); err != nil {
			return err
		}
		netuid := a.u16("netuid")
		if cert := arg[[]byte](a, "certificate"); len(cert) > 1 && len(cert) <= 65 {
			// The first byte names the algorithm, the key follows.
			e.setRaw("NeuronCertificates", append(scaleBytes(cert[1:]), cert[0]), le16(netuid), hotkey[:])
		}
		info := axonInfo{
			block: e.block, version: arg[uint32](a, "version"), ip: toIP(a.any("ip")), port: a.u16("port"),
			ipType: arg[uint8](a, "ip_type"), protocol: arg[uint8](a, "protocol"),
			placeholder1: arg[uint8](a, "placeholder1"), placeholder2: arg[uint8](a, "placeholder2"),
		}
		e.setRaw("Axons", info.encode(), le16(netuid), hotkey[:])
		e.emit("SubtensorModule", "AxonServed", netuid, hotkey)
		return nil
	}
	return map[string]callFunc{
		"SubtensorModule.serve_axon":       axon,
		"SubtensorModule.serve_axon_tls":   axon,
		"SubtensorModule.serve_prometheus": (*env).servePrometheus,
	}
}

func scaleBytes(b []byte) []byte {
	var e scale.Encoder
	e.Blob(b)
	return e.Bytes()
}

// axonInfo is where a neuron serves its axon. The address is a 128-bit
// number, little-endian as in SCALE.
type axonInfo struct {
	block                                        uint64
	version                                      uint32
	ip                                           [16]byte
	port                                         uint16
	ipType, protocol, placeholder1, placeholder2 uint8
}

func (a axonInfo) encode() []byte {
	var e scale.Encoder
	e.Uint64(a.block)
	e.Uint32(a.version)
	e.Raw(a.ip[:])
	e.Uint16(a.port)
	e.Raw([]byte{a.ipType, a.protocol, a.placeholder1, a.placeholder2})
	return e.Bytes()
}

func toIP(v any) (out [16]byte) {
	if n, ok := v.(*big.Int); ok && n.Sign() >= 0 && n.BitLen() <= 128 {
		for i, b := range n.Bytes() {
			out[len(n.Bytes())-1-i] = b
		}
	}
	return out
}

// checkAxon holds the checks of serve_axon, which run when a transaction is
// validated and again when it is executed.
func (e *env) checkAxon(hotkey ss58.AccountID, a args) error {
	if !e.registeredAnywhere(hotkey) {
		return e.fail("HotKeyNotRegisteredInNetwork")
	}
	if err := e.checkAddress(a, true); err != nil {
		return err
	}
	netuid := le16(a.u16("netuid"))
	last := uint64(0)
	if b := e.raw("Axons", netuid, hotkey[:]); len(b) >= 8 {
		last, _ = scale.NewDecoder(b).Uint64()
	}
	return e.checkServing(a, last)
}

func (e *env) checkAddress(a args, allowZero bool) error {
	ipType := arg[uint8](a, "ip_type")
	if ipType != 4 && ipType != 6 {
		return e.fail("InvalidIpType")
	}
	ip, _ := a.any("ip").(*big.Int)
	if ip == nil {
		ip = new(big.Int)
	}
	loopback := ipType == 4 && ip.Cmp(big.NewInt(0x7f000001)) == 0 || ipType == 6 && ip.Cmp(big.NewInt(1)) == 0
	tooLarge := ipType == 4 && ip.Cmp(big.NewInt(0xffffffff)) >= 0 || ip.BitLen() == 128 && ip.TrailingZeroBits() == 0 && allOnes(ip)
	if ip.Sign() == 0 && !allowZero || loopback && !e.rt.allowLoopback || tooLarge {
		return e.fail("InvalidIpAddress")
	}
	return nil
}

// allOnes reports whether every bit of a number is set.
func allOnes(n *big.Int) bool {
	next := new(big.Int).Add(n, big.NewInt(1))
	return int(next.TrailingZeroBits()) == n.BitLen()
}

func (e *env) checkServing(a args, last uint64) error {
	limit := e.u64("ServingRateLimit", le16(a.u16("netuid")))
	if limit > 0 && last > 0 && satSub(e.block, last) < limit {
		return e.fail("ServingRateLimitExceeded")
	}
	if a.u16("port") == 0 {
		return e.fail("InvalidPort")
	}
	return nil
}

func (e *env) servePrometheus(from origin, a args) error {
	hotkey, err := from.signed()
	if err != nil {
		return err
	}
	if err := e.checkAddress(a, false); err != nil {
		return err
	}
	if !e.registeredAnywhere(hotkey) {
		return e.fail("HotKeyNotRegisteredInNetwork")
	}
	netuid := a.u16("netuid")
	last := uint64(0)
	if b := e.raw("Prometheus", le16(netuid), hotkey[:]); len(b) >= 8 {
		last, _ = scale.NewDecoder(b).Uint64()
	}
	if err := e.checkServing(a, last); err != nil {
		return err
	}
	var w scale.Encoder
	w.Uint64(e.block)
	w.Uint32(arg[uint32](a, "version"))
	ip := toIP(a.any("ip"))
	w.Raw(ip[:])
	w.Uint16(a.u16("port"))
	w.Uint8(arg[uint8](a, "ip_type"))
	e.setRaw("Prometheus", w.Bytes(), le16(netuid), hotkey[:])
	e.emit("SubtensorModule", "PrometheusServed", netuid, hotkey)
	return nil
}
