package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
)

// A key is bm_<id>_<secret>: 64 random bits that name it, and 256 that nobody can
// guess followed by a CRC-32 of all before, in lower-case base32. The prefix lets
// a scanner find keys that leaked, the checksum tells a typing mistake from a key
// that is not known.
const (
	// KeyPattern is a regular expression that finds keys in text.
	KeyPattern = `bm_[a-z2-7]{13}_[a-z2-7]{59}`

	keyPrefix   = "bm_"
	keyIDChars  = 13
	secretBytes = 32
	secretChars = 52
	sumChars    = 7
	keyChars    = len(keyPrefix) + keyIDChars + 1 + secretChars + sumChars
)

var keyEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ErrMalformedKey is returned for a text that cannot be a key.
var ErrMalformedKey = errors.New("this is no key of bitmind: it is cut short or mistyped")

func randomText(bytes int) string {
	data := make([]byte, bytes)
	_, _ = rand.Read(data) // never fails, says its documentation
	return keyEncoding.EncodeToString(data)
}

func makeToken(id string) string {
	text := keyPrefix + id + "_" + randomText(secretBytes)
	return text + checksum(text)
}

func checksum(text string) string {
	return keyEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text))))
}

// KeyID returns the id within a key, which may be shown. It knows nothing of
// whether there is such a key.
func KeyID(token string) (string, error) {
	if len(token) != keyChars || !strings.HasPrefix(token, keyPrefix) || token[len(keyPrefix)+keyIDChars] != '_' {
		return "", ErrMalformedKey
	}
	text, sum := token[:keyChars-sumChars], token[keyChars-sumChars:]
	if checksum(text) != sum {
		return "", ErrMalformedKey
	}
	return token[len(keyPrefix) : len(keyPrefix)+keyIDChars], nil
}

// hashToken is what is stored of a key. A fast hash is right here: a slow one
// protects secrets that people choose, and 256 random bits cannot be searched for
// at any speed; but each request would pay for it.
func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
