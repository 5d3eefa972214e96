package localnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// serve starts the RPC server of a chain on a loopback port and returns its
// address.
func serve(t testing.TB, c *Chain) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func post(t testing.TB, addr, body string) (int, string) {
	t.Helper()
	resp, err := http.Post("http://"+addr, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// ask calls a method by POST and decodes its result.
func ask[T any](t testing.TB, addr, method string, params ...any) (out T, failed *rpcError) {
	t.Helper()
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	_, answer := post(t, addr, string(body))
	var resp struct {
		Result *T        `json:"result"`
		Error  *rpcError `json:"error"`
	}
	if err := json.Unmarshal([]byte(answer), &resp); err != nil {
		t.Fatalf("%s: %v in %.300s", method, err, answer)
	}
	if !strings.Contains(answer, `"result"`) && !strings.Contains(answer, `"error"`) {
		t.Fatalf("%s: neither result nor error in %s", method, answer)
	}
	if resp.Result != nil {
		out = *resp.Result
	}
	return out, resp.Error
}

func mustAsk[T any](t testing.TB, addr, method string, params ...any) T {
	t.Helper()
	out, failed := ask[T](t, addr, method, params...)
	if failed != nil {
		t.Fatalf("%s: %v", method, failed)
	}
	return out
}

func TestRequestErrors(t *testing.T) {
	addr := serve(t, testChain(t, Config{}))
	for _, c := range []struct {
		body string
		code int
	}{
		{`{`, codeParse},
		{`[{"jsonrpc"`, codeParse},
		{`"text"`, codeInvalidRequest},
		{`[]`, codeInvalidRequest},
		{`{"id":1,"method":"system_chain"}`, codeInvalidRequest},
		{`{"jsonrpc":"2.0","id":{},"method":"system_chain"}`, codeInvalidRequest},
		{`{"jsonrpc":"2.0","id":1,"method":7}`, codeInvalidRequest},
		{`{"jsonrpc":"2.0","id":1,"method":"no_such"}`, codeNoMethod},
		{`{"jsonrpc":"2.0","id":1,"method":"state_getStorage"}`, codeInvalidParams},
		{`{"jsonrpc":"2.0","id":1,"method":"state_getStorage","params":{"a":1}}`, codeInvalidParams},
		{`{"jsonrpc":"2.0","id":1,"method":"state_getStorage","params":["0xzz"]}`, codeInvalidParams},
		{`{"jsonrpc":"2.0","id":1,"method":"chain_getBlockHash","params":["a"]}`, codeInvalidParams},
		{`{"jsonrpc":"2.0","id":1,"method":"account_nextIndex","params":["5Grw"]}`, codeInvalidParams},
		{`{"jsonrpc":"2.0","id":1,"method":"state_getStorage","params":["0x00","0x` + strings.Repeat("11", 32) + `"]}`, codeClient},
		{`{"jsonrpc":"2.0","id":1,"method":"state_call","params":["No_such","0x"]}`, codeClient},
		{`{"jsonrpc":"2.0","id":1,"method":"state_call","params":["NeuronInfoRuntimeApi_get_neuron","0x01"]}`, codeClient},
		{`{"jsonrpc":"2.0","id":1,"method":"state_getKeysPaged","params":["0x",5000]}`, 4002},
		{`{"jsonrpc":"2.0","id":1,"method":"chain_subscribeNewHeads"}`, codeNoMethod},
		{`{"jsonrpc":"2.0","id":1,"method":"author_submitExtrinsic","params":["0x1234"]}`, codeBadFormat},
	} {
		_, answer := post(t, addr, c.body)
		var resp response
		if err := json.Unmarshal([]byte(answer), &resp); err != nil || resp.Error == nil {
			t.Errorf("%s gives %s", c.body, answer)
			continue
		}
		if resp.Error.Code != c.code {
			t.Errorf("%s gives code %d, want %d", c.body, resp.Error.Code, c.code)
		}
	}
	if status, answer := post(t, addr, `{"jsonrpc":"2.0","method":"system_chain"}`); status != http.StatusNoContent || answer != "" {
		t.Errorf("a notification is answered: %d %s", status, answer)
	}
	if status, _ := post(t, addr, strings.Repeat(" ", maxRequest+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a request over the limit: status %d", status)
	}
	resp, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", resp.StatusCode)
	}
}

func TestBatch(t *testing.T) {
	addr := serve(t, testChain(t, Config{}))
	_, answer := post(t, addr, `[{"jsonrpc":"2.0","id":"a","method":"system_chain"},{"jsonrpc":"2.0","method":"system_name"},{"jsonrpc":"2.0","id":2,"method":"no_such"},7]`)
	var list []response
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 || string(list[0].ID) != `"a"` || list[0].Error != nil || list[1].Error.Code != codeNoMethod || list[2].Error.Code != codeInvalidRequest {
		t.Errorf("answers %s", answer)
	}
	many := "[" + strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"system_chain"},`, maxRequestsBatch) + `{}]`
	if _, answer := post(t, addr, many); !strings.Contains(answer, "a batch holds") {
		t.Errorf("too long a batch: %.200s", answer)
	}
}

func TestNodeMethods(t *testing.T) {
	c := testChain(t, Config{})
	addr := serve(t, c)
	register(t, c, "//Bob", "//m1")
	head := c.recent.head()

	if got := mustAsk[string](t, addr, "chain_getBlockHash", 0); got != c.Genesis().String() {
		t.Errorf("block 0 is %s", got)
	}
	if got := mustAsk[[]*string](t, addr, "chain_getBlockHash", []any{0, "0x1", 99}); len(got) != 3 || *got[1] != head.id.String() || got[2] != nil {
		t.Errorf("hashes %v", got)
	}
	for _, m := range []string{"chain_getHead", "chain_getFinalizedHead", "chain_getBlockHash"} {
		if got := mustAsk[string](t, addr, m); got != head.id.String() {
			t.Errorf("%s is %s", m, got)
		}
	}
	var h struct {
		ParentHash, Number string
		Digest             struct{ Logs []string }
	}
	raw := mustAsk[json.RawMessage](t, addr, "chain_getHeader", head.id)
	if err := json.Unmarshal(raw, &h); err != nil || h.Number != "0x1" || h.ParentHash != c.Genesis().String() || len(h.Digest.Logs) != 1 {
		t.Errorf("header %s", raw)
	}
	if got, failed := ask[*string](t, addr, "chain_getHeader", substrate.Hash{1}); failed != nil || got != nil {
		t.Errorf("an unknown header is %v, %v", got, failed)
	}
	var b struct {
		Block struct{ Extrinsics []string }
	}
	if err := json.Unmarshal(mustAsk[json.RawMessage](t, addr, "chain_getBlock", head.id), &b); err != nil || len(b.Block.Extrinsics) != 2 {
		t.Errorf("block %+v, %v", b, err)
	}
	if got := mustAsk[string](t, addr, "state_getMetadata"); !strings.HasPrefix(got, "0x6d6574610e") {
		t.Errorf("metadata begins %.20s", got)
	}
	for version, prefix := range map[string]string{"0x0e000000": "6d6574610e", "0f000000": "6d6574610f"} {
		if got := mustAsk[string](t, addr, "state_call", "Metadata_metadata_at_version", version, nil); !strings.Contains(got[:40], prefix) {
			t.Errorf("metadata at version %s begins %.40s", version, got)
		}
	}
	if got := mustAsk[string](t, addr, "state_call", "Metadata_metadata_at_version", "10000000"); got != "0x00" {
		t.Errorf("metadata at version 16 is %.20s", got)
	}
	if got := mustAsk[string](t, addr, "state_call", "Metadata_metadata_versions", ""); got != "0x080e0000000f000000" {
		t.Errorf("metadata versions %s", got)
	}
	v := mustAsk[map[string]any](t, addr, "state_getRuntimeVersion")
	if v["specVersion"] != float64(381) || v["specName"] != "node-subtensor" || v["transactionVersion"] != float64(1) {
		t.Errorf("runtime version %v", v)
	}
	// The hash of "Core" is well known.
	if apis := fmt.Sprint(v["apis"]); !strings.Contains(apis, "0xdf6acb689907609b 5") {
		t.Errorf("runtime APIs %s", apis)
	}
	methods := mustAsk[map[string][]string](t, addr, "rpc_methods")["methods"]
	for _, m := range []string{"account_nextIndex", "state_call", "author_submitAndWatchExtrinsic", "chain_subscribeNewHeads"} {
		if !slices.Contains(methods, m) {
			t.Errorf("rpc_methods lists no %s", m)
		}
	}
	bob := key(t, "//Bob").AccountID()
	for _, form := range []string{bob.String(), substrate.Hex(bob[:])} {
		if got := mustAsk[uint64](t, addr, "account_nextIndex", form); got != 1 {
			t.Errorf("next nonce of %s is %d", form, got)
		}
	}
	if got := mustAsk[string](t, addr, "state_call", "AccountNonceApi_account_nonce", substrate.Hex(bob[:])[2:], nil); got != "0x01000000" {
		t.Errorf("nonce by runtime API is %s", got)
	}
	if got := mustAsk[map[string]any](t, addr, "system_properties"); got["ss58Format"] != float64(42) {
		t.Errorf("properties %v", got)
	}
	if got := mustAsk[map[string]any](t, addr, "system_health"); got["isSyncing"] != false {
		t.Errorf("health %v", got)
	}

	call := encodedCall(t, c, "Balances", "transfer_keep_alive",
		substrate.Entry{Name: "dest", Value: bob}, substrate.Entry{Name: "value", Value: 5})
	x := signedExtrinsic(t, c, key(t, "//Alice"), call, nil)
	info := mustAsk[map[string]any](t, addr, "payment_queryInfo", substrate.Hex(x))
	if info["partialFee"] != fmt.Sprint(infoOf(substrate.Call{Pallet: "Balances", Name: "transfer_keep_alive"}).fee(len(x))) {
		t.Errorf("fee %v", info)
	}
	byAPI := mustAsk[string](t, addr, "state_call", "TransactionPaymentApi_query_info", substrate.Hex(append(append([]byte{}, x...), le32(uint32(len(x)))...)))
	if len(byAPI) < 20 {
		t.Errorf("query_info gives %s", byAPI)
	}
	valid := mustAsk[string](t, addr, "state_call", "TaggedTransactionQueue_validate_transaction",
		substrate.Hex(slices.Concat([]byte{2}, x, make([]byte, 32))))
	if !strings.HasPrefix(valid, "0x00") {
		t.Errorf("validate_transaction gives %s", valid)
	}
	if got := mustAsk[string](t, addr, "author_submitExtrinsic", substrate.Hex(x)); got != substrate.ExtrinsicHash(x).String() {
		t.Errorf("hash %s", got)
	}
	if got := mustAsk[[]string](t, addr, "author_pendingExtrinsics"); len(got) != 1 || got[0] != substrate.Hex(x) {
		t.Errorf("pending %v", got)
	}
	if _, failed := ask[string](t, addr, "author_submitExtrinsic", substrate.Hex(x)); failed == nil || failed.Code != codeImported {
		t.Errorf("the same again: %v", failed)
	}
}

func TestEveryRuntimeAPIAnswers(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		c := testChain(t, Config{SpecVersion: spec})
		register(t, c, "//Bob", "//m1")
		for range 12 {
			c.mustProduce(t)
		}
		for _, api := range c.rt.meta.APIs {
			for _, m := range api.Methods {
				input := []byte{}
				for _, in := range m.Inputs {
					zero, err := c.rt.meta.ZeroValue(in.Type)
					if in.Name == "netuid" {
						zero, err = le16(1), nil
					}
					if in.Name == "metagraph_indexes" {
						zero, err = c.rt.meta.EncodeValue(in.Type, []uint16{0, 1, 3, 52, 57})
					}
					if err != nil {
						t.Logf("%s.%s needs an argument of type %s", api.Name, m.Name, c.rt.meta.TypeName(in.Type))
						input = nil
						break
					}
					input = append(input, zero...)
				}
				if input == nil || m.Name == "query_call_info" {
					continue
				}
				e := newEnv(c.rt, c.st, c.recent.head().number)
				out, err := c.stateCall(e, api.Name+"_"+m.Name, input)
				if err != nil {
					t.Errorf("spec %d: %s.%s: %v", spec, api.Name, m.Name, err)
					continue
				}
				if _, err := c.rt.meta.DecodeAll(m.Output, out); err != nil {
					t.Errorf("spec %d: %s.%s: %v", spec, api.Name, m.Name, err)
				}
			}
		}
	}
}

func TestStorageMethods(t *testing.T) {
	c := testChain(t, Config{})
	addr := serve(t, c)
	for i := range 5 {
		register(t, c, "//Bob", fmt.Sprintf("//m%d", i))
	}
	rt := c.rt.meta
	prefix, err := rt.StorageKey("SubtensorModule", "Keys", 1)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for after := ""; ; {
		page := mustAsk[[]string](t, addr, "state_getKeysPaged", substrate.Hex(prefix), 2, orNil(after))
		if len(page) == 0 {
			break
		}
		keys = append(keys, page...)
		after = page[len(page)-1]
	}
	if len(keys) != 6 || !slices.IsSorted(keys) {
		t.Fatalf("keys %v", keys)
	}
	if got := mustAsk[[]string](t, addr, "state_getKeys", substrate.Hex(prefix)); !slices.Equal(got, keys) {
		t.Errorf("state_getKeys gives %v", got)
	}
	alice := key(t, "//Alice").AccountID()
	if got := mustAsk[string](t, addr, "state_getStorage", keys[0]); got != substrate.Hex(alice[:]) {
		t.Errorf("uid 0 is %s", got)
	}
	if got := mustAsk[int](t, addr, "state_getStorageSize", keys[0]); got != 32 {
		t.Errorf("size %d", got)
	}
	if got := mustAsk[string](t, addr, "state_getStorageHash", keys[0]); got != hashOf(alice[:]).String() {
		t.Errorf("hash %s", got)
	}
	if got, failed := ask[*string](t, addr, "state_getStorage", "0x"+strings.Repeat("ab", 40)); got != nil || failed != nil {
		t.Errorf("an absent key gives %v, %v", got, failed)
	}
	sets := mustAsk[[]changeSet](t, addr, "state_queryStorageAt", []string{keys[5], "0x1234"})
	if len(sets) != 1 || len(sets[0].Changes) != 2 || sets[0].Changes[0][1] == nil || sets[0].Changes[1][1] != nil {
		t.Errorf("change sets %+v", sets)
	}

	// Before the third registration there were fewer keys.
	old := c.recent.byNumber(2).id
	if got := mustAsk[[]string](t, addr, "state_getKeysPaged", substrate.Hex(prefix), 100, nil, old); len(got) != 3 {
		t.Errorf("%d keys at block 2, want 3", len(got))
	}
	if got, _ := ask[*string](t, addr, "state_getStorageAt", keys[5], old); got != nil {
		t.Errorf("uid 5 at block 2 is %v", *got)
	}
	n := mustAsk[string](t, addr, "state_call", "NeuronInfoRuntimeApi_get_neurons_lite", "0100", old)
	if !strings.HasPrefix(n, "0x0c") {
		t.Errorf("neurons at block 2: %.10s, want three", n)
	}
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func TestForgottenState(t *testing.T) {
	c := testChain(t, Config{History: 3})
	addr := serve(t, c)
	for range 10 {
		c.mustProduce(t)
	}
	number, err := c.rt.meta.StorageKey("System", "Number")
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(7); n <= 10; n++ {
		want := substrate.Hex(le32(uint32(n)))
		if got := mustAsk[string](t, addr, "state_getStorage", substrate.Hex(number), c.recent.byNumber(n).id); got != want {
			t.Errorf("number at block %d is %s", n, got)
		}
	}
	_, failed := ask[string](t, addr, "state_getStorage", substrate.Hex(number), c.recent.byNumber(5).id)
	if failed == nil || failed.Code != codeClient || !strings.Contains(failed.Message, "discarded") {
		t.Errorf("state of block 5: %v", failed)
	}
}

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
	if got := string(ws.notification().Params.Result); got != `"ready"` {
		t.Errorf("a good nonce: %s", got)
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
	if len(c.pool.byHash) != 0 {
		t.Error("it is still in the pool")
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
		_, err := p.add(x, ^uint64(0))
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

func FuzzRequest(f *testing.F) {
	c := testChain(f, Config{})
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"chain_getHead"}`, `[{"jsonrpc":"2.0","id":"a","method":"state_getStorage","params":["0x00",null]}]`,
		`{"jsonrpc":"2.0","id":null,"method":"state_call","params":["NeuronInfoRuntimeApi_get_neurons","0x0100"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"state_getKeysPaged","params":["0x26aa",10,"0x26",null]}`,
		`{"jsonrpc":"2.0","id":1,"method":"payment_queryInfo","params":["0x2804"]}`, `{}`, `[1]`, `nul`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		client := newConn(c.hub)
		c.answer(context.Background(), data, client, func(b []byte) {
			if !json.Valid(b) {
				t.Errorf("%q is answered %q", data, b)
			}
			if bytes.Contains(b, []byte(`-32603`)) {
				t.Errorf("%q gives an internal error: %s", data, b)
			}
		})
		client.end(c)
	})
}

func FuzzSubmit(f *testing.F) {
	c := testChain(f, Config{})
	call := encodedCall(f, c, "SubtensorModule", "set_weights",
		substrate.Entry{Name: "netuid", Value: 1}, substrate.Entry{Name: "dests", Value: []uint16{0}},
		substrate.Entry{Name: "weights", Value: []uint16{1}}, substrate.Entry{Name: "version_key", Value: 0})
	f.Add(signedExtrinsic(f, c, key(f, "//Alice"), call, nil)[2:])
	f.Add([]byte{4, 0, 0})
	alice := key(f, "//Alice")
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = c.submit(data, nil)
		_, _ = c.submit(scaleBytes(data), nil)
		// The same bytes as a call that is well signed.
		if _, err := c.rt.meta.DecodeCall(data); err == nil {
			_, _ = c.submit(signedExtrinsic(t, c, alice, data, nil), nil)
		}
		if err := c.ProduceBlock(); err != nil {
			t.Fatal(err)
		}
	})
}
