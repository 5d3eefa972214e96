package fetch

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// closed are the networks that nothing public lives in, of the registries of
// special-purpose addresses (RFC 6890, kept by IANA).
var closed = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // behind a carrier's NAT
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, and the clouds' metadata
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
	"2001::/23",       // protocol assignments: Teredo, benchmarks, ORCHID
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: an IPv4 address within
	"3fff::/20",       // documentation
)

// global is the part of IPv6 that is public at all. It leaves out loopback,
// link-local, site-local, unique local, multicast, and the ranges that hold an IPv4
// address: mapped, compatible and NAT64.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// public says whether anybody on the internet could connect to an address.
func public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	// One that is mapped into IPv6 reaches the IPv4 address.
	addr = addr.Unmap()
	if addr.Is6() && !global.Contains(addr) {
		return false
	}
	return !slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// exception is a host that may be asked though it is private.
type exception struct {
	name string // "" where net is set
	net  netip.Prefix
	port uint16 // 0: any
}

func parseException(text string) (exception, error) {
	var e exception
	host := text
	if h, p, err := net.SplitHostPort(text); err == nil {
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil || port == 0 {
			return e, fmt.Errorf("%q: %q is not a port; try: host:8080", text, p)
		}
		host, e.port = h, uint16(port)
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if p, err := netip.ParsePrefix(host); err == nil {
		e.net = p.Masked()
		return e, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		e.net = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		return e, nil
	}
	if host == "" || strings.ContainsAny(host, "/ *@:") {
		return e, fmt.Errorf("%q names no host; try: a name, an address or a network such as 10.1.0.0/16", text)
	}
	e.name = host
	return e, nil
}

// excepted says whether an exception holds for a host's name or for an address.
func (f *Fetcher) excepted(name string, at netip.AddrPort) bool {
	for _, e := range f.allow {
		if e.port != 0 && e.port != at.Port() {
			continue
		}
		if e.name != "" && e.name == strings.ToLower(strings.TrimSuffix(name, ".")) || e.net.IsValid() && at.Addr().IsValid() && e.net.Contains(at.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// permitted says whether a connection may be made to an address that a name has.
func (f *Fetcher) permitted(name string, at netip.AddrPort) bool {
	if f.excepted(name, at) || f.cfg.AllowAddress != nil && f.cfg.AllowAddress(at) {
		return true
	}
	return public(at.Addr()) && (at.Port() == 80 || at.Port() == 443)
}

// checkURL refuses what shows in the address itself.
func (f *Fetcher) checkURL(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%w: it is not http or https; try: https://example.com/photo.jpg", ErrRefused)
	case u.User != nil:
		return fmt.Errorf("%w: it holds a user name or password; try: an address without them", ErrRefused)
	case host == "" || u.Opaque != "":
		return fmt.Errorf("%w: it names no host; try: https://example.com/photo.jpg", ErrRefused)
	case len(host) > 253 || strings.ContainsAny(host, "%"):
		return fmt.Errorf("%w: its host cannot be read", ErrRefused)
	}
	port := uint16(80)
	if u.Scheme == "https" {
		port = 443
	}
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%w: %q is not a port", ErrRefused, text)
		}
		port = uint16(n)
	}
	name := strings.TrimSuffix(host, ".")
	addr, err := netip.ParseAddr(name)
	if err != nil {
		if endsInNumber(name) {
			return fmt.Errorf("%w: %q is an address in a form that is not taken; try: four decimal numbers, or a name", ErrRefused, host)
		}
		if port != 80 && port != 443 && !f.portExcepted(name, port) {
			return refusedPort(port)
		}
		return nil
	}
	at := netip.AddrPortFrom(addr, port)
	if f.permitted(name, at) {
		return nil
	}
	if !public(addr) {
		return f.refusedAddress(host)
	}
	return refusedPort(port)
}

// portExcepted says whether some address of a name might be allowed on a port; the
// connection decides.
func (f *Fetcher) portExcepted(name string, port uint16) bool {
	if f.cfg.AllowAddress != nil || f.excepted(name, netip.AddrPortFrom(netip.Addr{}, port)) {
		return true
	}
	return slices.ContainsFunc(f.allow, func(e exception) bool { return e.net.IsValid() && (e.port == 0 || e.port == port) })
}

func (f *Fetcher) refusedAddress(host string) error {
	try := f.cfg.Instead
	if f.cfg.Option != "" {
		try += ", or start the server with " + f.cfg.Option + " " + host
	}
	return fmt.Errorf("%w: %s is not on the public internet; try: %s", ErrRefused, host, try)
}

func refusedPort(port uint16) error {
	return fmt.Errorf("%w: port %d; try: an address on port 80 or 443", ErrRefused, port)
}

// endsInNumber says whether a host would be read as an IPv4 address by programs
// that take octal, hexadecimal and single numbers too (WHATWG URL, "ends in a
// number").
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return false
	}
	if strings.IndexFunc(last, func(c rune) bool { return c < '0' || c > '9' }) < 0 {
		return true
	}
	if digits, ok := strings.CutPrefix(strings.ToLower(last), "0x"); ok {
		_, err := strconv.ParseUint(digits, 16, 64)
		return digits == "" || err == nil
	}
	return false
}

// dial connects to a host: it asks for its addresses once, and connects to one of
// those that are permitted, by number.
func (f *Fetcher) dial(ctx context.Context, _, address string) (net.Conn, error) {
	name, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	if addr, err := netip.ParseAddr(name); err == nil {
		addrs = []netip.Addr{addr}
	} else if addrs, err = f.cfg.Resolver.LookupNetIP(ctx, "ip", name); err != nil {
		return nil, err
	}
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool {
		return !f.permitted(name, netip.AddrPortFrom(a, uint16(port)))
	})
	if len(addrs) == 0 {
		return nil, f.refusedAddress(name)
	}
	dialer := net.Dialer{Timeout: f.cfg.Idle, Control: func(_, address string, _ syscall.RawConn) error {
		// Once more, of what the system is about to connect to.
		at, err := netip.ParseAddrPort(address)
		if err != nil || !f.permitted(name, at) {
			return f.refusedAddress(name)
		}
		return nil
	}}
	for _, addr := range addrs {
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(addr.Unmap(), uint16(port)).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
