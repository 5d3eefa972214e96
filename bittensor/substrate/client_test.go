package substrate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
)

// quick makes failures show soon; no test depends on these being met exactly.
func quick() substrate.Options {
	return substrate.Options{CallTimeout: 20 * time.Second, DialTimeout: 5 * time.Second, PingInterval: 5 * time.Second, BackoffMin: 5 * time.Millisecond, BackoffMax: 50 * time.Millisecond}
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dialRPC(t *testing.T, s *substratetest.Server, opts substrate.Options) *substrate.RPC {
	t.Helper()
	r, err := substrate.DialRPC(testContext(t), s.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAnswersOutOfOrder(t *testing.T) {
	s := substratetest.NewServer(t)
	// Every answer waits for the next request's: they come in reverse.
	const n = 20
	gates := make([]chan struct{}, n+1)
	for i := range gates {
		gates[i] = make(chan struct{})
	}
	close(gates[n])
	s.Handle("echo", func(p []json.RawMessage) (any, error) {
		var i int
		if err := json.Unmarshal(p[0], &i); err != nil {
			return nil, err
		}
		<-gates[i+1]
		defer close(gates[i])
		return i, nil
	})
	r := dialRPC(t, s, quick())
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var got int
			if err := r.Call(testContext(t), &got, "echo", i); err != nil || got != i {
				t.Errorf("echo %d: %d, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	if p := r.Stats().Pending; p != 0 {
		t.Errorf("%d calls left over", p)
	}
}

func TestCallErrors(t *testing.T) {
	s := substratetest.NewServer(t)
	s.Handle("refuse", func([]json.RawMessage) (any, error) {
		return nil, &substrate.RPCError{Code: 1010, Message: "Invalid Transaction", Data: json.RawMessage(`"Custom error: 2"`)}
	})
	hang := make(chan struct{})
	defer close(hang)
	s.Handle("hang", func([]json.RawMessage) (any, error) { <-hang; return nil, nil })
	s.Answer("ok", "fine")
	r := dialRPC(t, s, quick())

	var refused *substrate.RPCError
	if err := r.Call(testContext(t), nil, "refuse"); !errors.As(err, &refused) || refused.Code != 1010 || refused.DataText() != "Custom error: 2" {
		t.Errorf("refused call: %v", err)
	}
	if err := r.Call(testContext(t), nil, "nothing"); !errors.As(err, &refused) || refused.Code != substrate.CodeMethodNotFound {
		t.Errorf("unknown method: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := r.Call(ctx, nil, "hang"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging call: %v", err)
	}
	// Messages that make no sense leave the connection in use.
	for _, junk := range []string{"", "null", "[]", "{", `{"id":"x","result":1}`, `{"id":999,"result":1}`, `{"method":"a","params":{"subscription":"none","result":1}}`, `[1,2]`} {
		s.Send(junk)
	}
	var got string
	if err := r.Call(testContext(t), &got, "ok"); err != nil || got != "fine" {
		t.Errorf("after junk: %q, %v", got, err)
	}
	if st := r.Stats(); st.Reconnects != 0 || st.Pending != 0 {
		t.Errorf("%+v", st)
	}
}

func TestDropFailsPendingCallsAndReconnects(t *testing.T) {
	s := substratetest.NewServer(t)
	entered := make(chan struct{})
	release := make(chan struct{})
	s.Handle("slow", func([]json.RawMessage) (any, error) { close(entered); <-release; return 1, nil })
	s.Answer("ok", 7)
	r := dialRPC(t, s, quick())
	result := make(chan error, 1)
	go func() { result <- r.Call(testContext(t), nil, "slow") }()
	<-entered
	s.DropAll()
	var lost *substrate.DisconnectedError
	if err := <-result; !errors.As(err, &lost) || !lost.Sent || lost.Method != "slow" {
		t.Errorf("the call in flight returned %v", err)
	}
	close(release)
	var got int
	if err := r.Read(testContext(t), &got, "ok"); err != nil || got != 7 {
		t.Errorf("after the drop: %d, %v", got, err)
	}
	if r.Stats().Reconnects == 0 {
		t.Error("no reconnect was counted")
	}
}

func TestRestartRenewsSubscriptions(t *testing.T) {
	s := substratetest.NewServer(t)
	s.Handle("sub", func([]json.RawMessage) (any, error) { return substratetest.NewSubscription(nil), nil })
	s.Answer("unsub", true)
	r := dialRPC(t, s, quick())
	ctx := testContext(t)
	keep, err := r.Subscribe(ctx, substrate.SubscribeRequest{Method: "sub", Unsubscribe: "unsub", Resubscribe: true, Latest: true})
	if err != nil {
		t.Fatal(err)
	}
	once, err := r.Subscribe(ctx, substrate.SubscribeRequest{Method: "sub", Unsubscribe: "unsub"})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		s.Stop()
		s.Start()
		eventually(t, "the subscription is renewed", func() bool { return len(s.Subscriptions()) == 1 })
		s.Notify("note", s.Subscriptions()[0], round)
		if got := string(<-keep.C); got != fmt.Sprint(round) {
			t.Errorf("round %d: %s", round, got)
		}
	}
	if _, ok := <-once.C; ok {
		t.Error("a subscription that may not be renewed went on")
	}
	var lost *substrate.DisconnectedError
	if !errors.As(once.Err(), &lost) {
		t.Errorf("it ended with %v", once.Err())
	}
	keep.Close()
	if _, ok := <-keep.C; ok || keep.Err() != nil {
		t.Errorf("closed: %v", keep.Err())
	}
	eventually(t, "the node is told", func() bool { return s.Calls("unsub") > 0 })
	if n := r.Stats().Subscriptions; n != 0 {
		t.Errorf("%d subscriptions left over", n)
	}
}

func TestStalledServerIsLeft(t *testing.T) {
	s := substratetest.NewServer(t)
	s.Answer("ok", 1)
	opts := quick()
	opts.PingInterval = 20 * time.Millisecond
	r := dialRPC(t, s, opts)
	if err := r.Call(testContext(t), nil, "ok"); err != nil {
		t.Fatal(err)
	}
	s.Stall(true)
	// The server reads this request, answers nothing, and then reads no more: only
	// the unanswered ping tells.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var lost *substrate.DisconnectedError
	if err := r.Call(ctx, nil, "ok"); !errors.As(err, &lost) {
		t.Fatalf("a call to a stalled server: %v", err)
	}
	s.Stall(false)
	if err := r.Read(testContext(t), nil, "ok"); err != nil {
		t.Errorf("after the stall: %v", err)
	}
}

func TestSlowReaderNeverStopsTheConnection(t *testing.T) {
	s := substratetest.NewServer(t)
	s.Handle("sub", func([]json.RawMessage) (any, error) { return substratetest.NewSubscription(nil), nil })
	s.Answer("unsub", true)
	s.Answer("ok", 1)
	r := dialRPC(t, s, quick())
	ctx := testContext(t)
	latest, err := r.Subscribe(ctx, substrate.SubscribeRequest{Method: "sub", Unsubscribe: "unsub", Latest: true})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := r.Subscribe(ctx, substrate.SubscribeRequest{Method: "sub", Unsubscribe: "unsub", Queue: 10})
	if err != nil {
		t.Fatal(err)
	}
	ids := s.Subscriptions()
	for i := range 1000 {
		s.Notify("note", ids[0], i)
		s.Notify("note", ids[1], i)
	}
	if err := r.Call(ctx, nil, "ok"); err != nil {
		t.Fatal(err)
	}
	if got := string(<-latest.C); got != "999" {
		t.Errorf("the newest is %s", got)
	}
	var got []string
	for raw := range queue.C {
		got = append(got, string(raw))
	}
	if len(got) != 10 || got[0] != "0" || !errors.Is(queue.Err(), substrate.ErrSubscriptionLagged) {
		t.Errorf("%v, %v", got, queue.Err())
	}
}

func TestReadLimit(t *testing.T) {
	s := substratetest.NewServer(t)
	s.Answer("big", strings.Repeat("x", 1<<16))
	s.Answer("ok", 1)
	opts := quick()
	opts.ReadLimit = 1 << 12
	r := dialRPC(t, s, opts)
	var lost *substrate.DisconnectedError
	if err := r.Call(testContext(t), nil, "big"); !errors.As(err, &lost) {
		t.Errorf("an answer over the limit: %v", err)
	}
	if err := r.Read(testContext(t), nil, "ok"); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	s := substratetest.NewServer(t)
	hang := make(chan struct{})
	defer close(hang)
	s.Handle("hang", func([]json.RawMessage) (any, error) { <-hang; return nil, nil })
	s.Handle("sub", func([]json.RawMessage) (any, error) { return substratetest.NewSubscription(nil), nil })
	r := dialRPC(t, s, quick())
	ctx := testContext(t)
	sub, err := r.Subscribe(ctx, substrate.SubscribeRequest{Method: "sub", Resubscribe: true})
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- r.Call(ctx, nil, "hang") }()
	eventually(t, "the call is in flight", func() bool { return s.Calls("hang") == 1 })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err == nil {
		t.Error("a call succeeded on a closed client")
	}
	for range sub.C {
	}
	if !errors.Is(sub.Err(), substrate.ErrClosed) {
		t.Errorf("subscription: %v", sub.Err())
	}
	if err := r.Call(ctx, nil, "hang"); !errors.Is(err, substrate.ErrClosed) {
		t.Errorf("a later call: %v", err)
	}
}

// Closing is no lost connection, even where the server's goodbye is read before the
// reading ends: a command that is done must not warn.
func TestCloseIsNotReportedAsALoss(t *testing.T) {
	s := substratetest.NewServer(t)
	for range 30 {
		var log bytes.Buffer // written by the connection's goroutine, which Close waits for
		opts := quick()
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		r, err := substrate.DialRPC(testContext(t), s.URL, opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if log.Len() > 0 {
			t.Fatalf("closing logged: %s", log.String())
		}
	}
}

func TestDialRefused(t *testing.T) {
	s := substratetest.NewServer(t)
	url := s.URL
	s.Stop()
	if _, err := substrate.DialRPC(testContext(t), url, quick()); err == nil || !strings.Contains(err.Error(), url) {
		t.Errorf("dialling nobody: %v", err)
	}
}

func dialRecorded(t *testing.T, s *substratetest.Server, spec int) *substrate.Client {
	t.Helper()
	s.Record(substratetest.Metadata(t, spec), spec)
	c, err := substrate.Dial(testContext(t), s.URL, quick())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestChainReads(t *testing.T) {
	s := substratetest.NewServer(t)
	c := dialRecorded(t, s, 293)
	ctx := testContext(t)
	h, err := c.Header(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := h.Hash()
	if err != nil || hash.String() != "0x3ef64e67d5d86462f354a642bea7d47fbf9bfaa1ab8b4d4983763d36dd746f9f" {
		t.Errorf("header hash %v, %v", hash, err)
	}
	var number uint64
	if err := c.Query(ctx, nil, &number, "System", "Number"); err != nil || number != 82 {
		t.Errorf("System.Number %d, %v", number, err)
	}
	entries, err := c.Map(ctx, hash, "SubtensorModule", "Keys", 2)
	if err != nil || len(entries) != 5 {
		t.Fatalf("%d keys, %v", len(entries), err)
	}
	if _, ok := entries[0].Value.(ss58.AccountID); !ok || entries[0].Args[1] != uint64(0) {
		t.Errorf("first entry %v", entries[0])
	}
	var missing *substrate.MissingError
	if _, err := c.Get(ctx, nil, "SubtensorModule", "Nothing"); !errors.As(err, &missing) {
		t.Errorf("unknown item: %v", err)
	}
}

func TestRuntimeUpgradeIsNoticed(t *testing.T) {
	s := substratetest.NewServer(t)
	c := dialRecorded(t, s, 293)
	ctx := testContext(t)
	rt, err := c.Runtime(ctx)
	if err != nil || rt.SpecVersion != 293 || rt.HasCall("SubtensorModule", "set_mechanism_weights") {
		t.Fatalf("%v, %v", rt.SpecVersion, err)
	}
	again, err := c.Runtime(ctx)
	if err != nil || again != rt {
		t.Errorf("the metadata was read again without a change")
	}
	s.Record(substratetest.Metadata(t, 381), 381)
	s.DropAll() // an upgraded node restarts; a new connection asks for the version
	eventually(t, "the new runtime", func() bool {
		rt, err := c.Runtime(ctx)
		return err == nil && rt.SpecVersion == 381 && rt.HasCall("SubtensorModule", "set_mechanism_weights")
	})
}

// A node, or two behind one address, whose metadata is of another runtime than it says it
// runs is not believed.
func TestMetadataOfAnotherRuntime(t *testing.T) {
	meta := substratetest.Metadata(t, 293)
	id, ok := meta.TypeByPath("sp_version::RuntimeVersion")
	if !ok {
		t.Fatal("no RuntimeVersion")
	}
	raw, err := meta.ZeroValue(id)
	if err != nil {
		t.Fatal(err)
	}
	v, err := meta.DecodeAll(id, raw)
	if err != nil {
		t.Fatal(err)
	}
	version := v.(substrate.Record)
	for i := range version {
		if version[i].Name == "spec_version" {
			version[i].Value = uint32(293)
		}
	}
	if raw, err = meta.EncodeValue(id, version); err != nil {
		t.Fatal(err)
	}
	system, err := meta.Pallet("System")
	if err != nil {
		t.Fatal(err)
	}
	system.Constants = append(system.Constants, substrate.Constant{Name: "Version", Type: id, Value: raw})

	s := substratetest.NewServer(t)
	s.Record(meta, 381)
	if c, err := substrate.Dial(testContext(t), s.URL, quick()); err == nil {
		c.Close()
		t.Error("metadata of 293 is taken for 381")
	} else if !strings.Contains(err.Error(), "381 and gives the metadata of 293") {
		t.Error(err)
	}
	// An upgrade between the two answers is no contradiction.
	s.Record(meta, 293)
	asked := 0
	s.Handle("state_getRuntimeVersion", func([]json.RawMessage) (any, error) {
		asked++
		return map[string]any{"specName": "node-subtensor", "specVersion": 291 + min(asked, 2), "transactionVersion": 1}, nil
	})
	c, err := substrate.Dial(testContext(t), s.URL, quick())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if rt, err := c.Runtime(testContext(t)); err != nil || rt.SpecVersion != 293 {
		t.Errorf("%v, %v", rt, err)
	}
}

func TestMetadataFallsBackToV14(t *testing.T) {
	s := substratetest.NewServer(t)
	s.Record(substratetest.Metadata(t, 293), 293)
	s.Handle("state_call", func([]json.RawMessage) (any, error) {
		return nil, &substrate.RPCError{Code: 4003, Message: "Exported method Metadata_metadata_at_version is not found"}
	})
	c, err := substrate.Dial(testContext(t), s.URL, quick())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rt, err := c.Runtime(testContext(t))
	if err != nil || len(rt.APIs) != 0 {
		t.Fatalf("%v", err)
	}
	events, err := c.Events(testContext(t), substrate.Hash{})
	if err != nil || len(events) == 0 || events[0].Event.Pallet != "System" {
		t.Errorf("events with V14: %v, %v", events, err)
	}
}

func FuzzFrames(f *testing.F) {
	var transcript struct {
		Frames []struct{ Frame json.RawMessage }
	}
	substratetest.Load(f, "rpc_transcript_9.8.3.json", &transcript)
	for i, x := range transcript.Frames {
		if i%8 == 0 && len(x.Frame) < 2000 {
			f.Add([]byte(x.Frame))
		}
	}
	f.Add([]byte(`[{"id":1,"result":null},{"method":"m","params":{"subscription":7,"result":{}}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = substrate.ParseFrames(data)
	})
}

// Every recorded message of a node is read.
func TestRecordedFrames(t *testing.T) {
	var transcript struct {
		Frames []struct {
			Dir   string
			Frame json.RawMessage
		}
	}
	substratetest.Load(t, "rpc_transcript_9.8.3.json", &transcript)
	read := 0
	for i, x := range transcript.Frames {
		if x.Dir != "node>client" {
			continue
		}
		// Ours are numbers where the Python client's are letters and digits.
		var m map[string]any
		if err := json.Unmarshal(x.Frame, &m); err != nil {
			t.Fatal(err)
		}
		if m["id"] != nil {
			m["id"] = i
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := substrate.ParseFrames(bytes.TrimSpace(b)); err != nil {
			t.Errorf("frame %d: %v", i, err)
		}
		read++
	}
	if read < 100 {
		t.Errorf("only %d frames", read)
	}
}
