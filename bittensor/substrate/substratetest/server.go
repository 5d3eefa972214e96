package substratetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Handler answers a JSON-RPC method. A *substrate.RPCError is sent as such.
type Handler func(params []json.RawMessage) (any, error)

// Server is a node on a loopback port: real WebSocket and JSON-RPC, whose answers are
// recordings or a test's handlers. It can be made to stall, hang up and restart.
type Server struct {
	// URL is where it listens; a restart keeps it.
	URL string

	t        testing.TB
	addr     string
	mu       sync.Mutex
	http     *http.Server
	handlers map[string]Handler
	conns    map[*websocket.Conn]bool
	subs     map[string]*websocket.Conn
	nextSub  int
	calls    map[string]int
	stalled  chan struct{} // closed when the stall is over; nil without one
	accepted int
	wg       sync.WaitGroup
}

// NewServer starts a node without any methods; see Handle and Record.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, addr: "127.0.0.1:0", handlers: map[string]Handler{}, conns: map[*websocket.Conn]bool{}, subs: map[string]*websocket.Conn{}, calls: map[string]int{}}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start listens, on the same port as before.
func (s *Server) Start() {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.addr = l.Addr().String()
	s.URL = "ws://" + s.addr
	srv := &http.Server{Handler: http.HandlerFunc(s.serve)}
	s.http = srv
	s.mu.Unlock()
	s.wg.Go(func() { _ = srv.Serve(l) })
}

// Stop hangs up on everyone and stops listening.
func (s *Server) Stop() {
	s.mu.Lock()
	srv := s.http
	s.http = nil
	s.mu.Unlock()
	if srv != nil {
		_ = srv.Close()
	}
	s.Stall(false)
	s.DropAll()
	s.wg.Wait()
}

// DropAll hangs up on everyone without a word.
func (s *Server) DropAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.CloseNow()
	}
}

// Stall makes the server read requests and say nothing, pings included.
func (s *Server) Stall(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stalled != nil {
		close(s.stalled)
		s.stalled = nil
	}
	if on {
		s.stalled = make(chan struct{})
	}
}

// Handle sets the answer to a method.
func (s *Server) Handle(method string, h Handler) {
	s.mu.Lock()
	s.handlers[method] = h
	s.mu.Unlock()
}

// Answer sets a fixed answer.
func (s *Server) Answer(method string, result any) {
	s.Handle(method, func([]json.RawMessage) (any, error) { return result, nil })
}

// Calls tells how often a method was called.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// Connections tells how many connections were accepted so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Notify sends a subscription's notification to whoever holds it.
func (s *Server) Notify(method, subscription string, result any) {
	s.mu.Lock()
	conn := s.subs[subscription]
	s.mu.Unlock()
	if conn != nil {
		s.send(conn, map[string]any{"jsonrpc": "2.0", "method": method, "params": map[string]any{"subscription": subscription, "result": result}})
	}
}

// Subscriptions lists the live subscriptions' ids, oldest first.
func (s *Server) Subscriptions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for id := range s.subs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Send writes raw text to every connection.
func (s *Server) Send(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Write(context.Background(), websocket.MessageText, []byte(text))
	}
}

func (s *Server) send(conn *websocket.Conn, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.t.Error(err)
		return
	}
	// A lost connection is the client's to notice.
	_ = conn.Write(context.Background(), websocket.MessageText, b)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.wg.Add(1)
	defer s.wg.Done()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	conn.SetReadLimit(1 << 24)
	s.mu.Lock()
	s.conns[conn] = true
	s.accepted++
	s.mu.Unlock()
	defer func() {
		_ = conn.CloseNow()
		s.mu.Lock()
		delete(s.conns, conn)
		for id, c := range s.subs {
			if c == conn {
				delete(s.subs, id)
			}
		}
		s.mu.Unlock()
	}()
	for {
		s.mu.Lock()
		stalled := s.stalled
		s.mu.Unlock()
		if stalled != nil {
			// Not reading leaves pings unanswered too.
			<-stalled
			return
		}
		_, data, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		s.mu.Lock()
		stalled = s.stalled
		s.mu.Unlock()
		if stalled != nil {
			continue
		}
		var req struct {
			ID     json.RawMessage
			Method string
			Params []json.RawMessage
		}
		if err := json.Unmarshal(data, &req); err != nil {
			s.t.Errorf("request %.100s: %v", data, err)
			return
		}
		// Each in its own goroutine: a handler that waits lets later answers go first.
		s.wg.Go(func() { s.answer(conn, req.ID, req.Method, req.Params) })
	}
}

