package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/miner"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// asProgram makes the test binary behave as the program itself, so that tests
// can start it as separate processes.
const asProgram = "BITMIND_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == c2paChild { // the program starts itself
		main()
	}
	if path := os.Getenv(measured); path != "" {
		os.Exit(measuredMain(path))
	}
	if os.Getenv(asProgram) != "" {
		os.Unsetenv(asProgram)
		main()
	}
	os.Exit(m.Run())
}

// process is the program, running by itself.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr lockedBuffer
	ended  chan struct{}
	err    error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startProgram starts the program as a process that does not outlive the test.
func startProgram(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		select {
		case <-p.ended:
		default:
			p.cmd.Process.Kill()
			<-p.ended
		}
		if t.Failed() {
			t.Logf("bitmind %s:\n%s", strings.Join(args, " "), p.stderr.String())
		}
	})
	return p
}

// wait waits for the end and checks the exit status.
func (p *process) wait(status int) string {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(subnettest.Timeout):
		p.t.Fatalf("%v does not end", p.cmd.Args[1:])
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Fatalf("%v: exit status %d (%v), want %d", p.cmd.Args[1:], got, p.err, status)
	}
	return p.stdout.String()
}

// interrupt ends the process as a service manager does.
func (p *process) interrupt() string {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	return p.wait(0)
}

// until waits for something that a running process brings about.
func (p *process) until(what string, ok func() bool) {
	p.t.Helper()
	subnettest.Until(p.t, what, func() bool {
		select {
		case <-p.ended:
			p.t.Fatalf("%v ended before %s: %v", p.cmd.Args[1:], what, p.err)
		default:
		}
		return ok()
	})
}

