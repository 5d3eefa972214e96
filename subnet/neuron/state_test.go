package neuron

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
)

func TestStateDir(t *testing.T) {
	got := StateDir("/home/me/.bitmind", "default", "hot", 34, "validator")
	if want := filepath.FromSlash("/home/me/.bitmind/default/hot/netuid34/validator"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLockState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	unlock, err := LockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockState(dir); !errors.Is(err, ErrStateInUse) {
		t.Fatalf("a second lock: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = LockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestPublicAddr(t *testing.T) {
	for _, c := range []struct {
		listen, ip string
		port       uint16
		want       string
	}{
		{"127.0.0.1:8091", "", 0, "127.0.0.1:8091"},
		{"127.0.0.1:8091", "203.0.113.5", 0, "203.0.113.5:8091"},
		{"0.0.0.0:8091", "203.0.113.5", 18091, "203.0.113.5:18091"},
		{"[::]:8091", "2001:db8::1", 0, "[2001:db8::1]:8091"},
		{"[::ffff:192.0.2.7]:8091", "", 1, "192.0.2.7:1"},
	} {
		ip, _ := netip.ParseAddr(c.ip) // "" is the zero address
		listen := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.listen))
		got, err := PublicAddr(listen, ip, c.port)
		if err != nil || got.String() != c.want {
			t.Errorf("%s announced by %q:%d: %v, %v; want %s", c.listen, c.ip, c.port, got, err, c.want)
		}
	}
	got, err := PublicAddr(net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[::]:8091")), netip.Addr{}, 0)
	if err != nil || got.Addr().IsUnspecified() || got.Port() != 8091 {
		t.Errorf("a listener on all addresses: %v, %v", got, err)
	}
}
