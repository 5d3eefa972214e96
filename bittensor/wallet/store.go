package wallet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// SaveOptions says how a key is written.
type SaveOptions struct {
	// Password encrypts the file ($NACL); empty writes it plain.
	Password string
	// Overwrite replaces a key that is there. Without it another key's file is
	// ErrExists: a coldkey that is gone takes its funds along.
	Overwrite bool
	// Form of the JSON; FormCurrent unless set.
	Form Form
}

// ErrExists reports that a key is there already.
var ErrExists = errors.New("there is a key already")

// SaveColdkey writes coldkey and coldkeypub.txt, files 0600 and folders 0700,
// each atomically.
func (w *Wallet) SaveColdkey(pair *Keypair, opts SaveOptions) error {
	if err := w.check(); err != nil {
		return err
	}
	if err := save(pair, w.ColdkeyPath(), w.ColdkeyPubPath(), opts); err != nil {
		return fmt.Errorf("saving the coldkey of wallet %q: %w", w.name, err)
	}
	return nil
}

// SaveHotkey writes the hotkey and its public keyfile like SaveColdkey. (SDK 7
// wrote no public one and does not mind it.)
func (w *Wallet) SaveHotkey(pair *Keypair, opts SaveOptions) error {
	if err := w.check(); err != nil {
		return err
	}
	if err := save(pair, w.HotkeyPath(), w.HotkeyPubPath(), opts); err != nil {
		return fmt.Errorf("saving hotkey %q of wallet %q: %w", w.hotkey, w.name, err)
	}
	return nil
}

// CheckColdkeyFree is ErrExists if SaveColdkey would refuse to write the key of
// this account (the zero account: a new one). Asking first spares a person a
// mnemonic and a password that lead nowhere.
func (w *Wallet) CheckColdkeyFree(id ss58.AccountID) error {
	if err := w.check(); err != nil {
		return err
	}
	return checkFree(w.ColdkeyPath(), w.ColdkeyPubPath(), id)
}

// CheckHotkeyFree is CheckColdkeyFree for the hotkey.
func (w *Wallet) CheckHotkeyFree(id ss58.AccountID) error {
	if err := w.check(); err != nil {
		return err
	}
	return checkFree(w.HotkeyPath(), w.HotkeyPubPath(), id)
}

// checkFree looks whether a key may be written. A public file of the same account
// is no obstacle: hosts of a neuron often keep only the coldkey's.
func checkFree(path, pubPath string, id ss58.AccountID) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%w: %s", ErrExists, path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch data, err := readKeyfile(pubPath); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	default:
		if f, err := DecodeKeyfile(data); err == nil && f.ID == id {
			return nil
		}
		return fmt.Errorf("%w: %s", ErrExists, pubPath)
	}
}

func save(pair *Keypair, path, pubPath string, opts SaveOptions) error {
	if !opts.Overwrite {
		if err := checkFree(path, pubPath, pair.id); err != nil {
			return err
		}
	}
	data := EncodeKeyfile(pair, opts.Form)
	if opts.Password != "" {
		var err error
		if data, err = Encrypt(data, opts.Password); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// The secret goes first: a crash in between leaves a key whose public file
	// is missing, never a public file whose key is lost.
	if err := writeFile(path, data, opts.Overwrite); err != nil {
		return err
	}
	return writeFile(pubPath, EncodePublicKeyfile(pair.id, opts.Form), true)
}

// writeFile writes a file 0600 so that at any moment either nothing, the old
// content or the whole new content is there. Without overwrite a file that
// appears meanwhile is not replaced.
func writeFile(path string, data []byte, overwrite bool) error {
	dir := filepath.Dir(path)
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return err
	}
	defer func() { _ = file.Cleanup() }() // removes the temporary file
	if _, err := file.Write(data); err != nil {
		return err
	}
	if overwrite {
		if err := file.CloseAtomicallyReplace(); err != nil {
			return err
		}
		return syncDir(dir)
	}
	if err := file.Sync(); err != nil {
		return err
	}
	// Unlike a rename, a link fails when the name is taken.
	switch err := os.Link(file.Name(), path); {
	case err == nil:
		return syncDir(dir)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %s", ErrExists, path)
	case errors.Is(err, syscall.EPERM), errors.Is(err, errors.ErrUnsupported):
		// A file system without hard links (FAT, some network shares).
		if err := file.CloseAtomicallyReplace(); err != nil {
			return err
		}
		return syncDir(dir)
	default:
		return err
	}
}

// syncDir makes a new name outlast a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
