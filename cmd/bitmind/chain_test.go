package main

import (
	"context"
	"encoding/json"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
)

// recordedChain is a node that answers reads as the recorded one: subnet 2 with five
// neurons, owned by Alice.
func recordedChain(t *testing.T, kind string) (url string) {
	t.Helper()
	s := substratetest.NewServer(t)
	s.Record(substratetest.Metadata(t, 293), 293)
	s.Answer("system_chainType", kind)
	s.Answer("system_accountNextIndex", 7)
	s.Answer("payment_queryInfo", map[string]any{"partialFee": "124000"})
	return s.URL
}

const bobAddress = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"

func TestMetagraphCommand(t *testing.T) {
	url := recordedChain(t, "Development")
	stdout, _ := bitmindOK(t, "", "metagraph", "--netuid", "2", "--subtensor.network", url, "--json")
	var report metagraphReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v:\n%s", err, stdout)
	}
	if report.Netuid != 2 || report.Block != 82 || len(report.Neurons) != 5 {
		t.Fatalf("%+v", report)
	}
	if n := report.Neurons[1]; n.Hotkey != bobAddress || n.StakeRao != 90136868756 || !n.ValidatorPermit || n.Serving || n.Axon != "" {
		t.Errorf("uid 1: %+v", n)
	}
	if n := report.Neurons[3]; n.Axon != "[2001:db8::1]:9000" || !n.Serving {
		t.Errorf("uid 3: %+v", n)
	}
	if s := report.Subnet; s == nil || s.Name != "omron" || s.Symbol != "β" || s.Tempo != 10 || s.LastStep != 73 || s.OwnerHotkey != aliceAddress ||
		s.Pool.AlphaIn != 910005326091 || s.Pool.SubnetVolume.Int64() != 101605059626 || s.Rules.AdjustmentAlpha != 17893341751498265066 ||
		s.Rules.BondsMovingAvg != 900000 || !s.Rules.PoWRegistrationAllowed || s.MechanismCount != nil || s.MaxUIDs != 256 {
		t.Errorf("subnet: %+v", s)
	}
	if n := report.Neurons[2]; n.AxonInfo != (axonJSON{IP: "10.1.2.3", Port: 8091, IPType: 4, Version: 9008003, Protocol: 4, Block: 17}) || n.Weights != nil {
		t.Errorf("uid 2: %+v", n)
	}
	if status, _, stderr := bitmind(t, "", "metagraph", "--full", "--subtensor.network", url); status != 2 || !strings.Contains(stderr, "; try: --json --full") {
		t.Errorf("--full without --json: status %d: %s", status, stderr)
	}
	stdout, _ = bitmindOK(t, "", "metagraph", "--netuid", "2", "--subtensor.network", url)
	if !regexp.MustCompile(`(?m)^\s+1\s+`+bobAddress+`\s+90\.14\s.*\syes\s+16\s+-`).MatchString(stdout) || !strings.Contains(stdout, "subnet 2 at block 82: 5 neurons") {
		t.Errorf("table:\n%s", stdout)
	}
}

func TestDryRuns(t *testing.T) {
	url := recordedChain(t, "Development")
	for _, c := range []struct {
		args    []string
		callHex string
		text    string
	}{
		{[]string{"register", "--hotkey", "//Bob"},
			"0x070702008eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48", "SubtensorModule.burned_register"},
		{[]string{"stake", "1.5", "--hotkey", bobAddress},
			"0x07028eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a480200002f685900000000", "amount_staked: 1500000000 (1.5 TAO)"},
	} {
		args := append(c.args, "--netuid", "2", "--subtensor.network", url, "--wallet.uri", "//Alice", "--dry-run")
		stdout, _ := bitmindOK(t, "", append(args, "--json")...)
		var report struct {
			DryRun  bool `json:"dry_run"`
			Signer  string
			CallHex string `json:"call_hex"`
			Call    struct{ Pallet, Call string }
			Nonce   uint64
			FeeRao  uint64 `json:"fee_rao"`
			Spec    uint64 `json:"spec_version"`
			Args    []struct{ Name, Text string }
		}
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatalf("%v:\n%s", err, stdout)
		}
		if !report.DryRun || report.Signer != aliceAddress || report.CallHex != c.callHex || report.Call.Pallet != "SubtensorModule" ||
			report.Nonce != 7 || report.FeeRao != 124000 || report.Spec != 293 || len(report.Args) == 0 {
			t.Errorf("%v: %+v", c.args, report)
		}
		stdout, _ = bitmindOK(t, "", args...)
		for _, want := range []string{c.text, "nothing was signed or sent", "nonce    7", "fee      0.000124 TAO", "runtime 293", "tip      0 TAO"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%v: no %q:\n%s", c.args, want, stdout)
			}
		}
	}
}

