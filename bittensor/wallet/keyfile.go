package wallet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// maxKeyfile bounds a keyfile's size in bytes; real ones have under 1,000.
const maxKeyfile = 64 << 10

// cryptoSR25519 is the cryptoType of sr25519 in keyfiles (0 is ed25519).
const cryptoSR25519 = 1

// Form is the way a keyfile's JSON is written. Every version of the Python wallet
// reads both.
type Form int

// The two forms.
const (
	// FormCurrent is that of bittensor-wallet 2 to 4: compact, absent values
	// left out, with the cryptoType.
	FormCurrent Form = iota
	// FormSDK7 is that of the SDK up to 7: Python's json.dumps, absent values
	// null.
	FormSDK7
)

// Errors of keyfiles that callers tell apart.
var (
	// ErrEncrypted reports that a password is needed.
	ErrEncrypted = errors.New("the keyfile is encrypted")
	// ErrPublicOnly reports a keyfile that holds no secret, so cannot sign.
	ErrPublicOnly = errors.New("the keyfile holds a public key only, which cannot sign")
	// ErrKeyfile reports content that is no keyfile.
	ErrKeyfile = errors.New("not a keyfile of the Bittensor wallet")
)

// keyfileJSON has the fields of every version.
type keyfileJSON struct {
	AccountID    *string `json:"accountId"`
	PublicKey    *string `json:"publicKey"`
	PrivateKey   *string `json:"privateKey"`
	SecretPhrase *string `json:"secretPhrase"`
	SecretSeed   *string `json:"secretSeed"`
	SS58Address  *string `json:"ss58Address"`
	CryptoType   *int    `json:"cryptoType"`
}

// Keyfile is a decoded keyfile: an account and, unless it is a public one, its key.
type Keyfile struct {
	ID   ss58.AccountID
	Pair *Keypair // nil in a public keyfile
}

// DecodeKeyfile reads a plain keyfile (ErrEncrypted for another; Decrypt it
// first). It makes the key from the seed, the mnemonic or the private key,
// whichever comes first, and refuses a file whose public parts are another key's.
// Errors never quote the content.
func DecodeKeyfile(data []byte) (*Keyfile, error) {
	if len(data) > maxKeyfile {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrKeyfile, maxKeyfile)
	}
	if e := EncryptionOf(data); e != Plain {
		return nil, fmt.Errorf("%w (%s)", ErrEncrypted, e)
	}
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("0x")) {
		// Old SDKs also took a public key alone.
		id, err := parsePublic(string(data))
		if err != nil {
			return nil, err
		}
		return &Keyfile{ID: id}, nil
	}
	var f keyfileJSON
	if err := json.Unmarshal(data, &f); err != nil {
		// The cause is left out: it can quote a piece of the file.
		return nil, fmt.Errorf("%w: its content is not the expected JSON", ErrKeyfile)
	}
	if f.CryptoType != nil && *f.CryptoType != cryptoSR25519 {
		return nil, fmt.Errorf("%w: cryptoType %d; only sr25519 (1) keys can be used", ErrKeyfile, *f.CryptoType)
	}
	ids, err := f.publicParts()
	if err != nil {
		return nil, err
	}
	pair, err := f.keypair()
	if err != nil {
		return nil, err
	}
	if pair != nil {
		ids = append(ids, pair.id)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: it names no key", ErrKeyfile)
	}
	for _, id := range ids {
		if id != ids[0] {
			return nil, fmt.Errorf("%w: its parts belong to different keys, %s and %s", ErrKeyfile, ids[0], ids[len(ids)-1])
		}
	}
	return &Keyfile{ID: ids[0], Pair: pair}, nil
}

