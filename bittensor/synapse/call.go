package synapse

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"time"
)

// call is one request to one axon.
type call struct {
	*query
	target   Target
	dendrite TerminalInfo // both ends, as the SDK shows them
	axon     TerminalInfo
	latency  time.Duration
	err      error // nil or a *StatusError
}

// run sends the request and reads the answer into v, the synapse.
func (c *call) run(ctx context.Context, v reflect.Value) {
	id, lane := c.d.lanes.take(c.target)
	defer c.d.lanes.put(c.target, lane)
	request, err := c.request(id)
	if err != nil {
		c.fail(http.StatusBadRequest, "Request failed: "+err.Error(), err)
		return
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	response, stale, err := c.roundTrip(ctx, request)
	// A kept connection may turn out to be closed by the other side. The
	// request goes out again, with a new nonce in case the first did arrive.
	for try := 0; err != nil && stale && ctx.Err() == nil && try < 3; try++ {
		if request, err = c.request(id); err != nil {
			break
		}
		response, stale, err = c.roundTrip(ctx, request)
	}
	if err != nil {
		c.latency = time.Since(start)
		c.failTransport(ctx, err)
		return
	}
	defer response.Body.Close()
	buf := getBuffer()
	defer putBuffer(buf)
	body, err := c.readBody(response, (*buf)[:0])
	c.latency = time.Since(start)
	*buf = body
	if err != nil {
		switch {
		case errors.Is(err, ErrBadResponse):
			c.fail(http.StatusUnprocessableEntity, "Failed to parse response: "+err.Error(), err)
		case ctx.Err() != nil:
			c.failTransport(ctx, err)
		default:
			c.fail(http.StatusBadRequest, "Payload error: "+reason(err), errors.Join(ErrBadResponse, err))
		}
		return
	}
	c.read(response, body, v)
	if c.err == nil {
		c.dendrite.ProcessTime = c.latency.Seconds()
	}
}

// roundTrip sends the request. stale tells, after an error, that it went out on a
// kept connection from which nothing came back.
func (c *call) roundTrip(ctx context.Context, r *http.Request) (_ *http.Response, stale bool, _ error) {
	var reused, answered atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { reused.Store(info.Reused) },
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	response, err := c.d.transport.RoundTrip(r.WithContext(ctx))
	return response, err != nil && reused.Load() && !answered.Load(), err
}

// request builds the signed request.
func (c *call) request(uuid string) (*http.Request, error) {
	d := c.d
	addr := c.target.Addr
	e := envelope{
		name:    c.name,
		timeout: c.timeout.Seconds(),
		dendrite: TerminalInfo{
			IP: d.cfg.ExternalIP.String(), Version: d.cfg.Version, Nonce: d.nonce(),
			UUID: uuid, Hotkey: d.address,
		},
		axon: TerminalInfo{
			IP: addr.Addr().Unmap().String(), Port: int(addr.Port()), Hotkey: c.target.Hotkey.String(),
		},
	}
	c.axon = e.axon
	var space [512]byte
	message := appendSigned(space[:0], e.dendrite.Nonce, e.dendrite.Hotkey, e.axon.Hotkey, uuid, c.bodyHash)
	sig, err := d.cfg.Signer.Sign(message)
	if err != nil {
		c.dendrite = e.dendrite
		return nil, fmt.Errorf("signing: %w", err)
	}
	e.dendrite.Signature = "0x" + hex.EncodeToString(sig[:])
	c.dendrite = e.dendrite

	// The SDK measures the synapse twice, the second time with the first
	// result in it, whose object adds to the size.
	size := c.size
	e.size(&size, len(c.layout.fields), false)
	e.totalSize = int64(size.total + pySizeInt(int64(size.total)))

	prefix := e.appendJSON(make([]byte, 0, 1024), true)
	header := make(http.Header, 24)
	e.write(header, c.layout, int(e.totalSize), c.bodyHash)
	header["Accept"] = acceptAny
	header["Accept-Encoding"] = acceptPacked
	header["User-Agent"] = []string{d.cfg.UserAgent}
	header["Content-Type"] = jsonType
	body := func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(prefix), bytes.NewReader(c.fields))), nil
	}
	first, _ := body()
	return &http.Request{
		Method: http.MethodPost,
		URL:    &url.URL{Scheme: "http", Host: addr.String(), Path: "/" + c.name},
		Host:   addr.String(), Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(prefix) + len(c.fields)),
		Body:          first, GetBody: body,
	}, nil
}

// Header values that never change.
var (
	acceptAny    = []string{"*/*"}
	acceptPacked = []string{"gzip, deflate"}
	jsonType     = []string{"application/json"}
)

// fail records an outcome that this side decides on.
func (c *call) fail(code int, message string, cause error) {
	c.dendrite.StatusCode, c.dendrite.StatusMessage = code, message
	c.err = &StatusError{Code: code, Message: message, Err: cause}
}

