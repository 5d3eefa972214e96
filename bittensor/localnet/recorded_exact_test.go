package localnet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// exactRecord is a record with everything that the real runtime said.
type exactRecord struct {
	record
	Head          *uint64 `json:"head_block_at_submit"`
	CallModule    string  `json:"call_module"`
	ExtrinsicHex  string  `json:"extrinsic_hex"`
	ExtrinsicHash string  `json:"extrinsic_hash"`
	SignedPayload string  `json:"payload_signed_hex"`
	ExactEra      *struct {
		Birth uint64         `json:"birth_block"`
		Hash  substrate.Hash `json:"birth_hash"`
	} `json:"era"`
	RawValidate struct {
		Raw  string `json:"raw"`
		Trap string `json:"trap"`
	} `json:"validate_transaction"`
	RawInfo *struct {
		Raw string `json:"raw"`
	} `json:"query_info"`
	RawApply struct {
		Raw string `json:"raw"`
	} `json:"apply"`
	ExactEvents []struct {
		Index      *uint32 `json:"extrinsic_idx"`
		Pallet     string  `json:"pallet"`
		Event      string  `json:"event"`
		Attributes any     `json:"attributes"`
	} `json:"events"`
	CallArgs map[string]any `json:"call_args"`
}

// notCompared are the fields of the records that this chain cannot give, with
// the reason. Everything else is compared byte by byte.
var notCompared = map[string]string{
	"block_header_hex, block_hash": "state and extrinsics roots are not those of Substrate's trees, and the digest names the recorder's slot",
	"validate_transaction.trap":    "no WebAssembly runs here: bytes that are no extrinsic are refused before, as a node does",
	"rpc_error_expected":           "written from memory by the recorder; the code for undecodable bytes is checked (1001)",
	"note_apply, description":      "text",
}

// TestRecordedExtrinsicsExactly gives the recorded bytes to a chain of the
// recorded runtime, at the recorded heights and with the recorded nonces, and
// compares the answers byte by byte.
func TestRecordedExtrinsicsExactly(t *testing.T) {
	data, err := os.ReadFile("testdata/extrinsics.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Genesis substrate.Hash `json:"genesis_hash"`
		Records []exactRecord  `json:"records"`
	}
	numbers := json.NewDecoder(bytes.NewReader(data))
	numbers.UseNumber() // some do not fit a float
	if err := numbers.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Records) != 72 || len(notCompared) == 0 {
		t.Fatalf("%d records", len(file.Records))
	}
	// The recorder's clock: one second a block, at 0 the genesis.
	var c *Chain
	now := func() time.Time {
		if c == nil {
			return time.UnixMilli(1752500000000)
		}
		return time.UnixMilli(1752500000000 + 1000*int64(c.recent.head().number+1))
	}
	c = testChain(t, Config{SpecVersion: 293, Now: now})
	c.genesis = file.Genesis
	prepare := setUp(c, func() {})
	delete(prepare, "reveal_wrong_values") // the heights are the recorded ones
	for _, r := range file.Records {
		t.Run(r.Name, func(t *testing.T) {
			if r.Head != nil {
				for c.recent.head().number < *r.Head {
					c.mustProduce(t)
				}
			}
			if f := prepare[r.Name]; f != nil {
				f()
			}
			exactReplay(t, c, r)
		})
	}
}

func exactReplay(t *testing.T, c *Chain, r exactRecord) {
	raw, err := substrate.ParseHex(r.ExtrinsicHex)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case r.RawValidate.Trap != "":
		_, err := c.submit(raw, nil)
		if rpc, ok := poolError(err).(*rpcError); !ok || rpc.Code != codeBadFormat {
			t.Errorf("undecodable bytes give %v", err)
		}
		return
	case r.Name == "timestamp_set_inherent":
		c.mustProduce(t)
		if head := c.recent.head(); head.number != *r.InBlock || !bytes.Equal(head.body[0], raw) {
			t.Errorf("block %d begins with %x, recorded %d with %x", head.number, head.body[0], *r.InBlock, raw)
		}
		return
	}
	tx, err := c.rt.decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := tx.Hash.String(); got != r.ExtrinsicHash {
		t.Errorf("hash %s, recorded %s", got, r.ExtrinsicHash)
	}
	if r.Signer != nil {
		if r.Name != "stale_nonce" && r.Name != "future_nonce" {
			c.poke(func(s *storage) {
				account := s.accountInfo(tx.Signer)
				account.nonce = uint32(r.Nonce)
				s.setAccountInfo(tx.Signer, account)
			})
		}
		checkPayload(t, c, tx, r)
	}
	if r.ExactEra != nil {
		c.recent.byNumber(r.ExactEra.Birth).id = r.ExactEra.Hash
	}
	if r.Name == "ancient_birth_block" {
		c.recent.blocks = c.recent.blocks[r.ExactEra.Birth+1-c.recent.blocks[0].number:]
		c.poke(func(s *storage) { s.remove("System.BlockHash", le32(uint32(r.ExactEra.Birth))) })
	}

	head := c.recent.head().number
	state := newEnv(c.rt, c.st, head)
	valid, err := c.stateCall(state, "TaggedTransactionQueue_validate_transaction", append(append([]byte{2}, raw...), make([]byte, 32)...))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "validate_transaction", valid, r.RawValidate.Raw)
	if r.RawInfo != nil {
		info, err := c.stateCall(state, "TransactionPaymentApi_query_info", append(append([]byte(nil), raw...), le32(uint32(len(raw)))...))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "query_info", info, r.RawInfo.Raw)
	}
	if r.InBlock == nil {
		if r.RawApply.Raw != "" {
			fresh, err := c.rt.decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			invalid, ok := newEnv(c.rt, c.st, head+1).apply(fresh, c.view()).(*invalidity)
			if !ok {
				t.Fatal("it can be applied")
			}
			same(t, "apply", append([]byte{1}, encoded(t, c, "TransactionValidityError", invalid.value())...), r.RawApply.Raw)
		}
		_, err := c.submit(raw, nil)
		if r.RPCError == nil {
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			c.pool.remove(c.pool.byHash[tx.Hash])
		} else if rpc, ok := poolError(err).(*rpcError); !ok || rpc.Code != r.RPCError.Code || rpc.Data != r.RPCError.Data {
			t.Errorf("RPC error %v, recorded %+v", err, r.RPCError)
		}
		return
	}
	if _, err := c.submit(raw, nil); err != nil {
		t.Fatalf("refused: %v", err)
	}
	c.mustProduce(t)
	if block := c.recent.head(); block.number != *r.InBlock || len(block.body) != 2 || !bytes.Equal(block.body[1], raw) {
		t.Fatalf("not in block %d", *r.InBlock)
	}
	checkEvents(t, c, r)
}

