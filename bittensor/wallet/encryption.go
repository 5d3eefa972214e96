package wallet

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/nacl/secretbox"
)

// Encryption tells how a keyfile is encrypted, from its first bytes.
type Encryption string

// The forms that the Python wallet has written over the years. All are read; only
// NaCl is written.
const (
	Plain        Encryption = ""
	NaCl         Encryption = "NaCl"          // "$NACL": argon2i, XSalsa20-Poly1305; since SDK 5
	AnsibleVault Encryption = "Ansible Vault" // "$ANSIBLE_VAULT;1.1;AES256"; SDK 2 to 4
	Fernet       Encryption = "Fernet"        // "gAAAAA": AES-128-CBC with HMAC; the first releases
)

// ErrWrongPassword reports a password that does not open the keyfile. A damaged
// file looks the same: the check is one over password and content.
var ErrWrongPassword = errors.New("wrong password, or the keyfile is damaged; try: the password again, or bitmind wallet regen with the mnemonic")

const (
	naclPrefix    = "$NACL"
	ansiblePrefix = "$ANSIBLE_VAULT"
	fernetPrefix  = "gAAAAA"
)

// The Python wallet derives a NaCl key by libsodium's argon2i at its "sensitive"
// setting, with one salt for everybody.
const (
	naclPasses    = 8
	naclMemoryKiB = 512 * 1024
	naclSalt      = "\x13q\x83\xdf\xf1Z\t\xbc\x9c\x90\xb5Q\x879\xe9\xb1"
)

// Fernet keys are derived by PBKDF2 with one salt for everybody.
const (
	fernetSalt       = "Iguesscyborgslikemyselfhaveatendencytobeparanoidaboutourorigins"
	fernetIterations = 10_000_000
)

const ansibleIterations = 10_000

// EncryptionOf looks at the first bytes of a keyfile.
func EncryptionOf(data []byte) Encryption {
	switch {
	case bytes.HasPrefix(data, []byte(naclPrefix)):
		return NaCl
	case bytes.HasPrefix(data, []byte(ansiblePrefix)):
		return AnsibleVault
	case bytes.HasPrefix(data, []byte(fernetPrefix)):
		return Fernet
	default:
		return Plain
	}
}

// Encrypt seals a keyfile's content as the Python wallet does today ($NACL). It
// takes seconds of one core and 512 MiB of memory, by design.
func Encrypt(plain []byte, password string) ([]byte, error) {
	if password == "" {
		return nil, errors.New("an empty password encrypts nothing; try: a password of several words")
	}
	return sealNaCl(plain, naclKey(password))
}

func sealNaCl(plain []byte, key *[32]byte) ([]byte, error) {
	var nonce [24]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, fmt.Errorf("encrypting the keyfile: reading randomness: %w", err)
	}
	out := append([]byte(naclPrefix), nonce[:]...)
	return secretbox.Seal(out, plain, &nonce, key), nil
}

// Decrypt opens an encrypted keyfile of any form. It needs seconds
// of one core and, for NaCl, 512 MiB of memory. A plain keyfile is returned as it is.
func Decrypt(data []byte, password string) ([]byte, error) {
	switch EncryptionOf(data) {
	case NaCl:
		return openNaCl(data, func() *[32]byte { return naclKey(password) })
	case AnsibleVault:
		return decryptAnsible(data, password)
	case Fernet:
		return openFernet(data, func() ([]byte, error) { return fernetKey(password) })
	default:
		return data, nil
	}
}

func naclKey(password string) *[32]byte {
	// libsodium has one lane, whatever the machine.
	return (*[32]byte)(argon2.Key([]byte(password), []byte(naclSalt), naclPasses, naclMemoryKiB, 1, 32))
}

// openNaCl asks for the key only once the data can be opened at all: it is costly.
func openNaCl(data []byte, key func() *[32]byte) ([]byte, error) {
	data = data[len(naclPrefix):]
	if len(data) < 24+secretbox.Overhead {
		return nil, errors.New("the encrypted keyfile is cut short")
	}
	plain, ok := secretbox.Open(nil, data[24:], (*[24]byte)(data[:24]), key())
	if !ok {
		return nil, ErrWrongPassword
	}
	return plain, nil
}

