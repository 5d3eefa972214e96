package subtensor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// enduranceTempo makes 72 epochs of a day's 7,200 blocks.
const enduranceTempo = 99

// A day of simulated blocks of 12 s, in which a validator sets weights through a proxy
// that does everything a bad network and a bad node can do; in the middle of the day the
// chain is upgraded. With -short it is two and a half hours.
func TestEndurance(t *testing.T) {
	e := &endurance{T: t, blocks: 7200, disconnects: 200, seed: 20260701}
	if testing.Short() {
		e.blocks, e.disconnects = 800, 24
	}
	before := sample()
	e.setUp()
	e.run()
	e.tearDown()
	// Goroutines and sockets end a moment after their connection.
	eventually(t, "goroutines and sockets as before", func() bool {
		after := sample()
		return after.goroutines <= before.goroutines && after.files <= before.files
	}, func() string { return fmt.Sprintf("before %v, after %v\n%s", before, sample(), stacks()) })
}

// resources are what a client that leaks takes more and more of.
type resources struct {
	goroutines, files int
	heap              uint64
}

func (r resources) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %.1f MiB", r.goroutines, r.files, float64(r.heap)/(1<<20))
}

func sample() resources {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r := resources{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.files = len(files)
	}
	return r
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

func eventually(t *testing.T, what string, ok func() bool, say func() string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s; %s", what, say())
		}
	}
}

type endurance struct {
	*testing.T
	blocks, disconnects int
	seed                uint64

	clock     atomic.Int64 // simulated milliseconds
	chain     *localnet.Chain
	proxy     *substratetest.Proxy
	direct    *subtensor.Client // past the proxy
	client    *subtensor.Client
	validator *wallet.Keypair
	stop      []func()

	// Written by the validator's goroutine, read when it has ended.
	receipts, tooFast, doubts, failures int
	settled                             atomic.Uint64 // epoch of the last weights
	errors                              errorCounts
}

// errorCounts counts errors by their type.
type errorCounts struct {
	mu sync.Mutex
	m  map[string]int
}

func (c *errorCounts) add(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[string]int{}
	}
	c.m[kind]++
}

func (e *endurance) now() time.Time { return time.UnixMilli(e.clock.Load()) }

func (e *endurance) produce() {
	e.clock.Add(12_000)
	if err := e.chain.ProduceBlock(); err != nil {
		e.Fatal(err)
	}
}

// during makes blocks until f, which waits for them, is done.
func (e *endurance) during(f func() error) {
	e.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				e.Fatal(err)
			}
			return
		case <-time.After(3 * time.Millisecond):
			e.produce()
		}
	}
}

func (e *endurance) dial(url string, fast bool) *subtensor.Client {
	opts := subtensor.Options{Network: url, Now: e.now}
	if fast {
		opts.StallAfter = 250 * time.Millisecond
		opts.RPC = substrate.Options{
			CallTimeout: 3 * time.Second, DialTimeout: 3 * time.Second, PingInterval: 100 * time.Millisecond,
			BackoffMin: 2 * time.Millisecond, BackoffMax: 30 * time.Millisecond,
			RetryPause: 4 * time.Millisecond, WatchSilence: 100 * time.Millisecond,
		}
	}
	c, err := subtensor.Dial(testContext(e.T), opts)
	if err != nil {
		e.Fatal(err)
	}
	return c
}

