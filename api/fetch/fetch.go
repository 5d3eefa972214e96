// Package fetch gets pictures from addresses that strangers name, and posts to
// them, without letting the strangers reach what only this machine can reach: each
// name is resolved once, the addresses are checked, and the connection is made to
// the very address that was checked, after every redirect too.
//
//	f, err := fetch.New(fetch.Config{})
//	reply, err := f.Get(ctx, "https://example.com/photo.jpg")
//	defer reply.Close()
//	data, err := io.ReadAll(reply)
package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Errors that callers tell apart. They come wrapped, with what to try.
var (
	// ErrRefused says that the address is not one that is fetched from here.
	ErrRefused = errors.New("this address is not fetched")
	// ErrFailed says that the address gave nothing usable.
	ErrFailed = errors.New("the address could not be fetched")
	// ErrTooLarge says that the address gives more than the limit.
	ErrTooLarge = errors.New("what the address gives is too large")
)

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config bounds what is fetched. Zero values take the defaults beside them.
type Config struct {
	// MaxBytes bounds a body, after decompression too (default 32 MiB).
	MaxBytes int64
	// Time bounds the whole of one fetch (default 30 s), Idle the wait for the
	// header and for each piece of the body (default 10 s).
	Time, Idle time.Duration
	// Redirects is how many are followed (default 5, negative: none).
	Redirects int
	// Allow are hosts that may be asked though they are private, on any port: names,
	// addresses or networks such as 10.1.0.0/16, each with :port for that one only.
	Allow []string
	// AllowAddress permits single addresses beyond that; nil permits none.
	AllowAddress func(netip.AddrPort) bool
	// Option is the flag that sets Allow, which the errors name where there is one,
	// and Instead what else they say to try (default: send the picture itself).
	Option, Instead string
	// Resolver is asked for names; nil is the system's.
	Resolver Resolver
	// UserAgent is sent with each request.
	UserAgent string
}

// Fetcher gets and posts. It is safe for concurrent use.
type Fetcher struct {
	cfg    Config
	allow  []exception
	client *http.Client
}

// New returns a fetcher, or an error for an Allow that cannot be read.
func New(cfg Config) (*Fetcher, error) {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 32 << 20
	}
	if cfg.Time <= 0 {
		cfg.Time = 30 * time.Second
	}
	if cfg.Idle <= 0 {
		cfg.Idle = 10 * time.Second
	}
	if cfg.Redirects == 0 {
		cfg.Redirects = 5
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.Instead == "" {
		cfg.Instead = "send the picture itself"
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "bitmind"
	}
	f := &Fetcher{cfg: cfg}
	for _, text := range cfg.Allow {
		e, err := parseException(text)
		if err != nil {
			return nil, err
		}
		f.allow = append(f.allow, e)
	}
	f.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // one from the environment would resolve names itself
			DialContext:            f.dial,
			DisableCompression:     true,
			DisableKeepAlives:      true,
			ForceAttemptHTTP2:      false,
			TLSHandshakeTimeout:    cfg.Idle,
			ResponseHeaderTimeout:  cfg.Idle,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: f.redirect,
	}
	return f, nil
}

// Check says whether an address may be fetched, as far as that shows without
// asking for its name. Its errors are ErrRefused.
func (f *Fetcher) Check(address string) error {
	_, err := f.parse(address)
	return err
}

func (f *Fetcher) parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be read as a URL; try: https://example.com/photo.jpg", ErrRefused)
	}
	return u, f.checkURL(u)
}

// redirect checks each new address; the new connection's address is checked when
// it is made.
func (f *Fetcher) redirect(r *http.Request, before []*http.Request) error {
	if f.cfg.Redirects < 0 || r.Context().Value(noRedirects{}) != nil {
		return http.ErrUseLastResponse
	}
	if len(before) > f.cfg.Redirects {
		return fmt.Errorf("%w: more than %d redirects", ErrFailed, f.cfg.Redirects)
	}
	r.Header.Del("Referer")
	return f.checkURL(r.URL)
}

type noRedirects struct{}

// Reply is what an address gives. Reading it fails with ErrTooLarge beyond the
// limit, and with ErrFailed when it does not come in time.
type Reply struct {
	io.Reader
	// Length is the body's length in bytes as declared, -1 for unknown.
	Length int64
	// Type is the Content-Type as declared: a claim.
	Type  string
	close func()
}

// Close ends the connection.
func (r *Reply) Close() error { r.close(); return nil }

// Get begins to fetch an address. The caller closes the reply.
func (f *Fetcher) Get(ctx context.Context, address string) (*Reply, error) {
	u, err := f.parse(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.cfg.Time, errTime)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%w: it cannot be read as a URL", ErrRefused)
	}
	request.Header.Set("User-Agent", f.cfg.UserAgent)
	request.Header.Set("Accept", "image/*,*/*;q=0.5")
	request.Header.Set("Accept-Encoding", "identity")
	response, err := f.client.Do(request)
	if err != nil {
		err = f.explain(ctx, u, err)
		cancel()
		return nil, err
	}
	reply, err := f.reply(ctx, response, cancel)
	if err != nil {
		response.Body.Close()
		cancel()
		return nil, err
	}
	return reply, nil
}

// Post sends a body and returns the status of the answer, whose content is not
// read. Redirects are not followed: their status is returned.
func (f *Fetcher) Post(ctx context.Context, address string, header http.Header, body []byte) (status int, err error) {
	u, err := f.parse(address)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(context.WithValue(ctx, noRedirects{}, true), f.cfg.Time, errTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("%w: it cannot be read as a URL", ErrRefused)
	}
	request.Header = header.Clone()
	request.Header.Set("User-Agent", f.cfg.UserAgent)
	response, err := f.client.Do(request)
	if err != nil {
		return 0, f.explain(ctx, u, err)
	}
	defer response.Body.Close()
	return response.StatusCode, nil
}

var errTime = errors.New("it took too long")

// explain tells a failed request without what it shows of this machine's network.
func (f *Fetcher) explain(ctx context.Context, u *url.URL, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, ErrRefused), errors.Is(err, ErrFailed):
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			return wrapped.Err
		}
		return err
	case context.Cause(ctx) == errTime:
		return fmt.Errorf("%w: %s did not answer in time; try: again, or %s", ErrFailed, u.Hostname(), f.cfg.Instead)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("%w: there is no host %s", ErrFailed, u.Hostname())
	}
	return fmt.Errorf("%w: %s does not answer; try: again, or %s", ErrFailed, u.Hostname(), f.cfg.Instead)
}
