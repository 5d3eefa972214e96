package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

const (
	devMnemonic  = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"
	devSeed      = "0xfac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e"
	devAddress   = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV"
	aliceAddress = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
)

// bitmind runs the program with a text on standard input.
func bitmind(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	status = Main(context.Background(), args, strings.NewReader(stdin), &out, &errOut)
	return status, out.String(), errOut.String()
}

// bitmindOK is bitmind where nothing may fail.
func bitmindOK(t *testing.T, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	status, stdout, stderr := bitmind(t, stdin, args...)
	if status != 0 {
		t.Fatalf("bitmind %s: exit status %d: %s", strings.Join(args, " "), status, stderr)
	}
	return stdout, stderr
}

// walletsIn keeps a test's wallets in a folder of its own, with no password from
// outside.
func walletsIn(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("BITMIND_WALLET_PATH", dir)
	t.Setenv(passwordEnv, "")
	return dir
}

var mnemonicLine = regexp.MustCompile(`(?m)^    ([a-z]+(?: [a-z]+){11,23})$`)

func TestWalletCreateListShow(t *testing.T) {
	dir := walletsIn(t)
	stdout, stderr := bitmindOK(t, "", "wallet", "create", "--wallet.name", "me", "--wallet.hotkey", "miner1", "--no-password", "--words", "24")
	shown := mnemonicLine.FindAllStringSubmatch(stderr, -1)
	if len(shown) != 2 || len(strings.Fields(shown[0][1])) != 24 {
		t.Fatalf("stderr shows no two mnemonics of 24 words:\n%s", stderr)
	}
	w := wallet.Open(dir, "me", "miner1")
	for i, get := range []func() (*wallet.Keypair, error){func() (*wallet.Keypair, error) { return w.Coldkey(nil) }, w.Hotkey} {
		pair, err := get()
		if err != nil {
			t.Fatal(err)
		}
		if pair.Mnemonic() != shown[i][1] {
			t.Errorf("key %d has another mnemonic than the one shown", i)
		}
		if !strings.Contains(stdout, pair.Address()) {
			t.Errorf("stdout lacks %s:\n%s", pair, stdout)
		}
		if strings.Contains(stdout, shown[i][1]) {
			t.Error("a mnemonic is on stdout, too")
		}
	}

	// One more hotkey, with the report as JSON.
	stdout, _ = bitmindOK(t, "", "wallet", "create", "hotkey", "--wallet.name", "me", "--wallet.hotkey", "miner2", "--json")
	var created struct {
		Name string
		Keys []createdKey
	}
	if err := json.Unmarshal([]byte(stdout), &created); err != nil || len(created.Keys) != 1 || created.Name != "me" ||
		created.Keys[0].Key != "hotkey" || created.Keys[0].Name != "miner2" || created.Keys[0].Encrypted {
		t.Errorf("report %s, %v", stdout, err)
	}

	stdout, _ = bitmindOK(t, "", "wallet", "list")
	for _, want := range []string{"me", "hotkey miner1", "hotkey miner2", created.Keys[0].Address, "not encrypted"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the list lacks %q:\n%s", want, stdout)
		}
	}
	stdout, _ = bitmindOK(t, "", "wallet", "list", "--json")
	var list struct {
		Path    string
		Wallets []wallet.Entry
	}
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || list.Path != dir || len(list.Wallets) != 1 || len(list.Wallets[0].Hotkeys) != 2 {
		t.Errorf("list %s, %v", stdout, err)
	}
	t.Setenv("HOME", filepath.Dir(dir))
	stdout, _ = bitmindOK(t, "", "wallet", "list", "--json", "--wallet.path", "~/"+filepath.Base(dir))
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || list.Path != dir || len(list.Wallets) != 1 {
		t.Errorf("with ~ the list is %s, %v", stdout, err)
	}
	stdout, _ = bitmindOK(t, "", "wallet", "show", "--wallet.name", "me", "--wallet.hotkey", "miner2")
	if !strings.Contains(stdout, created.Keys[0].Address) {
		t.Errorf("show lacks the hotkey:\n%s", stdout)
	}

	// What is there stays.
	for _, args := range [][]string{
		{"wallet", "create", "--no-password", "--wallet.name", "me", "--wallet.hotkey", "miner3"},
		{"wallet", "create", "hotkey", "--wallet.name", "me", "--wallet.hotkey", "miner1"},
		{"wallet", "regen", "hotkey", "--wallet.name", "me", "--wallet.hotkey", "miner1", "--uri", "//Alice"},
	} {
		status, stdout, stderr := bitmind(t, "", args...)
		if status != 1 || !strings.Contains(stderr, "there is a key already") || !strings.Contains(stderr, "--overwrite") ||
			strings.Count(stderr, "\n") != 1 || stdout != "" || strings.Contains(stderr, "Mnemonic") {
			t.Errorf("%v: status %d, %s%s", args, status, stdout, stderr)
		}
	}
	bitmindOK(t, "", "wallet", "regen", "hotkey", "--wallet.name", "me", "--wallet.hotkey", "miner1", "--uri", "//Alice", "--overwrite")
	if id, err := w.HotkeyID(); err != nil || id.String() != aliceAddress {
		t.Errorf("overwritten hotkey %v, %v", id, err)
	}
}

