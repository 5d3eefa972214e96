package synapse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"github.com/maxmos001/bitmind-subnet/bittensor/btauth"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// ProtocolVersion is the SDK version that axons and dendrites announce unless
// told otherwise: 10.5.0.
const ProtocolVersion = 10_005_000

// Signer signs with a neuron's hotkey (sr25519).
type Signer interface {
	AccountID() ss58.AccountID
	Sign(msg []byte) ([64]byte, error)
}

// AxonConfig says how an axon behaves. Only Signer is needed; zero values mean
// the defaults given.
type AxonConfig struct {
	Signer Signer // the neuron's hotkey

	// StrictNonce also refuses nonces that lie more than MaxNonceAhead (4 s) in
	// the future, and those of SDKs before 7.2, which are no times at all. The
	// Python axon lets both pass.
	StrictNonce   bool
	MaxNonceAhead time.Duration
	MaxNonces     int // remembered (hotkey, uuid) pairs, and requests by btauth/1, of each kind; 131,072

	Concurrency    int           // handlers that run at once; 4 per core
	MaxQueue       int           // requests that wait for one; 1,024
	DefaultTimeout time.Duration // for callers that name none; 12 s
	MaxTimeout     time.Duration // cuts what callers name; 5 min

	MaxBodyBytes      int64         // of one request; 16 MiB
	MaxBodyMemory     int64         // of all bodies at once; 512 MiB, at least one body
	MaxHeaderBytes    int           // of one request; 32 KiB
	ReadHeaderTimeout time.Duration // 5 s
	ReadBodyTimeout   time.Duration // 15 s
	WriteTimeout      time.Duration // 15 s
	IdleTimeout       time.Duration // of a kept-alive connection; 2 min
	MaxConns          int           // open connections; 4,096
	MaxConnsPerIP     int           // from one IPv4 address or IPv6 /64; 1,024
	ShutdownTimeout   time.Duration // for requests in flight when Serve ends; 30 s

	Version int              // SDK version to announce and to word refusals by; ProtocolVersion
	UUID    string           // of this axon; a random one
	Now     func() time.Time // time.Now
	Logger  *slog.Logger     // nil = discard
}

