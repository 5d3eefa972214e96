package synapse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/maxmos001/bitmind-subnet/bittensor/btauth"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// exchange is one request on its way through the axon.
type exchange struct {
	axon  *Axon
	w     http.ResponseWriter
	r     *http.Request
	start time.Time // monotonic
	ep    *endpoint
	head  envelope // what the headers say
	from  Caller
	claim *btauth.Claim // of a request by btauth/1, else nil
}

// refusal ends an exchange early.
type refusal struct {
	code    int
	message string
	detail  string // the body where it isn't {"message": ...}
	bare    bool   // no bt_header_* headers
}

// ServeHTTP answers one request. It is exported for servers that mount an axon
// beside other handlers; Serve adds the limits on connections and headers.
func (a *Axon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{axon: a, w: w, r: r, start: time.Now()}
	// A caller whose next request is there already would otherwise keep its
	// goroutine running for a whole time slice while all others wait.
	runtime.Gosched()
	a.counters.inFlight.Add(1)
	status := x.serve()
	a.counters.inFlight.Add(-1)
	a.counters.answered(status, time.Since(x.start))
}

// serve goes through parse, blacklist, verify, priority, handler and gives the
// status that was sent.
func (x *exchange) serve() int {
	if r := x.parse(); r != nil {
		return x.refuse(r)
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), x.from.Timeout)
	defer cancel()
	if x.ep.blacklist != nil {
		if refuse, reason := x.ep.blacklist(ctx, x.from); refuse {
			return x.refuse(&refusal{code: http.StatusForbidden,
				message: "Forbidden. Key is blacklisted: " + reason + "."})
		}
	}
	value, v := x.ep.newValue()
	body := envelope{timeout: 12, name: x.ep.name}
	decode := func(data []byte) *refusal { return x.decode(data, v, &body) }
	if x.claim != nil {
		decode = func(data []byte) *refusal { return x.decodeSigned(data, v) }
	} else if problem := x.verify(); problem != "" {
		return x.refuse(&refusal{code: http.StatusUnauthorized,
			message: "Not Verified with error: " + problem})
	}
	if r := x.readBody(decode); r != nil {
		return x.refuse(r)
	}
	var priority float64
	if x.ep.priority != nil {
		if priority = x.ep.priority(ctx, x.from); math.IsNaN(priority) {
			priority = math.Inf(-1)
		}
	}
	if r := x.run(ctx, value, priority); r != nil {
		return x.refuse(r)
	}
	if x.claim != nil {
		return x.succeedSigned(v)
	}
	return x.succeed(v, &body)
}

// parse finds the endpoint and reads the headers.
func (x *exchange) parse() *refusal {
	a, r := x.axon, x.r
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	ep := a.endpoints[name]
	if ep == nil {
		x.head = envelope{name: "Synapse", timeout: 12}
		return &refusal{code: http.StatusNotFound, message: fmt.Sprintf(
			"Synapse name '%s' not found. Available synapses %s", name, pyStr(reflect.ValueOf(a.names), false))}
	}
	from := &x.from
	if remote, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		from.IP, from.Port = remote.Addr().Unmap(), remote.Port()
	}
	read := func() *refusal { return x.parseHeaders(ep, name) }
	if x.isSigned() {
		x.ep, read = ep, x.parseSigned
	}
	if refusal := read(); refusal != nil {
		return refusal
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		x.w.Header().Set("Allow", "GET, POST")
		return &refusal{code: http.StatusMethodNotAllowed, bare: true, detail: `{"detail":"Method Not Allowed"}`}
	}
	return nil
}