func TestWalletRegen(t *testing.T) {
	dir := walletsIn(t)
	for i, c := range []struct {
		stdin   string
		flags   []string
		address string
		note    bool
	}{
		{devMnemonic + "\n", nil, devAddress, false},
		{"  " + strings.ToUpper(devMnemonic), nil, devAddress, false},
		{devSeed + "\n", nil, devAddress, false},
		{"//Alice\n", nil, aliceAddress, false},
		{"", []string{"--mnemonic", devMnemonic}, devAddress, true},
		{"", []string{"--seed-hex", devSeed}, devAddress, true},
		{"", []string{"--seed-hex", devSeed[2:]}, devAddress, true},
		{"", []string{"--uri", "//Alice"}, aliceAddress, false},
	} {
		name := string(rune('a' + i))
		args := append([]string{"wallet", "regen", "hotkey", "--wallet.hotkey", name}, c.flags...)
		stdout, stderr := bitmindOK(t, c.stdin, args...)
		if !strings.Contains(stdout, c.address) {
			t.Errorf("%v: %s", c.flags, stdout)
		}
		if strings.Contains(stderr, "shell's history") != c.note || strings.Contains(stdout+stderr, "curtain") || strings.Contains(stdout+stderr, devSeed[2:]) {
			t.Errorf("%v: stderr %q", c.flags, stderr)
		}
		if id, err := wallet.Open(dir, "", name).HotkeyID(); err != nil || id.String() != c.address {
			t.Errorf("%v: hotkey %v, %v", c.flags, id, err)
		}
	}
	for _, c := range []struct {
		stdin  string
		args   []string
		status int
		says   string
	}{
		{strings.Replace(devMnemonic, "lake", "laek", 1), []string{"hotkey"}, 1, `word 4 of the mnemonic, "laek", is not in the BIP-39 word list; try: "lake"`},
		{strings.Replace(devMnemonic, "lake", "walk", 1), []string{"hotkey"}, 1, "checksum"},
		{"bottom drive", []string{"hotkey"}, 1, "2 words"},
		{"0x1234", []string{"hotkey"}, 1, "not a seed"},
		{"", []string{"hotkey"}, 2, "holds no mnemonic"},
		{devMnemonic, []string{"warmkey"}, 2, "coldkey or hotkey"},
		{devMnemonic, nil, 2, "try: bitmind wallet regen --help"},
		{"", []string{"hotkey", "--uri", "//Alice", "--seed-hex", devSeed}, 2, "try:"},
		{devMnemonic, []string{"coldkey"}, 1, passwordEnv},
	} {
		status, stdout, stderr := bitmind(t, c.stdin, append([]string{"wallet", "regen", "--wallet.name", "none"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 || stdout != "" {
			t.Errorf("%q %v: status %d, want %d; %s%s", c.stdin, c.args, status, c.status, stdout, stderr)
		}
		if strings.Contains(stderr, "curtain") {
			t.Errorf("the error gives the mnemonic away: %s", stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a failed regen leaves a folder, %v", err)
	}
}

func TestWalletSignVerify(t *testing.T) {
	dir := walletsIn(t)
	bitmindOK(t, "", "wallet", "regen", "hotkey", "--uri", "//Alice")
	file := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The same message by each way; an encrypted coldkey is never asked for.
	for _, c := range []struct {
		stdin string
		args  []string
	}{
		{"", []string{"hello"}},
		{"hello", nil},
		{"hello", []string{"-"}},
		{"", []string{"--file", file}},
	} {
		signature, _ := bitmindOK(t, c.stdin, append([]string{"wallet", "sign"}, c.args...)...)
		signature = strings.TrimSpace(signature)
		if !regexp.MustCompile(`^0x[0-9a-f]{128}$`).MatchString(signature) {
			t.Fatalf("signature %q", signature)
		}
		for _, v := range []struct {
			stdin string
			args  []string
		}{{"", []string{"hello"}}, {"hello", nil}, {"", []string{"-f", file}}} {
			stdout, _ := bitmindOK(t, v.stdin, append([]string{"wallet", "verify", "--address", aliceAddress, "--signature", signature}, v.args...)...)
			if stdout != "valid: signed by "+aliceAddress+"\n" {
				t.Errorf("verify prints %q", stdout)
			}
		}
		for name, args := range map[string][]string{
			"another message": {"hello\n", "--address", aliceAddress},
			"another key":     {"hello", "--address", devAddress},
		} {
			status, stdout, stderr := bitmind(t, "", append([]string{"wallet", "verify", "--signature", signature}, args...)...)
			if status != 1 || stdout != "" || !strings.Contains(stderr, "not valid") {
				t.Errorf("%s: status %d, %s%s", name, status, stdout, stderr)
			}
		}
	}
	stdout, _ := bitmindOK(t, "", "wallet", "sign", "--json", "hello")
	var signed struct{ Address, Signature string }
	if err := json.Unmarshal([]byte(stdout), &signed); err != nil || signed.Address != aliceAddress {
		t.Fatalf("%s, %v", stdout, err)
	}
	for message, want := range map[string]bool{"hello": true, "other": false} {
		status, stdout, _ := bitmind(t, "", "wallet", "verify", message, "--json", "--address", signed.Address, "--signature", signed.Signature)
		var verdict struct {
			Address string
			Valid   bool
		}
		if err := json.Unmarshal([]byte(stdout), &verdict); err != nil || verdict.Valid != want || (status == 0) != want {
			t.Errorf("%s: status %d, %s, %v", message, status, stdout, err)
		}
	}
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"sign", "x", "--wallet.name", "nobody"}, 1, "try: bitmind wallet create"},
		{[]string{"sign", "x", "--file", file}, 2, "one of them"},
		{[]string{"sign", "--file", file + "x"}, 1, "no such file"},
		{[]string{"sign", "x", "y"}, 2, "try: bitmind wallet sign --help"},
		{[]string{"verify", "x"}, 2, "--address and --signature"},
		{[]string{"verify", "x", "--address", "5nope", "--signature", signed.Signature}, 2, "5nope"},
		{[]string{"verify", "x", "--address", aliceAddress, "--signature", "0x12"}, 2, "64 bytes"},
		{[]string{"show", "--wallet.name", "nobody"}, 1, `no wallet "nobody"`},
		{[]string{"create", "--words", "13"}, 2, "12, 15, 18, 21 or 24"},
		{[]string{"create", "--wallet.name", "../x", "--no-password"}, 1, "without slashes"},
		{[]string{"fly"}, 2, ""},
	} {
		status, _, stderr := bitmind(t, "", append([]string{"wallet"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("wallet %v: status %d, want %d; %s", c.args, status, c.status, stderr)
		}
	}
}

// TestWalletEncrypted creates an encrypted coldkey unattended and uses it; each
// use takes seconds, by design, so there are few.
func TestWalletEncrypted(t *testing.T) {
	if testing.Short() {
		t.Skip("key derivation takes seconds and 512 MiB")
	}
	dir := walletsIn(t)
	passwords := filepath.Join(dir, "password.txt")
	if err := os.WriteFile(passwords, []byte("several good words\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _ := bitmindOK(t, "", "wallet", "regen", "coldkey", "--uri", "//Alice", "--wallet.password-file", passwords)
	if !strings.Contains(stdout, "(encrypted)") {
		t.Errorf("report %s", stdout)
	}
	data, err := os.ReadFile(wallet.Open(dir, "", "").ColdkeyPath())
	if err != nil || wallet.EncryptionOf(data) != wallet.NaCl {
		t.Fatalf("the coldkey's file is %q, %v", wallet.EncryptionOf(data), err)
	}
	status, _, stderr := bitmind(t, "", "wallet", "sign", "--coldkey", "x")
	if status != 1 || !strings.Contains(stderr, passwordEnv) {
		t.Errorf("without a password: status %d, %s", status, stderr)
	}
	t.Setenv(passwordEnv, "several good words")
	signature, _ := bitmindOK(t, "", "wallet", "sign", "--coldkey", "x")
	bitmindOK(t, "", "wallet", "verify", "x", "--address", aliceAddress, "--signature", strings.TrimSpace(signature))
	t.Setenv(passwordEnv, "several bad words")
	status, _, stderr = bitmind(t, "", "wallet", "sign", "--coldkey", "x")
	if status != 1 || !strings.Contains(stderr, "wrong password, or the keyfile is damaged; try:") || strings.Contains(stderr, "bad words") {
		t.Errorf("with a wrong password: status %d, %s", status, stderr)
	}
}
