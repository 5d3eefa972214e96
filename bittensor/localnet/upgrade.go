package localnet

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
)

// Upgrade makes a running chain play another runtime, as an upgrade of the real chain
// does: from the next block on the metadata, the calls and the signed extensions are
// those of spec. State stays as it is; items that the new runtime lacks are left behind.
// Whatever waits for a block was signed for the old version and becomes invalid.
//
// A chain that keeps its state in a folder cannot be upgraded: the folder belongs to one
// runtime.
func (c *Chain) Upgrade(spec uint32) error {
	if c.cfg.Dir != "" {
		return errors.New("upgrading the chain: its folder belongs to one runtime; try: a chain without a folder")
	}
	next, err := newRuntime(spec, c.cfg.AllowLoopback)
	if err != nil {
		return fmt.Errorf("upgrading the chain: %w", err)
	}
	c.produce.Lock()
	defer c.produce.Unlock()
	c.mu.Lock()
	before := c.rt.spec
	c.rt = next
	for _, entry := range c.pool.ordered() {
		c.pool.remove(entry)
		c.stats.Refused++
		entry.tell("invalid", true)
	}
	c.mu.Unlock()
	c.log.Info("runtime upgraded", "from", before, "to", spec)
	c.hub.tellVersion(next.versionJSON())
	return nil
}

// current is the runtime being played, for those who do not hold c.mu.
func (c *Chain) current() *runtime {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.rt
}

// noteUpgrade records a change of the runtime's version in the first block of the new
// one.
func (e *env) noteUpgrade() {
	const item = "System.LastRuntimeUpgrade"
	var w scale.Encoder
	w.Compact(uint64(e.rt.spec))
	w.Blob([]byte("node-subtensor"))
	known := e.has(item)
	if known && bytes.Equal(e.raw(item), w.Bytes()) {
		return
	}
	e.setRaw(item, w.Bytes())
	if known {
		e.emit("System", "CodeUpdated")
	}
}

// tellVersion tells whoever subscribed to the runtime's version.
func (h *hub) tellVersion(version any) {
	h.mu.Lock()
	conns := make([]*conn, 0, len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	h.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		var subs []*subscription
		for _, s := range c.subs {
			if s.method == "state_runtimeVersion" {
				subs = append(subs, s)
			}
		}
		c.mu.Unlock()
		for _, s := range subs {
			s.push(version, false)
		}
	}
}
