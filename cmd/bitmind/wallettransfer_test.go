package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

func TestWalletTransfer(t *testing.T) {
	walletsIn(t)
	url := bareChain(t)
	bitmindOK(t, "", "wallet", "create", "--wallet.name", "me", "--no-password")
	on := func(args ...string) []string {
		return append(append([]string{"wallet", "transfer"}, args...), "--subtensor.network", url)
	}

	stdout, _ := bitmindOK(t, "", on("1000.5", "--wallet.uri", "//Alice", "--wallet.name", "me", "--json")...)
	var report walletTransferReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	const alice = 1_000_000 * subtensor.RaoPerTAO
	if report.From != aliceAddress || report.AmountRao != 1000.5e9 || report.Receipt.BlockNumber == 0 ||
		report.BalanceRao >= alice-report.AmountRao || report.BalanceRao < alice-report.AmountRao-1e9 {
		t.Errorf("from //Alice: %+v", report)
	}
	me := report.To

	// What came can be passed on.
	stdout, _ = bitmindOK(t, "", on("200", "--wallet.name", "me", "--to", "//Bob", "--json")...)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if report.From != me || report.To != bobAddress || report.BalanceRao >= 800.5e9 || report.BalanceRao < 800e9 {
		t.Errorf("to //Bob: %+v", report)
	}
	if stdout, _ = bitmindOK(t, "", on("1", "--wallet.name", "me", "--to", bobAddress)...); !strings.Contains(stdout, "sent 1 TAO from "+me+" to "+bobAddress+", in block ") {
		t.Errorf("in words: %s", stdout)
	}
	left := report.BalanceRao

	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"800", "--wallet.name", "me", "--to", "//Bob"}, 1, "less than 800; try: "},
		{[]string{"0", "--to", "//Bob"}, 2, "zero"},
		{[]string{"1"}, 2, "try: --to"},
		{[]string{"1", "--to", "5Grw", "--wallet.name", "me"}, 2, "--to"},
		{[]string{"1", "--to", "//Bob", "--wallet.name", "nobody"}, 1, "try:"},
	} {
		if status, _, stderr := bitmind(t, "", on(c.args...)...); status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: status %d, want %d: %s", c.args, status, c.status, stderr)
		}
	}
	if stdout, _ = bitmindOK(t, "", on("5", "--wallet.name", "me", "--to", "//Bob", "--dry-run")...); !strings.Contains(stdout, "Balances.transfer_keep_alive") {
		t.Errorf("dry run: %s", stdout)
	}
	stdout, _ = bitmindOK(t, "", on("1", "--wallet.name", "me", "--to", "//Bob", "--json")...)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if spent := left - report.BalanceRao; spent < 2e9 || spent >= 2.1e9 {
		t.Errorf("two transfers of 1 TAO and refused ones took %d rao", spent)
	}
}

// On a real chain the bytes are read back and shown before they are signed.
func TestWalletTransferAsks(t *testing.T) {
	walletsIn(t)
	bitmindOK(t, "", "wallet", "create", "--wallet.name", "me", "--no-password")
	url := recordedChain(t, "Live")
	if status, _, stderr := bitmind(t, "", "wallet", "transfer", "1", "--subtensor.network", url, "--wallet.uri", "//Alice", "--to", bobAddress); status != 2 || !strings.Contains(stderr, "no development chain") {
		t.Errorf("a development key on a real chain: status %d: %s", status, stderr)
	}
	fee := uint64(136_000)
	text := transferQuestion(subtensor.Preview{
		Pallet: "Balances", Call: "transfer_keep_alive", FeeRao: &fee,
		Args: []subtensor.PreviewArg{{Name: "dest", Value: json.RawMessage(`"x"`), Text: bobAddress}, {Name: "value", Value: json.RawMessage("1"), Text: "1.5 TAO"}},
	})
	for _, want := range []string{"Balances.transfer_keep_alive", bobAddress, "1.5 TAO", "0.000136 TAO", "Sign and send?"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
}
