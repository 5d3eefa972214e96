package localnet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// raw sends text over a WebSocket and returns the next message.
func (c *wsClient) raw(text string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
	_, b, err := c.conn.Read(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// transports gives a way to ask over each of the two.
func transports(t *testing.T, addr string) map[string]func(text string) string {
	ws := dial(t, addr)
	return map[string]func(string) string{
		"websocket": ws.raw,
		"http":      func(text string) string { _, answer := post(t, addr, text); return answer },
	}
}

func TestMalformedRequests(t *testing.T) {
	addr := serve(t, testChain(t, Config{}))
	for name, send := range transports(t, addr) {
		for _, c := range []struct {
			text string
			code int
			id   string
		}{
			{`{`, codeParse, "null"},
			{``, codeParse, "null"},
			{`nonsense`, codeParse, "null"},
			{`{"jsonrpc":"2.0","id":1,"method":"system_chain"}}`, codeParse, "null"},
			{`[{"jsonrpc":"2.0","id":1,"method":"system_chain"}`, codeParse, "null"},
			{strings.Repeat("[", 20_000), codeParse, "null"},
			{`"text"`, codeInvalidRequest, "null"},
			{`7`, codeInvalidRequest, "null"},
			{`null`, codeInvalidRequest, "null"},
			{`{}`, codeInvalidRequest, "null"},
			{`[]`, codeInvalidRequest, "null"},
			{`{"jsonrpc":"2.0","id":5}`, codeInvalidRequest, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":7}`, codeInvalidRequest, "5"},
			{`{"jsonrpc":"1.0","id":5,"method":"system_chain"}`, codeInvalidRequest, "5"},
			{`{"id":"x","method":"system_chain"}`, codeInvalidRequest, `"x"`},
			{`{"jsonrpc":"2.0","id":{},"method":"system_chain"}`, codeInvalidRequest, "null"},
			{`{"jsonrpc":"2.0","id":[1],"method":"system_chain"}`, codeInvalidRequest, "null"},
			{`{"jsonrpc":"2.0","id":true,"method":"system_chain"}`, codeInvalidRequest, "null"},
			{`{"jsonrpc":"2.0","id":5,"method":"no_such"}`, codeNoMethod, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"childstate_getKeys"}`, codeNoMethod, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"author_hasKey","params":["0x","0x"]}`, codeNoMethod, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_getStorage","params":"0x00"}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_getStorage","params":{"key":"0x00"}}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_getStorage","params":[]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_getStorage","params":[1]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_getStorage","params":["0x0"]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_getStorage","params":["0x00","0x12"]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"neuronInfo_getNeurons","params":["one"]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"neuronInfo_getNeurons","params":[70000]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"delegateInfo_getDelegate","params":[[1,2,3]]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_queryStorage","params":[["0x00"]]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"author_removeExtrinsic","params":[[{}]]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"dev_advance","params":[0]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"dev_advance","params":[100001]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"dev_advance","params":[-1]}`, codeInvalidParams, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_getReadProof","params":[["0x00"]]}`, codeClient, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_getMetadata","params":["0x` + strings.Repeat("77", 32) + `"]}`, codeClient, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_call","params":["Core_execute_block","0x"]}`, codeClient, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"state_getKeysPaged","params":["0x",1001]}`, codeState, "5"},
			{`{"jsonrpc":"2.0","id":5,"method":"author_submitExtrinsic","params":["0x00"]}`, codeBadFormat, "5"},
		} {
			var resp response
			answer := send(c.text)
			if err := json.Unmarshal([]byte(answer), &resp); err != nil || resp.Error == nil {
				t.Errorf("%s: %.200s gives %.300s", name, c.text, answer)
				continue
			}
			if resp.Error.Code != c.code || string(resp.ID) != c.id || resp.Version != "2.0" || resp.Error.Message == "" {
				t.Errorf("%s: %.200s gives %.300s, want code %d and id %s", name, c.text, answer, c.code, c.id)
			}
		}
		if got := send(`{"jsonrpc":"2.0","id":"last","method":"system_chain"}`); !strings.Contains(got, `"last"`) {
			t.Errorf("%s: after all that: %s", name, got)
		}
	}
}

func TestBatches(t *testing.T) {
	addr := serve(t, testChain(t, Config{}))
	one := func(id int) string { return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"system_chain"}`, id) }
	notice := `{"jsonrpc":"2.0","method":"system_chain"}`
	for name, send := range transports(t, addr) {
		for _, c := range []struct {
			batch string
			want  string // ids and codes in order
		}{
			{"[" + one(1) + "," + one(2) + "]", "1 2"},
			{" \n\t[" + one(1) + "]", "1"},
			{"[1]", "null:-32600"},
			{"[1,2,{}]", "null:-32600 null:-32600 null:-32600"},
			{"[" + one(1) + "," + notice + "," + one(3) + "]", "1 3"},
			{"[" + one(1) + `,{"jsonrpc":"2.0","id":2,"method":"no"},7,[` + one(4) + `],{"jsonrpc":"2.0","id":5,"method":"state_getStorage"}]`,
				"1 2:-32601 null:-32600 null:-32600 5:-32602"},
			{"[" + strings.TrimSuffix(strings.Repeat(one(1)+",", maxRequestsBatch), ",") + "]", strings.TrimSpace(strings.Repeat("1 ", maxRequestsBatch))},
		} {
			var list []response
			answer := send(c.batch)
			if err := json.Unmarshal([]byte(answer), &list); err != nil {
				t.Errorf("%s: %.200s gives %.300s", name, c.batch, answer)
				continue
			}
			var got []string
			for _, r := range list {
				text := string(r.ID)
				if r.Error != nil {
					text += fmt.Sprint(":", r.Error.Code)
				}
				got = append(got, text)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s: %.200s gives %.300v, want %.300s", name, c.batch, got, c.want)
			}
		}
		over := "[" + strings.Repeat(one(1)+",", maxRequestsBatch) + one(1) + "]"
		if got := send(over); !strings.Contains(got, `-32010`) || got[0] != '{' {
			t.Errorf("%s: a batch over the limit gives %.300s", name, got)
		}
	}
	// What needs no answer gets none.
	if status, answer := post(t, addr, "["+notice+","+notice+"]"); status != http.StatusNoContent || answer != "" {
		t.Errorf("notifications are answered: %d %s", status, answer)
	}
	ws := dial(t, addr)
	for _, text := range []string{notice, "[" + notice + "]"} {
		if err := ws.conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := ws.raw(one(9)); !strings.Contains(got, `"id":9`) {
		t.Errorf("a notification is answered: %s", got)
	}
	// A subscription in a batch speaks after the batch's answer.
	if got := ws.raw(`[{"jsonrpc":"2.0","id":1,"method":"chain_subscribeNewHeads"},` + one(2) + `]`); got[0] != '[' {
		t.Errorf("before the answer comes %s", got)
	}
	if m := ws.read(); m.Method != "chain_newHead" {
		t.Errorf("after the answer comes %+v", m)
	}
}

// TestEveryMethodIsCallable calls each listed method without parameters: it
// answers, or says what is missing.
func TestEveryMethodIsCallable(t *testing.T) {
	c := testChain(t, Config{})
	addr := serve(t, c)
	methods := mustAsk[map[string][]string](t, addr, "rpc_methods")["methods"]
	if !slices.IsSorted(methods) || len(methods) < 90 {
		t.Errorf("%d methods, sorted: %v", len(methods), slices.IsSorted(methods))
	}
	for name, send := range transports(t, addr) {
		for _, m := range methods {
			if strings.Contains(m, "subscribe") && !strings.Contains(m, "unsubscribe") {
				continue // speaks on its own: tested elsewhere
			}
			var resp response
			answer := send(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q}`, m))
			if err := json.Unmarshal([]byte(answer), &resp); err != nil {
				t.Errorf("%s: %s gives %.200s", name, m, answer)
				continue
			}
			if e := resp.Error; e != nil && e.Code != codeInvalidParams && m != "state_getReadProof" && m != "author_submitAndWatchExtrinsic" {
				t.Errorf("%s: %s gives %v", name, m, e)
			}
		}
	}
	for _, m := range []string{
		"state_getMetadata", "state_getRuntimeVersion", "state_getStorage", "state_getStorageAt", "state_getStorageSize", "state_getStorageHash",
		"state_getKeys", "state_getKeysPaged", "state_getPairs", "state_queryStorage", "state_queryStorageAt", "state_call", "state_subscribeStorage",
		"state_subscribeRuntimeVersion", "chain_getHeader", "chain_getBlock", "chain_getBlockHash", "chain_getHead", "chain_getFinalizedHead",
		"chain_subscribeNewHeads", "chain_subscribeAllHeads", "chain_subscribeFinalizedHeads", "author_submitExtrinsic",
		"author_submitAndWatchExtrinsic", "author_unwatchExtrinsic", "author_pendingExtrinsics", "author_removeExtrinsic", "system_name", "system_version", "system_chain",
		"system_chainType", "system_health", "system_properties", "system_peers", "system_nodeRoles", "system_localPeerId",
		"system_localListenAddresses", "system_accountNextIndex", "system_dryRun", "system_syncState", "account_nextIndex", "payment_queryInfo",
		"payment_queryFeeDetails", "rpc_methods", "neuronInfo_getNeuronsLite", "subnetInfo_getSubnetInfo", "subnetInfo_getLockCost",
	} {
		if !slices.Contains(methods, m) {
			t.Errorf("%s is missing", m)
		}
	}
}

