// Package timelock encrypts to the future with a drand beacon: whoever holds the
// beacon's signature of a round can decrypt what was encrypted to that round, and
// nobody can before the beacon publishes it. Bittensor's commit-reveal (version 3
// and 4) keeps a validator's weights secret this way until others can no longer copy
// them.
//
//	key, net := timelock.QuicknetKey(), timelock.Quicknet
//	round := net.RoundAt(time.Now().Add(time.Hour))
//	box, err := timelock.Encrypt(key, round, []byte("weights"), rand.Reader)
//	...
//	// an hour later, with the round's signature from the beacon
//	sig, err := timelock.ParseSignature(b)
//	err = key.Verify(round, sig)
//	plain, err := timelock.Decrypt(box, sig)
//
// # The scheme
//
// Identity-based encryption after Boneh and Franklin (FullIdent) on BLS12-381, with
// the round as the identity: signatures are in G1 (48 bytes), keys in G2 (96 bytes),
// as in drand's scheme bls-unchained-g1-rfc9380. A round's message is the SHA-256 of
// its number (8 bytes, big-endian), hashed to G1 as RFC 9380 says. The identity-based
// part carries a random AES-256-GCM key, which seals the plaintext.
//
// The bytes are those of the Rust crate tle and so of the Python package
// bittensor-drand; all lengths are 8 bytes, little-endian:
//
//	U             96 bytes, a compressed point of G2
//	len, V        32 bytes
//	len, W        32 bytes
//	len, body     of: len, sealed plaintext with its tag; len, nonce (12 bytes)
//	len, suite    "AES_GCM_"
//
// A ciphertext has no room for the round or the key: SealedData carries the round
// beside it, the chain's calls carry it as an argument.
//
// # Which key
//
// A signature is of one beacon, so both sides must mean the same key. The chain names
// its beacon in the storage item Drand.BeaconConfig; clients of this module read it
// there. The Python SDK does not: it encrypts to Quicknet's key, always.
package timelock

import (
	"encoding/hex"
	"errors"
	"time"
)

// Errors of this package; each is wrapped with what was being done.
var (
	// ErrMalformed means that the bytes are no ciphertext, key, signature or payload:
	// a wrong length, an unknown cipher suite, a point that is not on the curve.
	ErrMalformed = errors.New("malformed")
	// ErrNotInGroup means that a point is on its curve and yet outside the group of
	// prime order, or is the point at infinity. Such points would weaken every check.
	ErrNotInGroup = errors.New("point outside the group")
	// ErrSignature means that a signature is not the key's for that round.
	ErrSignature = errors.New("not the beacon's signature of this round")
	// ErrWrongRound means that a signature does not open a ciphertext: it is of another
	// round or another beacon, or the ciphertext's head was changed.
	ErrWrongRound = errors.New("the signature does not open this ciphertext (another round or beacon, or a changed ciphertext)")
	// ErrTampered means that the signature is right and the sealed plaintext was
	// changed.
	ErrTampered = errors.New("the ciphertext was changed")
)

// Network is a beacon's timetable.
type Network struct {
	// Genesis is when the beacon's first round is published.
	Genesis time.Time
	// Period is the time between two rounds.
	Period time.Duration
}

// Quicknet is drand's beacon that Bittensor uses: a round every 3 s since 2023-08-23.
var Quicknet = Network{Genesis: time.Unix(1692803367, 0), Period: 3 * time.Second}

// Quicknet's chain hash and public key in hex.
const (
	QuicknetHash      = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
	QuicknetPublicKey = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)

// RoundAt returns the round that Bittensor's clients mean by a time: the number of
// whole periods since the genesis, at least 1. drand counts its rounds from 1 at the
// genesis, so this round is published one period before the time.
func (n Network) RoundAt(t time.Time) uint64 {
	if n.Period <= 0 || t.Before(n.Genesis.Add(n.Period)) {
		return 1
	}
	return uint64(t.Sub(n.Genesis) / n.Period)
}

// LatestRound returns the newest round that is published at a time, 0 before the
// first.
func (n Network) LatestRound(t time.Time) uint64 {
	if n.Period <= 0 || t.Before(n.Genesis) {
		return 0
	}
	return uint64(t.Sub(n.Genesis)/n.Period) + 1
}

// Published returns when a round is published.
func (n Network) Published(round uint64) time.Time {
	if round == 0 {
		return n.Genesis
	}
	return n.Genesis.Add(time.Duration(round-1) * n.Period)
}

// QuicknetKey returns Quicknet's public key.
func QuicknetKey() PublicKey {
	b, err := hex.DecodeString(QuicknetPublicKey)
	if err != nil {
		panic(err) // the constant above
	}
	k, err := ParsePublicKey(b)
	if err != nil {
		panic(err)
	}
	return k
}
