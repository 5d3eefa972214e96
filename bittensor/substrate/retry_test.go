package substrate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

func dialNode(t *testing.T, change func(*substrate.Options)) (*node, *substrate.Client, *wallet.Keypair) {
	t.Helper()
	n := newNode(t, substratetest.NewServer(t))
	opts := quick()
	opts.RetryPause, opts.WatchSilence = time.Millisecond, 20*time.Millisecond
	if change != nil {
		change(&opts)
	}
	c, err := substrate.Dial(testContext(t), n.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		t.Fatal(err)
	}
	return n, c, alice
}

// watched includes an extrinsic at once, as newNode does.
func (n *node) watched(p []json.RawMessage) any {
	return substratetest.NewSubscription(func(id string) {
		n.Notify("author_extrinsicUpdate", id, map[string]any{"inBlock": hashOf(n.include(p[0]))})
	})
}

// refuseFirst refuses the first times submissions and then takes them.
func (n *node) refuseFirst(times int64, refusal error) *atomic.Int64 {
	var asked atomic.Int64
	n.Handle("author_submitAndWatchExtrinsic", func(p []json.RawMessage) (any, error) {
		if asked.Add(1) <= times {
			return nil, refusal
		}
		return n.watched(p), nil
	})
	return &asked
}

// Refusals that pass are tried again with a nonce read again; others are not.
func TestRetries(t *testing.T) {
	for _, c := range []struct {
		code       int
		data       string
		name       string
		tries, end int64
	}{
		{1010, "Transaction is outdated", "Stale", 2, 0},
		{1010, "Transaction has a bad signature", "BadProof", 2, 0},
		{1010, "Transaction has an ancient birth block", "AncientBirthBlock", 2, 0},
		{1010, "Transaction would exhaust the block limits", "ExhaustsResources", 2, 0},
		{1012, "", "TemporarilyBanned", 2, 0},
		{1014, "The transaction has too low priority to replace another transaction already in the pool.", "TooLowPriority", 2, 0},
		{1016, "The transaction couldn't enter the pool because of the limit", "ImmediatelyDropped", 2, 0},
		{1002, "", "VerificationError", 2, 0},
		{1010, "Custom error: 6", "RateLimitExceeded", 0, 1},
		{1010, "Inability to pay some fees (e.g. account balance too low)", "Payment", 0, 1},
		{1010, "Transaction call is not expected", "Call", 0, 1},
		{1011, "Custom error: 200", "Custom(200)", 0, 1},
		{1011, "something", "UnknownValidity", 0, 1},
		{1015, "", "CycleDetected", 0, 1},
		{1012, "", "TemporarilyBanned", 9, 5}, // the fifth attempt is the last
	} {
		t.Run(fmt.Sprint(c.code, c.name, c.tries), func(t *testing.T) {
			n, client, alice := dialNode(t, func(o *substrate.Options) { o.CustomErrors = map[uint8]string{6: "RateLimitExceeded"} })
			refusal := &substrate.RPCError{Code: c.code, Message: "refused"}
			if c.data != "" {
				refusal.Data, _ = json.Marshal(c.data)
			}
			times := c.tries
			if c.end > 0 {
				times = 100
			}
			asked := n.refuseFirst(times, refusal)
			nonces := n.Calls("system_accountNextIndex")
			_, err := client.Submit(testContext(t), remark("x"), alice, substrate.SubmitOptions{})
			if c.end == 0 {
				if err != nil || asked.Load() != c.tries+1 || len(n.seen) != 1 {
					t.Fatalf("asked %d times: %v", asked.Load(), err)
				}
				if got := int64(n.Calls("system_accountNextIndex") - nonces); got != c.tries+1 {
					t.Errorf("the nonce was read %d times", got)
				}
				return
			}
			var refused *substrate.TransactionError
			if !errors.As(err, &refused) || refused.Name != c.name || refused.Code != c.code || asked.Load() != c.end {
				t.Errorf("asked %d times: %v", asked.Load(), err)
			}
			if errors.Is(err, substrate.ErrRateLimited) != (c.name == "RateLimitExceeded") {
				t.Errorf("rate limited: %v", err)
			}
		})
	}
}

// An extrinsic that the pool let go of, although a block had it, is found and not sent
// with another nonce.
func TestNoSecondEffect(t *testing.T) {
	for _, status := range []any{"dropped", "invalid", map[string]any{"usurped": substrate.Hash{9}}} {
		n, client, alice := dialNode(t, nil)
		n.Handle("author_submitAndWatchExtrinsic", func(p []json.RawMessage) (any, error) {
			return substratetest.NewSubscription(func(id string) {
				n.include(p[0])
				n.Notify("author_extrinsicUpdate", id, status)
			}), nil
		})
		in, err := client.Submit(testContext(t), remark("once"), alice, substrate.SubmitOptions{})
		if err != nil || in.BlockNumber != 1 || len(n.seen) != 1 {
			t.Errorf("%v: %+v, %d in blocks, %v", status, in, len(n.seen), err)
		}
	}
}