// publicParts reads every field that states the public key.
func (f keyfileJSON) publicParts() ([]ss58.AccountID, error) {
	var ids []ss58.AccountID
	for _, field := range []*string{f.AccountID, f.PublicKey} {
		if !given(field) {
			continue
		}
		id, err := parsePublic(*field)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if given(f.SS58Address) {
		id, _, err := ss58.Decode(*f.SS58Address)
		if err != nil {
			return nil, fmt.Errorf("%w: ss58Address: %w", ErrKeyfile, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// keypair makes the key, nil when the file holds no secret.
func (f keyfileJSON) keypair() (*Keypair, error) {
	switch {
	case given(f.SecretSeed):
		seed, err := parseSeed(with0x(*f.SecretSeed))
		if err != nil {
			return nil, fmt.Errorf("%w: secretSeed: %w", ErrKeyfile, err)
		}
		pair, err := FromSeed(seed)
		if err != nil {
			return nil, fmt.Errorf("%w: secretSeed: %w", ErrKeyfile, err)
		}
		if given(f.SecretPhrase) {
			// The words are kept only where they give this very key: they may
			// be those of a parent, or need a password.
			if fromWords, err := FromMnemonic(*f.SecretPhrase); err == nil && fromWords.id == pair.id {
				pair = fromWords
			}
		}
		return pair, nil
	case given(f.SecretPhrase):
		pair, err := FromMnemonic(*f.SecretPhrase)
		if err != nil {
			return nil, fmt.Errorf("%w: its secretPhrase is not a valid mnemonic", ErrKeyfile)
		}
		return pair, nil
	case given(f.PrivateKey):
		var raw [64]byte
		digits := strings.TrimPrefix(*f.PrivateKey, "0x")
		if len(digits) != 2*len(raw) {
			return nil, fmt.Errorf("%w: privateKey is not 64 bytes in hexadecimal", ErrKeyfile)
		}
		if _, err := hex.Decode(raw[:], []byte(digits)); err != nil {
			return nil, fmt.Errorf("%w: privateKey is not 64 bytes in hexadecimal", ErrKeyfile)
		}
		pair, err := FromPrivateKey(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKeyfile, err)
		}
		return pair, nil
	default:
		return nil, nil
	}
}

func given(field *string) bool { return field != nil && *field != "" }

func with0x(s string) string { return "0x" + strings.TrimPrefix(s, "0x") }

func parsePublic(s string) (id ss58.AccountID, err error) {
	digits := strings.TrimPrefix(s, "0x")
	if len(digits) != 2*len(id) {
		return id, fmt.Errorf("%w: a public key is not 32 bytes in hexadecimal", ErrKeyfile)
	}
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return ss58.AccountID{}, fmt.Errorf("%w: a public key is not 32 bytes in hexadecimal", ErrKeyfile)
	}
	return id, nil
}

// EncodeKeyfile writes the key with all its secrets, unencrypted.
func EncodeKeyfile(pair *Keypair, form Form) []byte {
	raw := pair.secret().key.bytes()
	seed := ""
	if pair.secret().seed != nil {
		seed = "0x" + hex.EncodeToString(pair.secret().seed[:])
	}
	return encode(pair.id, "0x"+hex.EncodeToString(raw[:]), pair.secret().phrase, seed, form)
}

// EncodePublicKeyfile writes a keyfile that names the account only.
func EncodePublicKeyfile(id ss58.AccountID, form Form) []byte {
	return encode(id, "", "", "", form)
}

func encode(id ss58.AccountID, private, phrase, seed string, form Form) []byte {
	public := "0x" + hex.EncodeToString(id[:])
	// No value needs escaping: hexadecimal, listed words and base58.
	fields := []struct{ name, value string }{
		{"accountId", public},
		{"publicKey", public},
		{"privateKey", private},
		{"secretPhrase", phrase},
		{"secretSeed", seed},
		{"ss58Address", id.String()},
	}
	var out bytes.Buffer
	separator, colon := "", ":"
	if form == FormSDK7 {
		colon = ": "
	}
	out.WriteByte('{')
	for _, f := range fields {
		if f.value == "" && form == FormCurrent {
			continue
		}
		out.WriteString(separator + `"` + f.name + `"` + colon)
		if f.value == "" {
			out.WriteString("null")
		} else {
			out.WriteString(`"` + f.value + `"`)
		}
		separator = ","
		if form == FormSDK7 {
			separator = ", "
		}
	}
	if form == FormCurrent {
		fmt.Fprintf(&out, `,"cryptoType":%d`, cryptoSR25519)
	}
	out.WriteByte('}')
	return out.Bytes()
}
