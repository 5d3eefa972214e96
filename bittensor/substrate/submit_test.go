package substrate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// node is a chain of one pending extrinsic: enough to follow a submission.
type node struct {
	*substratetest.Server
	t       *testing.T
	meta    *substrate.Metadata
	mu      sync.Mutex
	blocks  [][]string
	events  [][]byte
	seen    []*substrate.Extrinsic
	outcome substrate.Event
	// mode: "" includes at once; "drop" hangs up after taking it and then includes.
	mode string
}

func newNode(t *testing.T, s *substratetest.Server) *node {
	n := &node{Server: s, t: t, meta: substratetest.Metadata(t, 293)}
	s.Record(n.meta, 293)
	n.outcome = substrate.Event{Pallet: "System", Name: "ExtrinsicSuccess", Fields: substrate.Record{{Name: "dispatch_info", Value: map[string]any{"weight": map[string]any{"ref_time": 1, "proof_size": 0}, "class": "Normal", "pays_fee": "Yes"}}}}
	n.blocks, n.events = [][]string{nil}, [][]byte{{0}}
	s.Handle("chain_getHeader", func([]json.RawMessage) (any, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.header(len(n.blocks) - 1), nil
	})
	s.Handle("chain_getBlockHash", func(p []json.RawMessage) (any, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		var i int
		if err := json.Unmarshal(p[0], &i); err != nil || i >= len(n.blocks) {
			return nil, err
		}
		return hashOf(i), nil
	})
	s.Handle("chain_getFinalizedHead", func([]json.RawMessage) (any, error) { return nil, errors.New("no finality here") })
	s.Handle("chain_getBlock", func(p []json.RawMessage) (any, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		i := n.number(p[0])
		return map[string]any{"block": map[string]any{"header": n.header(i), "extrinsics": n.blocks[i]}}, nil
	})
	s.Handle("state_getStorage", func(p []json.RawMessage) (any, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(p) > 1 {
			return substrate.Hex(n.events[n.number(p[1])]), nil
		}
		account, err := n.meta.EncodeStorage("System", "Account", map[string]any{
			"nonce": 4 + len(n.seen), "consumers": 0, "providers": 1, "sufficients": 0,
			"data": map[string]any{"free": 1, "reserved": 0, "frozen": 0, "flags": 0}})
		return substrate.Hex(account), err
	})
	s.Handle("system_accountNextIndex", func([]json.RawMessage) (any, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return 4 + len(n.seen), nil
	})
	s.Answer("author_unwatchExtrinsic", true)
	s.Handle("author_submitAndWatchExtrinsic", func(p []json.RawMessage) (any, error) {
		if n.mode == "drop" {
			n.include(p[0])
			s.DropAll()
			return nil, nil
		}
		return substratetest.NewSubscription(func(id string) {
			s.Notify("author_extrinsicUpdate", id, "ready")
			s.Notify("author_extrinsicUpdate", id, map[string]any{"broadcast": []string{"peer"}})
			s.Notify("author_extrinsicUpdate", id, map[string]any{"inBlock": hashOf(n.include(p[0]))})
		}), nil
	})
	s.Handle("author_submitExtrinsic", func([]json.RawMessage) (any, error) {
		return nil, &substrate.RPCError{Code: 1010, Message: "Invalid Transaction", Data: json.RawMessage(`"Transaction is outdated"`)}
	})
	return n
}

func hashOf(i int) substrate.Hash { return substrate.Hash{0: byte(i), 31: 1} }

func (n *node) number(raw json.RawMessage) int {
	var h substrate.Hash
	if err := json.Unmarshal(raw, &h); err != nil {
		n.t.Error(err)
	}
	return int(h[0])
}

func (n *node) header(i int) map[string]any {
	return map[string]any{"number": fmt.Sprintf("%#x", i), "parentHash": hashOf(i - 1), "stateRoot": hashOf(0), "extrinsicsRoot": hashOf(0), "digest": map[string]any{"logs": []string{}}}
}

// include makes a block that holds the extrinsic after an inherent.
func (n *node) include(raw json.RawMessage) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		n.t.Error(err)
	}
	b, err := substrate.ParseHex(text)
	if err != nil {
		n.t.Error(err)
	}
	x, err := n.meta.DecodeExtrinsic(b)
	if err != nil {
		n.t.Error(err)
		return 0
	}
	n.seen = append(n.seen, x)
	apply := func(i int, e substrate.Event) map[string]any {
		return map[string]any{"phase": substrate.Variant{Name: "ApplyExtrinsic", Value: i}, "event": e, "topics": nil}
	}
	success := n.outcome
	success.Name = "ExtrinsicSuccess"
	if n.outcome.Name == "ExtrinsicFailed" {
		success.Fields = substrate.Record{n.outcome.Fields[1]}
	}
	events, err := n.meta.EncodeStorage("System", "Events", []any{apply(0, success), apply(1, n.outcome)})
	if err != nil {
		n.t.Error(err)
	}
	n.blocks = append(n.blocks, []string{"0x280402000b501525099801", text})
	n.events = append(n.events, events)
	return len(n.blocks) - 1
}

