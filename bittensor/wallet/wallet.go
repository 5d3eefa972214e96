// Package wallet keeps Bittensor's keys: coldkeys, which own funds, and hotkeys,
// which sign for a neuron. It reads and writes the files of the Python wallet, so
// both programs can share a folder.
//
//	w := wallet.Open("", "default", "default") // below ~/.bittensor/wallets
//	hotkey, err := w.Hotkey()
//	sig, err := hotkey.Sign([]byte("hello"))
//	ok := wallet.Verify(hotkey.AccountID(), []byte("hello"), sig)
//
// A wallet is a folder:
//
//	<path>/<name>/coldkey            the coldkey, as a rule encrypted
//	<path>/<name>/coldkeypub.txt     its public key
//	<path>/<name>/hotkeys/<hotkey>   a hotkey, as a rule plain
//	<path>/<name>/hotkeys/<hotkey>pub.txt
//
// Keys are sr25519 in the signing context "substrate". Development accounts come
// from secret URIs: wallet.FromURI("//Alice").
package wallet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/internal/homedir"
)

// DefaultDir is where the Python wallet keeps its folders.
const DefaultDir = "~/.bittensor/wallets"

// DefaultName is the name that the Python wallet gives a wallet and a hotkey.
const DefaultName = "default"

// pubSuffix ends the name of a hotkey's public keyfile.
const pubSuffix = "pub.txt"

// Wallet is one coldkey and one of its hotkeys. It holds paths only: keys are
// read from the files when they are asked for.
type Wallet struct {
	dir, name, hotkey string
}

// Open names a wallet; no file is touched. dir is the folder of all wallets,
// DefaultDir when empty; a ~ in front stands for the home folder. Empty names are
// DefaultName.
func Open(dir, name, hotkey string) *Wallet {
	if name == "" {
		name = DefaultName
	}
	if hotkey == "" {
		hotkey = DefaultName
	}
	return &Wallet{expandHome(dir), name, hotkey}
}

func expandHome(dir string) string {
	if dir == "" {
		dir = DefaultDir
	}
	// Without a home folder the path stays as it is, and opening a file below
	// it names it.
	if expanded, err := homedir.Expand(dir); err == nil {
		dir = expanded
	}
	return filepath.Clean(dir)
}

// Name is the wallet's name, which is its coldkey's.
func (w *Wallet) Name() string { return w.name }

// HotkeyName is the hotkey's name.
func (w *Wallet) HotkeyName() string { return w.hotkey }

// Dir is the wallet's own folder.
func (w *Wallet) Dir() string { return filepath.Join(w.dir, w.name) }

// ColdkeyPath is the coldkey's file.
func (w *Wallet) ColdkeyPath() string { return filepath.Join(w.Dir(), "coldkey") }

// ColdkeyPubPath is the file of the coldkey's public key.
func (w *Wallet) ColdkeyPubPath() string { return filepath.Join(w.Dir(), "coldkeypub.txt") }

// HotkeyPath is the hotkey's file.
func (w *Wallet) HotkeyPath() string { return filepath.Join(w.Dir(), "hotkeys", w.hotkey) }

// HotkeyPubPath is the file of the hotkey's public key, which wallets of SDK 7
// and before don't have.
func (w *Wallet) HotkeyPubPath() string { return w.HotkeyPath() + pubSuffix }

// Hotkey reads the hotkey. An encrypted one is ErrEncrypted: see UnlockHotkey.
func (w *Wallet) Hotkey() (*Keypair, error) { return w.UnlockHotkey(nil) }

// UnlockHotkey reads the hotkey, asking for the password if its file is encrypted.
func (w *Wallet) UnlockHotkey(password func() (string, error)) (*Keypair, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	pair, err := unlock(w.HotkeyPath(), password)
	if err != nil {
		return nil, fmt.Errorf("reading hotkey %q of wallet %q: %w", w.hotkey, w.name, err)
	}
	return pair, nil
}

