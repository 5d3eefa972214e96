package localnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Limits of the RPC server.
const (
	maxRequest       = 10 << 20 // bytes of a message or body
	maxRequestsBatch = 512
	maxSubscriptions = 256 // of one connection
	outQueue         = 1024
	writeTimeout     = 20 * time.Second
	shutdownTimeout  = 5 * time.Second
)

// JSON-RPC error codes: the standard's, and the node's own.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeClient         = 4003 // what asks for an unknown block or function
	codeBadFormat      = 1001
	codeInvalid        = 1010
	codeUnknown        = 1011
	codeImported       = 1013
	codeLowPriority    = 1014
	codeDropped        = 1016
)

// rpcError is an error as clients get it.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (e *rpcError) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

type request struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

type response struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// Serve answers JSON-RPC on a listener, as WebSocket and as HTTP POST, until
// ctx ends. It closes the listener.
func (c *Chain) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serveHTTP(ctx, w, r) }),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		wait, done := context.WithTimeout(context.Background(), shutdownTimeout)
		defer done()
		if err := srv.Shutdown(wait); err != nil {
			srv.Close()
		}
	}()
	err := srv.Serve(ln)
	cancel()
	<-stopped
	c.hub.waitClosed(shutdownTimeout)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving RPC: %w", err)
}

func (c *Chain) serveHTTP(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		c.serveWebSocket(ctx, w, r)
	case r.Method == http.MethodPost:
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, "the request is too large or broke off", http.StatusRequestEntityTooLarge)
			return
		}
		out := c.answer(r.Context(), body, nil, func(b []byte) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(b) // the client may be gone
		})
		if !out {
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "JSON-RPC by POST or WebSocket", http.StatusMethodNotAllowed)
	}
}

func (c *Chain) serveWebSocket(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	client := newConn(c.hub)
	if !c.hub.add(client, c.cfg.MaxConnections) {
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	defer c.hub.remove(client)
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		// Programs send no origin; of web pages, local ones and the usual
		// explorer may connect.
		OriginPatterns: []string{"localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*", "polkadot.js.org"},
	})
	if err != nil {
		return // Accept has answered
	}
	ws.SetReadLimit(maxRequest)
	ctx, cancel := context.WithCancel(ctx)
	client.mu.Lock()
	client.cancel = cancel
	client.mu.Unlock()
	written := make(chan struct{})
	go func() {
		defer close(written)
		client.write(ctx, ws)
		cancel()
	}()
	for {
		_, message, err := ws.Read(ctx)
		if err != nil {
			break
		}
		c.answer(ctx, message, client, func(b []byte) { client.send(ctx, b) })
	}
	cancel()
	<-written
	client.end(c)
	_ = ws.CloseNow()
}

// answer handles a message: one request or a batch. It reports whether there
// was anything to answer. client is nil for HTTP, which has no
// subscriptions.
func (c *Chain) answer(ctx context.Context, message []byte, client *conn, reply func([]byte)) bool {
	trimmed := bytes.TrimLeft(message, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '[' {
		resp, start := c.handle(ctx, message, client)
		if resp == nil {
			return false
		}
		reply(encode(resp))
		if start != nil {
			start()
		}
		return true
	}
	var batch []json.RawMessage
	if err := json.Unmarshal(message, &batch); err != nil {
		reply(encode(failure(nil, codeParse, "Parse error")))
		return true
	}
	if len(batch) == 0 || len(batch) > maxRequestsBatch {
		reply(encode(failure(nil, codeInvalidRequest, fmt.Sprintf("a batch holds 1 to %d requests", maxRequestsBatch))))
		return true
	}
	var responses []*response
	var starts []func()
	for _, m := range batch {
		resp, start := c.handle(ctx, m, client)
		if resp != nil {
			responses = append(responses, resp)
		}
		if start != nil {
			starts = append(starts, start)
		}
	}
	if len(responses) == 0 {
		return false
	}
	reply(encode(responses))
	for _, start := range starts {
		start()
	}
	return true
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		// Every result is made of texts, numbers and lists.
		b, _ = json.Marshal(failure(nil, codeInternal, "Internal error"))
	}
	return b
}

func failure(id json.RawMessage, code int, message string) *response {
	return &response{Version: "2.0", ID: orNull(id), Error: &rpcError{Code: code, Message: message}}
}

func orNull(id json.RawMessage) json.RawMessage {
	if len(id) == 0 {
		return json.RawMessage("null")
	}
	return id
}

// handle answers one request. For a new subscription it also returns what
// lets its messages go, to be called once the answer is on its way.
func (c *Chain) handle(ctx context.Context, message []byte, client *conn) (resp *response, start func()) {
	var req request
	if err := json.Unmarshal(message, &req); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return failure(nil, codeParse, "Parse error"), nil
		}
		return failure(nil, codeInvalidRequest, "Invalid request"), nil
	}
	if req.Version != "2.0" || req.Method == "" || !validID(req.ID) {
		return failure(nil, codeInvalidRequest, "Invalid request"), nil
	}
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("RPC method failed", "method", req.Method, "panic", r)
			resp, start = failure(req.ID, codeInternal, "Internal error"), nil
		}
	}()
	call := &rpcCall{ctx: ctx, chain: c, client: client}
	result, err := call.run(req)
	if len(req.ID) == 0 {
		return nil, nil // a notification
	}
	if err != nil {
		r := failure(req.ID, codeInternal, err.Error())
		var known *rpcError
		if errors.As(err, &known) {
			r.Error = known
		}
		return r, nil
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		c.log.Error("RPC result", "method", req.Method, "error", err)
		return failure(req.ID, codeInternal, "Internal error"), nil
	}
	return &response{Version: "2.0", ID: req.ID, Result: encoded}, call.start
}

// validID accepts the kinds of ids that the standard allows.
func validID(id json.RawMessage) bool {
	if len(id) == 0 {
		return true
	}
	switch id[0] {
	case '{', '[', 't', 'f':
		return false
	}
	return true
}
