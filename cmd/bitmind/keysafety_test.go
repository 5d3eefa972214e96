package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
)

// devChainURL serves a development chain whose clock is ahead of this machine's.
func devChainURL(t *testing.T, ahead time.Duration) string {
	t.Helper()
	chain, err := localnet.New(localnet.Config{BlockTime: 60 * time.Millisecond, AllowLoopback: true, Now: func() time.Time { return time.Now().Add(ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = chain.Serve(ctx, l) })
	wg.Go(func() { _ = chain.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); _ = chain.Close() })
	return "ws://" + l.Addr().String()
}

// The coldkey is asked for by nothing that can do without: reads, dry runs and what the
// hotkey signs work with an encrypted coldkey that nobody opens, and without its file.
func TestColdkeyIsLeftAlone(t *testing.T) {
	dir := walletsIn(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	bitmindOK(t, "", "wallet", "create", "--wallet.name", "cold", "--wallet.path", dir, "--wallet.password-file", password)
	url := devChainURL(t, 0)
	mine := []string{"--wallet.name", "cold", "--wallet.path", dir}
	on := append([]string{"--subtensor.network", url, "--netuid", "1"}, mine...)

	// Somebody else pays; the wallet's hotkey and the coldkey's address are enough.
	bitmindOK(t, "", append([]string{"register", "--wallet.uri", "//Alice"}, on...)...)
	bitmindOK(t, "", append([]string{"stake", "5", "--wallet.uri", "//Alice"}, on...)...)

	without := func(t *testing.T) {
		for _, args := range [][]string{
			{"metagraph", "--subtensor.network", url, "--netuid", "1"},
			append([]string{"register", "--dry-run"}, on...),
			append([]string{"register"}, on...), // registered before: nothing to pay
			append([]string{"stake", "1", "--dry-run"}, on...),
			append([]string{"unstake", "1", "--dry-run", "--wallet.uri", "//Alice"}, on...),
			append([]string{"wallet", "transfer", "1", "--to", aliceAddress, "--dry-run", "--subtensor.network", url}, mine...),
			append([]string{"wallet", "sign", "hello"}, mine...),
			{"wallet", "list", "--wallet.path", dir},
			append([]string{"wallet", "show"}, mine...),
		} {
			if status, _, stderr := bitmind(t, "", args...); status != 0 {
				t.Errorf("%v: status %d: %s", args, status, stderr)
			}
		}
	}
	t.Run("encrypted", without)
	// What does need it says so, and asks before anything is sent.
	status, _, stderr := bitmind(t, "", append([]string{"wallet", "sign", "hello", "--coldkey"}, mine...)...)
	if status != 1 || !strings.Contains(stderr, "password") {
		t.Errorf("signing with the coldkey: status %d: %s", status, stderr)
	}
	if err := os.Remove(filepath.Join(dir, "cold", "coldkey")); err != nil {
		t.Fatal(err)
	}
	t.Run("absent", without)
}

// Stake goes back as it came.
func TestUnstake(t *testing.T) {
	walletsIn(t)
	on := []string{"--subtensor.network", devChainURL(t, 0), "--netuid", "1", "--wallet.uri", "//Bob", "--hotkey", "//miner"}
	bitmindOK(t, "", append([]string{"register"}, on...)...)
	status, _, stderr := bitmind(t, "", append([]string{"unstake", "all"}, on...)...)
	if status != 1 || !strings.Contains(stderr, "has 0 staked") {
		t.Errorf("nothing staked: status %d: %s", status, stderr)
	}
	bitmindOK(t, "", append([]string{"stake", "10"}, on...)...)
	var report unstakeReport
	stdout, _ := bitmindOK(t, "", append([]string{"unstake", "2", "--json"}, on...)...)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Amount != 2e9 || report.ReceivedRao == 0 || report.Left == 0 || report.Receipt.BlockNumber == 0 {
		t.Errorf("%+v", report)
	}
	status, _, stderr = bitmind(t, "", append([]string{"unstake", "1000"}, on...)...)
	if status != 1 || !strings.Contains(stderr, "try: all") {
		t.Errorf("too much: status %d: %s", status, stderr)
	}
	stdout, _ = bitmindOK(t, "", append([]string{"unstake", "all", "--json"}, on...)...)
	report = unstakeReport{}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Amount == 0 || report.Left > report.Amount/100 {
		t.Errorf("%+v", report)
	}
	for _, wrong := range []string{"0", "-1", "everything"} {
		args := append(append([]string{"unstake"}, on...), "--", wrong)
		if status, _, stderr := bitmind(t, "", args...); status != 2 || !strings.Contains(stderr, "amount") {
			t.Errorf("%s: status %d: %s", wrong, status, stderr)
		}
	}
}

// A miner on a machine whose clock is wrong is told so at its start.
func TestClockWarning(t *testing.T) {
	dir := walletsIn(t)
	bitmindOK(t, "", "wallet", "create", "--wallet.name", "me", "--no-password", "--wallet.path", dir)
	url := devChainURL(t, time.Hour)
	bitmindOK(t, "", "register", "--wallet.uri", "//Alice", "--subtensor.network", url, "--netuid", "1", "--hotkey", "//other")
	// Not registered: it ends by itself.
	status, _, stderr := bitmind(t, "", "validator", "--wallet.name", "me", "--wallet.path", dir, "--subtensor.network", url, "--netuid", "1", "--dir", t.TempDir(), "--neuron.axon_off")
	if status != 1 || !strings.Contains(stderr, "the clock is wrong") || !strings.Contains(stderr, "behind the chain's newest block") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// A node that cannot be reached is stood in for by the next one named.
func TestStandInNode(t *testing.T) {
	stdout, _ := bitmindOK(t, "", "metagraph", "--netuid", "1", "--json", "--subtensor.network", "ws://127.0.0.1:1,"+devChainURL(t, 0))
	if !strings.Contains(stdout, `"netuid": 1`) {
		t.Error(stdout)
	}
}
