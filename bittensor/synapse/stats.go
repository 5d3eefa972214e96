package synapse

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// AxonStats is what an axon has done since it was made.
type AxonStats struct {
	Requests           uint64         // answered, all statuses
	ByStatus           map[int]uint64 // answered, by HTTP status
	Panics             uint64         // handlers that panicked (answered 500)
	InFlight           int            // requests being worked on
	Queued             int            // of those, waiting for a free place
	Connections        int            // open
	RefusedConnections uint64         // closed for being beyond a limit
	NonceStreams       int            // (hotkey, uuid) pairs remembered
	Latency            LatencySummary // of all answered requests
}

// LatencySummary sums up durations. Quantiles are exact to 6 %.
type LatencySummary struct {
	Count               uint64
	Mean, P50, P90, P99 time.Duration
	Max                 time.Duration
}

type axonCounters struct {
	status   [600]atomic.Uint64
	panics   atomic.Uint64
	inFlight atomic.Int64
	latency  histogram
}

func (c *axonCounters) answered(status int, took time.Duration) {
	if status >= 0 && status < len(c.status) {
		c.status[status].Add(1)
	}
	c.latency.add(took)
}

// histogram counts durations in buckets of 16 to each doubling.
type histogram struct {
	buckets [16 * 48]atomic.Uint64
	sum     atomic.Int64
	max     atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(d)].Add(1)
	h.sum.Add(int64(d))
	for {
		old := h.max.Load()
		if int64(d) <= old || h.max.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

func bucketOf(d time.Duration) int {
	n := uint64(d)
	if n < 16 {
		return int(n)
	}
	shift := bits.Len64(n) - 5
	return min(shift*16+int(n>>shift), 16*48-1)
}

// bucketEnd is the longest duration that falls into a bucket.
func bucketEnd(b int) time.Duration {
	if b < 16 {
		return time.Duration(b)
	}
	shift := b/16 - 1
	low := uint64(b-shift*16) << shift
	return time.Duration(low + 1<<shift - 1)
}

func (h *histogram) summary() LatencySummary {
	var counts [16 * 48]uint64
	var s LatencySummary
	for i := range counts {
		counts[i] = h.buckets[i].Load()
		s.Count += counts[i]
	}
	if s.Count == 0 {
		return s
	}
	s.Max = time.Duration(h.max.Load())
	s.Mean = time.Duration(h.sum.Load() / int64(s.Count))
	quantile := func(q float64) time.Duration {
		rank := uint64(math.Ceil(q * float64(s.Count)))
		var seen uint64
		for i, n := range counts {
			if seen += n; seen >= rank {
				return min(bucketEnd(i), s.Max)
			}
		}
		return s.Max
	}
	s.P50, s.P90, s.P99 = quantile(0.5), quantile(0.9), quantile(0.99)
	return s
}

// Stats counts what the axon has done. It may be called at any time.
func (a *Axon) Stats() AxonStats {
	s := AxonStats{
		ByStatus:     map[int]uint64{},
		Panics:       a.counters.panics.Load(),
		InFlight:     int(a.counters.inFlight.Load()),
		Queued:       a.gate.waiting(),
		NonceStreams: a.nonces.len(),
		Latency:      a.counters.latency.summary(),
	}
	for code := range a.counters.status {
		if n := a.counters.status[code].Load(); n > 0 {
			s.ByStatus[code] = n
			s.Requests += n
		}
	}
	if l := a.listener.Load(); l != nil {
		s.Connections = l.count()
		s.RefusedConnections = l.refused.Load()
	}
	return s
}
