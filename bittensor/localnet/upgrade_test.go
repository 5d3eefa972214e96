package localnet

import (
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// allEvents reads the names of the latest block's events.
func allEvents(t *testing.T, c *Chain) string {
	t.Helper()
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := storage{reader: c.st, items: c.rt.items}
	v, err := c.rt.meta.DecodeStorage("System", "Events", s.raw("System.Events"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range v.([]any) {
		var r struct{ Event substrate.Event }
		if err := substrate.Assign(x, &r); err != nil {
			t.Fatal(err)
		}
		names = append(names, r.Event.Pallet+"."+r.Event.Name)
	}
	return strings.Join(names, " ")
}

// An upgrade changes the runtime between two blocks: what waits was signed for the old
// version and is invalid, state stays, and the next block tells.
func TestUpgrade(t *testing.T) {
	c, err := New(Config{SpecVersion: 293})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		if err := c.ProduceBlock(); err != nil {
			t.Fatal(err)
		}
		if events := allEvents(t, c); strings.Contains(events, "CodeUpdated") {
			t.Errorf("an upgrade that was none: %s", events)
		}
	}
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		t.Fatal(err)
	}
	sign := func(spec uint32) []byte {
		t.Helper()
		meta := c.current().meta
		call, err := meta.EncodeCall(substrate.Call{Pallet: "System", Name: "remark", Args: substrate.Record{{Name: "remark", Value: "x"}}})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := meta.SignExtrinsic(call, alice, substrate.ExtrinsicParams{Genesis: c.Genesis(), SpecVersion: spec, TxVersion: txVersion})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	old := sign(293)
	var states []any
	if _, err := c.submit(old, &watcher{notify: func(status any, _ bool) { states = append(states, status) }}); err != nil {
		t.Fatal(err)
	}
	if err := c.Upgrade(381); err != nil {
		t.Fatal(err)
	}
	if n := c.Stats().Pending; n != 0 || len(states) == 0 || states[len(states)-1] != "invalid" {
		t.Errorf("%d wait, told %v", n, states)
	}
	if v := c.current().versionJSON()["specVersion"]; v != uint32(381) {
		t.Errorf("version %v", v)
	}
	if _, err := c.submit(old, nil); err == nil {
		t.Error("what was signed for the old version is taken")
	}
	if _, err := c.submit(sign(381), nil); err != nil {
		t.Errorf("signed for the new version: %v", err)
	}
	if err := c.ProduceBlock(); err != nil {
		t.Fatal(err)
	}
	if events := allEvents(t, c); strings.Count(events, "System.CodeUpdated") != 1 || c.Stats().Extrinsics != 1 {
		t.Errorf("events %s, %+v", events, c.Stats())
	}
	if err := c.ProduceBlock(); err != nil {
		t.Fatal(err)
	}
	if events := allEvents(t, c); strings.Contains(events, "CodeUpdated") {
		t.Errorf("told again: %s", events)
	}
	if err := c.Upgrade(12); err == nil {
		t.Error("an unknown runtime")
	}
	kept, err := New(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := kept.Upgrade(293); err == nil {
		t.Error("a chain with a folder was upgraded")
	}
}