// decryptAnsible opens Ansible Vault 1.1 and 1.2: hexadecimal lines that hold
// salt, HMAC and ciphertext, each in hexadecimal once more.
func decryptAnsible(data []byte, password string) ([]byte, error) {
	header, body, _ := bytes.Cut(data, []byte("\n"))
	fields := bytes.Split(bytes.TrimSpace(header), []byte(";"))
	if len(fields) < 3 || string(fields[2]) != "AES256" {
		return nil, errors.New("the keyfile is an Ansible Vault of an unknown cipher; only AES256 can be read")
	}
	bad := errors.New("the keyfile is a damaged Ansible Vault")
	inner, err := unhexLine(bytes.Join(bytes.Fields(body), nil))
	if err != nil {
		return nil, bad
	}
	parts := bytes.Split(inner, []byte("\n"))
	if len(parts) != 3 {
		return nil, bad
	}
	var raw [3][]byte
	for i, part := range parts {
		if raw[i], err = unhexLine(part); err != nil {
			return nil, bad
		}
	}
	salt, mac, sealed := raw[0], raw[1], raw[2]
	keys, err := pbkdf2.Key(sha256.New, password, salt, ansibleIterations, 32+32+aes.BlockSize)
	if err != nil {
		return nil, errors.New("deriving the keyfile's key failed")
	}
	if !validMAC(keys[32:64], mac, sealed) {
		return nil, ErrWrongPassword
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		return nil, errors.New("setting up the keyfile's cipher failed")
	}
	plain := make([]byte, len(sealed))
	cipher.NewCTR(block, keys[64:]).XORKeyStream(plain, sealed)
	return unpad(plain)
}

func fernetKey(password string) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, []byte(fernetSalt), fernetIterations, 32)
}

// openFernet opens version 0x80 || time || IV || AES-128-CBC || HMAC-SHA256.
// See https://github.com/fernet/spec/blob/master/Spec.md.
// Like openNaCl it asks for the key late.
func openFernet(data []byte, key func() ([]byte, error)) ([]byte, error) {
	token, err := base64.URLEncoding.DecodeString(string(bytes.TrimSpace(data)))
	const headLen = 1 + 8 + aes.BlockSize
	if err != nil || len(token) < headLen+aes.BlockSize+sha256.Size || token[0] != 0x80 ||
		(len(token)-headLen-sha256.Size)%aes.BlockSize != 0 {
		return nil, errors.New("the keyfile is a damaged Fernet token")
	}
	keys, err := key()
	if err != nil {
		return nil, errors.New("deriving the keyfile's key failed")
	}
	signed, mac := token[:len(token)-sha256.Size], token[len(token)-sha256.Size:]
	if !validMAC(keys[:16], mac, signed) {
		return nil, ErrWrongPassword
	}
	block, err := aes.NewCipher(keys[16:])
	if err != nil {
		return nil, errors.New("setting up the keyfile's cipher failed")
	}
	plain := make([]byte, len(signed)-headLen)
	cipher.NewCBCDecrypter(block, signed[9:headLen]).CryptBlocks(plain, signed[headLen:])
	return unpad(plain)
}

func validMAC(key, want, data []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return hmac.Equal(mac.Sum(nil), want)
}

// unpad takes PKCS #7 padding off.
func unpad(plain []byte) ([]byte, error) {
	if len(plain) == 0 {
		return nil, ErrWrongPassword
	}
	n := int(plain[len(plain)-1])
	if n == 0 || n > aes.BlockSize || n > len(plain) {
		return nil, ErrWrongPassword
	}
	return plain[:len(plain)-n], nil
}

func unhexLine(line []byte) ([]byte, error) {
	out := make([]byte, hex.DecodedLen(len(line)))
	_, err := hex.Decode(out, line)
	return out, err
}
