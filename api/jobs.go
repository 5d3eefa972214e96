package api

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

const (
	// jobWorkers is how many stored questions are judged at once, beside those that
	// are waited for.
	jobWorkers = 2
	// jobAttempts is how often a job is begun before it is given up: one that makes
	// the program end each time must not do so for ever.
	jobAttempts = 20
	jobPoll     = 2 * time.Second
	jobPause    = 3 * time.Second
	// maxBacklog is how many jobs may wait before no more are taken.
	maxBacklog = 10_000
)

// Event is a webhook's message.
type Event struct {
	Type      string           `json:"type" enum:"detection.done,detection.failed"`
	CreatedAt time.Time        `json:"created_at"`
	Detection schema.Detection `json:"detection"`
}

// enqueue stores a picture that is judged later, whatever happens meanwhile.
func (s *Server) enqueue(ctx context.Context, p picture) (schema.Detection, error) {
	if p.opts.WebhookURL != "" {
		if s.WebhookSecret == "" {
			return schema.Detection{}, invalid([]schema.FieldError{{Location: "body.webhook_url", Message: "webhooks are off here; try: start the server with --webhook.secret"}})
		}
		if err := s.Poster.Check(p.opts.WebhookURL); err != nil {
			return schema.Detection{}, invalid([]schema.FieldError{{Location: "body.webhook_url", Message: err.Error()}})
		}
	}
	if len(p.data) == 0 {
		return schema.Detection{}, problem(schema.CodeEmptyBody, "no picture was sent; %s", howToSend)
	}
	if n, err := s.Store.Backlog(ctx); err != nil {
		return schema.Detection{}, s.storeFailed(err)
	} else if n >= maxBacklog {
		return schema.Detection{}, retryIn(60, problem(schema.CodeOverloaded, "%d pictures wait already; try: again later", n))
	}
	options, err := json.Marshal(p.opts)
	if err != nil {
		return schema.Detection{}, err
	}
	stored, err := s.Store.Enqueue(ctx, store.Detection{
		CreatedAt: s.Now().UTC(), ExternalID: p.opts.ExternalID, KeyID: askerOf(ctx).key.ID,
		Retained: p.opts.Retain, Picture: p.data,
	}, options, p.opts.WebhookURL)
	if err != nil {
		return schema.Detection{}, s.storeFailed(err)
	}
	select {
	case s.jobs <- struct{}{}:
	default:
	}
	return unrow(stored), nil
}

// runJobs judges stored questions until ctx ends. One that is under way then is
// given back, for the next start.
func (s *Server) runJobs(ctx context.Context) {
	var g sync.WaitGroup
	for range jobWorkers {
		g.Go(func() {
			ticker := time.NewTicker(jobPoll)
			defer ticker.Stop()
			for ctx.Err() == nil {
				if s.Inspector.Ready() && s.runJob(ctx) {
					continue
				}
				select {
				case <-ctx.Done():
				case <-s.jobs:
				case <-ticker.C:
				}
			}
		})
	}
	g.Wait()
}

// runJob judges the question that has waited longest, if there is one.
func (s *Server) runJob(ctx context.Context) bool {
	job, found, err := s.Store.ClaimJob(ctx, s.AnswerTime+time.Minute)
	if err != nil && ctx.Err() == nil {
		s.log.Error("looking for jobs failed", "error", err)
	}
	if err != nil || !found {
		return false
	}
	if err := s.judge(ctx, job); err != nil && !errors.Is(err, store.ErrLeaseLost) {
		s.log.Error("a job was not finished", "detection", job.DetectionID, "error", err)
	}
	return true
}

func (s *Server) judge(ctx context.Context, job store.Job) error {
	// What is known is written also when the server is about to stop.
	writing := context.WithoutCancel(ctx)
	r, err := s.Store.Detection(writing, job.DetectionID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
	}
	var opts schema.Options
	if err := json.Unmarshal(job.Options, &opts); err != nil {
		return s.finish(writing, job, r, failed(r, problem(schema.CodeInternal, "the stored question cannot be read; try: ask again")), nil)
	}
	if job.Attempts > jobAttempts {
		return s.finish(writing, job, r, failed(r, problem(schema.CodeInternal, "it was tried %d times without an answer (%s)", job.Attempts-1, job.LastError)), nil)
	}
	working, cancel := context.WithTimeout(ctx, s.AnswerTime)
	defer cancel()
	s.metrics.inFlight.Inc()
	result, err := s.Inspector.Inspect(working, job.Picture, opts)
	s.metrics.inFlight.Dec()
	if err != nil {
		p, known := asProblem(err)
		switch {
		case ctx.Err() != nil:
			return s.Store.RetryJob(writing, job, "the server stopped", s.Now())
		case !known || p.Status >= 500:
			wait := max(jobPause*time.Duration(job.Attempts), time.Duration(p.RetryAfter)*time.Second)
			return s.Store.RetryJob(writing, job, p.Detail, s.Now().Add(wait))
		}
		return s.finish(writing, job, r, failed(r, p), nil)
	}
	d := result.Detection
	d.ID, d.CreatedAt, d.ExternalID, d.Retained = r.ID, r.CreatedAt, r.ExternalID, r.Retained
	locate(&d)
	s.metrics.verdicts.WithLabelValues(d.Verdict, d.Model.Name).Inc()
	return s.finish(writing, job, r, d, result.HeatmapPNG)
}

// failed is the answer to a question that has none.
func failed(r store.Detection, p *schema.Problem) schema.Detection {
	complete(p)
	return schema.Detection{ID: r.ID, Status: schema.StatusFailed, CreatedAt: r.CreatedAt, ExternalID: r.ExternalID, Retained: r.Retained, Error: p}
}

// finish stores a job's result, with its webhook's message.
func (s *Server) finish(ctx context.Context, job store.Job, r store.Detection, d schema.Detection, heatmap []byte) error {
	final, err := row(d, r.KeyID)
	if err != nil {
		return err
	}
	if d.Retained {
		final.Heatmap = heatmap
	}
	var message json.RawMessage
	if job.WebhookURL != "" {
		if message, err = json.Marshal(Event{Type: "detection." + d.Status, CreatedAt: s.Now().UTC(), Detection: d}); err != nil {
			return err
		}
	}
	if err := s.Store.FinishJob(ctx, job, final, message); err != nil {
		return err
	}
	s.cache.put(d, heatmap, r.KeyID)
	if message != nil {
		s.sender.Wake()
	}
	return nil
}
