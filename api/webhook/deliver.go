package webhook

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// Outbox keeps messages until they have arrived; *store.Store is one.
type Outbox interface {
	ClaimDelivery(ctx context.Context, lease time.Duration) (store.Delivery, bool, error)
	DeliveryDone(ctx context.Context, d store.Delivery, status int) error
	DeliveryFailed(ctx context.Context, d store.Delivery, status int, reason string, next time.Time) error
	Detection(ctx context.Context, id string) (store.Detection, error)
}

// Poster posts to strangers' addresses; *fetch.Fetcher is one, which refuses those
// that only this machine can reach.
type Poster interface {
	Post(ctx context.Context, url string, header http.Header, body []byte) (status int, err error)
}

// Config sets up a Sender. Zero values take the defaults beside them.
type Config struct {
	Outbox Outbox
	Poster Poster
	// Secret is the server's; receivers' are derived from it.
	Secret string
	// Attempts is how often a message is sent before it is given up (default 12: for
	// about a day), First the wait after the first time (default 10 s); it doubles,
	// with a random part, up to six hours.
	Attempts int
	First    time.Duration
	// Poll is how often the outbox is looked into for what other processes put there
	// and for what is due again (default 2 s).
	Poll   time.Duration
	Now    func() time.Time
	Logger *slog.Logger
	// Sent, when set, is told what became of each attempt: "delivered", "retry" or
	// "dead".
	Sent func(what string)
}

const (
	// parallel is how many messages are on their way at once: one slow receiver must
	// not keep the others waiting.
	parallel = 4
	lease    = 2 * time.Minute
	longest  = 6 * time.Hour
)

// Sender delivers what is in the outbox.
type Sender struct {
	cfg  Config
	wake chan struct{}
}

// New returns a sender. Nothing is sent before Run.
func New(cfg Config) *Sender {
	if cfg.Attempts <= 0 {
		cfg.Attempts = 12
	}
	if cfg.First <= 0 {
		cfg.First = 10 * time.Second
	}
	if cfg.Poll <= 0 {
		cfg.Poll = 2 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Sent == nil {
		cfg.Sent = func(string) {}
	}
	return &Sender{cfg: cfg, wake: make(chan struct{}, parallel)}
}

// Wake has the outbox looked into at once.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends, and returns when nothing is on its way any more.
func (s *Sender) Run(ctx context.Context) {
	var g sync.WaitGroup
	for range parallel {
		g.Go(func() { s.work(ctx) })
	}
	g.Wait()
}

func (s *Sender) work(ctx context.Context) {
	timer := time.NewTicker(s.cfg.Poll)
	defer timer.Stop()
	for ctx.Err() == nil {
		d, found, err := s.cfg.Outbox.ClaimDelivery(ctx, lease)
		if err == nil && found {
			s.deliver(ctx, d)
			continue
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Error("looking for webhook messages failed", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// deliver sends a message once and notes what became of it.
func (s *Sender) deliver(ctx context.Context, d store.Delivery) {
	detection, err := s.cfg.Outbox.Detection(ctx, d.DetectionID)
	if err != nil {
		return // deleted meanwhile, its messages with it
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set(EventHeader, d.EventID)
	header.Set(AttemptHeader, strconv.Itoa(d.Attempts))
	header.Set(SignatureHeader, Sign(SecretFor(s.cfg.Secret, detection.KeyID), d.Body, s.cfg.Now()))
	status, err := s.cfg.Poster.Post(ctx, d.URL, header, bytes.Clone(d.Body))
	// What is known now is noted also when the server is about to stop.
	noting := context.WithoutCancel(ctx)
	switch {
	case err == nil && status >= 200 && status < 300:
		err = s.cfg.Outbox.DeliveryDone(noting, d, status)
		s.cfg.Sent("delivered")
	case ctx.Err() != nil:
		// Cut off by the stop: sent again at the next start.
		err = s.cfg.Outbox.DeliveryFailed(noting, d, 0, "the server stopped", s.cfg.Now())
	default:
		reason := "answered " + strconv.Itoa(status)
		if err != nil {
			reason = err.Error()
		}
		var next time.Time
		what := "dead"
		// 410 Gone says that nobody wants it any more.
		if d.Attempts < s.cfg.Attempts && status != http.StatusGone {
			next, what = s.cfg.Now().Add(s.pause(d.Attempts)), "retry"
		} else {
			s.cfg.Logger.Warn("a webhook's message was given up", "detection", d.DetectionID, "attempts", d.Attempts, "reason", reason)
		}
		err = s.cfg.Outbox.DeliveryFailed(noting, d, status, reason, next)
		s.cfg.Sent(what)
	}
	if err != nil && !errors.Is(err, store.ErrLeaseLost) {
		s.cfg.Logger.Error("noting a webhook's delivery failed", "error", err)
	}
}

// pause is the wait after so many attempts.
func (s *Sender) pause(attempts int) time.Duration {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.Multiplier, b.MaxInterval, b.RandomizationFactor = s.cfg.First, 2, longest, 0.2
	wait := b.NextBackOff()
	for range attempts - 1 {
		wait = b.NextBackOff()
	}
	return wait
}