func (c *AxonConfig) setDefaults() {
	defaultTo(&c.MaxNonceAhead, nonceSlack)
	defaultTo(&c.MaxNonces, 1<<17)
	defaultTo(&c.Concurrency, 4*runtime.GOMAXPROCS(0))
	defaultTo(&c.MaxQueue, 1024)
	defaultTo(&c.DefaultTimeout, 12*time.Second)
	defaultTo(&c.MaxTimeout, 5*time.Minute)
	defaultTo(&c.MaxBodyBytes, 16<<20)
	defaultTo(&c.MaxBodyMemory, 512<<20)
	c.MaxBodyMemory = max(c.MaxBodyMemory, c.MaxBodyBytes)
	defaultTo(&c.MaxHeaderBytes, 32<<10)
	defaultTo(&c.ReadHeaderTimeout, 5*time.Second)
	defaultTo(&c.ReadBodyTimeout, 15*time.Second)
	defaultTo(&c.WriteTimeout, 15*time.Second)
	defaultTo(&c.IdleTimeout, 2*time.Minute)
	defaultTo(&c.MaxConns, 4096)
	defaultTo(&c.MaxConnsPerIP, 1024)
	defaultTo(&c.ShutdownTimeout, 30*time.Second)
	defaultTo(&c.Version, ProtocolVersion)
	if c.UUID == "" {
		c.UUID = uuid.NewString()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func defaultTo[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Caller is who asks. Before verification (in Blacklist) Hotkey is a claim.
type Caller struct {
	Hotkey  ss58.AccountID // zero when the request names none or a malformed one
	IP      netip.Addr     // of the connection
	Port    uint16         // of the connection
	UUID    string         // of the caller's dendrite; SDK 11 has none
	Nonce   int64          // nanoseconds since 1970, from SDK 7.2 on
	Version int            // SDK version as major*1e6 + minor*1e3 + patch; SDK 11 does not say
	Timeout time.Duration  // that the caller will wait, within MaxTimeout
}

// Handler serves one synapse type.
type Handler[T any] struct {
	// Name is the synapse's name and path; "" takes T's SynapseName method or
	// else the Go type's name.
	Name string
	// Forward answers by filling in the synapse. ctx ends when the caller's
	// timeout is over or the caller has gone. An error becomes status 500
	// without its text, or what a *StatusError says. Required.
	Forward func(ctx context.Context, synapse *T, from Caller) error
	// Blacklist refuses a caller with status 403, before the (dearer) check of
	// the signature. Nil refuses nobody.
	Blacklist func(ctx context.Context, from Caller) (refuse bool, reason string)
	// Priority orders callers who wait: higher goes first. Nil is 0 for all.
	Priority func(ctx context.Context, from Caller) float64
}

// Defaulter is implemented by synapse types (on the pointer) whose fields have
// other defaults than zero; an axon calls it before it decodes a request.
type Defaulter interface{ SetDefaults() }

// Axon is a server for synapses. Attach handlers with Handle, then Serve.
type Axon struct {
	cfg      AxonConfig
	hotkey   ss58.AccountID
	address  string
	nonces   *nonceTable      // nonces that are times
	uptimes  *nonceTable      // nonces of SDKs before 7.2
	auth     *btauth.Verifier // requests of SDK 11
	gate     *gate
	memory   *semaphore.Weighted
	counters axonCounters
	listener atomic.Pointer[limitedListener]
	served   atomic.Bool

	endpoints map[string]*endpoint // fixed once Serve starts
	names     []string             // in the order of attachment, as 404 lists them
}

// endpoint is a Handler without its type.
type endpoint struct {
	name      string
	layout    *layout
	newValue  func() (value any, v reflect.Value)
	forward   func(ctx context.Context, value any, from Caller) error
	blacklist func(ctx context.Context, from Caller) (bool, string)
	priority  func(ctx context.Context, from Caller) float64
}

// NewAxon makes an axon. Like every axon it answers the bare Synapse, which
// others use as a ping.
func NewAxon(cfg AxonConfig) (*Axon, error) {
	if cfg.Signer == nil {
		return nil, errors.New("new axon: no signer; try: pass the neuron's hotkey")
	}
	cfg.setDefaults()
	a := &Axon{
		cfg:       cfg,
		hotkey:    cfg.Signer.AccountID(),
		nonces:    newNonceTable(cfg.MaxNonces, cfg.MaxTimeout, false),
		uptimes:   newNonceTable(cfg.MaxNonces, cfg.MaxTimeout, true),
		auth:      &btauth.Verifier{Self: cfg.Signer.AccountID(), MaxSeen: cfg.MaxNonces, Now: cfg.Now},
		gate:      newGate(cfg.Concurrency, cfg.MaxQueue),
		memory:    semaphore.NewWeighted(cfg.MaxBodyMemory),
		endpoints: map[string]*endpoint{},
	}
	a.address = a.hotkey.String()
	ping := func(context.Context, *struct{}, Caller) error { return nil }
	if err := Handle(a, Handler[struct{}]{Name: "Synapse", Forward: ping}); err != nil {
		return nil, err
	}
	return a, nil
}

// Handle attaches a handler. It fails when the name is taken, when T is not a
// struct whose fields can be merged with the protocol's, or once the axon
// serves.
func Handle[T any](a *Axon, h Handler[T]) error {
	name := h.Name
	if name == "" {
		name = nameOf[T]()
	}
	switch {
	case h.Forward == nil:
		return fmt.Errorf("handling %s: no Forward", name)
	case name == "" || strings.ContainsAny(name, "/?#% "):
		return fmt.Errorf("handling %q: not a name for a path", name)
	case a.endpoints[name] != nil:
		return fmt.Errorf("handling %s: there is a handler already", name)
	case a.served.Load():
		return fmt.Errorf("handling %s: the axon serves already", name)
	}
	l, err := layoutOf[T]()
	if err != nil {
		return fmt.Errorf("handling %s: %w", name, err)
	}
	a.endpoints[name] = &endpoint{
		name: name, layout: l, blacklist: h.Blacklist, priority: h.Priority,
		newValue: func() (any, reflect.Value) {
			value := new(T)
			if d, ok := any(value).(Defaulter); ok {
				d.SetDefaults()
			}
			return value, reflect.ValueOf(value).Elem()
		},
		forward: func(ctx context.Context, value any, from Caller) error {
			return h.Forward(ctx, value.(*T), from)
		},
	}
	a.names = append(a.names, name)
	return nil
}

// nameOf is the synapse name of T.
func nameOf[T any]() string {
	if n, ok := any(new(T)).(interface{ SynapseName() string }); ok {
		return n.SynapseName()
	}
	name := reflect.TypeFor[T]().Name()
	name, _, _ = strings.Cut(name, "[") // type arguments are no part of it
	return name
}

// Serve answers requests on l until ctx ends, then takes no more, finishes those
// accepted (for at most ShutdownTimeout) and returns nil. It closes l. An axon
// serves once.
func (a *Axon) Serve(ctx context.Context, l net.Listener) error {
	if a.served.Swap(true) {
		return errors.New("serving axon: it has served already")
	}
	limited := newLimitedListener(l, a.cfg.MaxConns, a.cfg.MaxConnsPerIP)
	a.listener.Store(limited)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler:           a,
		ReadHeaderTimeout: a.cfg.ReadHeaderTimeout,
		IdleTimeout:       a.cfg.IdleTimeout,
		MaxHeaderBytes:    a.cfg.MaxHeaderBytes,
		Protocols:         protocols,
		ErrorLog:          slog.NewLogLogger(a.cfg.Logger.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.ShutdownTimeout)
		defer cancel()
		err := server.Shutdown(grace)
		if err != nil {
			server.Close()
		}
		stopped <- err
	})
	err := server.Serve(limited)
	if stop() { // ctx has not ended: the listener failed
		server.Close()
		return fmt.Errorf("serving axon: %w", err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("serving axon: requests in flight at the end were cut off after %s: %w", a.cfg.ShutdownTimeout, err)
	}
	return nil
}