func TestNodesOwnMethods(t *testing.T) {
	for spec, misspelt := range map[uint32]bool{293: true, 381: false} {
		c := testChain(t, Config{SpecVersion: spec})
		addr := serve(t, c)
		register(t, c, "//Bob", "//m1")
		bob := key(t, "//Bob").AccountID()
		bytesOf := make([]int, 32)
		for i, x := range bob {
			bytesOf[i] = int(x)
		}
		for method, params := range map[string][]any{
			"neuronInfo_getNeurons":            {1},
			"neuronInfo_getNeuronsLite":        {1},
			"neuronInfo_getNeuron":             {1, 1},
			"neuronInfo_getNeuronLite":         {1, 9},
			"subnetInfo_getSubnetInfo":         {1},
			"subnetInfo_getSubnetsInfo":        {},
			"subnetInfo_getSubnetHyperparams":  {1},
			"subnetInfo_getDynamicInfo":        {1},
			"subnetInfo_getMetagraph":          {1},
			"subnetInfo_getSelectiveMetagraph": {1, []int{0, 1, 52}},
			"subnetInfo_getSubnetState":        {1},
			"delegateInfo_getDelegates":        {},
			"delegateInfo_getDelegate":         {bytesOf},
			"delegateInfo_getDelegated":        {bytesOf},
		} {
			if _, ok := c.rt.nodeMethod(method); !ok {
				t.Logf("spec %d has no %s", spec, method)
				continue
			}
			list := mustAsk[[]int](t, addr, method, params...)
			got := make([]byte, len(list))
			for i, n := range list {
				got[i] = byte(n)
			}
			// The same through state_call, at the same block by its hash.
			var input []byte
			for _, p := range params {
				switch p := p.(type) {
				case int:
					input = append(input, le16(uint16(p))...)
				case []int:
					if len(p) == 32 {
						input = append(input, bob[:]...)
						continue
					}
					input = append(input, byte(len(p)<<2))
					for _, n := range p {
						input = append(input, le16(uint16(n))...)
					}
				}
			}
			head := c.recent.head().id
			if want := mustAsk[string](t, addr, "state_call", nodeMethods[method], substrate.Hex(input), head); want != substrate.Hex(got) {
				t.Errorf("spec %d: %s gives %x, by state_call %s", spec, method, got, want)
			}
			if again := mustAsk[[]int](t, addr, method, append(params, head)...); !slices.Equal(again, list) {
				t.Errorf("spec %d: %s at the head differs", spec, method)
			}
		}
		if cost := mustAsk[uint64](t, addr, "subnetInfo_getLockCost"); cost == 0 {
			t.Errorf("spec %d: a subnet costs nothing", spec)
		}
		if price := mustAsk[uint64](t, addr, "swap_currentAlphaPrice", 1); price == 0 {
			t.Errorf("spec %d: alpha costs nothing", spec)
		}
		methods := mustAsk[map[string][]string](t, addr, "rpc_methods")["methods"]
		if slices.Contains(methods, "subnetInfo_getSubnetsInf_v2") != misspelt && c.rt.apis["SubnetInfoRuntimeApi_get_subnets_info_v2"] != nil {
			t.Errorf("spec %d: subnetInfo_getSubnetsInf_v2 is listed: %v", spec, !misspelt)
		}
	}
}

