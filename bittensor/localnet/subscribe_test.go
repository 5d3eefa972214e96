package localnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// wsClient is a bare WebSocket client.
type wsClient struct {
	t    testing.TB
	conn *websocket.Conn
	next int
	// messages of subscriptions that came while waiting for an answer
	queue []message
}

type message struct {
	ID     *int            `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Error  *rpcError       `json:"error"`
	Params struct {
		Subscription string          `json:"subscription"`
		Result       json.RawMessage `json:"result"`
	} `json:"params"`
}

func dial(t testing.TB, addr string) *wsClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &wsClient{t: t, conn: conn}
}

func (c *wsClient) read() message {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, b, err := c.conn.Read(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *wsClient) ask(method string, params ...any) message {
	c.t.Helper()
	c.next++
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": c.next, "method": method, "params": append([]any{}, params...)})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, b); err != nil {
		c.t.Fatal(err)
	}
	for {
		m := c.read()
		if m.ID != nil && *m.ID == c.next {
			return m
		}
		c.queue = append(c.queue, m)
	}
}

// notification is the next message of a subscription.
func (c *wsClient) notification() message {
	if len(c.queue) > 0 {
		m := c.queue[0]
		c.queue = c.queue[1:]
		return m
	}
	return c.read()
}

func TestHeadSubscriptions(t *testing.T) {
	c := testChain(t, Config{})
	ws := dial(t, serve(t, c))
	for name, method := range map[string]string{
		"chain_subscribeNewHeads": "chain_newHead", "chain_subscribeFinalizedHeads": "chain_finalizedHead", "chain_subscribeAllHeads": "chain_allHead",
	} {
		answer := ws.ask(name)
		if answer.Error != nil || len(ws.queue) > 0 {
			t.Fatalf("%s: %+v, before it %v", name, answer.Error, ws.queue)
		}
		first := ws.notification()
		var id string
		_ = json.Unmarshal(answer.Result, &id)
		if first.Method != method || first.Params.Subscription != id {
			t.Errorf("%s: %+v", name, first)
		}
		c.mustProduce(t)
		want := fmt.Sprintf("0x%x", c.BlockNumber())
		if next := ws.notification(); !strings.Contains(string(next.Params.Result), `"number":"`+want+`"`) {
			t.Errorf("%s: next head %s, want %s", name, next.Params.Result, want)
		}
		unsubscribe := strings.Replace(name, "subscribe", "unsubscribe", 1)
		if got := ws.ask(unsubscribe, id); string(got.Result) != "true" {
			t.Errorf("%s: %s", unsubscribe, got.Result)
		}
		if got := ws.ask(unsubscribe, id); string(got.Result) != "false" {
			t.Errorf("%s again: %s", unsubscribe, got.Result)
		}
		c.mustProduce(t)
		if len(ws.queue) > 0 {
			t.Errorf("%s goes on: %v", name, ws.queue)
		}
	}
	if n := ws.ask("state_subscribeRuntimeVersion"); n.Error != nil || !strings.Contains(string(ws.notification().Params.Result), `"specVersion":381`) {
		t.Errorf("runtime version: %+v", n)
	}
}

func TestStorageSubscription(t *testing.T) {
	c := testChain(t, Config{})
	ws := dial(t, serve(t, c))
	k, err := c.rt.meta.StorageKey("System", "Number")
	if err != nil {
		t.Fatal(err)
	}
	if m := ws.ask("state_subscribeStorage", []string{substrate.Hex(k)}); m.Error != nil {
		t.Fatal(m.Error)
	}
	ws.notification()
	c.mustProduce(t)
	if got := string(ws.notification().Params.Result); !strings.Contains(got, "0x01000000") {
		t.Errorf("change %s", got)
	}
}

func TestWatchedExtrinsic(t *testing.T) {
	c := testChain(t, Config{})
	ws := dial(t, serve(t, c))
	call := encodedCall(t, c, "System", "remark", substrate.Entry{Name: "remark", Value: []byte{1}})
	alice := key(t, "//Alice")
	later := signedExtrinsic(t, c, alice, call, func(p *substrate.ExtrinsicParams) { p.Nonce = 1 })
	if m := ws.ask("author_submitAndWatchExtrinsic", substrate.Hex(later)); m.Error != nil {
		t.Fatal(m.Error)
	}
	if got := string(ws.notification().Params.Result); got != `"future"` {
		t.Errorf("a nonce ahead: %s", got)
	}
	c.mustProduce(t)
	if got := len(c.recent.head().body); got != 1 {
		t.Errorf("the block holds %d extrinsics", got)
	}
	now := signedExtrinsic(t, c, alice, call, func(p *substrate.ExtrinsicParams) { p.Nonce = 0 })
	if m := ws.ask("author_submitAndWatchExtrinsic", substrate.Hex(now)); m.Error != nil {
		t.Fatal(m.Error)
	}
	// The one that waited for it is ready now as well.
	for range 2 {
		if got := string(ws.notification().Params.Result); got != `"ready"` {
			t.Errorf("a good nonce: %s", got)
		}
	}
	c.mustProduce(t)
	id := c.recent.head().id.String()
	for _, want := range []string{`{"inBlock":"` + id + `"}`, `{"finalized":"` + id + `"}`, `{"inBlock":"` + id + `"}`, `{"finalized":"` + id + `"}`} {
		if got := string(ws.notification().Params.Result); got != want {
			t.Errorf("status %s, want %s", got, want)
		}
	}
	if c.pool.next != 2 || len(c.pool.byHash) != 0 {
		t.Errorf("the pool still holds %d", len(c.pool.byHash))
	}
	if m := ws.ask("author_submitAndWatchExtrinsic", substrate.Hex(now)); m.Error == nil || m.Error.Code != codeInvalid || m.Error.Data != "Transaction is outdated" {
		t.Errorf("an old nonce: %+v", m.Error)
	}
	if n := c.Stats(); n.Subscriptions != 0 || n.Connections != 1 || n.Extrinsics != 2 {
		t.Errorf("stats %+v", n)
	}
}

func TestExpiredWhileWaiting(t *testing.T) {
	c := testChain(t, Config{})
	ws := dial(t, serve(t, c))
	call := encodedCall(t, c, "System", "remark", substrate.Entry{Name: "remark", Value: []byte{1}})
	x := signedExtrinsic(t, c, key(t, "//Alice"), call, func(p *substrate.ExtrinsicParams) {
		p.Nonce, p.Era, p.BirthHash = 1, substrate.NewEra(4, 0), c.genesis
	})
	if m := ws.ask("author_submitAndWatchExtrinsic", substrate.Hex(x)); m.Error != nil {
		t.Fatal(m.Error)
	}
	ws.notification()
	for range 5 {
		c.mustProduce(t)
	}
	if got := string(ws.notification().Params.Result); got != `"invalid"` {
		t.Errorf("after its era: %s", got)
	}
	if _, err := c.submit(x, nil); err == nil {
		t.Error("it is taken again")
	}
	if len(c.pool.byHash) != 0 {
		t.Error("it is still in the pool")
	}
}

func TestRemovedExtrinsicIsBanned(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	c := testChain(t, Config{Now: func() time.Time { return now }})
	c.mustProduce(t)
	ws := dial(t, serve(t, c))
	call := encodedCall(t, c, "System", "remark", substrate.Entry{Name: "remark", Value: []byte{1}})
	x := signedExtrinsic(t, c, key(t, "//Alice"), call, nil)
	if m := ws.ask("author_submitAndWatchExtrinsic", substrate.Hex(x)); m.Error != nil {
		t.Fatal(m.Error)
	}
	id := substrate.ExtrinsicHash(x).String()
	for _, want := range []string{`["` + id + `"]`, `[]`} {
		if m := ws.ask("author_removeExtrinsic", []any{map[string]string{"hash": id}}); string(m.Result) != want {
			t.Errorf("removing gives %s %v, want %s", m.Result, m.Error, want)
		}
	}
	if got := string(ws.notification().Params.Result) + string(ws.notification().Params.Result); got != `"ready""dropped"` {
		t.Errorf("its status was %s", got)
	}
	if m := ws.ask("author_submitExtrinsic", substrate.Hex(x)); m.Error == nil || m.Error.Code != codeBanned {
		t.Errorf("it comes back: %v", m.Error)
	}
	now = now.Add(banTime)
	c.mustProduce(t)
	if m := ws.ask("author_submitExtrinsic", substrate.Hex(x)); m.Error != nil {
		t.Errorf("after the ban: %v", m.Error)
	}
	if m := ws.ask("author_removeExtrinsic", []any{map[string]string{"extrinsic": substrate.Hex(x)}}); string(m.Result) != `["`+id+`"]` {
		t.Errorf("removing by its bytes gives %s", m.Result)
	}
}

func TestReplacement(t *testing.T) {
	c := testChain(t, Config{})
	call := encodedCall(t, c, "System", "remark", substrate.Entry{Name: "remark", Value: []byte{1}})
	sign := func(tip uint64) []byte {
		return signedExtrinsic(t, c, key(t, "//Alice"), call, func(p *substrate.ExtrinsicParams) { p.Nonce, p.Tip = 0, tip })
	}
	var told []any
	if _, err := c.submit(sign(5), &watcher{notify: func(s any, _ bool) { told = append(told, s) }}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.submit(sign(5), nil); !errors.Is(err, errLowPriority) {
		t.Errorf("the same nonce and tip: %v", err)
	}
	if _, err := c.submit(sign(6), nil); err != nil {
		t.Errorf("a higher tip: %v", err)
	}
	if len(told) != 2 || told[0] != "ready" {
		t.Errorf("the replaced one heard %v", told)
	}
	c.mustProduce(t)
	if n := len(c.recent.head().body); n != 2 {
		t.Errorf("the block holds %d extrinsics", n)
	}
}

func TestPoolLimit(t *testing.T) {
	p := newPool()
	for i := range maxPerSender + 1 {
		x := &transaction{Extrinsic: &substrate.Extrinsic{Hash: hashOf(le64(uint64(i))), Nonce: uint64(i), Signer: ss58.AccountID{1}}}
		_, err := p.add(x, ^uint64(0), time.Now())
		if full := i == maxPerSender; full != errors.Is(err, errPoolFull) {
			t.Fatalf("transaction %d: %v", i, err)
		}
	}
}

func TestSlowSubscriberIsDropped(t *testing.T) {
	c := testChain(t, Config{})
	addr := serve(t, c)
	slow, quick := dial(t, addr), dial(t, addr)
	for range 50 {
		slow.ask("chain_subscribeNewHeads")
	}
	quick.ask("chain_subscribeNewHeads")
	// The slow one reads no more; what the system buffers must fill up first.
	for range 20_000 {
		c.mustProduce(t)
		quick.notification()
		if c.Stats().SlowDropped > 0 {
			break
		}
	}
	if c.Stats().SlowDropped == 0 {
		t.Fatal("a client that does not read keeps its connection")
	}
	c.mustProduce(t)
	if m := quick.ask("system_chain"); m.Error != nil {
		t.Errorf("the other client: %v", m.Error)
	}
}

func TestConnectionAndSubscriptionLimits(t *testing.T) {
	c := testChain(t, Config{MaxConnections: 2})
	addr := serve(t, c)
	first := dial(t, addr)
	dial(t, addr)
	if _, resp, err := websocket.Dial(context.Background(), "ws://"+addr, nil); err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a third connection: %v", err)
	}
	for range maxSubscriptions {
		if m := first.ask("chain_subscribeNewHeads"); m.Error != nil {
			t.Fatal(m.Error)
		}
	}
	if m := first.ask("chain_subscribeNewHeads"); m.Error == nil {
		t.Error("there is no limit of subscriptions")
	}
}

func TestForeignPageIsRefused(t *testing.T) {
	addr := serve(t, testChain(t, Config{}))
	for origin, ok := range map[string]bool{"http://localhost:3000": true, "https://polkadot.js.org": true, "https://evil.example": false} {
		conn, _, err := websocket.Dial(context.Background(), "ws://"+addr, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		if (err == nil) != ok {
			t.Errorf("origin %s: %v", origin, err)
		}
		if conn != nil {
			_ = conn.CloseNow()
		}
	}
}
