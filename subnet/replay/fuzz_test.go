package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/replay"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
)

// FuzzRecords replays what somebody may publish as records: whatever it holds, the
// counts add up.
func FuzzRecords(f *testing.F) {
	pool := subnettest.Pool(f)
	c, err := pool.Draw(context.Background(), challenge.NewRand())
	if err != nil {
		f.Fatal(err)
	}
	line, err := json.Marshal(store.Report{Seq: 1, Challenge: c, Answers: []store.Answer{{UID: 1, Prediction: 0.5, Status: 200}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add(append(append(line, '\n'), line[:len(line)/2]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var reports []store.Report
		_ = store.ReadReports(bytes.NewReader(data), func(r store.Report) bool { reports = append(reports, r); return len(reports) < 50 }, func(int, error) {})
		r, err := replay.Run(t.Context(), replay.Options{Detector: subnettest.Contrast{}, Pool: pool}, reports)
		if err != nil && !errors.Is(err, replay.ErrNothing) {
			t.Fatal(err)
		}
		if r.Replayed+len(r.Missing) != r.Records || r.Records > len(reports) {
			t.Fatalf("%d replayed and %d missing of %d", r.Replayed, len(r.Missing), r.Records)
		}
		for _, m := range r.Miners {
			if !(m.Reward >= 0 && m.Reward <= 1) || m.Answered > m.Asked {
				t.Fatalf("%+v", m)
			}
		}
	})
}
