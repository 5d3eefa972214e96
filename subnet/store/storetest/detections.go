package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

func ptr[T any](v T) *T { return &v }

func testDetections(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	picture := bytes.Repeat([]byte{0, 1, 0xff}, 50_000)
	d, err := s.AddDetection(ctx, store.Detection{
		ExternalID: "naïve 🖼 'quoted' ?", KeyID: "k1", Status: store.Queued, MediaSHA256: "ab", Retained: true, Picture: picture,
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.ID == "" || !d.CreatedAt.Equal(s.clock.Now()) {
		t.Errorf("id %q, made at %v", d.ID, d.CreatedAt)
	}
	d.Status, d.Verdict, d.Score, d.Model = store.Done, "ai", ptr(0.1+0.2), "best"
	d.Document, d.Heatmap, d.Picture = json.RawMessage(`{"score": 0.3, "a": "ü"}`), []byte("png"), nil
	if err := s.UpdateDetection(ctx, d); err != nil {
		t.Fatal(err)
	}
	got, err := s.Detection(ctx, d.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := d
	want.Heatmap = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if data, err := s.Picture(ctx, d.ID); err != nil || !bytes.Equal(data, picture) {
		t.Errorf("picture: %d bytes, %v", len(data), err)
	}
	if data, err := s.Heatmap(ctx, d.ID); err != nil || string(data) != "png" {
		t.Errorf("heatmap: %q, %v", data, err)
	}

	// One that is not retained loses its picture when it no longer waits.
	waits, err := s.AddDetection(ctx, store.Detection{Status: store.Queued, Picture: picture})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := s.Picture(ctx, waits.ID); err != nil || !bytes.Equal(data, picture) {
		t.Errorf("picture of one that waits: %d bytes, %v", len(data), err)
	}
	waits.Status, waits.Picture = store.Failed, nil
	if err := s.UpdateDetection(ctx, waits); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Picture(ctx, waits.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the picture of one that is not retained: %v", err)
	}
	if got, err := s.Detection(ctx, waits.ID); err != nil || got.Score != nil || got.Document != nil || got.Retained {
		t.Errorf("%+v, %v", got, err)
	}

	if err := s.DeleteDetection(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	_, gone := s.Detection(ctx, d.ID)
	_, noPicture := s.Picture(ctx, d.ID)
	for i, err := range []error{gone, noPicture, s.DeleteDetection(ctx, d.ID), s.UpdateDetection(ctx, d)} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%d after it was deleted: %v", i, err)
		}
	}
	if _, err := s.Detection(ctx, waits.ID); err != nil {
		t.Errorf("the other one: %v", err)
	}
}

func testRefused(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	for name, d := range map[string]store.Detection{
		"status":    {Status: "lost"},
		"score":     {Status: store.Done, Score: ptr(1.5)},
		"NaN":       {Status: store.Done, Score: ptr(math.NaN())},
		"JSON":      {Status: store.Done, Document: json.RawMessage("{")},
		"NUL":       {Status: store.Done, ExternalID: "a\x00b"},
		"not UTF-8": {Status: store.Done, ExternalID: "a\xff"},
		"long":      {Status: store.Done, ExternalID: strings.Repeat("x", store.MaxExternalID+1)},
		"picture":   {Status: store.Done, Retained: true, Picture: make([]byte, store.MaxPicture+1)},
	} {
		if _, err := s.AddDetection(ctx, d); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err := s.AddDetection(ctx, store.Detection{ID: "twice", Status: store.Done})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddDetection(ctx, d); err == nil {
		t.Error("the same id twice")
	}
	for _, limit := range []int{-1, 0, store.MaxPage + 1} {
		if _, _, err := s.Detections(ctx, store.Filter{}, "", limit); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a page of %d: %v", limit, err)
		}
	}
	for _, cursor := range []string{"x", "****", "MSw", strings.Repeat("A", 1000), "LTk5OTk5OTk5OTk5OTk5OTk5OTk5OSxh"} {
		if page, _, err := s.Detections(ctx, store.Filter{}, cursor, 10); err == nil && len(page) > 0 || err != nil && !errors.Is(err, store.ErrBadCursor) {
			t.Errorf("cursor %q: %d, %v", cursor, len(page), err)
		}
	}
}

func testLists(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	start := s.clock.Now()
	add := func(i int) {
		t.Helper()
		_, err := s.AddDetection(ctx, store.Detection{
			ID: fmt.Sprintf("d%03d", i), KeyID: fmt.Sprint("k", i%2), Status: []string{store.Done, store.Failed}[i%3/2],
			Verdict: []string{"ai", "real", "unsure"}[i%3], Model: []string{"best", "fast"}[i%5/4], ExternalID: strings.Repeat("x", i%2), Retained: i%2 == 0,
		})
		if err != nil {
			t.Fatal(err)
		}
		if i%4 == 3 {
			s.clock.Advance(time.Second) // four of each moment
		}
	}
	for i := range 50 {
		add(i)
	}
	ids := func(f store.Filter, limit int, between func()) []string {
		t.Helper()
		found, cursor := []string{}, ""
		for {
			page, next, err := s.Detections(ctx, f, cursor, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > limit || next != "" && len(page) != limit {
				t.Fatalf("a page of %d, next %q", len(page), next)
			}
			for _, d := range page {
				found = append(found, d.ID)
			}
			if cursor = next; cursor == "" {
				return found
			}
			between()
		}
	}
	want := func(keep func(i int) bool) []string {
		list := []string{}
		for i := 49; i >= 0; i-- {
			if keep(i) {
				list = append(list, fmt.Sprintf("d%03d", i))
			}
		}
		return list
	}
	all := want(func(int) bool { return true })
	nothing := func() {}
	for _, limit := range []int{1, 7, 25, 50, 51, 1000} {
		if diff := cmp.Diff(all, ids(store.Filter{}, limit, nothing)); diff != "" {
			t.Errorf("pages of %d:\n%s", limit, diff)
		}
	}
	for name, c := range map[string]struct {
		filter store.Filter
		keep   func(i int) bool
	}{
		"verdict":  {store.Filter{Verdict: "real"}, func(i int) bool { return i%3 == 1 }},
		"model":    {store.Filter{Model: "fast"}, func(i int) bool { return i%5 == 4 }},
		"status":   {store.Filter{Status: store.Failed}, func(i int) bool { return i%3 == 2 }},
		"key":      {store.Filter{KeyID: ptr("k1")}, func(i int) bool { return i%2 == 1 }},
		"no key":   {store.Filter{KeyID: ptr("")}, func(int) bool { return false }},
		"external": {store.Filter{ExternalID: "x"}, func(i int) bool { return i%2 == 1 }},
		"since":    {store.Filter{Since: start.Add(2 * time.Second)}, func(i int) bool { return i >= 8 }},
		"until":    {store.Filter{Until: start.Add(2 * time.Second)}, func(i int) bool { return i < 8 }},
		"several": {
			store.Filter{KeyID: ptr("k0"), Verdict: "ai", Status: store.Done, Since: start.Add(time.Second), Until: start.Add(8 * time.Second)},
			func(i int) bool { return i%6 == 0 && i >= 4 && i < 32 },
		},
	} {
		if diff := cmp.Diff(want(c.keep), ids(c.filter, 4, nothing)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	var each []string
	for d, err := range s.EachDetection(ctx, store.Filter{Verdict: "ai"}) {
		if err != nil {
			t.Fatal(err)
		}
		each = append(each, d.ID)
		// Writing in the middle must not wait for the reader.
		d.Status = store.Done
		if err := s.UpdateDetection(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want(func(i int) bool { return i%3 == 0 }), each); diff != "" {
		t.Error(diff)
	}
	// What is added while a list is read moves nothing.
	more := 50
	if diff := cmp.Diff(all, ids(store.Filter{}, 7, func() { add(more); more++ })); diff != "" {
		t.Error(diff)
	}
}

func testPurge(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	for i := range 30 {
		status := store.Done
		if i == 0 {
			status = store.Queued
		}
		if _, err := s.AddDetection(ctx, store.Detection{ID: fmt.Sprintf("d%03d", i), Status: status, Retained: true, Picture: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(time.Hour)
	}
	n, err := s.PurgeDetections(ctx, s.clock.Now().Add(-10*time.Hour))
	if err != nil || n != 19 {
		t.Errorf("%d purged, %v", n, err)
	}
	var left []string
	for d, err := range s.EachDetection(ctx, store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, d.ID)
	}
	if len(left) != 11 || left[9] != "d020" || left[10] != "d000" || slices.Contains(left, "d019") {
		t.Errorf("left %v", left)
	}
	if _, err := s.Picture(ctx, "d019"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a purged picture: %v", err)
	}
}