// An extrinsic that one pool let go of may still wait in another, and the node counts it:
// the next attempt has the same nonce all the same, so that only one can be taken.
func TestDroppedKeepsItsNonce(t *testing.T) {
	n, client, alice := dialNode(t, nil)
	var asked atomic.Int64
	n.Handle("author_submitAndWatchExtrinsic", func(p []json.RawMessage) (any, error) {
		if asked.Add(1) > 1 {
			return n.watched(p), nil
		}
		return substratetest.NewSubscription(func(id string) { n.Notify("author_extrinsicUpdate", id, "dropped") }), nil
	})
	n.Handle("system_accountNextIndex", func([]json.RawMessage) (any, error) { return 4 + asked.Load(), nil })
	in, err := client.Submit(testContext(t), remark("once"), alice, substrate.SubmitOptions{})
	if err != nil || asked.Load() != 2 || len(n.seen) != 1 || n.seen[0].Nonce != 4 {
		t.Errorf("%+v after %d attempts, %+v, %v", in, asked.Load(), n.seen, err)
	}
}

// A block takes the dropped extrinsic just after the head was read by which it is looked
// for: it is found all the same.
func TestDroppedAndTakenMeanwhile(t *testing.T) {
	n, client, alice := dialNode(t, nil)
	var sent atomic.Pointer[json.RawMessage]
	var asked atomic.Int64
	n.Handle("author_submitAndWatchExtrinsic", func(p []json.RawMessage) (any, error) {
		if asked.Add(1) > 1 {
			return n.watched(p), nil
		}
		return substratetest.NewSubscription(func(id string) {
			n.Notify("author_extrinsicUpdate", id, "dropped")
			sent.Store(&p[0])
		}), nil
	})
	n.Handle("chain_getHeader", func([]json.RawMessage) (any, error) {
		n.mu.Lock()
		head := n.header(len(n.blocks) - 1)
		n.mu.Unlock()
		if raw := sent.Swap(nil); raw != nil {
			n.include(*raw)
		}
		return head, nil
	})
	in, err := client.Submit(testContext(t), remark("once"), alice, substrate.SubmitOptions{})
	var refused *substrate.TransactionError
	for _, x := range n.seen[1:] {
		if x.Nonce != n.seen[0].Nonce {
			t.Errorf("sent with nonce %d and again with %d", n.seen[0].Nonce, x.Nonce)
		}
	}
	if err != nil && !errors.As(err, &refused) {
		t.Errorf("%+v, %v", in, err)
	}
}

