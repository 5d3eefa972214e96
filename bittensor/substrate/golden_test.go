package substrate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
)

func TestMetadataRoundTrip(t *testing.T) {
	for _, spec := range []int{185, 293, 381} {
		m := substratetest.Metadata(t, spec)
		for _, version := range []int{14, 15} {
			b, err := m.Encode(version)
			if err != nil {
				t.Fatal(err)
			}
			back, err := substrate.DecodeMetadata(b)
			if err != nil {
				t.Fatal(err)
			}
			again, err := back.Encode(version)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, again) {
				t.Errorf("runtime %d, V%d: decoding and encoding changes it", spec, version)
			}
			if back.OuterEvent != m.OuterEvent || back.OuterCall != m.OuterCall || *back.OuterError != *m.OuterError {
				t.Errorf("runtime %d, V%d: outer enums %d %d %d", spec, version, back.OuterCall, back.OuterEvent, *back.OuterError)
			}
		}
		t.Logf("runtime %d: %d types, %d pallets, %d runtime APIs", spec, len(m.Types), len(m.Pallets), len(m.APIs))
	}
}

type storageFile struct {
	Entries []struct {
		Pallet, Item string
		Params       []any
		Hashers      []string
		Key          string
		Value        *string
		Default      string
		PlainDecode  json.RawMessage `json:"plain_decode"`
	}
	KeyListings []struct {
		Pallet, Item string
		PrefixParams []any `json:"prefix_params"`
		Prefix       string
		Values       map[string]string
	} `json:"key_listings"`
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := substrate.ParseHex(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStorageGolden(t *testing.T) {
	m := substratetest.Metadata(t, 293)
	var f storageFile
	substratetest.Load(t, "storage.json", &f)
	keys, values, skipped := 0, 0, map[string]int{}
	for _, e := range f.Entries {
		name := e.Pallet + "." + e.Item
		if !m.HasStorage(e.Pallet, e.Item) {
			skipped[e.Pallet]++ // the facts list no storage for this pallet
			continue
		}
		key, err := m.StorageKey(e.Pallet, e.Item, e.Params...)
		if err != nil {
			t.Errorf("%s%v: %v", name, e.Params, err)
			continue
		}
		if got := substrate.Hex(key); got != e.Key {
			t.Errorf("%s%v: key %s, want %s", name, e.Params, got, e.Key)
		}
		keys++
		if len(e.Params) > 0 {
			if args, err := m.DecodeStorageKey(e.Pallet, e.Item, key); err != nil {
				t.Errorf("%s: reading the key back: %v", name, err)
			} else if again, err := m.StorageKey(e.Pallet, e.Item, args...); err != nil || !bytes.Equal(again, key) {
				t.Errorf("%s: key parts %v make another key", name, args)
			}
		}
		var data []byte
		if e.Value != nil {
			data = unhex(t, *e.Value)
		}
		v, err := m.DecodeStorage(e.Pallet, e.Item, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if data == nil && e.Default == "" {
			if v != nil && e.PlainDecode != nil && string(e.PlainDecode) == "null" {
				t.Errorf("%s: absent, read as %v", name, v)
			}
			continue
		}
		if data == nil {
			data = unhex(t, e.Default)
			if v == nil {
				continue
			}
			if v, err = m.DecodeStorage(e.Pallet, e.Item, data); err != nil {
				t.Errorf("%s: default: %v", name, err)
				continue
			}
		}
		again, err := m.EncodeStorage(e.Pallet, e.Item, v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(again, data) {
			t.Errorf("%s: %x read and written is %x", name, data, again)
		}
		values++
	}
	t.Logf("%d keys, %d values equal; not in the facts: %v", keys, values, skipped)
	if keys < 90 || values < 75 {
		t.Errorf("only %d keys and %d values were compared", keys, values)
	}

	for _, l := range f.KeyListings {
		prefix, err := m.StorageKey(l.Pallet, l.Item, l.PrefixParams...)
		if err != nil {
			t.Errorf("%s.%s: %v", l.Pallet, l.Item, err)
			continue
		}
		if got := substrate.Hex(prefix); got != l.Prefix {
			t.Errorf("%s.%s: prefix %s, want %s", l.Pallet, l.Item, got, l.Prefix)
		}
		for k := range l.Values {
			args, err := m.DecodeStorageKey(l.Pallet, l.Item, unhex(t, k))
			if err != nil {
				t.Errorf("%s: %v", k, err)
				continue
			}
			again, err := m.StorageKey(l.Pallet, l.Item, args...)
			if err != nil || substrate.Hex(again) != k {
				t.Errorf("%s: parts %v make %x, %v", k, args, again, err)
			}
		}
	}
}

// The plain decode of the Python codec, compared where both show the same form.
func TestStorageDecodesAsThePythonCodec(t *testing.T) {
	m := substratetest.Metadata(t, 293)
	var f storageFile
	substratetest.Load(t, "storage.json", &f)
	compared := 0
	for _, e := range f.Entries {
		if e.Value == nil || !m.HasStorage(e.Pallet, e.Item) || e.Item == "Events" {
			continue
		}
		v, err := m.DecodeStorage(e.Pallet, e.Item, unhex(t, *e.Value))
		if err != nil {
			t.Errorf("%s.%s: %v", e.Pallet, e.Item, err)
			continue
		}
		var want any
		if err := json.Unmarshal(e.PlainDecode, &want); err != nil {
			t.Fatal(err)
		}
		if _, isText := want.(string); isText {
			if _, isBytes := v.([]byte); isBytes {
				continue // bytes shown as text there and as hex here
			}
		}
		text, err := json.Marshal(substrate.Record{{Name: "v", Value: v}})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got["v"]) != fmt.Sprint(want) {
			// A wrapper of one named field, such as a fixed-point number's bits.
			if w, ok := want.(map[string]any); !ok || len(w) != 1 || !strings.Contains(fmt.Sprint(w), fmt.Sprint(got["v"])) {
				t.Errorf("%s.%s: %v, the Python codec has %v", e.Pallet, e.Item, got["v"], want)
			}
		}
		compared++
	}
	t.Logf("%d values equal", compared)
	if compared < 50 {
		t.Errorf("only %d values were compared", compared)
	}
}

func TestRuntimeAPIGolden(t *testing.T) {
	m := substratetest.Metadata(t, 293)
	var f struct {
		Calls []struct {
			API, Method string
			Params      []any
			ParamsHex   string `json:"params_hex"`
			Result      string
		}
	}
	substratetest.Load(t, "runtime_api.json", &f)
	results := 0
	for _, c := range f.Calls {
		name := c.API + "." + c.Method
		api, err := m.API(c.API, c.Method)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(c.Params) == len(api.Inputs) {
			var params []byte
			for i, in := range api.Inputs {
				b, err := m.EncodeValue(in.Type, c.Params[i])
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				params = append(params, b...)
			}
			if got := substrate.Hex(params); got != c.ParamsHex {
				t.Errorf("%s: parameters %s, want %s", name, got, c.ParamsHex)
			}
		}
		data := unhex(t, c.Result)
		v, err := m.DecodeAll(api.Output, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := m.EncodeValue(api.Output, v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(again, data) {
			t.Errorf("%s: read and written differs", name)
		}
		results++
	}
	t.Logf("%d of %d results equal", results, len(f.Calls))
}
