package btauth

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// Sign signs a request by setting its headers. The zero receiver signs for anybody, which
// most servers refuse. nonce is the time in nanoseconds since 1970; a request that is
// sent again needs a new one. The body is read and put back.
func Sign(r *http.Request, signer Signer, receiver ss58.AccountID, nonce int64) error {
	if signer == nil {
		return errors.New("signing a request: no signer; try: pass the neuron's hotkey")
	}
	body, err := readBody(r)
	if err != nil {
		return fmt.Errorf("signing a request: reading its body: %w", err)
	}
	sender, to := signer.AccountID().String(), ""
	if !receiver.IsZero() {
		to = receiver.String()
	}
	sig, err := signer.Sign(payload("sr25519", method(r), r.URL.RequestURI(), body, nonce, sender, to))
	if err != nil {
		return fmt.Errorf("signing a request: %w", err)
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set(HeaderVersion, version)
	r.Header.Set(HeaderHotkey, sender)
	r.Header.Set(HeaderNonce, strconv.FormatInt(nonce, 10))
	r.Header.Set(HeaderSignature, "0x"+hex.EncodeToString(sig[:]))
	r.Header.Del(HeaderCrypto) // a request that is signed anew may have had one
	r.Header.Del(HeaderReceiver)
	if to != "" {
		r.Header.Set(HeaderReceiver, to)
	}
	return nil
}

// method is the request's method: net/http sends GET for none.
func method(r *http.Request) string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// readBody reads all of a request's body and leaves the request as it was.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	r.ContentLength = int64(len(body))
	return body, nil
}

// Transport signs the requests of an http.Client. It may be used by many goroutines, and
// Transports for several receivers may share one Base.
type Transport struct {
	Signer   Signer            // the caller's hotkey
	Receiver ss58.AccountID    // zero: anybody
	Base     http.RoundTripper // nil: http.DefaultTransport
	Now      func() time.Time  // nil: time.Now

	last atomic.Int64
}

// RoundTrip sends a signed copy of the request.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	// A RoundTripper leaves the request as it is, but for its body.
	signed := r.Clone(r.Context())
	if err := Sign(signed, t.Signer, t.Receiver, t.nonce()); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	return base.RoundTrip(signed)
}

// nonce is the time, or a little more where another request has that already.
func (t *Transport) nonce() int64 {
	now := time.Now
	if t.Now != nil {
		now = t.Now
	}
	for {
		last := t.last.Load()
		nonce := max(now().UnixNano(), last+1)
		if t.last.CompareAndSwap(last, nonce) {
			return nonce
		}
	}
}
