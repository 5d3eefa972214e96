// Package btauth signs and verifies HTTP requests with hotkeys by the btauth/1 scheme,
// with which SDK 11 replaced the axons and dendrites of SDK 6 to 10. A signed request
// proves who sent it, to whom, with exactly this body, and when.
//
// A client:
//
//	client := &http.Client{Transport: &btauth.Transport{Signer: hotkey, Receiver: miner}}
//	response, err := client.Post("http://10.1.2.3:8091/generate", "application/json", body)
//
// A server (an Axon of package synapse does this by itself):
//
//	verifier := btauth.Verifier{Self: hotkey.AccountID()}
//	...
//	caller, err := verifier.Verify(r.Method, r.RequestURI, r.Header, body)
//	if err != nil {
//		http.Error(w, err.Error(), http.StatusUnauthorized)
//	}
//
// # The scheme
//
// A request carries X-Bittensor-Version (1), -Hotkey, -Nonce, -Signature (hexadecimal,
// 0x before it), -Receiver, and -Crypto where the signature is not sr25519. Signed are
// eight lines joined by newlines: "btauth/1", the signature's scheme, the method in
// capitals, the path with its query as sent, the SHA-256 of the body in hexadecimal, the
// nonce, and the addresses of sender and receiver ("-" for a request to anybody). The
// nonce is the time in nanoseconds since 1970. It may be 10 s old and 2 s ahead, and
// each is accepted once from each sender.
package btauth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// The headers of a signed request.
const (
	HeaderVersion   = "X-Bittensor-Version"
	HeaderHotkey    = "X-Bittensor-Hotkey"
	HeaderReceiver  = "X-Bittensor-Receiver"
	HeaderNonce     = "X-Bittensor-Nonce"
	HeaderCrypto    = "X-Bittensor-Crypto"
	HeaderSignature = "X-Bittensor-Signature"
)

const (
	protocol = "btauth/1"
	version  = "1"
	// noReceiver stands in the payload of a request to anybody.
	noReceiver = "-"
)

// Why a request is refused, for errors.Is. All mean status 401: who sent the request is
// not proven.
var (
	// ErrMalformed: a header is missing or cannot be read.
	ErrMalformed = errors.New("MalformedAuth")
	// ErrWrongReceiver: the request was signed for another hotkey, or for anybody.
	ErrWrongReceiver = errors.New("WrongReceiver")
	// ErrStale: the nonce is too old or too far ahead; a wrong clock is a common cause.
	ErrStale = errors.New("StaleRequest")
	// ErrReplayed: this request came before.
	ErrReplayed = errors.New("ReplayedRequest")
	// ErrBadSignature: the sender did not sign this request as it arrived.
	ErrBadSignature = errors.New("BadSignature")
)

// Error is a refusal, in the words of SDK 11. It holds nothing secret and may be sent to
// the caller.
type Error struct {
	Kind    error // one of the errors above
	Message string
}

// Error gives the kind and the message: "StaleRequest: nonce is older than ...".
func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Message }

// Unwrap gives the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Signer signs with a hotkey (sr25519): a key pair of package wallet.
type Signer interface {
	AccountID() ss58.AccountID
	Sign(msg []byte) ([64]byte, error)
}

// payload is what is signed. Sender and receiver are the addresses as the headers give
// them; an empty receiver stands for anybody.
func payload(scheme, method, target string, body []byte, nonce int64, sender, receiver string) []byte {
	if receiver == "" {
		receiver = noReceiver
	}
	hash := sha256.Sum256(body)
	return []byte(strings.Join([]string{
		protocol, scheme, strings.ToUpper(method), target, hex.EncodeToString(hash[:]),
		strconv.FormatInt(nonce, 10), sender, receiver,
	}, "\n"))
}
