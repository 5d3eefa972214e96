package store_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/store/storetest"
)

func forEachDatabase(b *testing.B, bench func(*testing.B, *store.Store)) {
	for name, url := range map[string]func() string{
		"SQLite":   func() string { return filepath.Join(b.TempDir(), "bench.db") },
		"Postgres": func() string { return postgresURL(b) },
	} {
		b.Run(name, func(b *testing.B) {
			if name == "Postgres" && postgres == nil {
				b.Skip(storetest.ErrNoPostgres)
			}
			s, err := store.Open(b.Context(), url(), store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ResetTimer()
			bench(b, s)
		})
	}
}

// BenchmarkAppend records challenges with a full sample of 50 answers.
func BenchmarkAppend(b *testing.B) {
	forEachDatabase(b, func(b *testing.B, s *store.Store) {
		book, err := s.Book(b.Context(), 1, ss58.AccountID{1})
		if err != nil {
			b.Fatal(err)
		}
		seq := uint64(0)
		for b.Loop() {
			seq++
			if err := book.Append(b.Context(), storetest.NewReport(seq, 50)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMiner makes a miner's record from its last 1000 answers of 4000
// challenges with 50 answers each.
func BenchmarkMiner(b *testing.B) {
	forEachDatabase(b, func(b *testing.B, s *store.Store) {
		book, err := s.Book(b.Context(), 1, ss58.AccountID{1})
		if err != nil {
			b.Fatal(err)
		}
		for seq := range uint64(4000) {
			if err := book.Append(b.Context(), storetest.NewReport(seq+1, 50)); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			if m, err := book.Miner(b.Context(), 7, ss58.AccountID{7, 0, 1}, 1000); err != nil || m.Asked != 1000 {
				b.Fatal(m.Asked, err)
			}
		}
	})
}

// BenchmarkAddDetection stores answers that are not retained.
func BenchmarkAddDetection(b *testing.B) {
	document := json.RawMessage(`{"score":0.5,"verdict":"unsure"}`)
	forEachDatabase(b, func(b *testing.B, s *store.Store) {
		for b.Loop() {
			if _, err := s.AddDetection(b.Context(), store.Detection{Status: store.Done, Verdict: "ai", Document: document}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAuthenticate checks a key and counts against its limits.
func BenchmarkAuthenticate(b *testing.B) {
	forEachDatabase(b, func(b *testing.B, s *store.Store) {
		_, token, err := s.CreateKey(b.Context(), store.KeySettings{Scopes: []string{store.ScopeDetect}, PerMinute: store.MaxLimit, PerDay: store.MaxLimit})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			key, err := s.Authenticate(b.Context(), token)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := s.Spend(b.Context(), key, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