func TestRegisterLeavesTheRegisteredAlone(t *testing.T) {
	url := recordedChain(t, "Development")
	stdout, _ := bitmindOK(t, "", "register", "--netuid", "2", "--subtensor.network", url, "--wallet.uri", "//Alice", "--hotkey", "//Bob", "--json")
	var report registerReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.UID != 1 || report.Registered != "before" || report.Receipt != nil {
		t.Errorf("%+v", report)
	}
}

func TestChainCommandMistakes(t *testing.T) {
	walletsIn(t)
	dev, live := recordedChain(t, "Development"), recordedChain(t, "Live")
	for _, c := range []struct {
		name   string
		args   []string
		stdin  string
		status int
		want   string
	}{
		{"development key on a real chain", []string{"register", "--netuid", "2", "--subtensor.network", live, "--wallet.uri", "//Alice"}, "", 2, "no development chain"},
		{"development hotkey on a real chain", []string{"stake", "1", "--netuid", "2", "--subtensor.network", live, "--hotkey", "//Bob"}, "", 2, "no development chain"},
		{"unknown network", []string{"metagraph", "--subtensor.network", "mainnet"}, "", 2, "try: local, test, finney"},
		{"no chain there", []string{"metagraph", "--subtensor.network", "ws://127.0.0.1:1"}, "", 1, "try:"},
		{"no chain at either", []string{"metagraph", "--subtensor.network", "ws://127.0.0.1:1,ws://127.0.0.1:2"}, "", 1, "127.0.0.1:2"},
		{"unknown stand-in", []string{"metagraph", "--subtensor.network", "finney,mainnet"}, "", 2, "try: local, test, finney"},
		{"no such subnet", []string{"metagraph", "--netuid", "77", "--subtensor.network", dev}, "", 1, "try: --netuid"},
		{"register in no subnet", []string{"register", "--netuid", "77", "--subtensor.network", dev, "--wallet.uri", "//Alice"}, "", 1, "no subnet 77"},
		{"no wallet", []string{"register", "--netuid", "2", "--subtensor.network", dev}, "", 1, "try:"},
		{"bad amount", []string{"stake", "1,5"}, "", 2, "not a number of TAO"},
		{"zero amount", []string{"stake", "0.0"}, "", 2, "zero"},
		{"no amount", []string{"stake"}, "", 2, "try:"},
		{"bad address", []string{"stake", "1", "--hotkey", "5Grw", "--subtensor.network", dev}, "", 2, "--hotkey"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, stderr := bitmind(t, c.stdin, c.args...)
			last := stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:]
			if status != c.status || !strings.Contains(last, c.want) {
				t.Errorf("status %d, want %d: %s", status, c.status, stderr)
			}
		})
	}
}

// A real chain asks before it takes money; no answer is a no.
func TestConfirmation(t *testing.T) {
	dir := walletsIn(t)
	bitmindOK(t, "", "wallet", "create", "--wallet.name", "me", "--no-password", "--wallet.path", dir)
	url := recordedChain(t, "Live")
	for _, answer := range []string{"", "n\n", "what\n"} {
		status, _, stderr := bitmind(t, answer, "stake", "1", "--netuid", "2", "--subtensor.network", url, "--wallet.name", "me")
		if status != 1 || !strings.Contains(stderr, "nothing was sent") || !strings.Contains(stderr, "Stake 1 TAO") {
			t.Errorf("%q: status %d: %s", answer, status, stderr)
		}
	}
}