func TestSizeLimits(t *testing.T) {
	addr := serve(t, testChain(t, Config{}))
	ws := dial(t, addr)
	big := `{"jsonrpc":"2.0","id":1,"method":"system_chain","params":["` + strings.Repeat("a", maxRequest) + `"]}`
	if got := ws.raw(big); !strings.Contains(got, "-32007") {
		t.Errorf("a message over the limit: %.200s", got)
	}
	if m := ws.ask("system_chain"); m.Error != nil {
		t.Errorf("the connection afterwards: %v", m.Error)
	}
	if status, answer := post(t, addr, big); status != http.StatusRequestEntityTooLarge || !strings.Contains(answer, "-32007") {
		t.Errorf("a body over the limit: %d %.200s", status, answer)
	}
	for _, kind := range []string{"text/plain", "", "application/x-www-form-urlencoded"} {
		resp, err := http.Post("http://"+addr, kind, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"system_chain"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("content type %q: status %d", kind, resp.StatusCode)
		}
	}
}

func TestTransportLimit(t *testing.T) {
	c := testChain(t, Config{MaxConnections: 1})
	addr := serve(t, c)
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	for range 1 + httpConnections {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	extra, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	_ = extra.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := extra.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
		t.Errorf("one connection too many: %v", err)
	}
	// One that goes makes room.
	open[0].Close()
	open = open[1:]
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(20 * time.Second); ; {
		resp, err := client.Post("http://"+addr, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"system_chain"}`))
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after one has gone: %v", err)
		}
	}
}

func TestPipelinedRequests(t *testing.T) {
	c := testChain(t, Config{})
	ws := dial(t, serve(t, c))
	const n = 500
	go func() {
		for i := range n {
			text := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"chain_getHeader"}`, i)
			_ = ws.conn.Write(context.Background(), websocket.MessageText, []byte(text))
		}
	}()
	seen := map[int]bool{}
	for range n {
		m := ws.read()
		if m.ID == nil || m.Error != nil || seen[*m.ID] {
			t.Fatalf("answer %+v", m)
		}
		seen[*m.ID] = true
	}
}

