package localnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Limits of the RPC server.
const (
	maxRequest       = 10 << 20 // bytes of a message or body
	maxAnswer        = 64 << 20 // bytes of the answer to a message
	maxRequestsBatch = 512
	maxSubscriptions = 1024 // of one connection
	maxInFlight      = 16   // messages of one connection being answered
	// httpConnections may be open beside those of Config.MaxConnections.
	httpConnections = 128
	readTimeout     = 30 * time.Second // of a body
	writeTimeout    = 20 * time.Second
	shutdownTimeout = 5 * time.Second
)

// JSON-RPC error codes: the standard's, the server library's and the node's
// own.
const (
	codeParse           = -32700
	codeInvalidRequest  = -32600
	codeNoMethod        = -32601
	codeInvalidParams   = -32602
	codeInternal        = -32603
	codeManySubscribed  = -32006
	codeRequestTooBig   = -32007
	codeAnswerTooBig    = -32008
	codeBatchTooLong    = -32010
	codeBatchAnswerSize = -32011
	codeRuntimeCall     = 1    // what the subtensor node's own methods fail with
	codeState           = 4002 // a page or query that asks for too much
	codeClient          = 4003 // what asks for an unknown block or function
	codeBadFormat       = 1001
	codeInvalid         = 1010
	codeUnknown         = 1011
	codeBanned          = 1012
	codeImported        = 1013
	codeLowPriority     = 1014
	codeDropped         = 1016
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
	err := srv.Serve(&limitedListener{Listener: ln, limit: int64(c.cfg.MaxConnections + httpConnections)})
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
		c.servePost(ctx, w, r)
	default:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "JSON-RPC by POST or WebSocket", http.StatusMethodNotAllowed)
	}
}

func (c *Chain) servePost(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	// A page in a browser can post any other type to us without asking.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(w, "a request has the content type application/json", http.StatusUnsupportedMediaType)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(readTimeout)) // every server connection has deadlines
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = w.Write(encode(tooBig()))
		return
	}
	// The deadline for reading would end the request's context while it is
	// answered.
	_ = control.SetReadDeadline(time.Time{})
	// A request ends with its client, and with the server.
	call, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	out := c.answer(call, body, caller{local: isLocal(r)}, func(b []byte) {
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout + time.Duration(len(b)>>20)*time.Second))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b) // the client may be gone
	})
	if !out {
		w.WriteHeader(http.StatusNoContent)
	}
}

// isLocal reports whether a request comes from this machine.
func isLocal(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

func tooBig() *response {
	r := failure(nil, codeRequestTooBig, "Request is too big")
	r.Error.Data = fmt.Sprintf("Exceeded max limit of %d", maxRequest)
	return r
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
	// What is over the limit is read to its end, and answered with an error,
	// unless it goes on for ever.
	ws.SetReadLimit(4 * maxRequest)
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
	// Messages are answered side by side, as nodes do, so that a long one
	// stops neither the others nor the notice that the client is gone.
	var answering sync.WaitGroup
	slots := make(chan struct{}, maxInFlight)
	from := caller{client: client, local: isLocal(r)}
	reply := func(b []byte) { client.send(ctx, b) }
	for {
		message, err := readMessage(ctx, ws)
		if err != nil {
			break
		}
		if message == nil {
			reply(encode(tooBig()))
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		answering.Go(func() {
			defer func() { <-slots }()
			c.answer(ctx, message, from, reply)
		})
	}
	cancel()
	<-written
	answering.Wait()
	client.end(c)
	_ = ws.CloseNow()
}

// readMessage returns the next message, nil if it is over the limit.
func readMessage(ctx context.Context, ws *websocket.Conn) ([]byte, error) {
	_, r, err := ws.Reader(ctx)
	if err != nil {
		return nil, err
	}
	message, err := io.ReadAll(io.LimitReader(r, maxRequest+1))
	if err != nil {
		return nil, err
	}
	if len(message) > maxRequest {
		_, err := io.Copy(io.Discard, r)
		return nil, err
	}
	if message == nil {
		message = []byte{}
	}
	return message, nil
}

// caller is who asks: client is nil for HTTP, which has no subscriptions.
type caller struct {
	client *conn
	local  bool // on this machine
}

// answer handles a message: one request or a batch. It reports whether there
// was anything to answer.
func (c *Chain) answer(ctx context.Context, message []byte, from caller, reply func([]byte)) bool {
	trimmed := bytes.TrimLeft(message, " \t\r\n")
	if len(trimmed) > 0 && trimmed[0] == '[' {
		return c.answerBatch(ctx, trimmed, from, reply)
	}
	req, resp := parseRequest(message)
	var start func()
	if resp == nil {
		resp, start = c.handle(ctx, req, from)
	}
	if resp == nil {
		return false
	}
	reply(encode(resp))
	if start != nil {
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

// parseRequest reads one request, or makes the answer to what is none.
func parseRequest(message []byte) (request, *response) {
	var req request
	if err := json.Unmarshal(message, &req); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return req, failure(nil, codeParse, "Parse error")
		}
		// The id is worth saving from what is no request otherwise.
		var only struct {
			ID json.RawMessage `json:"id"`
		}
		if json.Unmarshal(message, &only) != nil || !validID(only.ID) {
			only.ID = nil
		}
		return req, failure(only.ID, codeInvalidRequest, "Invalid request")
	}
	switch {
	case !validID(req.ID):
		return req, failure(nil, codeInvalidRequest, "Invalid request")
	case req.Version != "2.0" || req.Method == "":
		return req, failure(req.ID, codeInvalidRequest, "Invalid request")
	}
	return req, nil
}

// handle answers one request. For a new subscription it also returns what
// lets its messages go, to be called once the answer is on its way.
func (c *Chain) handle(ctx context.Context, req request, from caller) (resp *response, start func()) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("RPC method failed", "method", req.Method, "panic", r)
			resp, start = failure(req.ID, codeInternal, "Internal error"), nil
		}
	}()
	call := &rpcCall{ctx: ctx, chain: c, rt: c.current(), client: from.client, local: from.local}
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
	if len(encoded) > maxAnswer {
		r := failure(req.ID, codeAnswerTooBig, "Response is too big")
		r.Error.Data = fmt.Sprintf("Exceeded max limit of %d", maxAnswer)
		return r, nil
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