// parseHeaders reads the headers of a request by SDK 6 to 10.
func (x *exchange) parseHeaders(ep *endpoint, name string) *refusal {
	a, r := x.axon, x.r
	var err error
	if err = x.head.readHeaders(r.Header); err == nil && len(ep.layout.required) > 0 {
		_, v := ep.newValue()
		err = ep.layout.readInputs(v, r.Header)
	}
	if err != nil {
		x.head = envelope{name: "Synapse", timeout: 12}
		return a.internalError("parsing headers", err)
	}
	x.ep = ep
	x.head.name = name

	from := &x.from
	if id, err := ss58.Parse(x.head.dendrite.Hotkey); err == nil {
		from.Hotkey = id
	}
	from.UUID = x.head.dendrite.UUID
	from.Nonce = x.head.dendrite.Nonce
	from.Version = x.head.dendrite.Version
	from.Timeout = a.cfg.DefaultTimeout
	if t := x.head.timeout; t > 0 { // false for NaN
		from.Timeout = seconds(t, a.cfg.MaxTimeout)
	}
	return nil
}

// seconds is a number of seconds as a duration, at most limit.
func seconds(s float64, limit time.Duration) time.Duration {
	if s >= limit.Seconds() {
		return limit
	}
	return time.Duration(s * float64(time.Second))
}

// verify checks nonce and signature, the cheap things first, and says what is
// wrong in the SDK's words, or "".
func (x *exchange) verify() string {
	a, d := x.axon, &x.head.dendrite
	older := a.cfg.Version < 9_000_000 // its wallet worded two refusals differently
	switch {
	case d.Hotkey == "" && older:
		return "No SS58 formatted address or public key provided"
	case d.Hotkey == "":
		return "No SS58 formatted address or public key provided."
	case x.from.Hotkey.IsZero():
		return "Invalid SS58 address"
	case d.Nonce == 0:
		return "Missing Nonce"
	}
	now := a.cfg.Now().UnixNano()
	var claimed time.Duration
	if x.head.timeout > 0 {
		claimed = x.from.Timeout
	}
	key := nonceKey{x.from.Hotkey, d.UUID}
	if len(key.uuid) > 64 {
		key.uuid = sha3Hex(key.uuid) // keys stay small however long the header
	}
	table := a.nonces
	uptime := isUptime(d.Nonce, d.Version)
	if uptime {
		table = a.uptimes
	}
	if a.cfg.StrictNonce {
		if uptime {
			return "Nonce is not a time in nanoseconds"
		}
		if ahead := d.Nonce - now; ahead > int64(a.cfg.MaxNonceAhead) {
			return fmt.Sprintf("Nonce is too new: acceptable lead is %.2f seconds but request was %.2f seconds ahead",
				a.cfg.MaxNonceAhead.Seconds(), time.Duration(ahead).Seconds())
		}
	}
	if problem := table.check(key, d.Nonce, claimed, now); problem != "" {
		return problem
	}
	if d.Signature == "" {
		if older {
			return "Signature should be of type bytes or a hex-string"
		}
		return "Missing Signature"
	}
	var buf [512]byte
	message := appendSigned(buf[:0], d.Nonce, d.Hotkey, a.address, d.UUID, x.head.bodyHash)
	if sig, ok := parseSignature(d.Signature); !ok || !wallet.Verify(x.from.Hotkey, message, sig) {
		return fmt.Sprintf("Signature mismatch with %s and %s", message, d.Signature)
	}
	return table.accept(key, d.Nonce, claimed, now)
}

// appendSigned appends the message that a dendrite signs.
func appendSigned(dst []byte, nonce int64, dendrite, axon, uuid, bodyHash string) []byte {
	dst = strconv.AppendInt(dst, nonce, 10)
	for _, part := range [...]string{dendrite, axon, uuid, bodyHash} {
		dst = append(dst, '.')
		dst = append(dst, part...)
	}
	return dst
}

