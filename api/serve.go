package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// grace is how long requests under way may take to finish when the server stops.
const grace = 15 * time.Second

// Serve answers requests on a listener until ctx ends; then those under way are
// finished, within some seconds.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	// Requests go on when ctx ends, and are cut off after the grace.
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	// Stored questions and webhooks go on until the last request is answered.
	var background sync.WaitGroup
	working, stopWork := context.WithCancel(requests)
	background.Go(func() { s.runJobs(working) })
	background.Go(func() { s.sweep(working) })
	if s.WebhookSecret != "" {
		background.Go(func() { s.sender.Run(working) })
	}
	defer func() { stopWork(); background.Wait() }()
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		close(s.closing)
		waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err := server.Shutdown(waiting)
		cut()
		stopped <- errors.Join(err, server.Close())
	})
	err := server.Serve(listener)
	if stop() { // it ended by itself
		return errors.Join(err, server.Close())
	}
	if err = <-stopped; errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("requests were still under way when the server stopped")
		return nil
	}
	return err
}

// sweepEvery is how often what has had its time is deleted from the store.
const sweepEvery = 10 * time.Minute

// sweep deletes what has had its time until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if _, err := s.Store.Sweep(ctx, store.Retention{Detections: s.KeepFor}); err != nil && ctx.Err() == nil {
				s.log.Error("sweeping the store failed", "error", err)
			}
		}
	}
}
