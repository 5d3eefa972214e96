package substrate

import (
	"context"
	"errors"
	"fmt"
)

func indexOf(b Block, extrinsic []byte) int {
	text := Hex(extrinsic)
	for i, x := range b.Extrinsics {
		if x == text {
			return i
		}
	}
	return -1
}

// outcome reads what happened to an extrinsic in its block.
func (c *Client) outcome(ctx context.Context, s *submission, at Hash) (*Inclusion, error) {
	block, err := c.Block(ctx, at)
	if err != nil {
		return nil, err
	}
	in := &Inclusion{BlockHash: at, BlockNumber: uint64(block.Header.Number), ExtrinsicHash: s.hash, Index: indexOf(block, s.bytes)}
	if in.Index < 0 {
		return nil, fmt.Errorf("block %v does not hold extrinsic %v that the node reported there", at, s.hash)
	}
	// The block ran the version that the extrinsic was signed for; the chain may be a
	// version further by now.
	rt := s.rt
	records, err := c.eventsAs(ctx, rt, at)
	if err != nil {
		return in, err
	}
	var failed error
	settled := false
	for _, r := range records {
		if r.Extrinsic != in.Index {
			continue
		}
		in.Events = append(in.Events, r.Event)
		switch r.Event.Pallet + "." + r.Event.Name {
		case "System.ExtrinsicSuccess":
			settled = true
		case "System.ExtrinsicFailed":
			settled = true
			failed = rt.failure(r.Event.Fields, "dispatch_error")
		case "Sudo.Sudid", "Sudo.SudoAsDone":
			// The outer call succeeds whatever the inner one does.
			failed = errors.Join(failed, rt.failure(r.Event.Fields, "sudo_result"))
		case "Proxy.ProxyExecuted":
			failed = errors.Join(failed, rt.failure(r.Event.Fields, "result"))
		case "Utility.BatchInterrupted":
			failed = errors.Join(failed, rt.failure(r.Event.Fields, "error"))
		}
	}
	if !settled {
		return in, fmt.Errorf("block %d has no outcome for extrinsic %d", in.BlockNumber, in.Index)
	}
	return in, failed
}

// failure names the error in an event's field: a DispatchError, or a Result with one. It
// is nil for a Result that is Ok.
func (m *Metadata) failure(fields Record, name string) error {
	v, _ := fields.Get(name)
	if r, ok := v.(Variant); ok && r.Name == "Ok" {
		return nil
	} else if ok && r.Name == "Err" {
		v = r.Value
	}
	return m.DispatchErrorOf(v)
}

// EventRecord is an event with the extrinsic that caused it, -1 for the block itself.
type EventRecord struct {
	Extrinsic int
	Event     Event
}

// Events reads a block's events.
func (c *Client) Events(ctx context.Context, at Hash) ([]EventRecord, error) {
	v, err := c.Get(ctx, &at, "System", "Events")
	if err != nil {
		return nil, err
	}
	return eventRecords(v)
}

// eventsAs reads a block's events as a known runtime wrote them.
func (c *Client) eventsAs(ctx context.Context, rt *Runtime, at Hash) ([]EventRecord, error) {
	key, err := rt.StorageKey("System", "Events")
	if err != nil {
		return nil, err
	}
	data, err := c.RawStorage(ctx, &at, key)
	if err != nil {
		return nil, fmt.Errorf("reading System.Events: %w", err)
	}
	v, err := rt.DecodeStorage("System", "Events", data)
	if err != nil {
		return nil, err
	}
	return eventRecords(v)
}

func eventRecords(v any) ([]EventRecord, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("reading System.Events: %T is not a list", v)
	}
	out := make([]EventRecord, 0, len(list))
	for _, x := range list {
		var r struct {
			Phase Variant
			Event Event
		}
		if err := Assign(x, &r); err != nil {
			return nil, fmt.Errorf("reading System.Events: %w", err)
		}
		rec := EventRecord{Extrinsic: -1, Event: r.Event}
		if n, ok := r.Phase.Value.(uint64); ok && r.Phase.Name == "ApplyExtrinsic" {
			rec.Extrinsic = int(n)
		}
		out = append(out, rec)
	}
	return out, nil
}
