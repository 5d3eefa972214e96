package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

const lease = time.Minute

func testJobs(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	none := func() {
		t.Helper()
		if job, found, err := s.ClaimJob(ctx, lease); found || err != nil {
			t.Fatalf("%+v, %v, %v", job, found, err)
		}
	}
	claim := func(want string, attempts int) store.Job {
		t.Helper()
		job, found, err := s.ClaimJob(ctx, lease)
		if err != nil || !found || job.DetectionID != want || job.Attempts != attempts {
			t.Fatalf("%+v, %v, %v, want that of %s, attempt %d", job, found, err, want, attempts)
		}
		return job
	}
	none()
	picture := bytes.Repeat([]byte("JPEG\x00"), 1000)
	for _, id := range []string{"a", "b", "c"} {
		d, err := s.Enqueue(ctx, store.Detection{ID: id, KeyID: "k", Picture: picture, Retained: id == "c"}, json.RawMessage(`{"heatmap":true}`), "https://example.org/"+id)
		if err != nil || d.Status != store.Queued {
			t.Fatalf("%+v, %v", d, err)
		}
		s.clock.Advance(time.Second)
	}
	backlog := func(want int) {
		t.Helper()
		if n, err := s.Backlog(ctx); err != nil || n != want {
			t.Errorf("a backlog of %d, %v, want %d", n, err, want)
		}
	}
	backlog(3)
	a := claim("a", 1)
	want := store.Job{ID: a.ID, DetectionID: "a", Options: json.RawMessage(`{"heatmap":true}`), WebhookURL: "https://example.org/a", CreatedAt: s.clock.Now().Add(-3 * time.Second), Attempts: 1, Picture: picture}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	b, c := claim("b", 1), claim("c", 1)
	none()

	// Finished: result, message and the end of the job together.
	result := store.Detection{ID: "a", Status: store.Done, Verdict: "ai", Score: ptr(0.9), Document: json.RawMessage(`{"verdict":"ai"}`)}
	if err := s.FinishJob(ctx, a, result, json.RawMessage(`{"id":"a"}`)); err != nil {
		t.Fatal(err)
	}
	if d, err := s.Detection(ctx, "a"); err != nil || d.Status != store.Done || d.Verdict != "ai" || d.KeyID != "k" {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := s.Picture(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the picture of a job that is done: %v", err)
	}
	if list, err := s.Deliveries(ctx, "a"); err != nil || len(list) != 1 || string(list[0].Body) != `{"id":"a"}` || list[0].URL != "https://example.org/a" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.FinishJob(ctx, a, result, json.RawMessage(`{}`)); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("finished twice: %v", err)
	}
	backlog(2)

	// Given back, to be tried again later.
	if err := s.RetryJob(ctx, b, "no room\x00"+strings.Repeat("x", 2000), s.clock.Now().Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	none()
	s.clock.Advance(10 * time.Second)
	if b = claim("b", 2); !strings.HasPrefix(b.LastError, "no room") || len(b.LastError) > 1100 {
		t.Errorf("the error %q", b.LastError)
	}

	// A lease that is kept, and one that runs out.
	s.clock.Advance(lease - 20*time.Second)
	if err := s.ExtendJob(ctx, c, lease); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(30 * time.Second)
	late := b
	b = claim("b", 3)
	none()
	for i, err := range []error{
		s.ExtendJob(ctx, late, lease), s.RetryJob(ctx, late, "", s.clock.Now()),
		s.FinishJob(ctx, late, store.Detection{ID: "b", Status: store.Failed}, json.RawMessage(`{}`)),
	} {
		if !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("%d by one who has lost the job: %v", i, err)
		}
	}
	if d, err := s.Detection(ctx, "b"); err != nil || d.Status != store.Queued {
		t.Errorf("%+v, %v", d, err)
	}
	if err := s.FinishJob(ctx, b, store.Detection{ID: "b", Status: store.Failed}, json.RawMessage(`{}`)); err != nil {
		t.Error(err)
	}

	// A detection that is deleted takes its job along.
	if err := s.DeleteDetection(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	if err := s.FinishJob(ctx, c, store.Detection{ID: "c", Status: store.Done}, json.RawMessage(`{}`)); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("of one that was deleted: %v", err)
	}
	backlog(0)
	s.clock.Advance(time.Hour)
	none()
}

