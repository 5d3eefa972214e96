// Package webhook signs and delivers messages to addresses that their receivers
// named, and checks such signatures for receivers.
//
// A delivery is a POST of a JSON body with the headers Bitmind-Event-Id, the same
// each time a message is sent again, and Bitmind-Signature: "t=1700000000,v1=<hex>",
// the HMAC-SHA256 of the time, a dot and the body under the receiver's secret. A
// receiver checks it before it reads the body:
//
//	body, err := io.ReadAll(r.Body)
//	err = webhook.Verify(secret, r.Header.Get(webhook.SignatureHeader), body, time.Now(), webhook.Tolerance)
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Headers of a delivery.
const (
	SignatureHeader = "Bitmind-Signature"
	EventHeader     = "Bitmind-Event-Id"
	AttemptHeader   = "Bitmind-Attempt"
)

// Tolerance is how far a signature's time may be from the receiver's, so that an
// old delivery cannot be sent again by who overheard it.
const Tolerance = 5 * time.Minute

// Errors of Verify.
var (
	ErrSignature = errors.New("the signature is not of this body and secret")
	ErrTime      = errors.New("the signature is too old, or of the future; try: check the clock")
)

// Sign returns the signature header's value of a body at a time.
func Sign(secret string, body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

func mac(secret, t string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(t))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}

// maxHeader bounds the header that is looked at, in bytes.
const maxHeader = 1000

// Verify checks a signature header against a body. It accepts any of several v1
// values, and ignores what it does not know, as later versions may add to it. The
// errors are ErrSignature and ErrTime.
func Verify(secret, header string, body []byte, now time.Time, tolerance time.Duration) error {
	var at string
	var signatures []string
	if len(header) > maxHeader {
		return ErrSignature
	}
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			if at != "" {
				return ErrSignature
			}
			at = value
		case "v1":
			signatures = append(signatures, value)
		}
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || secret == "" {
		return ErrSignature
	}
	want, valid := mac(secret, at, body), false
	for _, text := range signatures {
		got, err := hex.DecodeString(text)
		valid = err == nil && hmac.Equal(got, want) || valid
	}
	if !valid {
		return ErrSignature
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return fmt.Errorf("%w: it is %s old", ErrTime, age.Round(time.Second))
	}
	return nil
}

// SecretFor derives a receiver's secret from the server's: of each key its own, so
// that none can forge another's deliveries. The empty name is for askers without a
// key.
func SecretFor(master, keyID string) string {
	h := hmac.New(sha256.New, []byte(master))
	h.Write([]byte("bitmind webhook secret of key " + keyID))
	return "whsec_" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