func remark(text string) substrate.Call {
	return substrate.Call{Pallet: "System", Name: "remark", Args: substrate.Record{{Name: "remark", Value: []byte(text)}}}
}

func TestSubmit(t *testing.T) {
	s := substratetest.NewServer(t)
	n := newNode(t, s)
	opts := quick()
	opts.CustomErrors = map[uint8]string{2: "BalanceTooLow"}
	c, err := substrate.Dial(testContext(t), s.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)

	in, err := c.Submit(ctx, remark("hello"), alice, substrate.SubmitOptions{Tip: 3})
	if err != nil {
		t.Fatal(err)
	}
	if in.BlockNumber != 1 || in.Index != 1 || len(in.Events) != 1 || in.BlockHash != hashOf(1) {
		t.Errorf("included as %+v", in)
	}
	x := n.seen[0]
	if x.Signer != alice.AccountID() || x.Nonce != 4 || x.Tip != 3 || x.Era.Period != 128 || x.Hash != in.ExtrinsicHash {
		t.Errorf("sent %+v", x)
	}
	rt, err := c.Runtime(ctx)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := x.Payload(n.meta, substrate.ExtrinsicParams{Genesis: rt.Genesis, BirthHash: hashOf(0), SpecVersion: 293, TxVersion: 1})
	if err != nil || !wallet.Verify(x.Signer, payload, [64]byte(x.Signature)) {
		t.Errorf("the signature does not verify: %v", err)
	}

	// A failure inside the block has the error's name.
	module := substrate.Variant{Name: "Module", Value: map[string]any{"index": 7, "error": []byte{errorIndex(t, n.meta, "SettingWeightsTooFast"), 0, 0, 0}}}
	n.outcome = substrate.Event{Pallet: "System", Name: "ExtrinsicFailed", Fields: append(substrate.Record{{Name: "dispatch_error", Value: module}}, n.outcome.Fields...)}
	in, err = c.Submit(ctx, remark("fail"), alice, substrate.SubmitOptions{Immortal: true})
	var failed *substrate.DispatchError
	if !errors.As(err, &failed) || failed.Pallet != "SubtensorModule" || substrate.ErrorName(err) != "SettingWeightsTooFast" || in == nil || in.BlockNumber != 2 {
		t.Errorf("failing call: %+v, %v", in, err)
	}
	if !n.seen[1].Era.Immortal() {
		t.Errorf("era %v", n.seen[1].Era)
	}

	// The connection is lost while the node has the extrinsic: it is found.
	n.mode = "drop"
	n.outcome = substrate.Event{Pallet: "System", Name: "ExtrinsicSuccess", Fields: n.outcome.Fields[1:]}
	in, err = c.Submit(ctx, remark("lost"), alice, substrate.SubmitOptions{})
	if err != nil || in.BlockNumber != 3 {
		t.Errorf("cut off: %+v, %v", in, err)
	}

	// A refusal before any block, by the runtime's own name.
	s.Handle("author_submitAndWatchExtrinsic", func([]json.RawMessage) (any, error) {
		return nil, &substrate.RPCError{Code: 1010, Message: "Invalid Transaction", Data: json.RawMessage(`"Custom error: 2"`)}
	})
	_, err = c.Submit(ctx, remark("refused"), alice, substrate.SubmitOptions{})
	var refused *substrate.TransactionError
	if !errors.As(err, &refused) || refused.Name != "BalanceTooLow" || refused.Code != 1010 {
		t.Errorf("refused call: %v", err)
	}

	// An era that ends without a block having taken it.
	s.Handle("author_submitAndWatchExtrinsic", func([]json.RawMessage) (any, error) {
		s.DropAll()
		n.mu.Lock()
		for range 10 {
			n.blocks, n.events = append(n.blocks, nil), append(n.events, []byte{0})
		}
		n.mu.Unlock()
		return nil, nil
	})
	if _, err = c.Submit(ctx, remark("late"), alice, substrate.SubmitOptions{EraPeriod: 4}); !errors.Is(err, substrate.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
}

func errorIndex(t *testing.T, m *substrate.Metadata, name string) byte {
	p, err := m.Pallet("SubtensorModule")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range m.Types[*p.Errors].Variants {
		if v.Name == name {
			return v.Index
		}
	}
	t.Fatalf("no error %s", name)
	return 0
}

// What the node said to each recorded extrinsic becomes the name that the record gives.
func TestRefusalNames(t *testing.T) {
	f, records := loadExtrinsics(t)
	var raw []struct {
		RPCError *substrate.RPCError `json:"rpc_error"`
	}
	b, err := json.Marshal(f.Records)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	custom := map[uint8]string{}
	for k, v := range f.Custom {
		var n uint8
		if _, err := fmt.Sscan(k, &n); err != nil {
			t.Fatal(err)
		}
		custom[n] = v
	}
	named := 0
	for i, r := range raw {
		if r.RPCError == nil || i >= len(records) {
			continue
		}
		err := substrate.NameRefusal(r.RPCError, custom)
		if substrate.ErrorName(err) == "" {
			t.Errorf("%s: %v has no name", records[i].Name, err)
		}
		named++
	}
	if named < 15 {
		t.Errorf("only %d refusals", named)
	}
}