func (e *endurance) setUp() {
	e.clock.Store(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	var err error
	e.chain, err = localnet.New(localnet.Config{BlockTime: 12 * time.Second, Tempo: enduranceTempo, SpecVersion: 293, AllowLoopback: true, Now: e.now})
	if err != nil {
		e.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = e.chain.Serve(ctx, l) })
	e.stop = append(e.stop, func() { cancel(); wg.Wait(); _ = e.chain.Close() })
	url := "ws://" + l.Addr().String()
	e.direct = e.dial(url, false)
	e.stop = append(e.stop, func() { _ = e.direct.Close() })

	bob, miner := key(e.T, "//Bob"), key(e.T, "//miner")
	e.validator = key(e.T, "//validator")
	setup := context.Background()
	e.during(func() error {
		for _, hotkey := range []*wallet.Keypair{e.validator, miner} {
			if _, err := e.direct.BurnedRegister(setup, bob, 1, hotkey.AccountID()); err != nil {
				return err
			}
		}
		if _, err := e.direct.AddStake(setup, bob, e.validator.AccountID(), 1, 1000e9); err != nil {
			return err
		}
		limit := substrate.Call{Pallet: "AdminUtils", Name: "sudo_set_weights_set_rate_limit", Args: substrate.Record{
			{Name: "netuid", Value: 1}, {Name: "weights_set_rate_limit", Value: 20}}}
		sudo := substrate.Call{Pallet: "Sudo", Name: "sudo", Args: substrate.Record{{Name: "call", Value: limit}}}
		_, err := e.direct.Submit(setup, sudo, key(e.T, "//Alice"))
		return err
	})
	for !e.self(e.direct).ValidatorPermit {
		for range 10 {
			e.produce()
		}
	}
	e.proxy = substratetest.NewProxy(e.T, url, e.seed)
	e.stop = append(e.stop, e.proxy.Close)
	e.client = e.dial(e.proxy.URL, true)
	e.stop = append(e.stop, func() { _ = e.client.Close() })
}

func (e *endurance) tearDown() {
	for i := len(e.stop) - 1; i >= 0; i-- {
		e.stop[i]()
	}
}

// self reads the validator's own entry.
func (e *endurance) self(c *subtensor.Client) subtensor.Neuron {
	e.Helper()
	m, err := c.Metagraph(testContext(e.T), 1)
	if err != nil {
		e.Fatal(err)
	}
	n, _ := m.ByHotkey(e.validator.AccountID())
	return n
}

// epochOf numbers the stretches between two runs of consensus.
func epochOf(block uint64) uint64 { return (block + 1 + 2) / (enduranceTempo + 1) }

func blockOfEpoch(block uint64) uint64 { return (block + 1 + 2) % (enduranceTempo + 1) }

// validate sets weights once in each epoch, from its middle on, as a validator does.
func (e *endurance) validate(ctx context.Context) {
	values := uint16(1000)
	for h := range e.client.Blocks(ctx) {
		epoch := epochOf(h.Number)
		if blockOfEpoch(h.Number) < (enduranceTempo+1)/2 || epoch <= e.settled.Load() {
			continue
		}
		values++
		weights := []uint16{65535, values}
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		receipt, err := e.client.SetWeights(limited, e.validator, 1, []uint16{2, 0}, weights, 0)
		switch {
		case err == nil:
			e.receipts++
			e.settled.Store(epochOf(receipt.BlockNumber))
			if epoch%8 == 0 {
				// At once again: the chain says in the block that this is too fast.
				if _, err := e.client.SetWeights(limited, e.validator, 1, []uint16{2, 0}, weights, 0); errors.Is(err, substrate.ErrRateLimited) && substrate.ErrorName(err) == "SettingWeightsTooFast" {
					e.tooFast++
				} else {
					e.fail(err)
				}
			}
		case ctx.Err() != nil:
		default:
			e.fail(err)
			// It may have arrived after all.
			if m, merr := e.client.Metagraph(limited, 1); merr == nil {
				if n, ok := m.ByHotkey(e.validator.AccountID()); ok && epochOf(n.LastUpdate) == epoch {
					e.settled.Store(epoch)
				}
			} else {
				e.fail(merr)
			}
		}
		cancel()
	}
}

// fail counts an error; one that a caller could not tell from others is a fault.
func (e *endurance) fail(err error) {
	kind := errorKind(err)
	e.errors.add(kind)
	e.failures++
	switch kind {
	case "":
		e.Errorf("an error without a type: %T %v", err, err)
	case "NoAnswerError", "DisconnectedError", "context":
		e.doubts++
	}
}

