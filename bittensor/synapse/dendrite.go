package synapse

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// DendriteConfig says how a dendrite behaves. Only Signer is needed; zero values
// mean the defaults given.
type DendriteConfig struct {
	Signer Signer // the caller's hotkey

	// ExternalIP is the address that requests name as the caller's. It is
	// informative: axons see the connection's. 0.0.0.0
	ExternalIP netip.Addr
	// MaxResponseBytes limits an answer's body, unpacked. 0 allows 1 MiB more
	// than the request's, since axons send the whole synapse back.
	MaxResponseBytes int64
	MaxHeaderBytes   int64         // of a response; 64 KiB
	DialTimeout      time.Duration // 5 s, within the query's timeout
	IdleTimeout      time.Duration // how long unused connections are kept; 90 s
	MaxIdleConns     int           // kept in all; 1,024

	Version   int              // SDK version to announce; ProtocolVersion
	UUID      string           // of this dendrite; a random one
	UserAgent string           // "bitmind"
	Now       func() time.Time // for nonces; time.Now
	Logger    *slog.Logger     // nil = discard
}

// Target is an axon to ask.
type Target struct {
	Hotkey ss58.AccountID
	Addr   netip.AddrPort
}

// Response is what came of asking one axon.
type Response[T any] struct {
	Target Target
	// Synapse is the synapse that was sent, with what the axon filled in where
	// Err is nil. Strings and slices of inputs may be shared between responses:
	// don't write to them.
	Synapse T
	// StatusCode is the axon's, or the dendrite's own where no usable answer
	// came: 408 timeout, 503 no connection, 400 broken off, 422 unreadable,
	// 499 the query was cancelled.
	StatusCode    int
	StatusMessage string
	Latency       time.Duration // from sending to the answer's last byte
	Err           error         // nil on success, else a *StatusError; see the Err variables
	// Dendrite and Axon are both ends as the Python SDK shows them after a call.
	Dendrite, Axon TerminalInfo
}

// IsSuccess tells whether the axon answered with status 200.
func (r *Response[T]) IsSuccess() bool { return r.Err == nil && r.StatusCode == http.StatusOK }

// IsTimeout tells whether no answer came in time.
func (r *Response[T]) IsTimeout() bool { return r.StatusCode == http.StatusRequestTimeout }

// IsBlacklist tells whether the axon refuses this caller.
func (r *Response[T]) IsBlacklist() bool { return r.StatusCode == http.StatusForbidden }

// FailedVerification tells whether the axon refused signature or nonce.
func (r *Response[T]) FailedVerification() bool { return r.StatusCode == http.StatusUnauthorized }

// Dendrite is a client for axons. It is safe for concurrent use and keeps
// connections open between queries; Close lets them go.
type Dendrite struct {
	cfg       DendriteConfig
	address   string
	transport *http.Transport
	lanes     *lanes
}

// lastNonce makes nonces rise strictly within the process, whichever dendrite
// they are for.
var lastNonce atomic.Int64