func (s *Server) answer(conn *websocket.Conn, id json.RawMessage, method string, params []json.RawMessage) {
	s.mu.Lock()
	s.calls[method]++
	h := s.handlers[method]
	s.mu.Unlock()
	out := map[string]any{"jsonrpc": "2.0", "id": id}
	if h == nil {
		out["error"] = map[string]any{"code": substrate.CodeMethodNotFound, "message": "Method not found"}
		s.send(conn, out)
		return
	}
	result, err := h(params)
	var refused *substrate.RPCError
	switch {
	case errors.As(err, &refused):
		out["error"] = refused
	case err != nil:
		out["error"] = map[string]any{"code": -32000, "message": err.Error()}
	default:
		if name, ok := result.(NewSubscription); ok {
			s.mu.Lock()
			s.nextSub++
			sub := fmt.Sprintf("sub%d", s.nextSub)
			s.subs[sub] = conn
			s.mu.Unlock()
			out["result"] = sub
			s.send(conn, out)
			if name != nil {
				name(sub)
			}
			return
		}
		out["result"] = result
	}
	s.send(conn, out)
}

// NewSubscription as a Handler's result starts a subscription; the function, unless nil,
// runs once the client has its id.
type NewSubscription func(id string)

// Record makes the server answer as the recorded node did at its last block, with the
// metadata of the runtime: storage values, key listings and runtime API results.
func (s *Server) Record(meta *substrate.Metadata, spec int) {
	s.t.Helper()
	v15, err := meta.Encode(15)
	if err != nil {
		s.t.Fatal(err)
	}
	v14, err := meta.Encode(14)
	if err != nil {
		s.t.Fatal(err)
	}
	var storage struct {
		BlockNumber uint64          `json:"block_number"`
		BlockHash   string          `json:"block_hash"`
		Header      json.RawMessage `json:"header"`
		Entries     []struct {
			Key     string
			Value   *string
			Default string
		}
		KeyListings []struct{ Values map[string]string } `json:"key_listings"`
	}
	Load(s.t, "storage.json", &storage)
	var apis struct {
		Calls []struct {
			StateCall string `json:"state_call"`
			ParamsHex string `json:"params_hex"`
			Result    string
		}
	}
	Load(s.t, "runtime_api.json", &apis)
	var extrinsics struct {
		Genesis string `json:"genesis_hash"`
	}
	Load(s.t, "extrinsics.json", &extrinsics)

	values := map[string]string{}
	for _, e := range storage.Entries {
		if e.Value != nil {
			values[e.Key] = *e.Value
		}
	}
	for _, l := range storage.KeyListings {
		for k, v := range l.Values {
			values[k] = v
		}
	}
	results := map[string]string{}
	for _, c := range apis.Calls {
		results[c.StateCall+strings.TrimPrefix(c.ParamsHex, "0x")] = c.Result
	}
	s.Answer("state_getRuntimeVersion", map[string]any{"specName": "node-subtensor", "specVersion": spec, "transactionVersion": 1})
	s.Answer("state_getMetadata", substrate.Hex(v14))
	s.Answer("chain_getHeader", storage.Header)
	s.Answer("chain_getFinalizedHead", storage.BlockHash)
	s.Handle("chain_getBlockHash", func(params []json.RawMessage) (any, error) {
		switch strings.TrimSpace(string(params[0])) {
		case "0":
			return extrinsics.Genesis, nil
		case fmt.Sprint(storage.BlockNumber):
			return storage.BlockHash, nil
		}
		return nil, nil
	})
	s.Handle("state_call", func(params []json.RawMessage) (any, error) {
		name, data := text(params[0]), strings.TrimPrefix(text(params[1]), "0x")
		if name == "Metadata_metadata_at_version" && data == "0f000000" {
			b, err := meta.EncodeValue(mustOutput(meta), v15)
			return substrate.Hex(b), err
		}
		result, ok := results[name+data]
		if !ok {
			return nil, &substrate.RPCError{Code: 4003, Message: "Client error: not recorded: " + name}
		}
		return result, nil
	})
	s.Handle("state_getStorage", func(params []json.RawMessage) (any, error) {
		if v, ok := values[text(params[0])]; ok {
			return v, nil
		}
		return nil, nil
	})
	s.Handle("state_queryStorageAt", func(params []json.RawMessage) (any, error) {
		var keys []string
		if err := json.Unmarshal(params[0], &keys); err != nil {
			return nil, err
		}
		changes := [][2]any{}
		for _, k := range keys {
			if v, ok := values[k]; ok {
				changes = append(changes, [2]any{k, v})
			} else {
				changes = append(changes, [2]any{k, nil})
			}
		}
		return []any{map[string]any{"block": storage.BlockHash, "changes": changes}}, nil
	})
	s.Handle("state_getKeysPaged", func(params []json.RawMessage) (any, error) {
		var count int
		if err := json.Unmarshal(params[1], &count); err != nil {
			return nil, err
		}
		prefix, start := text(params[0]), text(params[2])
		page := []string{}
		for _, k := range slices.Sorted(keys(values)) {
			if strings.HasPrefix(k, prefix) && k > start && len(page) < count {
				page = append(page, k)
			}
		}
		return page, nil
	})
}

// mustOutput is the type of Metadata_metadata_at_version's result.
func mustOutput(meta *substrate.Metadata) substrate.TypeID {
	f, err := meta.API("Metadata", "metadata_at_version")
	if err != nil {
		panic(err)
	}
	return f.Output
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