// failTransport records that no answer came, in the SDK's words.
func (c *call) failTransport(ctx context.Context, err error) {
	var dial *net.OpError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		c.fail(http.StatusRequestTimeout,
			"Request timeout after "+formatFloat(c.timeout.Seconds())+" seconds", context.DeadlineExceeded)
	case ctx.Err() != nil:
		c.fail(499, "Request cancelled", ctx.Err())
	case errors.As(err, &dial) && dial.Op == "dial":
		c.fail(http.StatusServiceUnavailable,
			fmt.Sprintf("Service unavailable at %s/%s", c.target.Addr, c.name), err)
	case isDisconnect(err):
		c.fail(http.StatusServiceUnavailable, "Service disconnected: "+reason(err), err)
	default: // an answer that isn't HTTP, endless headers, and the like
		c.fail(http.StatusUnprocessableEntity, "Failed to parse response: "+reason(err), errors.Join(ErrBadResponse, err))
	}
}

func isDisconnect(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) ||
		strings.Contains(err.Error(), "server closed idle connection")
}

// reason is an error's text, cut where an axon's bytes could blow it up.
func reason(err error) string {
	s := clean(err.Error())
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return s
}

// readBody reads the answer's body within the limit, unpacked.
func (c *call) readBody(r *http.Response, dst []byte) ([]byte, error) {
	limit := c.d.cfg.MaxResponseBytes
	if limit <= 0 {
		limit = int64(len(c.fields)) + 1<<20
	}
	if r.ContentLength > limit {
		return dst, fmt.Errorf("%w: %w: %d bytes announced, %d allowed", ErrBadResponse, ErrTooLarge, r.ContentLength, limit)
	}
	var from io.Reader = r.Body
	var err error
	switch coding := r.Header.Get("Content-Encoding"); coding {
	case "", "identity":
	case "gzip":
		from, err = gzip.NewReader(from)
	case "deflate":
		from, err = zlib.NewReader(from)
	default:
		err = fmt.Errorf("content encoding %q was not asked for", clean(coding))
	}
	if err != nil {
		return dst, fmt.Errorf("%w: %w", ErrBadResponse, err)
	}
	body, err := readAll(dst, io.LimitReader(from, limit+1), r.ContentLength)
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("%w: %w: more than %d bytes", ErrBadResponse, ErrTooLarge, limit)
	}
	return body, err
}

// read takes the answer's status and body over into the call and the synapse, as
// the SDK merges them: the body's synapse on status 200, else the body's
// message, then what the headers say.
func (c *call) read(r *http.Response, body []byte, v reflect.Value) {
	var space [24]member
	members, err := parseObject(body, space[:0])
	if err != nil {
		if r.StatusCode != http.StatusOK {
			// Some proxies answer errors in HTML: the status says enough.
			c.axon.StatusCode, c.axon.StatusMessage = r.StatusCode, http.StatusText(r.StatusCode)
			c.fail(r.StatusCode, c.axon.StatusMessage, errors.Join(ErrBadResponse, err))
			return
		}
		c.fail(http.StatusUnprocessableEntity, "Failed to parse response: "+reason(err), errors.Join(ErrBadResponse, err))
		return
	}
	e := envelope{timeout: math.NaN(), dendrite: c.dendrite, axon: c.axon}
	if r.StatusCode == http.StatusOK {
		for _, m := range members {
			own, err := e.readMember(m)
			if !own && err == nil {
				err = c.layout.readMember(v, m)
			}
			if err != nil {
				c.fail(http.StatusUnprocessableEntity, "Failed to parse response: "+reason(err), errors.Join(ErrBadResponse, err))
				return
			}
		}
	} else {
		e.axon.StatusCode, e.axon.StatusMessage = r.StatusCode, ""
		for _, m := range members {
			if m.key == "message" {
				e.axon.StatusMessage, _ = m.text()
			}
		}
	}
	// The headers win over the body, but may not turn a refusal into success.
	var said envelope
	if err := said.readTerminals(r.Header); err != nil {
		c.fail(http.StatusUnprocessableEntity, "Failed to parse response: "+reason(err), errors.Join(ErrBadResponse, err))
		return
	}
	e.dendrite.merge(&said.dendrite)
	e.axon.merge(&said.axon)
	if e.axon.StatusCode == 0 || r.StatusCode != http.StatusOK && e.axon.StatusCode == http.StatusOK {
		e.axon.StatusCode = r.StatusCode
	}
	e.dendrite.StatusCode, e.dendrite.StatusMessage = e.axon.StatusCode, e.axon.StatusMessage
	c.dendrite, c.axon = e.dendrite, e.axon
	if e.axon.StatusCode != http.StatusOK {
		c.err = &StatusError{Code: e.axon.StatusCode, Message: e.axon.StatusMessage}
	}
}

// merge overwrites t with what other gives.
func (t *TerminalInfo) merge(other *TerminalInfo) {
	for i := range terminalNames {
		if s := other.text(i); s != "" {
			_ = t.set(i, s) // other's own text always parses
		}
	}
}
