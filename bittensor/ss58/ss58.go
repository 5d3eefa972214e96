// Package ss58 reads and writes SS58 addresses, the text form of a 32-byte
// account identifier on Substrate chains. Bittensor's addresses have format 42
// and begin with a 5.
//
//	id, err := ss58.Parse("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY")
//	fmt.Println(id) // prints the address again
//
// Form: base58(prefix || account || checksum), where the prefix is the address
// format in one or two bytes and the checksum is the first two bytes of
// blake2b-512("SS58PRE" || prefix || account).
// See https://docs.polkadot.com/polkadot-protocol/parachain-basics/accounts/.
package ss58

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"
)

// Format is the address format of Bittensor, which is Substrate's generic one.
const Format uint16 = 42

// maxFormat is the largest format that the two-byte prefix can hold (14 bits).
const maxFormat = 1<<14 - 1

// maxLen bounds the text that Decode looks at: 36 bytes (a two-byte prefix, the
// account, the checksum) never take more than 50 base58 digits.
const maxLen = 50

// Errors that Decode and Parse wrap.
var (
	// ErrLength reports an address of another length than an account's.
	ErrLength = errors.New("not an SS58 address: wrong length")
	// ErrCharacter reports a character outside base58 (0, O, I and l are not in it).
	ErrCharacter = errors.New("not an SS58 address: character outside base58")
	// ErrPrefix reports a prefix that no address format has.
	ErrPrefix = errors.New("not an SS58 address: bad format prefix")
	// ErrChecksum reports an address with a mistyped or missing character.
	ErrChecksum = errors.New("SS58 checksum does not match: a character is mistyped")
	// ErrFormat reports an address of another network.
	ErrFormat = errors.New("SS58 address of another network")
)

// AccountID is a public key (for Bittensor an sr25519 one), which is the
// account's identifier on the chain.
type AccountID [32]byte

// String gives the address in format 42.
func (id AccountID) String() string { return Encode(id, Format) }

// IsZero reports whether every byte is zero, which stands for "no account": the
// chain uses it as the default of an unset hotkey or coldkey.
func (id AccountID) IsZero() bool { return id == AccountID{} }

// MarshalText gives the address in format 42, so that JSON and YAML hold it.
func (id AccountID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is Parse.
func (id *AccountID) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// Encode writes an address in the given format (0 to 16383; higher bits are
// not looked at).
func Encode(id AccountID, format uint16) string {
	format &= maxFormat
	var raw [36]byte
	data := raw[:0]
	if format < 64 {
		data = append(data, byte(format))
	} else {
		// The two-byte prefix spreads 14 bits so that the first byte's top two
		// bits are 01: 01aaaaaa bbbbbbbb for a = bits 2..7 and b = bits 8..13
		// with bits 0..1 above them.
		data = append(data, byte(format&0xfc)>>2|0x40, byte(format>>8)|byte(format&3)<<6)
	}
	data = append(data, id[:]...)
	sum := checksum(data)
	return encodeBase58(append(data, sum[0], sum[1]))
}

// Decode reads an address of any format and returns the account and the format.
func Decode(s string) (AccountID, uint16, error) {
	if len(s) == 0 || len(s) > maxLen {
		return AccountID{}, 0, ErrLength
	}
	var raw [maxLen]byte
	data, err := decodeBase58(raw[:0], s)
	if err != nil {
		return AccountID{}, 0, err
	}
	// Before the prefix, so that a cut-off address is called just that.
	if len(data) != 35 && len(data) != 36 {
		return AccountID{}, 0, ErrLength
	}
	prefix, format := 1, uint16(data[0])
	switch {
	case data[0] >= 128:
		return AccountID{}, 0, ErrPrefix
	case data[0] >= 64:
		prefix = 2
		format = uint16(data[0]&0x3f)<<2 | uint16(data[1])>>6 | uint16(data[1]&0x3f)<<8
		if format < 64 {
			// The one-byte form is the only one for these: an account has one
			// address in each format.
			return AccountID{}, 0, ErrPrefix
		}
	}
	var id AccountID
	if len(data) != prefix+len(id)+2 {
		return AccountID{}, 0, ErrLength
	}
	sum := checksum(data[:prefix+len(id)])
	if sum[0] != data[prefix+len(id)] || sum[1] != data[prefix+len(id)+1] {
		return AccountID{}, 0, ErrChecksum
	}
	copy(id[:], data[prefix:])
	return id, format, nil
}

// Parse reads a Bittensor address (format 42). An address of another network is
// ErrFormat even though its key would do: it is most likely the wrong one.
func Parse(s string) (AccountID, error) {
	id, format, err := Decode(s)
	if err != nil {
		return AccountID{}, err
	}
	if format != Format {
		return AccountID{}, fmt.Errorf("%w: format %d, not %d", ErrFormat, format, Format)
	}
	return id, nil
}

func checksum(data []byte) [2]byte {
	var raw [7 + 34]byte
	sum := blake2b.Sum512(append(append(raw[:0], "SS58PRE"...), data...))
	return [2]byte{sum[0], sum[1]}
}
