package api

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// knownAddresses is how many anonymous addresses are remembered, those that asked
// last.
const knownAddresses = 20_000

// addresses limits anonymous askers by their address.
type addresses struct {
	perMinute int // 0: no limit
	now       func() time.Time

	mu    sync.Mutex
	order *list.List // of *bucket, longest unused first
	by    map[string]*list.Element
}

type bucket struct {
	address string
	limiter *rate.Limiter
}

func newAddresses(perMinute int, now func() time.Time) *addresses {
	return &addresses{perMinute: perMinute, now: now, order: list.New(), by: map[string]*list.Element{}}
}

// spend takes n pictures from an address's allowance, or none of them. It returns
// what is left, and where that is not enough, when it will be.
func (a *addresses) spend(address string, n int) (left int, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	element := a.by[address]
	if element == nil {
		element = a.order.PushBack(&bucket{address, rate.NewLimiter(rate.Limit(float64(a.perMinute)/60), a.perMinute)})
		a.by[address] = element
		if a.order.Len() > knownAddresses {
			delete(a.by, a.order.Remove(a.order.Front()).(*bucket).address)
		}
	}
	a.order.MoveToBack(element)
	limiter, now := element.Value.(*bucket).limiter, a.now()
	if n <= a.perMinute && limiter.AllowN(now, n) {
		return int(limiter.TokensAt(now)), 0
	}
	tokens := limiter.TokensAt(now)
	missing := float64(min(n, a.perMinute)) - tokens
	return max(0, int(tokens)), max(time.Second, time.Duration(missing/float64(limiter.Limit())*float64(time.Second)))
}

// check turns away who has nothing left before the request's body is read.
func (s *Server) check(ctx context.Context, w http.ResponseWriter) error {
	who := askerOf(ctx)
	if who.anonymous() {
		return nil // its first picture is counted at once
	}
	windows, err := s.Store.Allowance(ctx, who.key)
	if err != nil {
		return err
	}
	tell(w, windows, s.Now())
	for _, window := range windows {
		if window.Remaining() == 0 {
			return limited(&store.LimitError{Window: window}, s.Now())
		}
	}
	return nil
}

// spend counts n pictures against the asker's limits, and tells in headers what is
// left; w may be nil.
func (s *Server) spend(ctx context.Context, w http.ResponseWriter, n int) error {
	who := askerOf(ctx)
	if !who.anonymous() {
		windows, err := s.Store.Spend(ctx, who.key, n)
		tell(w, windows, s.Now())
		if limit, ok := errors.AsType[*store.LimitError](err); ok {
			return limited(limit, s.Now())
		}
		return err
	}
	if s.addresses.perMinute == 0 {
		return nil
	}
	left, wait := s.addresses.spend(who.address, n)
	tell(w, []store.Window{{
		Period: store.Minute, Limit: s.addresses.perMinute, Used: s.addresses.perMinute - left, Reset: s.Now().Add(max(wait, time.Minute)),
	}}, s.Now())
	if wait > 0 {
		return retryIn(seconds(wait), problem(schema.CodeRateLimited, "%d pictures a minute are answered without a key; try: again in %d s, or with a key", s.addresses.perMinute, seconds(wait)))
	}
	return nil
}

func limited(limit *store.LimitError, now time.Time) error {
	code := schema.CodeQuotaExceeded
	if limit.Period == store.Minute {
		code = schema.CodeRateLimited
	}
	return retryIn(seconds(limit.Reset.Sub(now)), problem(code, "%v", limit))
}

func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// periodSeconds are the lengths of windows; a month is as long as it can be.
var periodSeconds = map[string]int{store.Minute: 60, store.Day: 86400, store.Month: 31 * 86400}

// tell writes limits as headers (draft-ietf-httpapi-ratelimit-headers-10).
func tell(w http.ResponseWriter, windows []store.Window, now time.Time) {
	var policies, states []string
	for _, window := range windows {
		policies = append(policies, fmt.Sprintf("%q;q=%d;w=%d", window.Period, window.Limit, periodSeconds[window.Period]))
		states = append(states, fmt.Sprintf("%q;r=%d;t=%d", window.Period, window.Remaining(), seconds(window.Reset.Sub(now))))
	}
	if len(policies) > 0 && w != nil {
		w.Header().Set("RateLimit-Policy", strings.Join(policies, ", "))
		w.Header().Set("RateLimit", strings.Join(states, ", "))
	}
}
