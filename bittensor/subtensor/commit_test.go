package subtensor_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// stepChain is a development chain whose blocks the test makes, 12 s of its own clock
// apart, so that no epoch passes while a slow machine is busy.
type stepChain struct {
	t     *testing.T
	cfg   localnet.Config
	addr  string
	now   time.Time
	chain *localnet.Chain
	stop  func()
}

func newStepChain(t *testing.T, spec uint32, tempo uint16) *stepChain {
	t.Helper()
	s := &stepChain{t: t, addr: "127.0.0.1:0", now: time.Unix(1_750_000_000, 0)}
	s.cfg = localnet.Config{
		BlockTime: 12 * time.Second, Tempo: tempo, SpecVersion: spec, Dir: t.TempDir(), Now: func() time.Time { return s.now },
	}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *stepChain) start() {
	s.t.Helper()
	var err error
	if s.chain, err = localnet.New(s.cfg); err != nil {
		s.t.Fatal(err)
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.chain.Serve(ctx, l) })
	chain := s.chain
	s.stop = func() {
		cancel()
		wg.Wait()
		_ = chain.Close()
	}
}

// restart ends the chain's process, so to speak, and begins it again after a pause.
func (s *stepChain) restart(pause time.Duration) {
	s.t.Helper()
	s.stop()
	s.now = s.now.Add(pause)
	s.start()
}

