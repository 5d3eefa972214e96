package api

import (
	"net/http"
	"net/netip"
	"strings"
)

// asker is who asks: a key, or nobody in particular at an address.
type asker struct {
	address string // what anonymous askers are counted by
}

// name is what the log calls an asker.
func (a asker) name() string { return "" }

// hasKey says whether a request brings a key, valid or not.
func hasKey(r *http.Request) bool { return keyOf(r) != "" }

// keyOf returns the key that a request brings.
func keyOf(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get("X-API-Key")
}

// authenticate finds out who asks.
func (s *Server) authenticate(r *http.Request) (asker, error) {
	return asker{address: addressOf(r)}, nil
}

// addressOf is the client's address; of IPv6 the network that one client has.
func addressOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := at.Addr().Unmap().WithZone("")
	if addr.Is6() {
		if net, err := addr.Prefix(64); err == nil {
			return net.String()
		}
	}
	return addr.String()
}
