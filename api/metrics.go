package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// metrics is what /metrics tells: the process, the requests, the memory of
// uploads, and the subnet.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	verdicts *prometheus.CounterVec
	inFlight prometheus.Gauge
	webhooks *prometheus.CounterVec
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bitmind_http_requests_total", Help: "Requests by route and status.",
		}, []string{"route", "method", "status"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bitmind_http_request_duration_seconds", Help: "Time from a request's header to the end of its answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"route"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bitmind_refused_total", Help: "Requests and pictures of batches that were refused, by the problem's code.",
		}, []string{"code"}),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bitmind_detections_total", Help: "Pictures that were judged, by verdict and deciding model.",
		}, []string{"verdict", "model"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bitmind_pictures_in_flight", Help: "Pictures being judged or waiting for it.",
		}),
	}
	m.webhooks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bitmind_webhook_attempts_total", Help: "Attempts to deliver a webhook's message, by what became of it.",
	}, []string{"result"})
	m.registry.MustRegister(m.webhooks, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.latency, m.refused, m.verdicts, m.inFlight,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bitmind_upload_memory_bytes", Help: "Memory held by encoded pictures under way.",
		}, func() float64 { return float64(s.bodies.used.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bitmind_upload_memory_limit_bytes", Help: "The most that encoded pictures may take.",
		}, func() float64 { return float64(s.bodies.size) }),
	)
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bitmind_jobs_waiting", Help: "Stored questions that are not answered yet; -1 where the store does not say.",
	}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		n, err := s.Store.Backlog(ctx)
		if err != nil {
			return -1
		}
		return float64(n)
	}))
	if s.Subnet != nil {
		m.registry.MustRegister(subnetCollector{s.Subnet})
	}
	return m
}

// serveMetrics answers whoever may read, for the counts say how much is asked here.
func (s *Server) serveMetrics() http.Handler {
	h := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.allowed(askerOf(r.Context()), store.ScopeRead); err != nil {
			writeProblem(w, r, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// observe counts a request that was answered, and logs it.
func (s *Server) observe(r *http.Request, about *request, answer *recorder, took time.Duration) {
	// The pattern, for a path may hold anything.
	_, route, ok := strings.Cut(r.Pattern, " ")
	if !ok {
		route = r.Pattern
	}
	if route == "" {
		route = "none"
	}
	method := r.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions:
	default:
		method = "other"
	}
	s.metrics.requests.WithLabelValues(route, method, strconv.Itoa(answer.status)).Inc()
	if answer.problem != "" {
		s.metrics.refused.WithLabelValues(answer.problem).Inc()
	}
	s.metrics.latency.WithLabelValues(route).Observe(took.Seconds())
	s.log.Debug("answered", "request_id", about.id, "method", r.Method, "path", r.URL.Path, "status", answer.status,
		"bytes", answer.bytes, "ms", took.Milliseconds(), "key", about.asker.key.ID, "address", about.asker.address)
}
