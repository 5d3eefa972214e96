package localnet

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

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
		c.answer(context.Background(), data, caller{client: client}, func(b []byte) {
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