func parseSignature(s string) (sig [64]byte, ok bool) {
	s = strings.TrimPrefix(s, "0x")
	if len(s) != 128 {
		return sig, false
	}
	_, err := hex.Decode(sig[:], stringBytes(s))
	return sig, err == nil
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled keeps one huge body from staying in memory for good.
const maxPooled = 4 << 20

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// readBody reads the body and hands it to decode, for the time of the call.
func (x *exchange) readBody(decode func([]byte) *refusal) *refusal {
	a := x.axon
	limit := a.cfg.MaxBodyBytes
	tooLarge := &refusal{code: http.StatusRequestEntityTooLarge,
		message: fmt.Sprintf("Request body is larger than %d bytes", limit)}
	length := x.r.ContentLength
	if length > limit {
		return tooLarge
	}
	reserve := length
	if length < 0 {
		reserve = limit
	}
	if !a.memory.TryAcquire(reserve) {
		return &refusal{code: http.StatusServiceUnavailable, message: "Axon is overloaded: too many request bodies at once"}
	}
	defer a.memory.Release(reserve)

	control := http.NewResponseController(x.w)
	// A recorder or another server's writer may not have deadlines; then that
	// server's own limits hold.
	_ = control.SetReadDeadline(x.start.Add(a.cfg.ReadBodyTimeout))
	buf := getBuffer()
	defer putBuffer(buf)
	data, err := readAll((*buf)[:0], io.LimitReader(x.r.Body, limit+1), length)
	*buf = data
	_ = control.SetReadDeadline(time.Time{})
	switch {
	case err != nil:
		return &refusal{code: http.StatusRequestTimeout, message: "Request body did not arrive in time or was cut off"}
	case int64(len(data)) > limit:
		return tooLarge
	}
	return decode(data)
}

// readAll appends what r gives to dst. expect is a hint of how much that is (-1:
// unknown); memory grows with what arrives, not with what was announced.
func readAll(dst []byte, r io.Reader, expect int64) ([]byte, error) {
	if need := int(min(expect+1, 256<<10)); cap(dst) < need {
		dst = make([]byte, 0, need)
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// decode reads a body as the SDK would: text that isn't JSON is 422 without the
// protocol's headers, JSON that doesn't fit the synapse, or not the announced
// hash, is 500.
func (x *exchange) decode(data []byte, v reflect.Value, e *envelope) *refusal {
	var space [24]member
	members, err := parseObject(data, space[:0])
	var syntax *syntaxError
	switch {
	case errors.As(err, &syntax):
		return &refusal{code: http.StatusUnprocessableEntity, bare: true, detail: string(append(appendString(
			fmt.Appendf(nil, `{"detail":[{"type":"json_invalid","loc":["body",%d],"msg":"JSON decode error","input":{},"ctx":{"error":`, syntax.pos),
			syntax.reason), "}}]}"...))}
	case errors.Is(err, errNotUTF8):
		return &refusal{code: http.StatusBadRequest, bare: true, detail: `{"detail":"There was an error parsing the body"}`}
	case err != nil:
		return x.axon.internalError("parsing body", err)
	}
	l := x.ep.layout
	for _, m := range members {
		own, err := e.readMember(m)
		if !own && err == nil {
			err = l.readMember(v, m)
		}
		if err != nil {
			return x.axon.internalError("decoding body", err)
		}
	}
	// A btauth signature covers the body itself.
	if x.claim == nil && len(l.hashed) > 0 && l.bodyHash(v) != x.head.bodyHash {
		return x.axon.internalError("checking body", errors.New("its hash is not the announced one"))
	}
	return nil
}

// run waits for a place and calls the handler. A handler that outlives the
// caller's timeout keeps its place until it returns, but the caller gets an
// answer in time.
func (x *exchange) run(ctx context.Context, value any, priority float64) *refusal {
	a := x.axon
	timedOut := func() *refusal {
		return &refusal{code: http.StatusRequestTimeout,
			message: "Response timeout after: " + formatFloat(x.from.Timeout.Seconds()) + "s"}
	}
	if err := a.gate.enter(ctx, priority); err != nil {
		if errors.Is(err, errOverloaded) {
			return &refusal{code: http.StatusServiceUnavailable, message: "Axon is overloaded: too many requests are waiting"}
		}
		return timedOut()
	}
	done := make(chan error, 1)
	go func() {
		defer a.gate.leave()
		done <- x.call(ctx, value)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		return timedOut()
	}
	var chosen *StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &chosen) && chosen.Code >= 400 && chosen.Code < 600:
		return &refusal{code: chosen.Code, message: chosen.Message}
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut()
	}
	return a.internalError("handler "+x.ep.name, err)
}

// call runs the handler; a panic becomes an error.
func (x *exchange) call(ctx context.Context, value any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			x.axon.counters.panics.Add(1)
			x.axon.cfg.Logger.Error("handler panicked", "synapse", x.ep.name,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return x.ep.forward(ctx, value, x.from)
}

// internalError is a refusal whose reason stays in the log, under an identifier
// that the caller is told.
func (a *Axon) internalError(doing string, err error) *refusal {
	id := uuid.NewString()
	a.cfg.Logger.Warn("request failed", slog.String("id", id), slog.String("doing", doing), slog.Any("error", err))
	return &refusal{code: http.StatusInternalServerError, message: "Internal Server Error #" + id}
}

// refuse sends a refusal. It carries the headers of what the request's headers
// said, completed and signed by this axon.
func (x *exchange) refuse(r *refusal) int {
	a := x.axon
	// net/http reads the rest of a refused body before it answers the next
	// request on the connection: not for ever.
	_ = http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(a.cfg.ReadBodyTimeout))
	body := []byte(r.detail)
	if r.detail == "" {
		body = append(appendString([]byte(`{"message":`), r.message), '}')
	}
	if !r.bare && !x.isSigned() {
		e := &x.head
		e.axon.StatusCode, e.axon.StatusMessage = r.code, r.message
		e.axon.ProcessTime = time.Since(x.start).Seconds()
		var l *layout
		var s sizer
		hash := emptyHash
		fields := 0
		if x.ep != nil {
			l = x.ep.layout
			fields = len(l.fields)
			e.axon.Version, e.axon.UUID = a.cfg.Version, a.cfg.UUID
			e.axon.Nonce = a.cfg.Now().UnixNano()
			e.dendrite.IP, e.dendrite.Port = x.from.IP.String(), int(x.from.Port)
			message := appendJoined(nil, e.axon.Nonce, orNone(e.dendrite.Hotkey), orNone(e.axon.Hotkey), e.axon.UUID)
			if sig, err := a.cfg.Signer.Sign(message); err == nil {
				e.axon.Signature = "0x" + hex.EncodeToString(sig[:])
			} else {
				a.cfg.Logger.Error("signing an answer failed", "error", err)
			}
			_, v := x.ep.newValue()
			if len(l.required) > 0 {
				_ = l.readInputs(v, x.r.Header) // parse has read the same
			}
			l.size(&s, v)
			hash = l.bodyHash(v)
		}
		e.size(&s, fields, a.cfg.Version < 9_000_000)
		e.write(x.w.Header(), l, s.total, hash)
	}
	return x.send(r.code, body)
}

func appendJoined(dst []byte, nonce int64, parts ...string) []byte {
	dst = strconv.AppendInt(dst, nonce, 10)
	for _, part := range parts {
		dst = append(dst, '.')
		dst = append(dst, part...)
	}
	return dst
}

func orNone(s string) string {
	if s == "" {
		return "None"
	}
	return s
}

// succeed sends the answered synapse. As in the SDK, headers and body repeat the
// request's body, not its headers.
func (x *exchange) succeed(v reflect.Value, e *envelope) int {
	e.axon.StatusCode, e.axon.StatusMessage = http.StatusOK, "Success"
	e.axon.ProcessTime = time.Since(x.start).Seconds()
	l := x.ep.layout
	buf := getBuffer()
	defer putBuffer(buf)
	body, err := l.appendFields(e.appendJSON((*buf)[:0], false), v, false)
	if err != nil {
		return x.refuse(x.axon.internalError("encoding answer", err))
	}
	body = append(body, '}')
	*buf = body
	var s sizer
	l.size(&s, v)
	e.size(&s, len(l.fields), false)
	e.write(x.w.Header(), l, s.total, l.bodyHash(v))
	return x.send(http.StatusOK, body)
}

func (x *exchange) send(code int, body []byte) int {
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(x.axon.cfg.WriteTimeout))
	h := newHeaders(x.w.Header(), 2)
	h.set("Content-Type", "application/json")
	h.set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(code)
	_, _ = x.w.Write(body) // a caller that has gone is no news
	return code
}
