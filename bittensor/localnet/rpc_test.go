package localnet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

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
	if _, answer := post(t, addr, many); !strings.Contains(answer, "-32010") {
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
	for version, prefix := range map[string]string{"0x0e000000": "6d6574610e", "0f000000": "6d6574610f", "10000000": "6d65746110"} {
		if got := mustAsk[string](t, addr, "state_call", "Metadata_metadata_at_version", version, nil); !strings.Contains(got[:40], prefix) {
			t.Errorf("metadata at version %s begins %.40s", version, got)
		}
	}
	if got := mustAsk[string](t, addr, "state_call", "Metadata_metadata_at_version", "11000000"); got != "0x00" {
		t.Errorf("metadata at version 17 is %.20s", got)
	}
	if got := mustAsk[string](t, addr, "state_call", "Metadata_metadata_versions", ""); got != "0x0c0e0000000f00000010000000" {
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
	if info["partialFee"] != fmt.Sprint(c.rt.infoOf(substrate.Call{Pallet: "Balances", Name: "transfer_keep_alive"}).fee(len(x))) {
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
				if rawAPIs[api.Name+"_"+m.Name] != nil { // there is no extrinsic of zeros
					x := signedExtrinsic(t, c, key(t, "//Alice"), encodedCall(t, c, "System", "remark", entry("remark", []byte("hello"))), nil)
					input = append(append([]byte{}, x...), le32(uint32(len(x)))...)
					if m.Name == "validate_transaction" {
						input = append(append([]byte{2}, x...), make([]byte, 32)...)
					}
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
