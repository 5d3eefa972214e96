package api

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// asker is who asks: a key, or nobody in particular at an address.
type asker struct {
	key     store.Key // the zero Key for none
	address string    // what anonymous askers are counted by
}

func (a asker) anonymous() bool { return a.key.ID == "" }

// sees says whether the asker may read and change an answer that a key asked for,
// "" for none.
func (a asker) sees(keyID string) bool {
	return a.key.ID == keyID || a.key.Has(store.ScopeAdmin)
}

// hasKey says whether a request brings a key, valid or not.
func hasKey(r *http.Request) bool { return keyOf(r) != "" }

// keyOf returns the key that a request brings.
func keyOf(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get("X-API-Key")
}

// authenticate finds out who asks. A key that is given must be valid, also where
// none is needed.
func (s *Server) authenticate(r *http.Request) (asker, error) {
	who := asker{address: addressOf(r)}
	token := keyOf(r)
	if token == "" {
		return who, nil
	}
	key, err := s.Store.Authenticate(r.Context(), token)
	switch {
	case err == nil:
		who.key = key
		return who, nil
	case errors.Is(err, store.ErrMalformedKey), errors.Is(err, store.ErrUnknownKey), errors.Is(err, store.ErrRevokedKey), errors.Is(err, store.ErrExpiredKey):
		return who, problem(schema.CodeUnauthorized, "%v; try: a key made with bitmind keys create", err)
	}
	s.log.Error("looking up a key failed", "error", err)
	return who, retryIn(5, problem(schema.CodeOverloaded, "keys cannot be looked up at the moment; try: again in a moment"))
}

// scopeName is where an operation's description holds the scope that it needs.
const scopeName = "scope"

// allowed says whether an asker may use what needs a scope; "" is open to all.
func (s *Server) allowed(who asker, scope string) error {
	switch {
	case scope == "":
		return nil
	case who.anonymous() && !s.RequireKeys:
		return nil
	case who.anonymous():
		return problem(schema.CodeUnauthorized, "this needs a key; try: -H 'Authorization: Bearer bm_…', with a key made with bitmind keys create")
	case !who.key.Has(scope):
		return problem(schema.CodeForbidden, "this key has not the scope %q; try: a key with it (bitmind keys create)", scope)
	}
	return nil
}

// checkScope turns away operations that the asker may not use, before anything of
// the request is read.
func (s *Server) checkScope(ctx huma.Context, next func(huma.Context)) {
	scope, _ := ctx.Operation().Metadata[scopeName].(string)
	if err := s.allowed(requestOf(ctx.Context()).asker, scope); err != nil {
		s.refuse(ctx, err)
		return
	}
	next(ctx)
}

// scoped marks an operation as needing a scope, and describes that.
func scoped(scope string, op huma.Operation) huma.Operation {
	op.Metadata = map[string]any{scopeName: scope}
	// An empty requirement among them: on loopback no key is needed.
	op.Security = []map[string][]string{{"key": {scope}}, {"header": {}}, {}}
	return op
}

var securitySchemes = map[string]*huma.SecurityScheme{
	"key":    {Type: "http", Scheme: "bearer", BearerFormat: "bm_…", Description: "A key made with bitmind keys create."},
	"header": {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "The same key in a header of its own."},
}

// askerOf returns who asks.
func askerOf(ctx context.Context) asker { return requestOf(ctx).asker }

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
