package localnet

import (
	"bytes"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// TestEveryRecordedEntry reads and writes every recorded storage entry and
// listed value with this chain's own declarations: keys from their parts and
// back, values to typed ones and back, bit for bit.
func TestEveryRecordedEntry(t *testing.T) {
	rt, err := newRuntime(293, false)
	if err != nil {
		t.Fatal(err)
	}
	m := rt.meta
	var file struct {
		Entries []struct {
			Pallet, Item string
			Params       []any
			Key          string
			Value        *string
			Default      string
		}
		Listings []struct {
			Pallet, Item string
			Values       map[string]string
		} `json:"key_listings"`
	}
	readJSON(t, "testdata/storage.json", &file)
	value := func(pallet, item, hex string) {
		t.Helper()
		data := unhex(t, hex)
		v, err := m.DecodeStorage(pallet, item, data)
		if err != nil {
			t.Errorf("%s.%s: %v", pallet, item, err)
			return
		}
		if again, err := m.EncodeStorage(pallet, item, v); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s.%s: %x read and written is %x, %v", pallet, item, data, again, err)
		}
	}
	keyBack := func(pallet, item string, key []byte) {
		t.Helper()
		parts, err := m.DecodeStorageKey(pallet, item, key)
		if err != nil {
			t.Errorf("%s.%s: reading a key: %v", pallet, item, err)
			return
		}
		if again, err := m.StorageKey(pallet, item, parts...); err != nil || !bytes.Equal(again, key) {
			t.Errorf("%s.%s: the parts %v make %x, want %x; %v", pallet, item, parts, again, key, err)
		}
	}
	entries, values := 0, 0
	for _, e := range file.Entries {
		entries++
		key, err := m.StorageKey(e.Pallet, e.Item, e.Params...)
		if err != nil || substrate.Hex(key) != e.Key {
			t.Errorf("%s.%s%v: key %x, want %s; %v", e.Pallet, e.Item, e.Params, key, e.Key, err)
			continue
		}
		if len(e.Params) > 0 {
			keyBack(e.Pallet, e.Item, key)
		}
		// An absent entry reads as the default, where the item has one.
		_, item, err := m.StorageItem(e.Pallet, e.Item)
		if err != nil {
			t.Error(err)
			continue
		}
		if e.Default != "" && item.Modifier != substrate.Optional && substrate.Hex(item.Default) != e.Default {
			t.Errorf("%s.%s: default %x, recorded %s", e.Pallet, e.Item, item.Default, e.Default)
		}
		if e.Value != nil {
			values++
			value(e.Pallet, e.Item, *e.Value)
		} else if e.Default != "" && item.Modifier != substrate.Optional {
			values++
			value(e.Pallet, e.Item, e.Default)
		}
	}
	for _, l := range file.Listings {
		for k, v := range l.Values {
			entries, values = entries+1, values+1
			keyBack(l.Pallet, l.Item, unhex(t, k))
			value(l.Pallet, l.Item, v)
		}
	}
	t.Logf("%d entries, %d values", entries, values)
	if len(file.Entries) != 98 || len(file.Listings) != 7 || values < 98 {
		t.Errorf("%d entries, %d listings, %d values: some are missing", len(file.Entries), len(file.Listings), values)
	}
}

// TestEveryRecordedRuntimeAPI reads and writes the arguments and the result of
// every recorded call of a runtime function, bit for bit.
func TestEveryRecordedRuntimeAPI(t *testing.T) {
	rt, err := newRuntime(293, false)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Calls []struct {
			API       string `json:"api"`
			Method    string `json:"method"`
			ParamsHex string `json:"params_hex"`
			Result    string `json:"result"`
		} `json:"calls"`
	}
	readJSON(t, "testdata/runtime_api.json", &file)
	both := 0
	for _, c := range file.Calls {
		decl, err := rt.meta.API(c.API, c.Method)
		if err != nil {
			t.Errorf("%s.%s: %v", c.API, c.Method, err)
			continue
		}
		result := unhex(t, c.Result)
		v, err := rt.meta.DecodeAll(decl.Output, result)
		if err != nil {
			t.Errorf("%s.%s: result: %v", c.API, c.Method, err)
			continue
		}
		if again, err := rt.meta.EncodeValue(decl.Output, v); err != nil || !bytes.Equal(again, result) {
			t.Errorf("%s.%s: the result %x is written as %x; %v", c.API, c.Method, result, again, err)
		}
		input := unhex(t, c.ParamsHex)
		d := scale.NewDecoder(input)
		var again []byte
		for _, p := range decl.Inputs {
			if p.Name == "uxt" { // opaque in the metadata: its length, then bytes
				raw, err := rt.decode(input[:len(input)-4])
				if err != nil {
					t.Errorf("%s.%s: %v", c.API, c.Method, err)
					break
				}
				again = append(again, raw.raw...)
				if _, err := d.Raw(len(input) - 4); err != nil {
					t.Fatal(err)
				}
				continue
			}
			v, err := rt.meta.DecodeValue(p.Type, d)
			if err != nil {
				t.Errorf("%s.%s: argument %s: %v", c.API, c.Method, p.Name, err)
				break
			}
			part, err := rt.meta.EncodeValue(p.Type, v)
			if err != nil {
				t.Errorf("%s.%s: argument %s: %v", c.API, c.Method, p.Name, err)
				break
			}
			again = append(again, part...)
		}
		if !bytes.Equal(again, input) {
			t.Errorf("%s.%s: the arguments %x are written as %x", c.API, c.Method, input, again)
		}
		both++
	}
	if len(file.Calls) != 30 || both != 30 {
		t.Errorf("%d of %d recorded calls were read and written, want 30", both, len(file.Calls))
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := substrate.ParseHex(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
