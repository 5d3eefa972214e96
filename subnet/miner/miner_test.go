package miner_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
	"github.com/maxmos001/bitmind-subnet/subnet/miner"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/protocol"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
)

// running is a miner that runs until stop.
type running struct {
	*miner.Miner
	stop func()
}

func run(t *testing.T, cfg miner.Config) running {
	t.Helper()
	cfg.Netuid, cfg.Logger = subnettest.Netuid, subnettest.Logger(t)
	if cfg.Detector == nil && cfg.ModelPath == "" {
		cfg.Detector = subnettest.Contrast{Name: "contrast"}
	}
	m, err := miner.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Errorf("the miner ended: %v", err)
		}
	})
	r := running{m, sync.OnceFunc(func() { cancel(); wg.Wait() })}
	t.Cleanup(r.stop)
	ready, done := context.WithTimeout(ctx, subnettest.Timeout)
	defer done()
	select {
	case <-m.Ready():
	case <-ready.Done():
		t.Fatalf("the miner is not ready: %+v", m.Stats())
	}
	return r
}

func ask(t *testing.T, key *wallet.Keypair, target synapse.Target, s protocol.ImageSynapse) synapse.Response[protocol.ImageSynapse] {
	t.Helper()
	d := synapse.NewDendrite(synapse.DendriteConfig{Signer: key})
	defer d.Close()
	return synapse.Query(context.Background(), d, []synapse.Target{target}, s, subnettest.Timeout)[0]
}

func jpegOf(t *testing.T, check int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 256, 256))
	for y := range 256 {
		for x := range 256 {
			img.SetGray(x, y, color.Gray{Y: 40})
			if check > 0 && (x/check+y/check)%2 == 0 {
				img.SetGray(x, y, color.Gray{Y: 220})
			}
		}
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestMiner(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	client := chain.Dial(t)
	hot := chain.Register(t, client, "//miner", "//Bob", 0)
	validator := chain.Register(t, client, "//validator", "//Charlie", 100)
	m := run(t, miner.Config{Signer: hot, Chain: client, IP: "127.0.0.1"})

	graph, err := client.Metagraph(context.Background(), subnettest.Netuid)
	if err != nil {
		t.Fatal(err)
	}
	self, ok := graph.ByHotkey(hot.AccountID())
	if !ok || netip.AddrPortFrom(self.Axon.IP, self.Axon.Port) != m.Addr() {
		t.Fatalf("the chain holds %+v, the miner serves at %v", self.Axon, m.Addr())
	}
	target := synapse.Target{Hotkey: hot.AccountID(), Addr: m.Addr()}

	for check, want := range map[int]float64{0: 0, 4: 1} {
		r := ask(t, validator, target, protocol.NewImageSynapse(jpegOf(t, check)))
		if r.Err != nil || r.Synapse.Prediction != want {
			t.Errorf("checks of %d: prediction %v, status %d, %v; want %v", check, r.Synapse.Prediction, r.StatusCode, r.Err, want)
		}
	}
	if r := ask(t, subnettest.Key(t, "//stranger"), target, protocol.NewImageSynapse(jpegOf(t, 4))); !errors.Is(r.Err, synapse.ErrBlacklisted) {
		t.Errorf("a stranger got %d, %v", r.StatusCode, r.Err)
	}
	for name, s := range map[string]protocol.ImageSynapse{
		"no image":   {Prediction: protocol.NoAnswer},
		"no base64":  {Image: "?", Prediction: protocol.NoAnswer},
		"no picture": protocol.NewImageSynapse([]byte("this is text")),
		"cut off":    protocol.NewImageSynapse(jpegOf(t, 4)[:300]),
	} {
		if r := ask(t, validator, target, s); r.StatusCode != 422 || r.Err == nil {
			t.Errorf("%s: status %d, %v", name, r.StatusCode, r.Err)
		}
	}

	// Many at once: every answer belongs to its image.
	d := synapse.NewDendrite(synapse.DendriteConfig{Signer: validator})
	defer d.Close()
	smooth, checks := protocol.NewImageSynapse(jpegOf(t, 0)), protocol.NewImageSynapse(jpegOf(t, 4))
	targets := make([]synapse.Target, 24)
	for i := range targets {
		targets[i] = target
	}
	var wg sync.WaitGroup
	for want, s := range map[float64]protocol.ImageSynapse{0: smooth, 1: checks} {
		wg.Go(func() {
			for _, r := range synapse.Query(context.Background(), d, targets, s, subnettest.Timeout) {
				if r.Err != nil || r.Synapse.Prediction != want {
					t.Errorf("prediction %v, %v; want %v", r.Synapse.Prediction, r.Err, want)
				}
			}
		})
	}
	wg.Wait()
	s := m.Stats()
	if s.Answered != 50 || s.Failed != 4 || s.Refused < 1 || !s.Registered || s.Detector != "contrast" {
		t.Errorf("stats %+v", s)
	}
	if s.Images != 50 || s.Batches > s.Images {
		t.Errorf("%d images in %d batches", s.Images, s.Batches)
	}
}

// The address goes to the chain once, and again only when it has changed.
func TestAnnouncesOnlyChanges(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	client := chain.Dial(t)
	hot := chain.Register(t, client, "//miner", "//Bob", 0)
	axon := func() subtensor.AxonInfo {
		t.Helper()
		graph, err := client.Metagraph(context.Background(), subnettest.Netuid)
		if err != nil {
			t.Fatal(err)
		}
		self, _ := graph.ByHotkey(hot.AccountID())
		return self.Axon
	}
	m := run(t, miner.Config{Signer: hot, Chain: client, IP: "127.0.0.1"})
	first := axon()
	m.stop()

	m = run(t, miner.Config{Signer: hot, Chain: client, IP: "127.0.0.1", Port: first.Port})
	if again := axon(); again != first {
		t.Errorf("the same address was announced again: %+v, then %+v", first, again)
	}
	m.stop()

	// Behind NAT.
	m = run(t, miner.Config{
		Signer: hot, Chain: client, IP: "127.0.0.1", Port: first.Port,
		ExternalIP: netip.MustParseAddr("203.0.113.5"), ExternalPort: 18091,
	})
	moved := axon()
	if moved.IP.String() != "203.0.113.5" || moved.Port != 18091 || moved.Block <= first.Block {
		t.Errorf("the external address on the chain: %+v", moved)
	}
	if got := m.Addr().String(); got != "203.0.113.5:18091" {
		t.Errorf("announced as %s", got)
	}
}

func TestMinerErrors(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	client := chain.Dial(t)
	cfg := miner.Config{
		Netuid: subnettest.Netuid, Signer: subnettest.Key(t, "//nobody"), Chain: client,
		Detector: subnettest.Contrast{}, IP: "127.0.0.1", RegisterCommand: "bitmind register --netuid 1",
	}
	m, err := miner.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), subnettest.Timeout)
	defer cancel()
	var missing *neuron.NotRegisteredError
	if err := m.Run(ctx); !errors.As(err, &missing) {
		t.Errorf("an unregistered miner: %v", err)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg.Port = uint16(taken.Addr().(*net.TCPAddr).Port)
	if _, err := miner.New(cfg); err == nil {
		t.Error("a taken port was accepted")
	}
	cfg.Port = 0
	cfg.Detector, cfg.ModelPath = nil, t.TempDir()+"/none"
	cfg.OpenModel = func(string) (miner.Detector, error) { return nil, errors.New("no such model") }
	if _, err := miner.New(cfg); err == nil {
		t.Error("a missing model was accepted")
	}
}
