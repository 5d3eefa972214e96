package synapse

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/btauth"
)

// Requests by btauth/1, the scheme of SDK 11, come to the same port and names. Their
// body is the synapse's own fields and so is the answer's; there are no bt_header_*
// headers either way. The signature covers the body, so that is read before the caller
// is verified, but after everything that the headers alone can refuse.

// parseSigned reads the headers of a btauth request.
func (x *exchange) parseSigned() *refusal {
	claim, err := x.axon.auth.Check(x.r.Header)
	if err != nil {
		return &refusal{code: http.StatusUnauthorized, message: err.Error()}
	}
	x.claim = claim
	x.from.Hotkey, x.from.Nonce = claim.Hotkey, claim.Nonce
	x.from.Timeout = x.axon.cfg.DefaultTimeout
	return nil
}

// decodeSigned verifies and decodes the body of a btauth request.
func (x *exchange) decodeSigned(data []byte, v reflect.Value) *refusal {
	target := x.r.RequestURI
	if !strings.HasPrefix(target, "/") { // a proxy's form, or a request that came from no server
		target = x.r.URL.RequestURI()
	}
	if err := x.axon.auth.Accept(x.claim, x.r.Method, target, data); err != nil {
		return &refusal{code: http.StatusUnauthorized, message: err.Error()}
	}
	if len(data) == 0 {
		data = []byte("{}")
	}
	return x.decode(data, v, new(envelope))
}

// succeedSigned sends the synapse's fields.
func (x *exchange) succeedSigned(v reflect.Value) int {
	buf := getBuffer()
	defer putBuffer(buf)
	body, err := x.ep.layout.appendFields((*buf)[:0], v, false)
	if err != nil {
		return x.refuse(x.axon.internalError("encoding answer", err))
	}
	*buf = body
	if len(body) == 0 {
		body = append(body, ',')
	}
	body[0] = '{' // in place of the separator before the first field
	return x.send(http.StatusOK, append(body, '}'))
}

// isSigned reports whether the request is by btauth/1.
func (x *exchange) isSigned() bool { return btauth.Present(x.r.Header) }