func errorKind(err error) string {
	var lost *substrate.DisconnectedError
	var silent *substrate.NoAnswerError
	var refused *substrate.TransactionError
	var failed *substrate.DispatchError
	var rpc *substrate.RPCError
	switch {
	case errors.As(err, &refused):
		return "TransactionError " + refused.Name
	case errors.As(err, &failed):
		return "DispatchError " + failed.Name
	case errors.Is(err, substrate.ErrExpired):
		return "ErrExpired"
	case errors.As(err, &silent):
		return "NoAnswerError"
	case errors.As(err, &lost):
		return "DisconnectedError"
	case errors.As(err, &rpc):
		return fmt.Sprint("RPCError ", rpc.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "context"
	}
	return ""
}

// ask makes calls all the time; each must end, with an answer or a typed error.
func (e *endurance) ask(ctx context.Context) {
	for ctx.Err() == nil {
		start := time.Now()
		err := e.client.Chain().Call(ctx, nil, "chain_getHeader")
		if err != nil && ctx.Err() == nil {
			kind := errorKind(err)
			e.errors.add("call: " + kind)
			if kind != "NoAnswerError" && kind != "DisconnectedError" {
				e.Errorf("a call ended with %v", err)
			}
		}
		if took := time.Since(start); took > 30*time.Second {
			e.Errorf("a call took %v", took)
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (e *endurance) run() {
	e.Logf("seed %d: %d blocks, %d disconnects", e.seed, e.blocks, e.disconnects)
	start := e.chain.BlockNumber()
	nonceBefore := e.nonce()
	e.settled.Store(epochOf(start))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { e.validate(ctx) })
	wg.Go(func() { e.ask(ctx) })
	e.proxy.Chance(substratetest.Faults{SwapAnswers: 0.1, RepeatHeads: 0.1, SwapHeads: 0.1})
	plan := e.plan()
	began := time.Now()

	var missed []uint64
	var middle resources
	for i := range e.blocks {
		for _, fault := range plan[i] {
			fault()
		}
		e.produce()
		block := e.chain.BlockNumber()
		e.pace(block)
		if blockOfEpoch(block+1) == 0 && epochOf(block) > epochOf(start) {
			if n := e.self(e.direct); epochOf(n.LastUpdate) != epochOf(block) {
				missed = append(missed, epochOf(block))
			}
		}
		if i == e.blocks/2 {
			if err := e.chain.Upgrade(381); err != nil {
				e.Fatal(err)
			}
		}
		if i == e.blocks*6/10 {
			middle = sample()
		}
	}
	for e.proxy.Stats().Disconnects < e.disconnects {
		e.proxy.Disconnect()
		if _, err := e.client.Block(testContext(e.T)); err != nil {
			e.Errorf("after a disconnect: %v", err)
		}
	}
	end := sample()
	cancel()
	wg.Wait()

	epochs := int(epochOf(e.chain.BlockNumber()) - epochOf(start))
	stats, included := e.client.Stats(), int(e.nonce()-nonceBefore)
	e.Logf("%d blocks in %v: %d epochs, %d settings of weights in %d extrinsics, %d too fast, %d failures, %d of them in doubt",
		e.blocks, time.Since(began).Round(time.Millisecond), epochs, e.receipts, included, e.tooFast, e.failures, e.doubts)
	e.Logf("proxy: %v", e.proxy.Stats())
	e.Logf("errors: %v; client: %+v", e.errors.m, stats)
	e.Logf("at 60 %%: %v; at the end: %v", middle, end)
	if e.receipts < epochs-1 {
		e.Errorf("weights were set %d times in %d epochs", e.receipts, epochs)
	}
	if len(missed) > 0 {
		e.Errorf("no weights in epochs %v", missed)
	}
	if e.proxy.Stats().Disconnects < e.disconnects || stats.Reconnects < uint64(e.disconnects)/2 {
		e.Errorf("only %d disconnects and %d reconnects", e.proxy.Stats().Disconnects, stats.Reconnects)
	}
	for _, code := range []int{1010, 1012, 1014} {
		if e.proxy.Stats().Refused[code] == 0 {
			e.Errorf("the proxy never refused with %d", code)
		}
	}
	if e.tooFast == 0 {
		e.Error("the chain never said too fast")
	}
	// Every extrinsic in a block is one that the client was told of, or one whose end it
	// could not be told.
	if told := e.receipts + e.tooFast; included < told || included > told+e.doubts {
		e.Errorf("%d extrinsics were included; the client knows of %d and %d in doubt", included, told, e.doubts)
	}
	if stats.Subscriptions > 3 || stats.Pending > 3 {
		e.Errorf("left over: %+v", stats)
	}
	// A few goroutines come and go with calls under way.
	if end.goroutines > middle.goroutines+16 || end.files > middle.files+8 {
		e.Errorf("from 60 %% on it grew: %v, then %v", middle, end)
	}
	if end.heap > middle.heap+8<<20 {
		e.Errorf("the heap grew: %v, then %v", middle, end)
	}
}

func (e *endurance) nonce() uint64 {
	n, err := e.direct.Chain().Nonce(testContext(e.T), e.validator.AccountID())
	if err != nil {
		e.Fatal(err)
	}
	return n
}

// pace lets the validator keep up: a block of 12 s is made at once while it has nothing
// to do, and otherwise as soon as its extrinsic waits for it, 150 ms later at most.
func (e *endurance) pace(block uint64) {
	busy := blockOfEpoch(block) >= (enduranceTempo+1)/2 && epochOf(block) > e.settled.Load()
	if !busy {
		time.Sleep(500 * time.Microsecond)
		return
	}
	for end := time.Now().Add(150 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if e.chain.Stats().Pending > 0 || epochOf(block) <= e.settled.Load() {
			return
		}
	}
}

// plan draws at which block what goes wrong.
func (e *endurance) plan() map[int][]func() {
	rng := rand.New(rand.NewPCG(e.seed, 2))
	plan := map[int][]func(){}
	at := func(i int, f func()) { plan[i] = append(plan[i], f) }
	const submit = "author_submitAndWatchExtrinsic"
	for range e.disconnects {
		i := rng.IntN(e.blocks)
		switch rng.IntN(8) {
		case 0:
			at(i, func() { e.proxy.DisconnectAt("state_getRuntimeVersion", true) })
		case 1:
			at(i, func() { e.proxy.DisconnectAt("chain_getHeader", false) })
		default:
			at(i, e.proxy.Disconnect)
		}
	}
	refusals := []*substrate.RPCError{substratetest.InvalidTransaction("Transaction is outdated"), substratetest.Banned(), substratetest.LowPriority(),
		substratetest.InvalidTransaction("Transaction has a bad signature")}
	for epoch, i := 0, 0; i < e.blocks; epoch, i = epoch+1, i+enduranceTempo+1 {
		switch epoch % 4 {
		case 0, 1:
			n := (epoch/4*2 + epoch%4) % len(refusals)
			at(i, func() { e.proxy.Refuse(submit, refusals[n]) })
		case 2:
			at(i, func() { e.proxy.DisconnectAt(submit, epoch%8 == 2) })
		}
		// In the second half of the epoch, when weights are due.
		late := i + enduranceTempo/2 + rng.IntN(20)
		switch epoch % 6 {
		case 1:
			at(late, e.proxy.Stall)
		case 3:
			at(late, e.proxy.Silence)
		}
	}
	return plan
}

// The numbers above agree with the chain's rule.
func TestEnduranceEpochs(t *testing.T) {
	for block := uint64(1); block < 500; block++ {
		if yuma.Due(block, 1, enduranceTempo) != (blockOfEpoch(block) == 0) {
			t.Fatalf("block %d", block)
		}
	}
}