// NewDendrite makes a dendrite.
func NewDendrite(cfg DendriteConfig) *Dendrite {
	if !cfg.ExternalIP.IsValid() {
		cfg.ExternalIP = netip.IPv4Unspecified()
	}
	defaultTo(&cfg.MaxHeaderBytes, 64<<10)
	defaultTo(&cfg.DialTimeout, 5*time.Second)
	defaultTo(&cfg.IdleTimeout, 90*time.Second)
	defaultTo(&cfg.MaxIdleConns, 1024)
	defaultTo(&cfg.Version, ProtocolVersion)
	if cfg.UUID == "" {
		cfg.UUID = uuid.NewString()
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "bitmind"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dialer := &net.Dialer{Timeout: cfg.DialTimeout, KeepAlive: 30 * time.Second}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	d := &Dendrite{
		cfg:   cfg,
		lanes: newLanes(cfg.UUID),
		transport: &http.Transport{
			Proxy:                  nil, // never one from the environment: axons are addressed directly
			DialContext:            dialer.DialContext,
			Protocols:              protocols,
			MaxIdleConns:           cfg.MaxIdleConns,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        cfg.IdleTimeout,
			MaxResponseHeaderBytes: cfg.MaxHeaderBytes,
			DisableCompression:     true, // bodies are unpacked here, within the limit
			WriteBufferSize:        32 << 10,
			ReadBufferSize:         16 << 10,
		},
	}
	if cfg.Signer != nil {
		d.address = cfg.Signer.AccountID().String()
	}
	return d
}

// Close lets idle connections go. Queries in flight are not disturbed.
func (d *Dendrite) Close() { d.transport.CloseIdleConnections() }

// nonce is the time in nanoseconds, or one more than the last nonce where that
// isn't earlier.
func (d *Dendrite) nonce() int64 {
	now := d.cfg.Now().UnixNano()
	for {
		last := lastNonce.Load()
		next := max(now, last+1)
		if lastNonce.CompareAndSwap(last, next) {
			return next
		}
	}
}

// Query asks all targets at once and returns their answers in the same order,
// after timeout at the latest (counted for each target from when its request is
// sent). No target can delay or spoil another's answer. synapse must not be
// changed while Query runs.
func Query[T any](ctx context.Context, d *Dendrite, targets []Target, synapse T, timeout time.Duration) []Response[T] {
	responses := make([]Response[T], len(targets))
	q, err := newQuery(d, synapse, timeout)
	if err != nil {
		for i, t := range targets {
			responses[i] = Response[T]{Target: t, Synapse: synapse, StatusCode: http.StatusBadRequest,
				StatusMessage: err.Error(), Err: &StatusError{Code: http.StatusBadRequest, Message: err.Error(), Err: err}}
		}
		return responses
	}
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			r := &responses[i]
			r.Target, r.Synapse = t, synapse
			c := call{query: q, target: t}
			c.run(ctx, reflect.ValueOf(&r.Synapse).Elem())
			if c.err != nil {
				r.Synapse = synapse // whatever was decoded before the error
			}
			r.StatusCode, r.StatusMessage = c.dendrite.StatusCode, c.dendrite.StatusMessage
			r.Latency, r.Err = c.latency, c.err
			r.Dendrite, r.Axon = c.dendrite, c.axon
		})
	}
	wg.Wait()
	return responses
}

// NewRequest gives the signed request that Query would send to one target, for
// programs with an HTTP client of their own. Requests of one dendrite must reach
// an axon in the order they were made.
func NewRequest[T any](d *Dendrite, target Target, synapse T, timeout time.Duration) (*http.Request, error) {
	q, err := newQuery(d, synapse, timeout)
	if err != nil {
		return nil, err
	}
	c := call{query: q, target: target}
	return c.request(d.cfg.UUID)
}

// query is what all calls of one Query share. The synapse is encoded once:
// calls write their own members before it.
type query struct {
	d        *Dendrite
	name     string
	timeout  time.Duration
	layout   *layout
	fields   []byte // the synapse's own members and the closing brace
	size     sizer  // of the synapse's own fields
	bodyHash string
}

func newQuery[T any](d *Dendrite, synapse T, timeout time.Duration) (*query, error) {
	if d.cfg.Signer == nil {
		return nil, errors.New("querying: no signer; try: pass the neuron's hotkey")
	}
	if timeout <= 0 {
		return nil, errors.New("querying: the timeout must be positive")
	}
	l, err := layoutOf[T]()
	if err != nil {
		return nil, err
	}
	q := &query{d: d, name: nameOf[T](), timeout: timeout, layout: l}
	v := reflect.ValueOf(&synapse).Elem()
	if q.fields, err = l.appendFields(nil, v, true); err != nil {
		return nil, err
	}
	q.fields = append(q.fields, '}')
	q.bodyHash = l.bodyHash(v)
	l.size(&q.size, v)
	return q, nil
}
