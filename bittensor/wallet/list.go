package wallet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// Entry describes one wallet folder without needing a password.
type Entry struct {
	Name    string     `json:"name"`
	Coldkey KeyEntry   `json:"coldkey"`
	Hotkeys []KeyEntry `json:"hotkeys"`
}

// KeyEntry describes one key.
type KeyEntry struct {
	Name string `json:"name"`
	// Address is nil when it cannot be read; Problem says why.
	Address *ss58.AccountID `json:"address"`
	Path    string          `json:"path"`
	// Present tells whether the secret itself is here, not only the public key.
	Present    bool       `json:"present"`
	Encryption Encryption `json:"encryption,omitempty"`
	// Problem is what is wrong with the files: unreadable, or readable by others.
	Problem string `json:"problem,omitempty"`
}

// List describes every wallet below dir (as for Open), by name. A folder that is
// missing holds none; a wallet that cannot be read is listed with its problem.
func List(dir string) ([]Entry, error) {
	dir = expandHome(dir)
	folders, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, folder := range folders {
		// A link to a folder is a wallet too, so look at what it leads to.
		if info, err := os.Stat(filepath.Join(dir, folder.Name())); err != nil || !info.IsDir() {
			continue
		}
		if entry, found := describe(dir, folder.Name()); found {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// describe reads one wallet folder; found is false if nothing of a wallet is there.
func describe(dir, name string) (entry Entry, found bool) {
	w := Open(dir, name, "")
	entry = Entry{Name: name, Coldkey: w.DescribeColdkey(), Hotkeys: []KeyEntry{}}
	found = entry.Coldkey.Present || entry.Coldkey.Address != nil
	files, _ := os.ReadDir(filepath.Join(w.Dir(), "hotkeys"))
	names := map[string]bool{}
	for _, file := range files {
		if file.IsDir() || strings.HasPrefix(file.Name(), ".") {
			continue
		}
		names[file.Name()] = true
	}
	for _, file := range files {
		hotkey := file.Name()
		if !names[hotkey] {
			continue
		}
		if base, isPub := strings.CutSuffix(hotkey, pubSuffix); isPub && base != "" {
			if names[base] {
				continue // described with its key
			}
			hotkey = base
		}
		found = true
		entry.Hotkeys = append(entry.Hotkeys, Open(dir, name, hotkey).DescribeHotkey())
	}
	return entry, found
}

// DescribeColdkey describes the coldkey's files.
func (w *Wallet) DescribeColdkey() KeyEntry {
	return w.describeKey(w.name, w.ColdkeyPath(), w.ColdkeyID)
}

// DescribeHotkey describes the hotkey's files.
func (w *Wallet) DescribeHotkey() KeyEntry {
	return w.describeKey(w.hotkey, w.HotkeyPath(), w.HotkeyID)
}

func (w *Wallet) describeKey(name, path string, address func() (ss58.AccountID, error)) KeyEntry {
	entry := KeyEntry{Name: name, Path: path}
	if data, err := readKeyfile(path); err == nil {
		entry.Present = true
		entry.Encryption = EncryptionOf(data)
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			entry.Problem = "other users can read " + path + "; try: chmod 600 " + path
		}
	}
	if id, err := address(); err != nil {
		entry.Problem = err.Error()
	} else {
		entry.Address = &id
	}
	return entry
}
