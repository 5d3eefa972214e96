package btauth

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// How old a nonce may be, and how far ahead, and how many are remembered, unless a
// Verifier says otherwise.
const (
	DefaultMaxAge   = 10 * time.Second
	DefaultMaxLead  = 2 * time.Second
	defaultMaxSeen  = 1 << 17
	signatureDigits = 128
)

// Verifier verifies requests to one hotkey. The zero value of each field but Self means
// its default. It may be used by many goroutines; all of a server's requests must go
// through one, since it remembers what was accepted. A restart forgets it: for MaxAge
// after it a request from before can come once more.
type Verifier struct {
	Self ss58.AccountID // the hotkey that requests must be signed for

	AllowUnbound bool             // also accept requests that are signed for anybody
	MaxAge       time.Duration    // DefaultMaxAge
	MaxLead      time.Duration    // DefaultMaxLead
	MaxSeen      int              // accepted requests to remember; 131,072
	Now          func() time.Time // time.Now

	once sync.Once
	self string
	seen seenNonces
}

// Caller is who sent a verified request.
type Caller struct {
	Hotkey ss58.AccountID
	Nonce  int64 // nanoseconds since 1970
}

// Claim is what a request's headers say, before its signature is verified.
type Claim struct {
	Caller

	scheme           string
	sender, receiver string // as written
	signature        [64]byte
}

// Present reports whether a request has a header of this scheme, so means to be verified
// by it.
func Present(h http.Header) bool {
	return len(h[HeaderVersion]) > 0 || len(h[HeaderHotkey]) > 0 || len(h[HeaderNonce]) > 0 || len(h[HeaderSignature]) > 0
}

// Verify verifies a request and remembers it: it is accepted once. target is the path
// with the query as it was sent (http.Request.RequestURI), body all of the body as it
// came. The error is an *Error.
func (v *Verifier) Verify(method, target string, h http.Header, body []byte) (Caller, error) {
	c, err := v.Check(h)
	if err == nil {
		err = v.Accept(c, method, target, body)
	}
	if err != nil {
		return Caller{}, err
	}
	return c.Caller, nil
}

// Check does the part of Verify that needs neither the body nor much time: it refuses
// headers that cannot be read, another receiver, and a nonce outside the window.
// Accept does the rest.
func (v *Verifier) Check(h http.Header) (*Claim, error) {
	v.init()
	c, err := parse(h)
	if err != nil {
		return nil, err
	}
	switch {
	case c.receiver == v.self:
	case c.receiver != "":
		return nil, &Error{ErrWrongReceiver, "request was signed for a different receiving hotkey"}
	case !v.AllowUnbound:
		return nil, &Error{ErrWrongReceiver, "missing " + HeaderReceiver + ": this server requires receiver-bound requests"}
	}
	now := v.Now().UnixNano()
	if err := v.fresh(c.Nonce, now); err != nil {
		return nil, err
	}
	return c, nil
}

// Accept verifies the signature of what Check has passed and remembers the request.
func (v *Verifier) Accept(c *Claim, method, target string, body []byte) error {
	v.init()
	message := payload(c.scheme, method, target, body, c.Nonce, c.sender, c.receiver)
	var ok bool
	if c.scheme == "ed25519" {
		// The zero account is a point of small order, for which anybody could sign.
		ok = !c.Hotkey.IsZero() && ed25519.Verify(c.Hotkey[:], message, c.signature[:])
	} else {
		ok = wallet.Verify(c.Hotkey, message, c.signature)
	}
	if !ok {
		return &Error{ErrBadSignature, "signature does not verify against the claimed hotkey"}
	}
	// The window once more, since the body may have taken its time, and by a clock that
	// is read under the lock: by an earlier one a request could pass that another caller
	// has had forgotten as too old.
	v.seen.mu.Lock()
	defer v.seen.mu.Unlock()
	now := v.Now().UnixNano()
	if err := v.fresh(c.Nonce, now); err != nil {
		return err
	}
	if !v.seen.accept(c.Caller, now-int64(v.MaxAge), v.MaxSeen) {
		return &Error{ErrReplayed, "this nonce was already accepted from this hotkey"}
	}
	return nil
}

func (v *Verifier) init() {
	v.once.Do(func() {
		v.self = v.Self.String()
		if v.MaxAge <= 0 {
			v.MaxAge = DefaultMaxAge
		}
		if v.MaxLead <= 0 {
			v.MaxLead = DefaultMaxLead
		}
		if v.MaxSeen <= 0 {
			v.MaxSeen = defaultMaxSeen
		}
		if v.Now == nil {
			v.Now = time.Now
		}
	})
}

// fresh refuses a nonce outside the window. It compares without subtracting the nonce,
// which may be any number.
func (v *Verifier) fresh(nonce, now int64) error {
	switch {
	case nonce < now-int64(v.MaxAge):
		return &Error{ErrStale, fmt.Sprintf("nonce is older than the %gs freshness window", v.MaxAge.Seconds())}
	case nonce > now+int64(v.MaxLead):
		return &Error{ErrStale, fmt.Sprintf("nonce is more than %gs in the future", v.MaxLead.Seconds())}
	}
	return nil
}

// parse reads the headers.
func parse(h http.Header) (*Claim, error) {
	missing := func(name string) error { return &Error{ErrMalformed, "missing " + name} }
	c := &Claim{scheme: "sr25519", sender: h.Get(HeaderHotkey), receiver: h.Get(HeaderReceiver)}
	if h.Get(HeaderVersion) != version {
		return nil, &Error{ErrMalformed, "missing or unsupported " + HeaderVersion + " (expected '1')"}
	}
	if c.sender == "" {
		return nil, missing(HeaderHotkey)
	}
	nonce := h.Get(HeaderNonce)
	if nonce == "" {
		return nil, missing(HeaderNonce)
	}
	var err error
	if c.Nonce, err = strconv.ParseInt(nonce, 10, 64); err != nil {
		return nil, &Error{ErrMalformed, HeaderNonce + " is not a decimal integer"}
	}
	if len(h[HeaderCrypto]) > 0 {
		// The numbers are those of keyfiles.
		switch strings.ToLower(strings.TrimSpace(h.Get(HeaderCrypto))) {
		case "sr25519", "1":
		case "ed25519", "0":
			c.scheme = "ed25519"
		default:
			return nil, &Error{ErrMalformed, "unsupported " + HeaderCrypto}
		}
	}
	digits := strings.TrimPrefix(h.Get(HeaderSignature), "0x")
	if digits == "" {
		return nil, missing(HeaderSignature)
	}
	if len(digits) != signatureDigits {
		return nil, &Error{ErrMalformed, "invalid hotkey address or signature encoding"}
	}
	if _, err := hex.Decode(c.signature[:], []byte(digits)); err != nil {
		return nil, &Error{ErrMalformed, HeaderSignature + " is not hex"}
	}
	if c.Hotkey, err = ss58.Parse(c.sender); err != nil {
		return nil, &Error{ErrMalformed, "invalid hotkey address or signature encoding"}
	}
	return c, nil
}