func (s *stepChain) block() {
	s.t.Helper()
	s.now = s.now.Add(12 * time.Second)
	if err := s.chain.ProduceBlock(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stepChain) dial() *subtensor.Client {
	s.t.Helper()
	c, err := subtensor.Dial(testContext(s.t), subtensor.Options{
		Network: "ws://" + s.addr, Now: func() time.Time { return s.now },
		RPC: substrate.Options{BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// while makes a block whenever a transaction waits for one, until f is done.
func (s *stepChain) while(f func() error) error {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			if s.chain.Stats().Pending > 0 {
				s.block()
			}
		}
	}
}

func (s *stepChain) must(what string, f func() error) {
	s.t.Helper()
	if err := s.while(f); err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

func call(pallet, name string, args ...substrate.Entry) substrate.Call {
	return substrate.Call{Pallet: pallet, Name: name, Args: args}
}

func field(name string, value any) substrate.Entry { return substrate.Entry{Name: name, Value: value} }

// setUp registers a validator with a permit and two miners, and switches commit-reveal
// on; version is that of the commits, 0 for the chain's own.
func (s *stepChain) setUp(version uint16) {
	s.t.Helper()
	c := s.dial()
	ctx := testContext(s.t)
	alice, bob := key(s.t, "//Alice"), key(s.t, "//Bob")
	for _, hotkey := range []string{"//validator", "//miner1", "//miner2"} {
		s.must("registering", func() error { _, err := c.BurnedRegister(ctx, bob, 1, key(s.t, hotkey).AccountID()); return err })
	}
	s.must("staking", func() error {
		_, err := c.AddStake(ctx, bob, key(s.t, "//validator").AccountID(), 1, 1000*subtensor.RaoPerTAO)
		return err
	})
	s.must("switching commit-reveal on", func() error {
		_, err := c.Submit(ctx, call("AdminUtils", "sudo_set_commit_reveal_weights_enabled", field("netuid", 1), field("enabled", true)), alice)
		return err
	})
	if version != 0 {
		s.must("setting the version", func() error {
			_, err := c.Submit(ctx, call("Sudo", "sudo", field("call", call("AdminUtils", "sudo_set_commit_reveal_version", field("version", version)))), alice)
			return err
		})
	}
	for range 2 * (int(s.cfg.Tempo) + 1) {
		s.block()
	}
}

// tagged are weights that say in which epoch they were committed.
func tagged(epoch uint64) (uids, values []uint16) {
	return []uint16{2, 3}, []uint16{65535, uint16(1 + epoch%60_000)}
}

func TestTimelockedWeightsInEveryEpoch(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		for _, tempo := range []uint16{10, 30} {
			if spec == 293 && tempo > 10 {
				continue
			}
			t.Run(fmt.Sprint(spec, "/", tempo), func(t *testing.T) {
				timelockedInEveryEpoch(t, spec, tempo)
			})
		}
	}
}

func timelockedInEveryEpoch(t *testing.T, spec uint32, tempo uint16) {
	s := newStepChain(t, spec, tempo)
	s.setUp(0)
	ctx := testContext(t)
	c := s.dial()
	validator := key(t, "//validator")
	r, err := c.CommitReveal(ctx, 1)
	if err != nil || r.Form != subtensor.TimelockedWeights || r.Period != 1 || r.Tempo != tempo {
		t.Fatalf("%+v, %v", r, err)
	}
	if b, err := c.Beacon(ctx); err != nil || b.Key.Equal(timelock.QuicknetKey()) || b.Network.Period != 3*time.Second {
		t.Fatalf("beacon %+v, %v", b, err)
	}
	const epochs = 22
	committed := map[uint64]subtensor.Commitment{}
	end := r.Epoch(s.chain.BlockNumber()) + epochs
	checked := 0
	var last *subtensor.Commitment // the newest, nil after a pause of the chain
	for r.Epoch(s.chain.BlockNumber()) < end {
		head := s.chain.BlockNumber()
		epoch := r.Epoch(head + 1)
		first := r.FirstBlock(epoch)
		if _, ok := committed[epoch]; !ok && head+1-first == uint64(rand.IntN(int(tempo)-2))%(uint64(tempo)-3)+1 || !ok && head+3 > first+uint64(tempo) {
			uids, values := tagged(epoch)
			s.must("committing", func() error {
				out, err := c.CommitWeights(ctx, validator, 1, uids, values, 0)
				committed[epoch] = out
				return err
			})
			out := committed[epoch]
			last = &out
			waiting, err := c.WaitingCommits(ctx, 1)
			if err != nil || len(waiting) == 0 || waiting[len(waiting)-1].Hash != out.Hash || waiting[len(waiting)-1].Round != out.Round || waiting[len(waiting)-1].Hotkey != validator.AccountID() {
				t.Fatalf("waiting %+v, %v; committed %+v", waiting, err, out)
			}
			if b, err := c.Beacon(ctx); spec == 381 && (err != nil || out.Round <= b.Latest) {
				t.Errorf("committed to round %d, and %d is published (%v)", out.Round, b.Latest, err)
			}
			switch len(committed) % 6 {
			case 2: // the neuron starts again
				_ = c.Close()
				c = s.dial()
			case 4: // the chain starts again, after an hour
				s.restart(time.Hour)
				last = nil
				_ = c.Close()
				c = s.dial()
			}
			continue
		}
		s.block()
		// At the end of its window each commit must be open.
		head = s.chain.BlockNumber()
		for at, out := range committed {
			if out.LastReveal != head {
				continue
			}
			_, values := tagged(at)
			got, err := c.Weights(ctx, 1, 1)
			if err != nil || len(got) != 2 || got[1].Value != values[1] {
				t.Fatalf("epoch %d, block %d: weights %v, %v; want %v (%+v)", at, head, got, err, values, out)
			}
			checked++
		}
		if last != nil && spec == 381 && head+1 < last.FirstReveal {
			if b, err := c.Beacon(ctx); err != nil || b.Latest >= last.Round {
				t.Errorf("round %d is published at block %d, the reveal begins at %d (%v)", last.Round, head, last.FirstReveal, err)
			}
		}
	}
	if checked < epochs-2 {
		t.Errorf("%d epochs were checked of %d", checked, epochs)
	}
}

// TestEpochNumbers checks both ways of counting against each other and, for counted
// epochs, against the runtime's own rule, run block by block.
func TestEpochNumbers(t *testing.T) {
	plain := subtensor.CommitReveal{Netuid: 1, Tempo: 9}
	for block := uint64(20); block < 200; block++ {
		epoch := plain.Epoch(block)
		if first := plain.FirstBlock(epoch); first > block || plain.FirstBlock(epoch+1) <= block || plain.Epoch(first) != epoch {
			t.Errorf("block %d is of epoch %d, which begins at %d", block, epoch, first)
		}
	}
	for _, pending := range []uint64{0, 104, 500} {
		s := subtensor.EpochSchedule{Index: 7, LastBlock: 100, PendingAt: pending}
		r := subtensor.CommitReveal{Netuid: 1, Tempo: 9, Schedule: &s}
		index, last := s.Index, s.LastBlock
		for block := s.LastBlock + 1; block < 160; block++ {
			// An epoch that is due counts for the block in which it is run.
			if block-last >= 9 || pending > 0 && block >= pending {
				index, last = index+1, block
				pending = 0
			}
			if got := r.Epoch(block); got != index {
				t.Errorf("pending %d: block %d is of epoch %d, want %d", s.PendingAt, block, got, index)
			}
			if got := r.FirstBlock(index); got != last {
				t.Errorf("pending %d: epoch %d begins at %d, want %d", s.PendingAt, index, got, last)
			}
		}
		if r.Epoch(99) != 6 || r.Epoch(91) != 6 || r.Epoch(90) != 5 || r.FirstBlock(6) != 91 || r.Epoch(0) != 0 {
			t.Errorf("earlier epochs: %d, %d, %d, %d", r.Epoch(99), r.Epoch(91), r.Epoch(90), r.FirstBlock(6))
		}
	}
}

func TestCommitWeightsErrors(t *testing.T) {
	s := newStepChain(t, 381, 20)
	c := s.dial()
	ctx := testContext(t)
	validator := key(t, "//validator")
	if _, err := c.CommitWeights(ctx, validator, 1, []uint16{1}, []uint16{1}, 0); !errors.Is(err, subtensor.ErrNotTimelocked) {
		t.Errorf("with plain weights: %v", err)
	}
	s.setUp(0)
	if _, err := c.CommitWeights(ctx, validator, 1, []uint16{1}, nil, 0); err == nil {
		t.Error("committed to uids without weights")
	}
	stranger := key(t, "//stranger")
	err := s.while(func() error { _, err := c.CommitWeights(ctx, stranger, 1, []uint16{1}, []uint16{1}, 0); return err })
	if name := substrate.ErrorName(err); name != "HotKeyNotRegisteredInSubNet" && name != "StakeAmountTooLow" {
		t.Errorf("a stranger: %v", err)
	}
	uids, values := tagged(1)
	h, err := subtensor.OpenHashCommits("")
	if err != nil {
		t.Fatal(err)
	}
	s.must("committing by hash", func() error { _, err := h.Commit(ctx, c, validator, 1, uids, values, 0); return err })
	_, err = c.RevealHash(ctx, validator, h.Pending()[0])
	if name := substrate.ErrorName(err); name != "CommitBlockNotInRevealRange" {
		t.Errorf("too early: %v", err)
	}
	broken := filepath.Join(t.TempDir(), "commits.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := subtensor.OpenHashCommits(broken); err == nil || !strings.Contains(err.Error(), "; try: ") {
		t.Errorf("a broken file: %v", err)
	}
}

// TestSecretWeightsHash compares our hash with the chain's.
func TestSecretWeightsHash(t *testing.T) {
	s := subtensor.SecretWeights{Netuid: 3, Hotkey: key(t, "//a").AccountID(), UIDs: []uint16{1, 2}, Values: []uint16{65535, 4}, Salt: []uint16{9, 8, 7}, VersionKey: 5}
	if got, want := s.Hash(), localnet.CommitHash(s.Hotkey, s.Netuid, s.UIDs, s.Values, s.Salt, s.VersionKey); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

const commitURL, commitFile = "SUBTENSOR_TEST_COMMIT_URL", "SUBTENSOR_TEST_COMMIT_FILE"

// TestMain makes the test binary a process that commits and reveals, for
// TestHashedWeightsInEveryEpoch.
func TestMain(m *testing.M) {
	if os.Getenv(commitURL) == "" {
		os.Exit(m.Run())
	}
	if err := committer(os.Getenv(commitURL), os.Getenv(commitFile)); err != nil {
		fmt.Fprintln(os.Stderr, "committer:", err)
		os.Exit(1)
	}
}

// committer commits once in each epoch and reveals, until it is killed. It prints the
// number of each block that it has dealt with.
func committer(url, file string) error {
	ctx := context.Background()
	c, err := subtensor.Dial(ctx, subtensor.Options{Network: url})
	if err != nil {
		return err
	}
	h, err := subtensor.OpenHashCommits(file)
	if err != nil {
		return err
	}
	validator, err := wallet.FromURI("//validator")
	if err != nil {
		return err
	}
	for range c.Blocks(ctx) {
		r, err := c.CommitReveal(ctx, 1)
		if err != nil {
			return err
		}
		head, err := c.Block(ctx)
		if err != nil {
			return err
		}
		if h.RevealDue(r, head) {
			if _, err := h.Reveal(ctx, c, validator, 1); err != nil {
				return err
			}
		}
		epoch := r.Epoch(head + 1)
		pending, err := c.PendingHashes(ctx, 1, validator.AccountID())
		if err != nil {
			return err
		}
		done := len(pending) > 0 && r.Epoch(pending[len(pending)-1].Block) == epoch
		if !done && head+1-r.FirstBlock(epoch) >= 4 {
			uids, values := tagged(epoch)
			if _, err := h.Commit(ctx, c, validator, 1, uids, values, 0); err != nil {
				return err
			}
		}
		fmt.Println(head)
	}
	return nil
}

// TestHashedWeightsInEveryEpoch kills the process that commits and reveals again and
// again, and restarts the chain: every epoch's weights are revealed in the next one.
func TestHashedWeightsInEveryEpoch(t *testing.T) {
	s := newStepChain(t, 381, 24)
	s.setUp(1)
	ctx := testContext(t)
	c := s.dial()
	r, err := c.CommitReveal(ctx, 1)
	if err != nil || r.Form != subtensor.HashedWeights {
		t.Fatalf("%+v, %v", r, err)
	}
	file := filepath.Join(t.TempDir(), "commits.json")
	var cmd *exec.Cmd
	var lines chan uint64
	start := func() {
		cmd = exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), commitURL+"=ws://"+s.addr, commitFile+"="+file)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines = make(chan uint64, 1000)
		go func(lines chan uint64) {
			defer close(lines)
			for scan := bufio.NewScanner(out); scan.Scan(); {
				if n, err := strconv.ParseUint(scan.Text(), 10, 64); err == nil {
					lines <- n
				}
			}
		}(lines)
	}
	kill := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	start()
	defer func() { kill() }()
	rng := rand.New(rand.NewPCG(5, 6))
	const epochs = 21
	begin := r.Epoch(s.chain.BlockNumber()) + 1
	kills, checked := 0, 0
	for r.Epoch(s.chain.BlockNumber()) < begin+epochs {
		// The next block comes when this one is dealt with, or wanted.
		head := s.chain.BlockNumber()
		killAt := time.After(time.Hour)
		if rng.IntN(8) == 0 {
			killAt = time.After(time.Duration(rng.Int64N(int64(30 * time.Millisecond))))
		}
		tick := time.NewTicker(time.Millisecond)
		for waiting := true; waiting; {
			select {
			case n, ok := <-lines:
				if !ok {
					t.Fatalf("the committer ended by itself: %v", cmd.Wait())
				}
				waiting = n < head
			case <-tick.C:
				waiting = s.chain.Stats().Pending == 0
			case <-killAt:
				kill()
				kills++
				if kills%5 == 0 {
					s.restart(10 * time.Minute)
					_ = c.Close()
					c = s.dial()
				}
				start()
				killAt = nil
			}
		}
		tick.Stop()
		s.block()
		head = s.chain.BlockNumber()
		if epoch := r.Epoch(head); r.Epoch(head+1) != epoch && epoch > begin {
			_, values := tagged(epoch - 1)
			got, err := c.Weights(ctx, 1, 1)
			if err != nil || len(got) != 2 || got[1].Value != values[1] {
				t.Fatalf("epoch %d, block %d: weights %v, %v; want %v", epoch, head, got, err, values)
			}
			checked++
		}
	}
	// How many of the kills come in time depends on the machine.
	if kills < 3 || checked < 20 {
		t.Errorf("%d kills, %d epochs checked", kills, checked)
	}
	t.Logf("%d epochs, %d kills", checked, kills)
}

func TestCommitsOnDisk(t *testing.T) {
	s := newStepChain(t, 381, 20)
	s.setUp(1)
	c := s.dial()
	ctx := testContext(t)
	file := filepath.Join(t.TempDir(), "commits.json")
	h, err := subtensor.OpenHashCommits(file)
	if err != nil {
		t.Fatal(err)
	}
	uids, values := tagged(7)
	// On disk before it is sent: a chain that fails sees what the file holds.
	failing := &sendFails{Client: c, file: file}
	if _, err := h.Commit(ctx, failing, key(t, "//validator"), 1, uids, values, 3); !errors.Is(err, errSend) {
		t.Fatal(err)
	}
	if !failing.onDisk {
		t.Error("the commit was sent before it was on disk")
	}
	again, err := subtensor.OpenHashCommits(file)
	if err != nil || !reflect.DeepEqual(again.Pending(), h.Pending()) || len(again.Pending()) != 1 {
		t.Errorf("%+v, %v", again.Pending(), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	// One that never arrives is forgotten in the end.
	for range 300 {
		s.block()
	}
	if got, err := again.Reveal(ctx, c, key(t, "//validator"), 1); got != nil || err != nil || len(again.Pending()) != 0 {
		t.Errorf("%v, %v, %d left", got, err, len(again.Pending()))
	}
}

var errSend = errors.New("the connection is gone")

type sendFails struct {
	*subtensor.Client
	file   string
	onDisk bool
}

func (s *sendFails) CommitHash(context.Context, subtensor.Signer, uint16, substrate.Hash) (subtensor.Commitment, error) {
	h, err := subtensor.OpenHashCommits(s.file)
	s.onDisk = err == nil && len(h.Pending()) == 1
	return subtensor.Commitment{}, errSend
}
