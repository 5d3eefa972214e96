package localnet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestAdvance(t *testing.T) {
	c := testChain(t, Config{Dir: t.TempDir()})
	addr := serve(t, c)
	ws := dial(t, addr)
	ws.ask("chain_subscribeNewHeads")
	ws.notification()
	got := mustAsk[struct {
		Number uint64
		Hash   string
	}](t, addr, "dev_advance", 300)
	head := c.recent.head()
	if got.Number != 300 || head.number != 300 || got.Hash != head.id.String() {
		t.Errorf("dev_advance answers %+v, the head is %d %s", got, head.number, head.id)
	}
	// Every block is announced, and epochs are run.
	for n := 1; n <= 300; n++ {
		if m := ws.notification(); !strings.Contains(string(m.Params.Result), fmt.Sprintf(`"number":"0x%x"`, n)) {
			t.Fatalf("head %d is announced as %s", n, m.Params.Result)
		}
	}
	if last := c.latest().u64("LastMechansimStepBlock", le16(1)); last < 289 {
		t.Errorf("the last epoch was at block %d", last)
	}
	// With a step the chain's clock runs ahead, and stays there.
	before := c.latest().u64("Timestamp.Now")
	mustAsk[any](t, addr, "dev_advance", 10, 12_000)
	c.mustProduce(t)
	gained := c.latest().u64("Timestamp.Now") - before
	// The test's own clock moves by 6 s for each block.
	if want := uint64(10*12_000 + 11*6_000); gained != want {
		t.Errorf("the clock gained %d ms, want %d", gained, want)
	}
	for _, n := range []int{0, -1, MaxAdvance + 1} {
		if err := c.Advance(t.Context(), n, 0); err == nil {
			t.Errorf("%d blocks are made", n)
		}
	}
	if err := c.Advance(t.Context(), 1, -time.Second); err == nil {
		t.Error("the clock goes back")
	}
}

func TestAdvanceIsForThisMachine(t *testing.T) {
	c := testChain(t, Config{})
	for _, text := range []string{`{"jsonrpc":"2.0","id":1,"method":"dev_advance","params":[1]}`, `{"jsonrpc":"2.0","id":1,"method":"dev_export"}`} {
		c.answer(t.Context(), []byte(text), caller{}, func(b []byte) {
			if !strings.Contains(string(b), "-32601") || !strings.Contains(string(b), "unsafe") {
				t.Errorf("%s from another machine: %s", text, b)
			}
		})
	}
	if c.BlockNumber() != 0 {
		t.Error("blocks were made")
	}
}

func TestAdvanceIsCancelled(t *testing.T) {
	c := testChain(t, Config{})
	addr := serve(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Advance(ctx, MaxAdvance, 0) }()
	waitForBlock(t, c, 3)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "of 100000 blocks") {
		t.Errorf("error %v", err)
	}
	// A client that goes takes its fast-forward with it.
	ws := dial(t, addr)
	if err := ws.conn.Write(t.Context(), websocket.MessageText, []byte(`{"jsonrpc":"2.0","id":1,"method":"dev_advance","params":[100000]}`)); err != nil {
		t.Fatal(err)
	}
	waitForBlock(t, c, c.BlockNumber()+3)
	_ = ws.conn.CloseNow()
	c.hub.waitClosed(30 * time.Second)
	if conns, _, _ := c.hub.counts(); conns != 0 {
		t.Fatal("the connection is still there")
	}
	if n := c.BlockNumber(); n > 50_000 {
		t.Errorf("it went on to block %d", n)
	}
	// The connection ends only when nothing is being answered for it.
	n := c.BlockNumber()
	c.mustProduce(t)
	if c.BlockNumber() != n+1 {
		t.Errorf("block %d after %d", c.BlockNumber(), n)
	}
}

func waitForBlock(t *testing.T, c *Chain, n uint64) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); c.BlockNumber() < n; {
		if time.Now().After(deadline) {
			t.Fatalf("block %d, waiting for %d", c.BlockNumber(), n)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestAdvanceBesideRun fast-forwards from several sides while blocks are made
// at the interval.
func TestAdvanceBesideRun(t *testing.T) {
	dir := t.TempDir()
	c := reopen(t, Config{Dir: dir, BlockTime: MinBlockTime})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := c.Advance(ctx, 200, time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	waitForBlock(t, c, 602)
	cancel()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	head := c.recent.head()
	again := reopen(t, Config{Dir: dir, BlockTime: MinBlockTime})
	defer again.Close()
	if again.recent.head().id != head.id {
		t.Errorf("restored at block %d, not %d", again.BlockNumber(), head.number)
	}
	// Each block follows the one before, with a later timestamp.
	for n := head.number - 200; n <= head.number; n++ {
		if b := again.recent.byNumber(n); b.parent != again.recent.byNumber(n-1).id {
			t.Fatalf("block %d does not follow", n)
		}
	}
	if now := again.latest().u64("Timestamp.Now"); now < uint64(time.Now().Add(500*time.Second).UnixMilli()) {
		t.Errorf("the clock is at %d", now)
	}
}
