package substrate

import (
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// Signer signs extrinsics: a sr25519 key pair, such as wallet.Keypair.
type Signer interface {
	AccountID() ss58.AccountID
	Sign(msg []byte) ([64]byte, error)
}

// ExtrinsicParams is everything that an extrinsic's signature covers besides the call.
type ExtrinsicParams struct {
	Nonce uint64
	// Tip in the chain's smallest unit.
	Tip uint64
	Era Era
	// BirthHash is the hash of the era's birth block; not used when immortal.
	BirthHash   Hash
	Genesis     Hash
	SpecVersion uint32
	TxVersion   uint32
	// Extensions overrides or adds values of signed extensions by name.
	Extensions map[string]ExtensionValue
}

// ExtensionValue is what a signed extension puts into the extrinsic (Extra) and into
// the signed payload only (Additional), in any form that EncodeValue takes.
type ExtensionValue struct{ Extra, Additional any }

// EncodeCall encodes a call: the pallet's number, the call's number, the arguments.
func (m *Metadata) EncodeCall(c Call) ([]byte, error) {
	if _, _, err := m.Call(c.Pallet, c.Name); err != nil {
		return nil, err
	}
	b, err := m.EncodeValue(m.OuterCall, c)
	if err != nil {
		return nil, fmt.Errorf("building %s.%s: %w", c.Pallet, c.Name, err)
	}
	return b, nil
}

// DecodeCall reads an encoded call.
func (m *Metadata) DecodeCall(data []byte) (Call, error) {
	v, err := m.DecodeAll(m.OuterCall, data)
	if err != nil {
		return Call{}, err
	}
	c, ok := v.(Call)
	if !ok {
		return Call{}, fmt.Errorf("decoding a call: the metadata's call type is not an enum of pallets")
	}
	return c, nil
}

// SignedParts returns the two parts that the signed extensions contribute: extra
// (inside the extrinsic) and additional (signed only). An extension that is not known
// here gets its type's empty value if it has one, and is an error otherwise.
func (m *Metadata) SignedParts(p ExtrinsicParams) (extra, additional []byte, err error) {
	birth := p.BirthHash
	if p.Era.Immortal() {
		birth = p.Genesis
	}
	known := map[string]ExtensionValue{
		"CheckMortality":           {p.Era, birth},
		"CheckEra":                 {p.Era, birth},
		"CheckNonce":               {p.Nonce, nil},
		"ChargeTransactionPayment": {p.Tip, nil},
		"ChargeAssetTxPayment":     {Record{{"tip", p.Tip}, {"asset_id", nil}}, nil},
		"CheckSpecVersion":         {nil, p.SpecVersion},
		"CheckTxVersion":           {nil, p.TxVersion},
		"CheckGenesis":             {nil, p.Genesis},
		"CheckMetadataHash":        {Record{{"mode", Variant{Name: "Disabled"}}}, nil},
	}
	for name, v := range p.Extensions {
		known[name] = v
	}
	var ex, ad scale.Encoder
	for _, x := range m.Extrinsic.Extensions {
		v, ok := known[x.Name]
		for _, part := range []struct {
			to    *scale.Encoder
			id    TypeID
			value any
		}{{&ex, x.Extra, v.Extra}, {&ad, x.Additional, v.Additional}} {
			if !ok || part.value == nil {
				b, simple := m.fixedZero(part.id, 0)
				if !simple {
					return nil, nil, fmt.Errorf("signed extension %s needs a value of type %s that is not known", x.Name, m.TypeName(part.id))
				}
				part.to.Raw(b)
				continue
			}
			if err := m.AppendValue(part.to, part.id, part.value); err != nil {
				return nil, nil, fmt.Errorf("signed extension %s: %w", x.Name, err)
			}
		}
	}
	return ex.Bytes(), ad.Bytes(), nil
}

// SigningPayload is what a signer signs: call, extra and additional, replaced by
// their blake2b-256 hash when longer than 256 bytes.
func SigningPayload(call, extra, additional []byte) []byte {
	payload := make([]byte, 0, len(call)+len(extra)+len(additional))
	payload = append(append(append(payload, call...), extra...), additional...)
	if len(payload) > 256 {
		sum := blake2b.Sum256(payload)
		return sum[:]
	}
	return payload
}

// SignExtrinsic builds and signs an extrinsic of version 4 around an encoded call, which
// must decode: nothing is signed that is no call. The result begins with its length, as
// author_submitExtrinsic wants it. Client.Submit checks more; see SigningError.
func (m *Metadata) SignExtrinsic(call []byte, signer Signer, p ExtrinsicParams) ([]byte, error) {
	if _, err := m.DecodeCall(call); err != nil {
		return nil, fmt.Errorf("refusing to sign what is no call: %w", err)
	}
	extra, additional, err := m.SignedParts(p)
	if err != nil {
		return nil, err
	}
	sig, err := signer.Sign(SigningPayload(call, extra, additional))
	if err != nil {
		return nil, fmt.Errorf("signing the extrinsic: %w", err)
	}
	return m.assemble(call, extra, signer.AccountID(), sig)
}

func (m *Metadata) assemble(call, extra []byte, signer ss58.AccountID, sig [64]byte) ([]byte, error) {
	var e scale.Encoder
	e.Uint8(0x84)
	if err := m.AppendValue(&e, m.Extrinsic.Address, signer); err != nil {
		return nil, fmt.Errorf("signer's address: %w", err)
	}
	if err := m.AppendValue(&e, m.Extrinsic.Signature, Variant{"Sr25519", sig}); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	e.Raw(extra)
	e.Raw(call)
	return lengthPrefixed(e.Bytes()), nil
}

// UnsignedExtrinsic wraps an encoded call without a signature, as a block author does
// with inherents such as Timestamp.set.
func UnsignedExtrinsic(call []byte) []byte {
	return lengthPrefixed(append([]byte{4}, call...))
}

func lengthPrefixed(b []byte) []byte {
	var e scale.Encoder
	e.Blob(b)
	return e.Bytes()
}

// ExtrinsicHash is the hash by which an extrinsic is known: blake2b-256 of all its
// bytes, the length included.
func ExtrinsicHash(extrinsic []byte) Hash { return blake2b.Sum256(extrinsic) }

// Extrinsic is an extrinsic taken apart, as a server needs it.
type Extrinsic struct {
	// Signed is false for inherents; then only Call and Hash are set.
	Signed bool
	Signer ss58.AccountID
	// Scheme is "Sr25519", "Ed25519" or "Ecdsa"; Signature has 64 bytes (Ecdsa: 65).
	Scheme    string
	Signature []byte
	Era       Era
	Nonce     uint64
	Tip       uint64
	// Extra holds every signed extension's value, by the extension's name.
	Extra Record
	Call  Call
	Hash  Hash

	callBytes, extraBytes []byte
}

// CallBytes is the encoded call.
func (x *Extrinsic) CallBytes() []byte { return x.callBytes }

// ErrNotSigned means an extrinsic carries no signature.
var ErrNotSigned = errors.New("the extrinsic is not signed")

// DecodeExtrinsic takes an extrinsic apart (length, version, signer, signature,
// extensions, call). It does not check the signature: see Extrinsic.Payload.
func (m *Metadata) DecodeExtrinsic(data []byte) (*Extrinsic, error) {
	x, err := m.decodeExtrinsic(data)
	if err != nil {
		return nil, fmt.Errorf("decoding an extrinsic: %w", err)
	}
	return x, nil
}

func (m *Metadata) decodeExtrinsic(data []byte) (*Extrinsic, error) {
	outer := scale.NewDecoder(data)
	body, err := outer.Blob()
	if err != nil {
		return nil, err
	}
	if err := outer.End(); err != nil {
		return nil, err
	}
	x := &Extrinsic{Hash: ExtrinsicHash(data)}
	d := scale.NewDecoder(body)
	version, err := d.Uint8()
	if err != nil {
		return nil, err
	}
	switch version {
	case 0x84:
		x.Signed = true
		if err := m.decodeSignature(x, d, body); err != nil {
			return nil, err
		}
	case 0x04, 0x05:
	default:
		return nil, d.Malformed("extrinsic version %#x", version)
	}
	x.callBytes = body[d.Offset():]
	if x.Call, err = m.DecodeCall(x.callBytes); err != nil {
		return nil, err
	}
	return x, nil
}

func (m *Metadata) decodeSignature(x *Extrinsic, d *scale.Decoder, body []byte) error {
	addr, err := m.DecodeValue(m.Extrinsic.Address, d)
	if err != nil {
		return fmt.Errorf("signer: %w", err)
	}
	if v, ok := addr.(Variant); ok {
		if b, isRaw := v.Value.([]byte); isRaw && v.Name == "Address32" && len(b) == 32 {
			addr = ss58.AccountID(b)
		} else if v.Name == "Id" {
			addr = v.Value
		}
	}
	id, ok := addr.(ss58.AccountID)
	if !ok {
		return d.Malformed("the signer is not a plain account")
	}
	x.Signer = id
	sig, err := m.DecodeValue(m.Extrinsic.Signature, d)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	v, ok := sig.(Variant)
	if ok {
		x.Scheme = v.Name
		x.Signature, ok = v.Value.([]byte)
	}
	if !ok {
		return d.Malformed("the signature has an unknown form")
	}
	start := d.Offset()
	for _, ext := range m.Extrinsic.Extensions {
		v, err := m.DecodeValue(ext.Extra, d)
		if err != nil {
			return fmt.Errorf("signed extension %s: %w", ext.Name, err)
		}
		x.Extra = append(x.Extra, Entry{ext.Name, v})
		switch ext.Name {
		case "CheckMortality", "CheckEra":
			x.Era, _ = v.(Era)
		case "CheckNonce":
			x.Nonce, err = asUint64(v)
		case "ChargeTransactionPayment":
			x.Tip, err = asUint64(v)
		}
		if err != nil {
			return fmt.Errorf("signed extension %s: %w", ext.Name, err)
		}
	}
	x.extraBytes = body[start:d.Offset()]
	return nil
}

// asUint64 reads an integer, alone or inside structs of one field.
func asUint64(v any) (uint64, error) {
	for rec, ok := v.(Record); ok && len(rec) > 0; rec, ok = v.(Record) {
		v = rec[0].Value
	}
	switch n := v.(type) {
	case uint64:
		return n, nil
	case *big.Int:
		if n.IsUint64() {
			return n.Uint64(), nil
		}
	}
	return 0, mismatch(v, "a 64-bit integer")
}

// Payload is what the signer must have signed on the chain that p describes (its
// Genesis, SpecVersion, TxVersion, and the BirthHash of the extrinsic's era). The
// rest of p is taken from the extrinsic.
func (x *Extrinsic) Payload(m *Metadata, p ExtrinsicParams) ([]byte, error) {
	if !x.Signed {
		return nil, ErrNotSigned
	}
	p.Era, p.Nonce, p.Tip = x.Era, x.Nonce, x.Tip
	if p.Extensions == nil {
		p.Extensions = map[string]ExtensionValue{}
	}
	_, additional, err := m.SignedParts(p)
	if err != nil {
		return nil, err
	}
	return SigningPayload(x.callBytes, x.extraBytes, additional), nil
}