func same(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if h := substrate.Hex(got); h != want {
		t.Errorf("%s:\n%s, recorded\n%s", what, h, want)
	}
}

func encoded(t *testing.T, c *Chain, path string, v any) []byte {
	t.Helper()
	id, ok := c.rt.meta.TypeByPath(path)
	if !ok {
		t.Fatalf("no type %s", path)
	}
	var w scale.Encoder
	if err := c.rt.meta.AppendValue(&w, id, v); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// checkPayload compares what was signed; bytes signed for another chain or
// version cannot be told from the extrinsic.
func checkPayload(t *testing.T, c *Chain, tx *transaction, r exactRecord) {
	if r.Name == "wrong_genesis" || r.Name == "wrong_spec_version" {
		return
	}
	birth := c.genesis
	if r.ExactEra != nil {
		birth = r.ExactEra.Hash
	}
	payload, err := tx.Payload(c.rt.meta, substrate.ExtrinsicParams{Genesis: c.genesis, BirthHash: birth, SpecVersion: 293, TxVersion: txVersion})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "payload", payload, r.SignedPayload)
}

// checkEvents compares the events with all their attributes, and the outcome.
func checkEvents(t *testing.T, c *Chain, r exactRecord) {
	v, err := c.rt.meta.DecodeStorage("System", "Events", c.latest().raw("System.Events"))
	if err != nil {
		t.Fatal(err)
	}
	outcome := []byte{0, 0}
	var got, want []string
	for _, e := range v.([]any) {
		rec := e.(substrate.Record)
		phase, _ := rec.Get("phase")
		if p := phase.(substrate.Variant); p.Name != "ApplyExtrinsic" || p.Value != uint64(1) {
			continue
		}
		x, _ := rec.Get("event")
		ev := x.(substrate.Event)
		attributes, err := json.Marshal(plain(ev.Fields))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s.%s %s", ev.Pallet, ev.Name, attributes))
		if ev.Name == "ExtrinsicFailed" {
			failure, _ := ev.Fields.Get("dispatch_error")
			outcome = append([]byte{0, 1}, encoded(t, c, "DispatchError", failure)...)
		}
	}
	for _, e := range r.ExactEvents {
		attributes, err := json.Marshal(e.Attributes)
		if err != nil {
			t.Fatal(err)
		}
		if e.Index == nil || *e.Index == 1 {
			want = append(want, fmt.Sprintf("%s.%s %s", e.Pallet, e.Event, attributes))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events (-recorded +got):\n%s", d)
	}
	same(t, "apply", outcome, r.RawApply.Raw)
}

// plain is a value as the Python SDK's decoder, which made the records, shows
// it.
func plain(v any) any {
	switch x := v.(type) {
	case substrate.Record:
		if len(x) == 0 {
			return nil
		}
		if x[0].Name != "" {
			out := map[string]any{}
			for _, e := range x {
				out[e.Name] = plain(e.Value)
			}
			return out
		}
		if len(x) == 1 {
			return plain(x[0].Value)
		}
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = plain(e.Value)
		}
		return out
	case substrate.Variant:
		if x.Name == "Ok" {
			return map[string]any{"Ok": []any{}}
		}
		if x.Value == nil {
			return x.Name
		}
		return map[string]any{x.Name: plain(x.Value)}
	case ss58.AccountID:
		return x.String()
	case substrate.Hash:
		return x.String()
	case []byte:
		return "0x" + hex.EncodeToString(x)
	case *big.Int:
		return json.Number(x.String())
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = plain(x[i])
		}
		return out
	}
	return v
}