// Coldkey reads the coldkey, asking for the password if its file is encrypted.
// Decrypting takes seconds of one core and 512 MiB of memory.
func (w *Wallet) Coldkey(password func() (string, error)) (*Keypair, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	pair, err := unlock(w.ColdkeyPath(), password)
	if err != nil {
		return nil, fmt.Errorf("reading the coldkey of wallet %q: %w", w.name, err)
	}
	return pair, nil
}

// HotkeyID gives the hotkey's public key and needs no password.
func (w *Wallet) HotkeyID() (ss58.AccountID, error) {
	if err := w.check(); err != nil {
		return ss58.AccountID{}, err
	}
	id, err := publicID(w.HotkeyPath(), w.HotkeyPubPath())
	if err != nil {
		return id, fmt.Errorf("reading the address of hotkey %q of wallet %q: %w", w.hotkey, w.name, err)
	}
	return id, nil
}

// ColdkeyID gives the coldkey's public key and needs no password.
func (w *Wallet) ColdkeyID() (ss58.AccountID, error) {
	if err := w.check(); err != nil {
		return ss58.AccountID{}, err
	}
	id, err := publicID(w.ColdkeyPath(), w.ColdkeyPubPath())
	if err != nil {
		return id, fmt.Errorf("reading the coldkey address of wallet %q: %w", w.name, err)
	}
	return id, nil
}

// check refuses names that would leave the wallet's folder.
func (w *Wallet) check() error {
	for _, name := range []string{w.name, w.hotkey} {
		if name == "." || name == ".." || strings.ContainsAny(name, `/\`+"\x00") {
			return fmt.Errorf("%q cannot name a wallet or hotkey; try: a name without slashes", name)
		}
	}
	return nil
}

// unlock reads a keyfile that must hold a secret.
func unlock(path string, password func() (string, error)) (*Keypair, error) {
	data, err := readKeyfile(path)
	if err != nil {
		return nil, err
	}
	if e := EncryptionOf(data); e != Plain {
		if password == nil {
			return nil, fmt.Errorf("%s: %w (%s)", path, ErrEncrypted, e)
		}
		secret, err := password()
		if err != nil {
			return nil, err
		}
		if data, err = Decrypt(data, secret); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	f, err := DecodeKeyfile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Pair == nil {
		return nil, fmt.Errorf("%s: %w", path, ErrPublicOnly)
	}
	return f.Pair, nil
}

// publicID reads the account from the key's own file where that is plain, which
// cannot be out of date, otherwise from the public one.
func publicID(path, pubPath string) (ss58.AccountID, error) {
	data, err := readKeyfile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ss58.AccountID{}, err
	}
	own := path
	if err != nil || EncryptionOf(data) != Plain {
		own = pubPath
		pub, pubErr := readKeyfile(pubPath)
		switch {
		case pubErr == nil:
			data = pub
		case err == nil && errors.Is(pubErr, fs.ErrNotExist):
			return ss58.AccountID{}, fmt.Errorf("%s: %w, and %s is missing", path, ErrEncrypted, filepath.Base(pubPath))
		case errors.Is(pubErr, fs.ErrNotExist):
			return ss58.AccountID{}, err // the key's own file is the one to name
		default:
			return ss58.AccountID{}, pubErr
		}
	}
	f, err := DecodeKeyfile(data)
	if err != nil {
		return ss58.AccountID{}, fmt.Errorf("%s: %w", own, err)
	}
	return f.ID, nil
}

// readKeyfile reads a file of at most maxKeyfile bytes.
func readKeyfile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &missingError{path}
		}
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyfile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyfile {
		return nil, fmt.Errorf("%s: %w: larger than %d bytes", path, ErrKeyfile, maxKeyfile)
	}
	return data, nil
}

// missingError is a fs.ErrNotExist that says what to do.
type missingError struct{ path string }

func (e *missingError) Error() string {
	return "there is no file " + e.path + "; try: bitmind wallet create, or bitmind wallet list to see which there are"
}

func (e *missingError) Is(target error) bool { return target == fs.ErrNotExist }
