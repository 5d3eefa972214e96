package localnet

import (
	"encoding/json"
	"math/big"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

type recordedStorage struct {
	BlockNumber uint64 `json:"block_number"`
	Entries     []struct {
		Key   string  `json:"key"`
		Value *string `json:"value"`
	} `json:"entries"`
	Listings []struct {
		Values map[string]string `json:"values"`
		Pages  []struct {
			Request struct{ Params []any }
			Result  []string
		}
	} `json:"key_listings"`
}

// recordedState is the state of which storage.json is a part.
func recordedState(t *testing.T) (recordedStorage, *store) {
	t.Helper()
	var file recordedStorage
	readJSON(t, "testdata/storage.json", &file)
	st := newStore()
	set := func(key, value string) {
		k, err := substrate.ParseHex(key)
		if err != nil {
			t.Fatal(err)
		}
		v, err := substrate.ParseHex(value)
		if err != nil {
			t.Fatal(err)
		}
		st.set(string(k), append([]byte{}, v...))
	}
	for _, e := range file.Entries {
		if e.Value != nil {
			set(e.Key, *e.Value)
		}
	}
	for _, l := range file.Listings {
		for k, v := range l.Values {
			set(k, v)
		}
	}
	return file, st
}

// TestRecordedKeyPages lists keys of the recorded state page by page.
func TestRecordedKeyPages(t *testing.T) {
	file, st := recordedState(t)
	pages := 0
	for _, l := range file.Listings {
		for _, p := range l.Pages {
			text := func(i int) string {
				if i >= len(p.Request.Params) || p.Request.Params[i] == nil {
					return ""
				}
				b, err := substrate.ParseHex(p.Request.Params[i].(string))
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			pages++
			got := hexKeys(st.keys(text(0), text(2), int(p.Request.Params[1].(float64))))
			if d := cmp.Diff(p.Result, got); d != "" {
				t.Errorf("%v (-recorded +got):\n%s", p.Request.Params, d)
			}
		}
	}
	if pages == 0 {
		t.Error("no pages were recorded")
	}
}

// TestRecordedRuntimeAPIs asks the runtime functions about the recorded
// state, as far as it is recorded.
func TestRecordedRuntimeAPIs(t *testing.T) {
	file, st := recordedState(t)
	rt, err := newRuntime(293, false)
	if err != nil {
		t.Fatal(err)
	}
	var calls struct {
		Calls []struct {
			API       string `json:"api"`
			Method    string `json:"method"`
			ParamsHex string `json:"params_hex"`
			Result    string `json:"result"`
		} `json:"calls"`
	}
	readJSON(t, "testdata/runtime_api.json", &calls)
	seed := &storage{reader: st, items: rt.items, w: newLayer(st)}
	for _, c := range calls.Calls {
		if c.Method == "get_neurons_lite" && c.ParamsHex == "0x0200" {
			addOwners(t, rt, seed, c.Result)
		}
	}
	// What the recorded results show of state that was not recorded.
	id := le16(2)
	for _, item := range []string{"MinDifficulty", "MaxDifficulty"} {
		seed.setU64(item, ^uint64(0), id)
	}
	seed.setU64("AdjustmentAlpha", 17893341751498265066, id)
	seed.setU16("AdjustmentInterval", 360, id)
	seed.setU16("TargetRegistrationsPerInterval", 64, id)
	seed.setU16("MaxRegistrationsPerBlock", 64, id)
	seed.setU64("FirstEmissionBlockNumber", 9, id)
	for uid, block := range []uint64{7, 14, 15, 16, 58} {
		seed.setU64("BlockAtRegistration", block, id, le16(uint16(uid)))
	}
	for k, v := range seed.w.writes {
		st.set(k, v)
	}
	compared := 0
	for _, c := range calls.Calls {
		switch c.Method {
		case "get_all_dynamic_info", "get_subnets_info", "get_network_registration_cost", "version",
			"get_stake_info_for_coldkey", "current_alpha_price", "metadata_versions":
			continue // about other subnets, the pool's positions or this program
		}
		if rt.apis[c.API+"_"+c.Method] == nil {
			continue
		}
		compared++
		t.Run(c.Method+c.ParamsHex, func(t *testing.T) {
			input, err := substrate.ParseHex(c.ParamsHex)
			if err != nil {
				t.Fatal(err)
			}
			want, err := substrate.ParseHex(c.Result)
			if err != nil {
				t.Fatal(err)
			}
			got, err := newEnv(rt, st, file.BlockNumber).callAPI(c.API, c.Method, input)
			if err != nil {
				t.Fatal(err)
			}
			decl, err := rt.meta.API(c.API, c.Method)
			if err != nil {
				t.Fatal(err)
			}
			recorded, err := rt.meta.DecodeAll(decl.Output, want)
			if err != nil {
				t.Fatalf("the recorded result does not decode: %v", err)
			}
			mine, err := rt.meta.DecodeAll(decl.Output, got)
			if err != nil {
				t.Fatal(err)
			}
			clearUnrecorded(recorded)
			clearUnrecorded(mine)
			if d := cmp.Diff(recorded, mine, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); d != "" {
				t.Errorf("(-recorded +got):\n%s", d)
			}
		})
	}
	if compared < 14 {
		t.Errorf("only %d results were compared", compared)
	}
}

// addOwners adds the coldkeys of the recorded neurons, which the recorded
// storage lists for one hotkey only.
func addOwners(t *testing.T, rt *runtime, s *storage, result string) {
	t.Helper()
	raw, err := substrate.ParseHex(result)
	if err != nil {
		t.Fatal(err)
	}
	decl, err := rt.meta.API("NeuronInfoRuntimeApi", "get_neurons_lite")
	if err != nil {
		t.Fatal(err)
	}
	v, err := rt.meta.DecodeAll(decl.Output, raw)
	if err != nil {
		t.Fatal(err)
	}
	var neurons []struct{ Hotkey, Coldkey ss58.AccountID }
	if err := substrate.Assign(v, &neurons); err != nil {
		t.Fatal(err)
	}
	for _, n := range neurons {
		s.setAccount("Owner", n.Coldkey, n.Hotkey[:])
	}
}

// clearUnrecorded removes what depends on more than the recorded state: the
// names that the runtime has for some netuids.
func clearUnrecorded(v any) {
	rec, ok := v.(substrate.Record)
	if !ok {
		return
	}
	for i := range rec {
		switch rec[i].Name {
		case "name", "subnet_name":
			rec[i].Value = nil
		}
	}
}