// goroutinesSettle waits until no more goroutines run than before.
func goroutinesSettle(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); goruntime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			var stacks bytes.Buffer
			buf := make([]byte, 1<<20)
			stacks.Write(buf[:goruntime.Stack(buf, true)])
			t.Fatalf("%d goroutines, %d before:\n%.6000s", goruntime.NumGoroutine(), before, stacks.String())
		}
		goruntime.Gosched()
		time.Sleep(time.Millisecond)
	}
}

// TestDisconnectsLeaveNothing connects and hangs up 500 times, in all ways
// that there are, with subscriptions and requests under way.
func TestDisconnectsLeaveNothing(t *testing.T) {
	c := testChain(t, Config{})
	addr := serve(t, c)
	call := encodedCall(t, c, "System", "remark", substrate.Entry{Name: "remark", Value: []byte{1}})
	alice := key(t, "//Alice")
	// What the server and this client need for any connection.
	post(t, addr, `{"jsonrpc":"2.0","id":1,"method":"system_chain"}`)
	http.DefaultClient.CloseIdleConnections()
	before := goruntime.NumGoroutine()
	for i := range 500 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		conn, _, err := websocket.Dial(ctx, "ws://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetReadLimit(-1)
		send := func(text string) {
			if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range []string{"chain_subscribeNewHeads", "chain_subscribeFinalizedHeads", "state_subscribeRuntimeVersion"} {
			send(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q}`, m))
		}
		send(`{"jsonrpc":"2.0","id":2,"method":"state_subscribeStorage","params":[["0x26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"]]}`)
		switch i % 5 {
		case 0: // an orderly end
			if _, _, err := conn.Read(ctx); err != nil {
				t.Fatal(err)
			}
			_ = conn.Close(websocket.StatusNormalClosure, "")
		case 1: // while a large answer is on its way
			send(`{"jsonrpc":"2.0","id":3,"method":"state_getMetadata"}`)
		case 2: // while an extrinsic is watched
			x := signedExtrinsic(t, c, alice, call, func(p *substrate.ExtrinsicParams) { p.Nonce, p.Tip = 1_000_000, uint64(i) })
			send(fmt.Sprintf(`{"jsonrpc":"2.0","id":3,"method":"author_submitAndWatchExtrinsic","params":[%q]}`, substrate.Hex(x)))
		case 3: // in the middle of a fast-forward
			send(`{"jsonrpc":"2.0","id":3,"method":"dev_advance","params":[100000]}`)
		}
		_ = conn.CloseNow()
		cancel()
	}
	c.hub.waitClosed(30 * time.Second)
	goroutinesSettle(t, before)
	c.mustProduce(t)
	s := c.Stats()
	if s.Connections != 0 || s.Subscriptions != 0 {
		t.Errorf("%d connections and %d subscriptions are left", s.Connections, s.Subscriptions)
	}
	for _, entry := range c.pool.byHash {
		if len(entry.watchers) > 0 {
			t.Error("a transaction is still watched")
		}
	}
	t.Logf("block %d", s.Block)
}
