package wallet

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestSave(t *testing.T) {
	// Even where others may read by default, a key is its owner's alone.
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "a", "wallets")
	w := Open(dir, "me", "miner1")
	alice, bob := mustURI(t, "//Alice"), mustURI(t, "//Bob")
	if err := w.SaveColdkey(alice, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.SaveHotkey(bob, SaveOptions{Form: FormSDK7}); err != nil {
		t.Fatal(err)
	}
	var files []string
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files = append(files, strings.TrimPrefix(path, dir+"/"))
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(files, " "), "me/coldkey me/coldkeypub.txt me/hotkeys/miner1 me/hotkeys/miner1pub.txt"; got != want {
		t.Errorf("files %s, want %s", got, want)
	}
	cold, err := w.Coldkey(nil)
	if err != nil || cold.AccountID() != alice.AccountID() {
		t.Errorf("coldkey %v, %v", cold, err)
	}
	hot, err := w.Hotkey()
	if err != nil || hot.AccountID() != bob.AccountID() {
		t.Errorf("hotkey %v, %v", hot, err)
	}
}

func TestNeverOverwrites(t *testing.T) {
	w := Open(t.TempDir(), "me", "hk")
	alice, bob := mustURI(t, "//Alice"), mustURI(t, "//Bob")
	if err := w.SaveColdkey(alice, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(w.ColdkeyPath())
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another key":   w.SaveColdkey(bob, SaveOptions{}),
		"the same key":  w.SaveColdkey(alice, SaveOptions{}),
		"asking first":  w.CheckColdkeyFree(bob.AccountID()),
		"a late writer": writeFile(w.ColdkeyPath(), []byte("x"), false),
	} {
		if !errors.Is(err, ErrExists) {
			t.Errorf("%s: %v, want ErrExists", name, err)
		}
	}
	if after, err := os.ReadFile(w.ColdkeyPath()); err != nil || string(after) != string(before) {
		t.Errorf("the coldkey's file changed, %v", err)
	}
	// A public file alone blocks another key, but not its own.
	if err := os.Remove(w.ColdkeyPath()); err != nil {
		t.Fatal(err)
	}
	if err := w.SaveColdkey(bob, SaveOptions{}); !errors.Is(err, ErrExists) {
		t.Errorf("over another's public key: %v", err)
	}
	if err := w.SaveColdkey(alice, SaveOptions{}); err != nil {
		t.Errorf("beside its own public key: %v", err)
	}
	// A broken link is a key's place too.
	if err := os.MkdirAll(filepath.Dir(w.HotkeyPath()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("elsewhere", w.HotkeyPath()); err != nil {
		t.Fatal(err)
	}
	if err := w.SaveHotkey(bob, SaveOptions{}); !errors.Is(err, ErrExists) {
		t.Errorf("over a link: %v", err)
	}

	if err := w.SaveColdkey(bob, SaveOptions{Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	if id, err := w.ColdkeyID(); err != nil || id != bob.AccountID() {
		t.Errorf("after overwriting: %v, %v", id, err)
	}
	if entries, err := os.ReadDir(w.Dir()); err != nil || len(entries) != 3 {
		t.Errorf("left in the folder: %v, %v; want coldkey, coldkeypub.txt, hotkeys", entries, err)
	}
}

// TestOneWriterWins has many write one hotkey at once: one succeeds, and its key
// is there whole.
func TestOneWriterWins(t *testing.T) {
	w := Open(t.TempDir(), "me", "hk")
	var wins atomic.Int32
	var winner atomic.Pointer[Keypair]
	var group sync.WaitGroup
	for i := range 16 {
		pair, err := FromSeed([32]byte{byte(i), 1})
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			switch err := w.SaveHotkey(pair, SaveOptions{}); {
			case err == nil:
				wins.Add(1)
				winner.Store(pair)
			case !errors.Is(err, ErrExists):
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	group.Wait()
	got, err := w.Hotkey()
	if err != nil || wins.Load() != 1 || got.AccountID() != winner.Load().AccountID() {
		t.Errorf("%d writers won; the hotkey is %v, %v; the winner's is %v", wins.Load(), got, err, winner.Load())
	}
}

func TestNamesAndPaths(t *testing.T) {
	t.Setenv("HOME", "/home/somebody")
	for dir, want := range map[string]string{
		"":               "/home/somebody/.bittensor/wallets/default",
		"~":              "/home/somebody/default",
		"~/w/":           "/home/somebody/w/default",
		"/srv//wallets/": "/srv/wallets/default",
		"~other":         "~other/default",
	} {
		if got := Open(dir, "", "").Dir(); got != want {
			t.Errorf("Open(%q).Dir() = %s, want %s", dir, got, want)
		}
	}
	for _, name := range []string{"..", ".", "../x", "a/b", `a\b`, "a\x00"} {
		w := Open(t.TempDir(), name, "hk")
		if err := w.SaveColdkey(mustURI(t, "//Alice"), SaveOptions{Overwrite: true}); err == nil {
			t.Errorf("a wallet %q is written", name)
		}
		if _, err := Open(t.TempDir(), "x", name).Hotkey(); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("hotkey %q: %v", name, err)
		}
	}
}

func TestMissingAndBroken(t *testing.T) {
	w := Open(t.TempDir(), "me", "hk")
	for name, get := range map[string]func() error{
		"Hotkey":    func() error { _, err := w.Hotkey(); return err },
		"HotkeyID":  func() error { _, err := w.HotkeyID(); return err },
		"Coldkey":   func() error { _, err := w.Coldkey(nil); return err },
		"ColdkeyID": func() error { _, err := w.ColdkeyID(); return err },
	} {
		if err := get(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "try: bitmind wallet create") {
			t.Errorf("%s of a wallet that is not there: %v", name, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(w.HotkeyPath()), 0o700); err != nil {
		t.Fatal(err)
	}
	alice := mustURI(t, "//Alice").AccountID()
	if err := os.WriteFile(w.HotkeyPath(), EncodePublicKeyfile(alice, FormCurrent), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Hotkey(); !errors.Is(err, ErrPublicOnly) {
		t.Errorf("hotkey of a public file: %v", err)
	}
	// An encrypted key gives its address through the public file, if there is one.
	if err := os.WriteFile(w.HotkeyPath(), []byte("$NACL-------"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.HotkeyID(); !errors.Is(err, ErrEncrypted) {
		t.Errorf("address of an encrypted hotkey: %v", err)
	}
	if err := os.WriteFile(w.HotkeyPubPath(), EncodePublicKeyfile(alice, FormCurrent), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := w.HotkeyID(); err != nil || id != alice {
		t.Errorf("address of an encrypted hotkey with a public file: %v, %v", id, err)
	}
	if err := os.WriteFile(w.HotkeyPath(), make([]byte, maxKeyfile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Hotkey(); !errors.Is(err, ErrKeyfile) {
		t.Errorf("a huge file: %v", err)
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	if got, err := List(filepath.Join(dir, "none")); err != nil || got != nil {
		t.Errorf("a missing folder: %v, %v", got, err)
	}
	alice, bob := mustURI(t, "//Alice"), mustURI(t, "//Bob")
	for _, hotkey := range []string{"one", "two"} {
		if err := Open(dir, "b", hotkey).SaveHotkey(bob, SaveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w := Open(dir, "a", "pub-only")
	if err := w.SaveColdkey(alice, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(w.Dir(), "hotkeys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{
		w.HotkeyPubPath(): string(EncodePublicKeyfile(bob.AccountID(), FormCurrent)),
		filepath.Join(w.Dir(), "hotkeys", "broken"):    "nonsense",
		filepath.Join(w.Dir(), "hotkeys", ".tmp12345"): "left over",
		filepath.Join(dir, "a-file"):                   "x",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(w.ColdkeyPath(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	entries, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Name != "a" || entries[1].Name != "b" {
		t.Fatalf("wallets %+v", entries)
	}
	a, b := entries[0], entries[1]
	if a.Coldkey.Address == nil || *a.Coldkey.Address != alice.AccountID() || !strings.Contains(a.Coldkey.Problem, "chmod 600") {
		t.Errorf("coldkey %+v", a.Coldkey)
	}
	if len(a.Hotkeys) != 2 || a.Hotkeys[0].Name != "broken" || a.Hotkeys[0].Problem == "" || a.Hotkeys[0].Address != nil ||
		a.Hotkeys[1].Name != "pub-only" || a.Hotkeys[1].Present || a.Hotkeys[1].Address == nil {
		t.Errorf("hotkeys %+v", a.Hotkeys)
	}
	if b.Coldkey.Present || b.Coldkey.Address != nil || len(b.Hotkeys) != 2 || b.Hotkeys[1].Name != "two" || !b.Hotkeys[1].Present {
		t.Errorf("wallet b %+v", b)
	}
	data, err := json.Marshal(entries)
	if err != nil || strings.Contains(string(data), "rivate") || strings.Contains(string(data), "nonsense") {
		t.Errorf("JSON %s, %v", data, err)
	}
}

// TestConcurrentUse signs and verifies from many goroutines, for the race
// detector.
func TestConcurrentUse(t *testing.T) {
	pair := mustURI(t, "//Alice")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			msg := []byte{byte(i)}
			for range 20 {
				sig, err := pair.Sign(msg)
				if err != nil || !Verify(pair.AccountID(), msg, sig) {
					t.Errorf("goroutine %d: %v", i, err)
				}
			}
		})
	}
	group.Wait()
}
