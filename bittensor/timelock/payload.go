package timelock

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// WeightsPayload is the plaintext of a weights commit: SCALE of the hotkey as a byte
// vector, the uids, their values and the version key.
type WeightsPayload struct {
	// Hotkey is who commits. The chain refuses a payload that another hotkey sent, so
	// that nobody can copy a commit that he cannot read.
	Hotkey ss58.AccountID
	// UIDs and Values have the same length; a value is of 65535.
	UIDs, Values []uint16
	VersionKey   uint64
	// Legacy means that the payload was in the form of commit-reveal version 3, which
	// has no hotkey. Encode writes the form that Legacy says.
	Legacy bool
}

// Encode returns the payload's bytes.
func (p WeightsPayload) Encode() []byte {
	var e scale.Encoder
	if !p.Legacy {
		e.Blob(p.Hotkey[:])
	}
	for _, values := range [][]uint16{p.UIDs, p.Values} {
		e.Compact(uint64(len(values)))
		for _, v := range values {
			e.Uint16(v)
		}
	}
	e.Uint64(p.VersionKey)
	return e.Bytes()
}

// DecodeWeightsPayload reads a payload as the chain does: in the form with a hotkey
// and, where the bytes do not have it, in the older form without. Like the chain it
// takes no offence at bytes left over. Error: ErrMalformed.
func DecodeWeightsPayload(b []byte) (WeightsPayload, error) {
	p, hotkey, err := decodePayload(b, true)
	if err == nil && len(hotkey) >= len(p.Hotkey) {
		p.Hotkey = ss58.AccountID(hotkey[:len(p.Hotkey)])
		return p, nil
	}
	return DecodeLegacyWeightsPayload(b)
}

// DecodeLegacyWeightsPayload reads a payload in the form of commit-reveal version 3.
// Error: ErrMalformed.
func DecodeLegacyWeightsPayload(b []byte) (WeightsPayload, error) {
	p, _, err := decodePayload(b, false)
	if err != nil {
		return WeightsPayload{}, fmt.Errorf("weights payload of %d bytes: %w", len(b), ErrMalformed)
	}
	p.Legacy = true
	return p, nil
}

func decodePayload(b []byte, withHotkey bool) (p WeightsPayload, hotkey []byte, err error) {
	d := scale.NewDecoder(b)
	if withHotkey {
		if hotkey, err = d.Blob(); err != nil {
			return p, nil, err
		}
	}
	for _, values := range []*[]uint16{&p.UIDs, &p.Values} {
		n, err := d.Length(2)
		if err != nil {
			return p, nil, err
		}
		*values = make([]uint16, n)
		for i := range *values {
			if (*values)[i], err = d.Uint16(); err != nil {
				return p, nil, err
			}
		}
	}
	p.VersionKey, err = d.Uint64()
	return p, hotkey, err
}

// SealedData is a ciphertext with its round, as bittensor-drand's encrypt_at_round
// returns it and its decrypt takes it.
type SealedData struct {
	Ciphertext []byte
	Round      uint64
}

// Encode returns the SCALE bytes.
func (s SealedData) Encode() []byte {
	var e scale.Encoder
	e.Blob(s.Ciphertext)
	e.Uint64(s.Round)
	return e.Bytes()
}

// DecodeSealedData reads SCALE bytes. It does not look into the ciphertext. Error:
// ErrMalformed.
func DecodeSealedData(b []byte) (SealedData, error) {
	var s SealedData
	d := scale.NewDecoder(b)
	var err error
	if s.Ciphertext, err = d.Blob(); err == nil {
		if s.Round, err = d.Uint64(); err == nil {
			err = d.End()
		}
	}
	if err != nil {
		return SealedData{}, fmt.Errorf("sealed data of %d bytes: %w", len(b), ErrMalformed)
	}
	return s, nil
}
