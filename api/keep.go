package api

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// row makes what is stored of an answer: all of it where it is retained, else only
// the hash, verdict, score, model, times and external id, and why it failed.
func row(d schema.Detection, keyID string) (store.Detection, error) {
	r := store.Detection{
		ID: d.ID, CreatedAt: d.CreatedAt, ExternalID: d.ExternalID, KeyID: keyID, Status: d.Status,
		Verdict: d.Verdict, Score: d.Score, Retained: d.Retained,
	}
	if d.Model != nil {
		r.Model = d.Model.Name
	}
	if d.Media != nil {
		r.MediaSHA256 = d.Media.SHA256
	}
	var err error
	switch {
	case d.Retained:
		r.Document, err = json.Marshal(d)
	case d.Error != nil:
		r.Document, err = json.Marshal(schema.Detection{Error: d.Error})
	}
	return r, err
}

// unrow makes an answer of what is stored of it.
func unrow(r store.Detection) schema.Detection {
	var d schema.Detection
	// What another version wrote and this one cannot read is left out.
	if len(r.Document) > 0 && json.Unmarshal(r.Document, &d) != nil {
		d = schema.Detection{}
	}
	d.ID, d.Status, d.CreatedAt, d.ExternalID = r.ID, r.Status, r.CreatedAt, r.ExternalID
	d.Verdict, d.Score, d.Retained = r.Verdict, r.Score, r.Retained
	if d.Model == nil && r.Model != "" {
		d.Model = &schema.Model{Name: r.Model}
	}
	if d.Media == nil && r.MediaSHA256 != "" {
		d.Media = &schema.Media{SHA256: r.MediaSHA256}
	}
	return d
}

// keep stores an answer and returns it with its id, time and addresses.
func (s *Server) keep(ctx context.Context, result inspect.Result, p picture, keyID string) (schema.Detection, error) {
	d := result.Detection
	d.CreatedAt = s.Now().UTC()
	d.ExternalID, d.Retained = p.opts.ExternalID, p.opts.Retain
	d.ID = newID()
	locate(&d)
	r, err := row(d, keyID)
	if err != nil {
		return d, err
	}
	if d.Retained {
		r.Picture, r.Heatmap = p.data, result.HeatmapPNG
	}
	stored, err := s.Store.AddDetection(ctx, r)
	if err != nil {
		return d, s.storeFailed(err)
	}
	d.CreatedAt = stored.CreatedAt
	s.cache.put(d, result.HeatmapPNG, keyID)
	return d, nil
}

// locate writes the addresses that hang on the id.
func locate(d *schema.Detection) {
	if d.Heatmap != nil {
		d.Heatmap.URL = "/v1/detections/" + d.ID + "/heatmap.png"
	}
}

// storeFailed tells of a store that does not work, as far as the caller can act.
func (s *Server) storeFailed(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	s.log.Error("the store failed", "error", err)
	if errors.Is(err, store.ErrInvalid) {
		return err
	}
	return retryIn(10, problem(schema.CodeOverloaded, "the answer cannot be stored at the moment; try: again later"))
}

// find returns an answer that the asker may see: whole where it is in memory or
// retained, else what is stored of it.
func (s *Server) find(ctx context.Context, id string) (schema.Detection, store.Detection, error) {
	who := askerOf(ctx)
	r, err := s.Store.Detection(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !who.sees(r.KeyID) {
		// Of another's answer not even its existence is told.
		return schema.Detection{}, r, problem(schema.CodeNotFound, "there is no detection %q", id)
	}
	if err != nil {
		return schema.Detection{}, r, s.storeFailed(err)
	}
	d := s.whole(r)
	said, err := s.Store.Feedback(ctx, who.key.ID, id)
	if err != nil {
		return d, r, s.storeFailed(err)
	}
	d.Feedback = said[id].Kind
	return d, r, nil
}

// whole returns the answer that is in memory, or what is stored of it.
func (s *Server) whole(r store.Detection) schema.Detection {
	if held, ok := s.cache.get(r.ID); ok && r.Status == held.detection.Status {
		return held.detection
	}
	d := unrow(r)
	if d.Heatmap != nil && !r.Retained {
		d.Heatmap = nil
	}
	return d
}
