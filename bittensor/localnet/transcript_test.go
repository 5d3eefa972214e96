package localnet

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// recordedFrame is one WebSocket message between a Python client and the real
// runtime of spec 293.
type recordedFrame struct {
	N     int             `json:"n"`
	Dir   string          `json:"dir"`
	Step  string          `json:"step"`
	Frame json.RawMessage `json:"frame"`
}

// TestTranscript sends this chain every message that the Python clients sent
// to the real runtime, and compares the shapes of the answers: keys, types,
// error codes. Hashes and block numbers of the recording are replaced by those
// that this chain gave in their place, and extrinsics are signed anew.
func TestTranscript(t *testing.T) {
	data, err := os.ReadFile("testdata/rpc_transcript_9.8.3.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Frames []recordedFrame `json:"frames"`
		Btcli  struct {
			Frames []recordedFrame `json:"frames"`
		} `json:"btcli"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for name, frames := range map[string][]recordedFrame{"sdk-9.8.3": file.Frames, "btcli-9.8.7": file.Btcli.Frames} {
		t.Run(name, func(t *testing.T) { replay(t, frames) })
	}
}

type replayer struct {
	t    *testing.T
	c    *Chain
	ws   *wsClient
	keys map[ss58.AccountID]*wallet.Keypair
	same map[string]string // a recorded text to ours
	sent int
}

func replay(t *testing.T, frames []recordedFrame) {
	// The recorded subnet 2 had five neurons: Alice's own and these.
	c := testChain(t, Config{SpecVersion: 293, Netuid: 2})
	r := &replayer{t: t, c: c, keys: map[ss58.AccountID]*wallet.Keypair{}, same: map[string]string{}}
	for _, name := range []string{"//Alice", "//Bob", "//Charlie", "//Dave", "//Eve", "//Ferdie"} {
		k := key(t, name)
		r.keys[k.AccountID()] = k
	}
	for _, hotkey := range []string{"//Bob", "//Charlie", "//Dave", "//other"} {
		register(t, c, "//Alice", hotkey)
	}
	call := encodedCall(t, c, "SubtensorModule", "add_stake", substrate.Entry{Name: "hotkey", Value: key(t, "//Bob").AccountID()},
		substrate.Entry{Name: "netuid", Value: 2}, substrate.Entry{Name: "amount_staked", Value: 100 * tao})
	if _, err := c.submit(signedExtrinsic(t, c, key(t, "//Alice"), call, nil), nil); err != nil {
		t.Fatal(err)
	}
	// An epoch gives Bob its permit.
	for range 25 {
		c.mustProduce(t)
	}
	r.ws = dial(t, serve(t, c))
	for i, f := range frames {
		if f.Dir != "client>node" {
			continue
		}
		answer, notes := followers(t, frames[i+1:])
		r.exchange(f, answer, notes)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d requests", r.sent)
}

// followers are the answer to a message and the notifications up to the
// client's next one. The clients wait for each answer.
func followers(t *testing.T, later []recordedFrame) (answer json.RawMessage, notes []recordedFrame) {
	for _, f := range later {
		var head struct {
			Method *string `json:"method"`
		}
		if err := json.Unmarshal(f.Frame, &head); err != nil {
			t.Fatal(err)
		}
		switch {
		case f.Dir == "client>node":
			return answer, notes
		case head.Method != nil:
			notes = append(notes, f)
		default:
			answer = f.Frame
		}
	}
	return answer, notes
}

func (r *replayer) exchange(f recordedFrame, want json.RawMessage, notes []recordedFrame) {
	r.t.Helper()
	var req struct {
		Method string `json:"method"`
		Params []any  `json:"params"`
	}
	if err := json.Unmarshal(f.Frame, &req); err != nil {
		r.t.Fatal(err)
	}
	for i, p := range req.Params {
		if ours, ok := r.same[fmt.Sprint(p)]; ok {
			req.Params[i] = ours
			if _, number := p.(float64); number {
				req.Params[i] = json.Number(ours)
			}
		}
	}
	if req.Method == "author_submitAndWatchExtrinsic" {
		req.Params[0] = substrate.Hex(r.sign(req.Params[0].(string)))
	}
	got := r.ws.ask(req.Method, req.Params...)
	r.sent++
	var recorded struct {
		Result any       `json:"result"`
		Error  *rpcError `json:"error"`
	}
	if err := json.Unmarshal(want, &recorded); err != nil {
		r.t.Fatal(err)
	}
	where := fmt.Sprintf("frame %d (%s, %s %.200v)", f.N, f.Step, req.Method, req.Params)
	if recorded.Error != nil || got.Error != nil {
		if recorded.Error == nil || got.Error == nil || *recorded.Error != *got.Error {
			r.t.Errorf("%s: error %v, recorded %v", where, got.Error, recorded.Error)
		}
		return
	}
	var ours any
	if err := json.Unmarshal(got.Result, &ours); err != nil {
		r.t.Fatal(err)
	}
	if a, b := shape(recorded.Result), shape(ours); a != b && !r.mayBeAbsent(req.Method, req.Params) {
		r.t.Errorf("%s: answer of the form\n%s, recorded\n%s\n%.300s", where, b, a, got.Result)
	}
	r.learn(recorded.Result, ours)
	if len(notes) == 0 {
		return
	}
	r.c.mustProduce(r.t)
	for _, note := range notes {
		var m message
		if err := json.Unmarshal(note.Frame, &m); err != nil {
			r.t.Fatal(err)
		}
		ours := r.ws.notification()
		var a, b any
		_ = json.Unmarshal(m.Params.Result, &a)
		_ = json.Unmarshal(ours.Params.Result, &b)
		if m.Method != ours.Method || shape(a) != shape(b) {
			r.t.Errorf("%s: notification %s %s, recorded %s %s", where, ours.Method, ours.Params.Result, m.Method, m.Params.Result)
		}
		r.learn(a, b)
	}
}

// mayBeAbsent reports whether a request reads a storage item with a default:
// a chain may have written it or not.
func (r *replayer) mayBeAbsent(method string, params []any) bool {
	if !strings.HasPrefix(method, "state_getStorage") {
		return false
	}
	key, err := substrate.ParseHex(params[0].(string))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, it := range r.c.rt.items {
		if strings.HasPrefix(string(key), it.prefix) {
			return it.fallback != nil
		}
	}
	return false
}

// sign makes the recorded extrinsic valid here: same call and signer, our
// nonce and genesis, an era of the same length.
func (r *replayer) sign(recorded string) []byte {
	r.t.Helper()
	raw, err := substrate.ParseHex(recorded)
	if err != nil {
		r.t.Fatal(err)
	}
	x, err := r.c.rt.meta.DecodeExtrinsic(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	signer := r.keys[x.Signer]
	if signer == nil {
		r.t.Fatalf("an extrinsic of %s", x.Signer)
	}
	return signedExtrinsic(r.t, r.c, signer, x.CallBytes(), func(p *substrate.ExtrinsicParams) {
		if x.Era.Immortal() {
			return
		}
		head := r.c.recent.head()
		p.Era = substrate.NewEra(x.Era.Period, head.number)
		p.BirthHash, _ = r.c.blockHash(p.Era.Birth(head.number))
	})
}

// learn remembers which of our hashes and numbers stand in the place of the
// recorded ones.
func (r *replayer) learn(recorded, ours any) {
	switch a := recorded.(type) {
	case string:
		b, ok := ours.(string)
		if ok && strings.HasPrefix(a, "0x") && len(a) == 66 && len(b) == 66 {
			r.same[a] = b
		}
	case map[string]any:
		b, ok := ours.(map[string]any)
		if !ok {
			return
		}
		for k := range a {
			if k == "number" {
				r.same[decimal(a[k])] = decimal(b[k])
			}
			r.learn(a[k], b[k])
		}
	}
}

func decimal(v any) string {
	var n uint64
	_, _ = fmt.Sscanf(fmt.Sprint(v), "0x%x", &n)
	return fmt.Sprint(n)
}

// shape describes a JSON value: the keys of objects, the kinds of elements of
// lists, and the types of the rest.
func shape(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		if strings.HasPrefix(x, "0x") {
			return "hex"
		}
		return "text"
	case []any:
		var kinds []string
		for _, e := range x {
			if k := shape(e); !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
		sort.Strings(kinds)
		return "[" + strings.Join(kinds, "|") + "]"
	case map[string]any:
		if x["elided"] == true {
			return "hex" // a long value that the recording leaves out
		}
		var parts []string
		for _, k := range sortedKeys(x) {
			parts = append(parts, k+":"+shape(x[k]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	}
	return fmt.Sprintf("%T", v)
}
