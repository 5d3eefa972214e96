package wallet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// devPhrase is the public mnemonic that Substrate's development accounts, such
// as //Alice, are derived from.
const devPhrase = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"

// maxJunctions bounds the work that a foreign URI can ask for.
const maxJunctions = 64

// ErrURI reports a secret URI that cannot be read. Errors never quote the URI.
var ErrURI = errors.New("not a secret URI; try: MNEMONIC//hard/soft///password, 0xSEED//hard or //Alice")

// junction is one step of a derivation path.
type junction struct {
	hard bool
	code [32]byte
}

// FromURI makes the key of a Substrate secret URI: a mnemonic or a 0x seed (none:
// the public development phrase), then hard (//name) and soft (/name) junctions,
// then an optional ///password of the mnemonic. "//Alice" is a development key:
// anybody can make it.
func FromURI(uri string) (*Keypair, error) {
	base, path, password, err := splitURI(uri)
	if err != nil {
		return nil, err
	}
	junctions, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	var pair *Keypair
	switch {
	case strings.HasPrefix(base, "0x"):
		seed, err := parseSeed(base)
		if err != nil {
			return nil, err
		}
		if password != "" {
			return nil, fmt.Errorf("%w: a seed takes no password", ErrURI)
		}
		pair, err = FromSeed(seed)
		if err != nil {
			return nil, err
		}
	default:
		if base == "" {
			base = devPhrase
		}
		pair, err = fromMnemonic(base, password)
		if err != nil {
			return nil, err
		}
	}
	if len(junctions) == 0 {
		return pair, nil
	}
	key, seed := pair.secret().key, pair.secret().seed
	for _, j := range junctions {
		if key, seed, err = key.derive(j); err != nil {
			return nil, err
		}
	}
	return newKeypair(secret{key: key, seed: seed}), nil
}

// splitURI cuts a URI into what stands before the first slash, the path, and what
// stands behind "///".
func splitURI(uri string) (base, path, password string, err error) {
	if uri == "" {
		return "", "", "", ErrURI
	}
	rest, password, found := strings.Cut(uri, "///")
	if found && password == "" {
		return "", "", "", fmt.Errorf("%w: nothing follows ///", ErrURI)
	}
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		slash = len(rest)
	}
	return strings.TrimSpace(rest[:slash]), rest[slash:], password, nil
}

func parsePath(path string) ([]junction, error) {
	var junctions []junction
	for path != "" {
		path = path[1:] // the slash that got us here
		hard := strings.HasPrefix(path, "/")
		if hard {
			path = path[1:]
		}
		end := strings.IndexByte(path, '/')
		if end < 0 {
			end = len(path)
		}
		if end == 0 {
			return nil, fmt.Errorf("%w: empty junction %d", ErrURI, len(junctions)+1)
		}
		if len(junctions) == maxJunctions {
			return nil, fmt.Errorf("%w: more than %d junctions", ErrURI, maxJunctions)
		}
		junctions = append(junctions, junction{hard, chainCode(path[:end])})
		path = path[end:]
	}
	return junctions, nil
}

// chainCode turns a junction's name into 32 bytes, as sp_core does: the SCALE form
// of an unsigned 64-bit number or of a string, padded with zeros, or its
// blake2b-256 where it is longer.
func chainCode(name string) (code [32]byte) {
	if n, err := strconv.ParseUint(strings.TrimPrefix(name, "+"), 10, 64); err == nil {
		for i := range 8 {
			code[i] = byte(n >> (8 * i))
		}
		return code
	}
	scale := append(compactLength(len(name)), name...)
	if len(scale) > len(code) {
		return blake2b.Sum256(scale)
	}
	copy(code[:], scale)
	return code
}

// compactLength is SCALE's compact form of a length below 2^30.
func compactLength(n int) []byte {
	switch {
	case n < 1<<6:
		return []byte{byte(n << 2)}
	case n < 1<<14:
		return []byte{byte(n<<2) | 1, byte(n >> 6)}
	default:
		return []byte{byte(n<<2) | 2, byte(n >> 6), byte(n >> 14), byte(n >> 22)}
	}
}

// parseSeed reads 0x and 64 hexadecimal digits. Errors never quote the seed.
func parseSeed(s string) (seed [32]byte, err error) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok || len(digits) != 64 {
		return seed, errors.New("not a seed; try: 0x followed by 64 hexadecimal digits")
	}
	if _, err := hex.Decode(seed[:], []byte(digits)); err != nil {
		return [32]byte{}, errors.New("not a seed: a character is no hexadecimal digit; try: 0x followed by 64 of 0-9 and a-f")
	}
	return seed, nil
}