// bareChain starts bitmind localnet without neurons and gives its URL.
func bareChain(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	chain := startProgram(t, "localnet", "--miners", "0", "--validators", "0", "--dir", dir,
		"--rpc", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--block-time", "100ms")
	var at endpoints
	chain.until("endpoints.json", func() bool {
		data, err := os.ReadFile(filepath.Join(dir, "endpoints.json"))
		if errors.Is(err, fs.ErrNotExist) {
			return false
		}
		if err == nil {
			err = json.Unmarshal(data, &at)
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
	return at.RPC
}

// hotkeyOf makes a wallet with one unencrypted hotkey and returns its address.
func hotkeyOf(t *testing.T, wallet string) string {
	t.Helper()
	bitmindOK(t, "", "wallet", "create", "--wallet.name", wallet, "--no-password")
	stdout, _ := bitmindOK(t, "", "wallet", "list", "--json")
	var list struct {
		Wallets []struct {
			Name    string
			Hotkeys []struct{ Address string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatal(err)
	}
	for _, w := range list.Wallets {
		if w.Name == wallet && len(w.Hotkeys) == 1 {
			return w.Hotkeys[0].Address
		}
	}
	t.Fatalf("no wallet %s in %s", wallet, stdout)
	return ""
}

// Miners and a validator as processes of their own against a bare chain: they
// say what is missing, find each other through the chain, the validator's
// weights become incentives, a miner's model is changed under it, and each ends
// with its report when it is told to.
func TestNeuronsAsProcesses(t *testing.T) {
	walletsIn(t)
	url := bareChain(t)
	state, pictures, model := t.TempDir(), t.TempDir(), testDetector(t)
	if err := os.CopyFS(pictures, subnettest.Images(t)); err != nil {
		t.Fatal(err)
	}
	network := []string{"--netuid", "1", "--subtensor.network", url}
	neuron := func(kind, wallet string, more ...string) []string {
		args := append([]string{kind, "--wallet.name", wallet, "--dir", state, "--axon.ip", "127.0.0.1", "--axon.port", "0"}, network...)
		return append(args, more...)
	}
	shared := filepath.Join(t.TempDir(), "shared.db")
	validate := func(more ...string) []string {
		return neuron("validator", "v", append([]string{
			"--real", filepath.Join(pictures, "real"), "--synthetic", filepath.Join(pictures, "fake"),
			"--neuron.interval", "0.05", "--store", shared, "--json",
		}, more...)...)
	}
	register := func(wallet, hotkey string) {
		bitmindOK(t, "", append([]string{"register", "--wallet.uri", "//Alice", "--hotkey", hotkey}, network...)...)
	}
	hotkeys := map[string]string{}
	for _, w := range []string{"v", "m0", "m1"} {
		hotkeys[w] = hotkeyOf(t, w)
	}

	for _, args := range [][]string{neuron("miner", "m0", "--neuron.model_path", model), validate()} {
		p := startProgram(t, args...)
		p.wait(1)
		wallet := map[string]string{"miner": "m0", "validator": "v"}[args[0]]
		want := "is not registered on subnet 1; try: bitmind register --netuid 1 --subtensor.network " + url + " --wallet.name " + wallet + " --wallet.hotkey default --wallet.path "
		if !strings.Contains(p.stderr.String(), "error: hotkey "+hotkeys[wallet]+" "+want) {
			t.Errorf("an unregistered %s says:\n%s", args[0], p.stderr.String())
		}
		// Pasted, it works.
		_, command, _ := strings.Cut(p.stderr.String(), "; try: bitmind ")
		command, _, _ = strings.Cut(command, "\n")
		if stdout, _ := bitmindOK(t, "", strings.Fields(command)...); !strings.Contains(stdout, "registered "+hotkeys[wallet]) {
			t.Errorf("%s prints:\n%s", command, stdout)
		}
	}
	register("m1", hotkeys["m1"])
	bitmindOK(t, "", append([]string{"stake", "10000", "--wallet.uri", "//Alice", "--hotkey", hotkeys["v"]}, network...)...)
	m0 := startProgram(t, neuron("miner", "m0", "--neuron.model_path", model, "--json", "--blacklist.min_stake", "100")...)
	m1 := startProgram(t, neuron("miner", "m1", "--neuron.model_path", testDetector(t), "--json", "--blacklist.force_validator_permit")...)
	credentials, public := frontendKey(t)
	v := startProgram(t, validate("--listen", "127.0.0.1:0", "--proxy.minimum", "2", "--proxy.credentials", credentials, "--model", testDetector(t))...)

	client, err := subtensor.Dial(context.Background(), subtensor.Options{Network: url})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	v.until("an incentive", func() bool {
		graph, err := client.Metagraph(context.Background(), 1)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, n := range graph.Neurons {
			sum += n.Incentive
		}
		return sum > 0.9
	})
	picture, err := os.ReadFile(filepath.Join(pictures, "fake", "checks", "0.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	checkServed(t, address(t, v), public, picture)

	// The better model comes while the miner runs.
	better := testDetector(t)
	description := filepath.Join(better, detector.DescriptionFile)
	text, err := os.ReadFile(description)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(description, bytes.Replace(text, []byte(`"untrained"`), []byte(`"retrained"`), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(model, model+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(better, model); err != nil {
		t.Fatal(err)
	}
	m0.until("the reload", func() bool { return strings.Contains(m0.stderr.String(), "model reloaded") })

	var first validator.Snapshot
	if err := json.Unmarshal([]byte(v.interrupt()), &first); err != nil {
		t.Fatal(err)
	}
	if first.Challenges == 0 || first.WeightsSet == 0 || first.Images.Real+first.Images.Synthetic != first.Challenges || len(first.Miners) != 2 {
		t.Errorf("the validator reports %+v", first)
	}
	for _, m := range first.Miners {
		if m.Answered == 0 {
			t.Errorf("a miner never answered: %+v", m)
		}
	}

	// It goes on where it was.
	v = startProgram(t, validate("--neuron.axon_off", "--neuron.disable_set_weights", "--steps", "3", "--neuron.num_concurrent_forwards", "2")...)
	var second validator.Snapshot
	if err := json.Unmarshal([]byte(v.wait(0)), &second); err != nil {
		t.Fatal(err)
	}
	if second.Challenges != first.Challenges+3 || second.WeightsSet != first.WeightsSet {
		t.Errorf("after 3 more challenges: %+v", second)
	}
	if _, err := os.Stat(filepath.Join(state, "v", "default", "netuid1", "validator", "state.json")); err != nil {
		t.Error(err)
	}
	if lines, _ := bitmindOK(t, "", "validator", "export", shared, "--hotkey", hotkeys["v"]); strings.Count(lines, "\n") != int(second.Challenges) {
		t.Errorf("the shared store holds %d challenges of %d", strings.Count(lines, "\n"), second.Challenges)
	}

	var stats miner.Stats
	if err := json.Unmarshal([]byte(m0.interrupt()), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Answered == 0 || stats.Reloads != 1 || stats.Detector != "retrained" {
		t.Errorf("the miner reports %+v", stats)
	}
	if err := json.Unmarshal([]byte(m1.interrupt()), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Answered == 0 || stats.Reloads != 0 || stats.Detector != "untrained" {
		t.Errorf("the other miner reports %+v", stats)
	}
}

func TestNeuronUsage(t *testing.T) {
	walletsIn(t)
	for _, c := range []struct {
		args string
		want string
	}{
		{"validator --neuron.sample_size 0", `--neuron.sample_size 0; try: 50`},
		{"validator --neuron.timeout never", `"never" is not a time; try: 12 or 12s`},
		{"validator --neuron.timeout 0", `--neuron.timeout 0s; try: 12`},
		{"validator --neuron.moving_average_alpha 1.5", `not above 0 and at most 1; try: 0.1`},
		{"validator --neuron.num_concurrent_forwards 0", `--neuron.num_concurrent_forwards 0; try: 1`},
		{"validator --steps -1", `--steps -1; try:`},
		{"validator --proxy.sample_size 0", `--proxy.sample_size 0; try: 1 to 256`},
		{"validator --proxy.minimum 11", `--proxy.minimum 11; try: 1 to --proxy.sample_size, which is 10`},
		{"validator --proxy.credentials x", `are for --listen; try: --listen`},
		{"validator --listen 127.0.0.1:0 --proxy.credentials x --proxy.proxy_client_url y", `exclude each other`},
		{"validator --axon.external_ip here", `--axon.external_ip "here" is not an IP address`},
		{"serve --network ftp://x", `"ftp://x" is not a validator's address; try: https://`},
		{"serve --network.authorization x", `--network.authorization is for --network; try:`},
		{"validator more", `try: bitmind validator --help`},
		{"miner --blacklist.min_stake -1", `--blacklist.min_stake -1; try: a number of TAO`},
		{"miner --axon.external_ip 1.2.3", `--axon.external_ip "1.2.3" is not an IP address`},
		{"miner --axon.ip nowhere", `--axon.ip "nowhere" is not an IP address`},
		{"miner --axon.port 70000", `try: bitmind miner --help`},
	} {
		status, _, stderr := bitmind(t, "", strings.Fields(c.args)...)
		if status != 2 || !strings.Contains(stderr, c.want) {
			t.Errorf("bitmind %s: exit status %d, %s; want %s", c.args, status, stderr, c.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"12": 12 * time.Second, "0.5": 500 * time.Millisecond, "1m": time.Minute, "0": 0} {
		var s seconds
		if err := s.Set(text); err != nil || s.Duration != want {
			t.Errorf("%s: %v, %v", text, s.Duration, err)
		}
	}
	for _, text := range []string{"", "-1", "-1s", "NaN", "inf", "1e9", "soon"} {
		if err := new(seconds).Set(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{
		"me": "me", "ws://127.0.0.1:9944": "ws://127.0.0.1:9944", "~/wallets": "~/wallets",
		"my wallet": "'my wallet'", "it's": `'it'\''s'`, "": "''", "a;b": "'a;b'",
	} {
		if got := shellWord(word); got != want {
			t.Errorf("%q becomes %s, want %s", word, got, want)
		}
	}
	if !regexp.MustCompile(`^'.*'$`).MatchString(shellWord("$HOME")) {
		t.Error("$HOME is not quoted")
	}
}