// Another program uses the same key: its extrinsic takes the nonce, and ours is made anew.
func TestNonceTakenByAnother(t *testing.T) {
	n, client, alice := dialNode(t, nil)
	m := n.meta
	other, err := m.EncodeCall(remark("other"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := m.SignExtrinsic(other, alice, substrate.ExtrinsicParams{Nonce: 4, SpecVersion: 293, TxVersion: 1})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	n.Handle("author_submitAndWatchExtrinsic", func(p []json.RawMessage) (any, error) {
		if asked.Add(1) > 1 {
			return n.watched(p), nil
		}
		text, err := json.Marshal(substrate.Hex(raw))
		if err != nil {
			return nil, err
		}
		n.include(text)
		// A silent watch: the client must find out by itself.
		return substratetest.NewSubscription(nil), nil
	})
	in, err := client.Submit(testContext(t), remark("mine"), alice, substrate.SubmitOptions{})
	if err != nil || in.BlockNumber != 2 || len(n.seen) != 2 || n.seen[1].Nonce != 5 {
		t.Errorf("%+v, %v", in, err)
	}
}

// A watch that goes silent although a block has the extrinsic.
func TestSilentWatch(t *testing.T) {
	n, client, alice := dialNode(t, nil)
	n.Handle("author_submitAndWatchExtrinsic", func(p []json.RawMessage) (any, error) {
		return substratetest.NewSubscription(func(string) { n.include(p[0]) }), nil
	})
	in, err := client.Submit(testContext(t), remark("silence"), alice, substrate.SubmitOptions{})
	if err != nil || in.BlockNumber != 1 || len(n.seen) != 1 {
		t.Errorf("%+v, %v", in, err)
	}
}

// A call that is never answered ends with a typed error, connected or not.
func TestNoAnswer(t *testing.T) {
	s := substratetest.NewServer(t)
	hang := make(chan struct{})
	s.Handle("hang", func([]json.RawMessage) (any, error) { <-hang; return nil, nil })
	opts := quick()
	opts.CallTimeout = 30 * time.Millisecond
	r := dialRPC(t, s, opts)
	var silent *substrate.NoAnswerError
	if err := r.Call(testContext(t), nil, "hang"); !errors.As(err, &silent) || !silent.Sent || silent.Method != "hang" {
		t.Errorf("hanging call: %v", err)
	}
	close(hang) // Stop waits for it
	s.Stop()
	eventually(t, "the connection is gone", func() bool { return !r.Stats().Connected })
	if err := r.Call(testContext(t), nil, "hang"); !errors.As(err, &silent) || silent.Sent {
		t.Errorf("call without a connection: %v", err)
	}
	if n := r.Stats().Pending; n != 0 {
		t.Errorf("%d calls left over", n)
	}
}

// The first node goes away: the next one takes over, unless it is another chain.
func TestFallbacks(t *testing.T) {
	first, second, foreign := substratetest.NewServer(t), substratetest.NewServer(t), substratetest.NewServer(t)
	meta := substratetest.Metadata(t, 293)
	for _, s := range []*substratetest.Server{first, second, foreign} {
		s.Record(meta, 293)
	}
	foreign.Answer("chain_getBlockHash", substrate.Hash{66})
	opts := quick()
	opts.Fallbacks = []string{foreign.URL, second.URL}
	c, err := substrate.Dial(testContext(t), first.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.URL() != first.URL {
		t.Errorf("connected to %s", c.URL())
	}
	first.Stop()
	eventually(t, "the second node answers", func() bool {
		var n uint64
		err := c.Query(testContext(t), nil, &n, "SubtensorModule", "Tempo", 2)
		var wrong *substrate.GenesisError
		if err != nil && !errors.As(err, &wrong) {
			t.Log(err)
		}
		return err == nil && c.URL() == second.URL
	})
	if _, err := c.Runtime(testContext(t)); err != nil {
		t.Error(err)
	}
}

// A pinned client passes over the endpoint that is another chain, from the start.
func TestPinnedFallback(t *testing.T) {
	foreign, right := substratetest.NewServer(t), substratetest.NewServer(t)
	meta := substratetest.Metadata(t, 293)
	foreign.Record(meta, 293)
	right.Record(meta, 293)
	foreign.Answer("chain_getBlockHash", substrate.Hash{66})
	var f struct {
		Genesis substrate.Hash `json:"genesis_hash"`
	}
	substratetest.Load(t, "extrinsics.json", &f)
	opts := quick()
	opts.Genesis, opts.Fallbacks = &f.Genesis, []string{right.URL}
	c, err := substrate.Dial(testContext(t), foreign.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.URL() != right.URL {
		t.Errorf("connected to %s", c.URL())
	}
}

// A pinned client works with no other chain.
func TestPinnedGenesis(t *testing.T) {
	s := substratetest.NewServer(t)
	s.Record(substratetest.Metadata(t, 293), 293)
	opts := quick()
	opts.Genesis = &substrate.Hash{1, 2, 3}
	_, err := substrate.Dial(testContext(t), s.URL, opts)
	var wrong *substrate.GenesisError
	if !errors.As(err, &wrong) || wrong.URL != s.URL || wrong.Want != *opts.Genesis {
		t.Errorf("another chain: %v", err)
	}
}

// What is prepared can be signed by its signer only, and the payload is what the node
// will check.
func TestPrepare(t *testing.T) {
	n, client, alice := dialNode(t, nil)
	n.Answer("payment_queryInfo", map[string]any{"partialFee": "1234"})
	p, err := client.Prepare(testContext(t), remark("hello"), alice.AccountID(), substrate.SubmitOptions{Tip: 5, EraPeriod: 64})
	if err != nil {
		t.Fatal(err)
	}
	if p.Nonce != 4 || p.Tip != 5 || p.Era.Period != 64 || p.Death != 64 || p.Call.Name != "remark" || p.SpecVersion != 293 {
		t.Errorf("%+v", p)
	}
	if fee, err := client.Fee(testContext(t), p); err != nil || fee != 1234 {
		t.Errorf("fee %d, %v", fee, err)
	}
	bob, err := wallet.FromURI("//Bob")
	if err != nil {
		t.Fatal(err)
	}
	var refused *substrate.SigningError
	if _, err := p.Sign(bob); !errors.As(err, &refused) {
		t.Errorf("signed by another: %v", err)
	}
	raw, err := p.Sign(alice)
	if err != nil {
		t.Fatal(err)
	}
	x, err := n.meta.DecodeExtrinsic(raw)
	if err != nil || !wallet.Verify(alice.AccountID(), p.Payload, [64]byte(x.Signature)) {
		t.Errorf("the signature is not over the payload shown: %v", err)
	}
	if n.Calls("author_submitAndWatchExtrinsic") != 0 {
		t.Error("something was sent")
	}
}

// No key signs what is no call.
func TestNothingButCallsIsSigned(t *testing.T) {
	m := substratetest.Metadata(t, 293)
	signer := &recorded{}
	for _, junk := range [][]byte{nil, {250, 1}, {0, 0}, []byte("please sign this text, it is harmless")} {
		if _, err := m.SignExtrinsic(junk, signer, substrate.ExtrinsicParams{}); err == nil || signer.message != nil {
			t.Errorf("%x: %v", junk, err)
		}
	}
}
