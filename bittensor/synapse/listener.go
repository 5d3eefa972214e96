package synapse

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// limitedListener closes connections beyond a total and beyond a number per
// address, at once and without a word: answering would be work too.
type limitedListener struct {
	net.Listener
	total, perIP int

	mu      sync.Mutex
	open    int
	byIP    map[netip.Addr]int
	refused atomic.Uint64
}

func newLimitedListener(l net.Listener, total, perIP int) *limitedListener {
	return &limitedListener{Listener: l, total: total, perIP: perIP, byIP: map[netip.Addr]int{}}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ip := addrOf(conn.RemoteAddr())
		if l.admit(ip) {
			return &countedConn{Conn: conn, release: func() { l.release(ip) }}, nil
		}
		l.refused.Add(1)
		conn.Close()
	}
}

func (l *limitedListener) admit(ip netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.total || l.byIP[ip] >= l.perIP {
		return false
	}
	l.open++
	l.byIP[ip]++
	return true
}

func (l *limitedListener) release(ip netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.byIP[ip]--; l.byIP[ip] <= 0 {
		delete(l.byIP, ip)
	}
}

func (l *limitedListener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// addrOf is the address by which connections are counted: an IPv6 caller owns at
// least a /64, so that is what counts as one.
func addrOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

type countedConn struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *countedConn) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}

// CloseWrite lets net/http close a connection gently after an early answer.
func (c *countedConn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return nil
}