func TestTAO(t *testing.T) {
	for text, rao := range map[string]uint64{"1": 1e9, "0.5": 5e8, ".5": 5e8, "1.": 1e9, "0.000000001": 1, "18446744073.709551615": 1<<64 - 1, "100": 1e11} {
		if got, err := parseTAO(text); err != nil || got != rao {
			t.Errorf("%s: %d, %v", text, got, err)
		}
		if again, err := parseTAO(formatTAO(rao)); err != nil || again != rao {
			t.Errorf("%d is written %s", rao, formatTAO(rao))
		}
	}
	for _, text := range []string{"", ".", "-1", "1e9", "0.0000000001", "18446744073.709551616", "99999999999999999999", "1 0", "+1"} {
		if got, err := parseTAO(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// The commands as somebody types them, on a development chain.
func TestRegisterAndStakeOnADevelopmentChain(t *testing.T) {
	chain, err := localnet.New(localnet.Config{BlockTime: 60 * time.Millisecond})
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
	on := []string{"--netuid", "1", "--subtensor.network", "ws://" + l.Addr().String()}
	as := append([]string{"--wallet.uri", "//Bob", "--hotkey", "//miner"}, on...)

	stdout, _ := bitmindOK(t, "", append([]string{"register", "--json"}, as...)...)
	var registered registerReport
	if err := json.Unmarshal([]byte(stdout), &registered); err != nil {
		t.Fatal(err)
	}
	if registered.Registered != "now" || registered.UID != 1 || registered.CostRao == 0 || registered.Receipt == nil || registered.Receipt.BlockNumber == 0 {
		t.Errorf("%+v", registered)
	}
	if stdout, _ = bitmindOK(t, "", append([]string{"register"}, as...)...); !strings.Contains(stdout, "before, with uid 1") {
		t.Errorf("again: %s", stdout)
	}
	stdout, _ = bitmindOK(t, "", append([]string{"stake", "2.5", "--json"}, as...)...)
	var staked stakeReport
	if err := json.Unmarshal([]byte(stdout), &staked); err != nil {
		t.Fatal(err)
	}
	if staked.AmountRao != 25e8 || staked.Receipt.BlockNumber <= registered.Receipt.BlockNumber || staked.BalanceRao >= 1e15-25e8 {
		t.Errorf("%+v", staked)
	}
	status, _, stderr := bitmind(t, "", append([]string{"stake", "5000000000"}, as...)...)
	if status != 1 || !strings.Contains(stderr, "less than 5000000000") || !strings.Contains(stderr, "try:") {
		t.Errorf("too much: status %d: %s", status, stderr)
	}

	// A new wallet's coldkey has nothing: the hint says who pays, and then the
	// hotkey that counts is the wallet's.
	walletsIn(t)
	hotkey := hotkeyOf(t, "me")
	mine := append([]string{"--wallet.name", "me"}, on...)
	for _, command := range [][]string{{"register"}, {"stake", "2"}} {
		status, _, stderr := bitmind(t, "", append(command, mine...)...)
		if status != 1 || !strings.Contains(stderr, "; try: the same with --wallet.uri //Alice") {
			t.Errorf("%v without funds: status %d: %s", command, status, stderr)
		}
		stdout, _ := bitmindOK(t, "", append(append(command, mine...), "--wallet.uri", "//Alice")...)
		if !strings.Contains(stdout, hotkey) {
			t.Errorf("%v paid by //Alice is not for the wallet's hotkey: %s", command, stdout)
		}
	}
	stdout, _ = bitmindOK(t, "", append([]string{"metagraph", "--json", "--full"}, on...)...)
	var m metagraphReport
	if err := json.Unmarshal([]byte(stdout), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Neurons) != 3 || m.Neurons[1].Hotkey != registered.Hotkey || m.Neurons[1].StakeRao == 0 || m.Neurons[1].AlphaStakeRao == 0 {
		t.Errorf("%+v", m)
	}
	if m.Neurons[1].Weights == nil || m.Subnet.MechanismCount == nil || *m.Subnet.MechanismCount != 1 {
		t.Errorf("--full adds no rows: %+v", m)
	}
}
