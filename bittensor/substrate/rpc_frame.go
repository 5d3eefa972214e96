package substrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// frame is one JSON-RPC message from a node: an answer (ID set) or a notification of a
// subscription (Subscription set).
type frame struct {
	ID           *uint64
	Result       json.RawMessage
	Error        *RPCError
	Method       string
	Subscription string
}

// parseFrames reads a WebSocket message: one JSON-RPC object or a batch of them.
func parseFrames(data []byte) ([]frame, error) {
	data = bytes.TrimSpace(data)
	var raws []json.RawMessage
	if len(data) > 0 && data[0] == '[' {
		if err := json.Unmarshal(data, &raws); err != nil {
			return nil, fmt.Errorf("reading a batch: %w", err)
		}
	} else {
		raws = []json.RawMessage{data}
	}
	out := make([]frame, 0, len(raws))
	for _, raw := range raws {
		f, err := parseFrame(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func parseFrame(data []byte) (frame, error) {
	var wire struct {
		ID     json.RawMessage `json:"id"`
		Result json.RawMessage `json:"result"`
		Error  *RPCError       `json:"error"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return frame{}, fmt.Errorf("reading a message: %w", err)
	}
	f := frame{Result: wire.Result, Error: wire.Error, Method: wire.Method}
	if len(wire.ID) > 0 && string(wire.ID) != "null" {
		// Our numbers are numbers; some servers answer with the digits as text.
		id, err := strconv.ParseUint(string(bytes.Trim(wire.ID, `"`)), 10, 64)
		if err != nil {
			return frame{}, fmt.Errorf("answer to an unknown request %.40s", wire.ID)
		}
		f.ID = &id
		return f, nil
	}
	var params struct {
		Subscription json.RawMessage `json:"subscription"`
		Result       json.RawMessage `json:"result"`
		Error        json.RawMessage `json:"error"`
	}
	if len(wire.Params) > 0 && wire.Params[0] == '{' {
		if err := json.Unmarshal(wire.Params, &params); err != nil {
			return frame{}, fmt.Errorf("reading a notification: %w", err)
		}
	}
	f.Subscription = string(params.Subscription)
	f.Result = params.Result
	if f.Subscription == "" && f.Error == nil {
		return frame{}, fmt.Errorf("a message that is neither answer nor notification")
	}
	return f, nil
}