func testJobsRefused(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	for name, c := range map[string]struct {
		d       store.Detection
		options string
		url     string
	}{
		"no picture":   {store.Detection{}, "{}", ""},
		"no options":   {store.Detection{Picture: []byte("x")}, "", ""},
		"long options": {store.Detection{Picture: []byte("x")}, `"` + strings.Repeat("x", store.MaxOptions) + `"`, ""},
		"long URL":     {store.Detection{Picture: []byte("x")}, "{}", strings.Repeat("x", 5000)},
		"external id":  {store.Detection{Picture: []byte("x"), ExternalID: "\xff"}, "{}", ""},
	} {
		if _, err := s.Enqueue(ctx, c.d, json.RawMessage(c.options), c.url); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Enqueue(ctx, store.Detection{ID: "a", Picture: []byte("x")}, json.RawMessage("{}"), "u"); err != nil {
		t.Fatal(err)
	}
	job, found, err := s.ClaimJob(ctx, lease)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	for name, c := range map[string]struct {
		d       store.Detection
		message string
	}{
		"another's": {store.Detection{ID: "b", Status: store.Done}, "{}"}, "queued": {store.Detection{ID: "a", Status: store.Queued}, "{}"},
		"message": {store.Detection{ID: "a", Status: store.Done}, ""}, "score": {store.Detection{ID: "a", Status: store.Done, Score: ptr(2.0)}, "{}"},
	} {
		if err := s.FinishJob(ctx, job, c.d, json.RawMessage(c.message)); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := s.Backlog(ctx); err != nil || n != 1 {
		t.Errorf("a backlog of %d, %v", n, err)
	}
}

// testWorkers has several workers take many jobs: each is done once.
func testWorkers(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	const jobs, workers = 60, 6
	for i := range jobs {
		if _, err := s.Enqueue(ctx, store.Detection{ID: fmt.Sprintf("d%02d", i), Picture: []byte("x")}, json.RawMessage("{}"), ""); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	done := map[string]int{}
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			worker := s.Store
			if i%2 == 1 && s.shared() { // as of another process
				worker = s.again(t)
			}
			for {
				job, found, err := worker.ClaimJob(ctx, lease)
				if err != nil {
					t.Error(err)
					return
				}
				if !found {
					return
				}
				mu.Lock()
				done[job.DetectionID]++
				mu.Unlock()
				if err := worker.FinishJob(ctx, job, store.Detection{ID: job.DetectionID, Status: store.Done}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(done) != jobs {
		t.Errorf("%d done of %d", len(done), jobs)
	}
	for id, n := range done {
		if n != 1 {
			t.Errorf("%s was done %d times", id, n)
		}
	}
}

func testDeliveries(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	for _, id := range []string{"a", "b"} {
		if _, err := s.Enqueue(ctx, store.Detection{ID: id, Picture: []byte("x")}, json.RawMessage("{}"), "https://example.org"); err != nil {
			t.Fatal(err)
		}
		job, _, err := s.ClaimJob(ctx, lease)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.FinishJob(ctx, job, store.Detection{ID: id, Status: store.Done}, json.RawMessage(`{"a":1}`)); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(time.Second)
	}
	claim := func(want string, attempts, status int, reason string) store.Delivery {
		t.Helper()
		d, found, err := s.ClaimDelivery(ctx, lease)
		if err != nil || found != (want != "") || d.DetectionID != want || d.Attempts != attempts || d.LastStatus != status || d.LastError != reason {
			t.Fatalf("%+v, %v, %v", d, found, err)
		}
		return d
	}
	a := claim("a", 1, 0, "")
	b := claim("b", 1, 0, "")
	claim("", 0, 0, "")
	if a.EventID == "" || a.EventID == b.EventID {
		t.Errorf("events %q and %q", a.EventID, b.EventID)
	}
	if err := s.DeliveryDone(ctx, b, 204); err != nil {
		t.Fatal(err)
	}
	if err := s.DeliveryFailed(ctx, a, 503, "busy", s.clock.Now().Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	claim("", 0, 0, "")
	s.clock.Advance(10 * time.Second)
	again := claim("a", 2, 503, "busy")
	if again.EventID != a.EventID {
		t.Errorf("event %q, then %q", a.EventID, again.EventID)
	}
	s.clock.Advance(lease) // the sender was killed
	last := claim("a", 3, 503, "busy")
	if err := s.DeliveryDone(ctx, again, 200); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("a late end: %v", err)
	}
	if err := s.DeliveryFailed(ctx, last, 0, "refused", time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(24 * time.Hour)
	claim("", 0, 0, "")
	for id, want := range map[string]store.Delivery{
		"a": {ID: a.ID, EventID: a.EventID, State: store.Dead, Attempts: 3, LastError: "refused"},
		"b": {ID: b.ID, EventID: b.EventID, State: store.Delivered, Attempts: 1, LastStatus: 204},
	} {
		list, err := s.Deliveries(ctx, id)
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		got := list[0]
		if got.ID != want.ID || got.EventID != want.EventID || got.State != want.State || got.Attempts != want.Attempts || got.LastStatus != want.LastStatus || got.LastError != want.LastError {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func testSweep(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	for i := range 5 {
		if _, err := s.AddDetection(ctx, store.Detection{ID: fmt.Sprint("d", i), Status: store.Done, Retained: true, Picture: make([]byte, 100_000)}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.ClaimRequest(ctx, "k", fmt.Sprint("n", i), []byte("h"), lease); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(12 * time.Hour)
	}
	swept, err := s.Sweep(ctx, store.Retention{})
	if want := (store.Swept{Requests: 4}); err != nil || swept != want {
		t.Errorf("%+v, %v, want %+v", swept, err, want)
	}
	swept, err = s.Sweep(ctx, store.Retention{Detections: 25 * time.Hour})
	if want := (store.Swept{Detections: 3}); err != nil || swept != want {
		t.Errorf("%+v, %v, want %+v", swept, err, want)
	}
	if _, err := s.Detection(ctx, "d3"); err != nil {
		t.Error(err)
	}
}
