// Package storetest holds the tests that a store passes on every kind of database.
//
//	func TestSQLite(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "test.db") })
//	}
package storetest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// Run runs all tests. The function gives the URL of a new, empty database.
func Run(t *testing.T, database func(*testing.T) string) {
	for name, test := range map[string]func(*testing.T, func(*testing.T) *fixture){
		"Detections": testDetections, "Lists": testLists, "Purge": testPurge, "DetectionsRefused": testRefused,
		"Keys": testKeys, "Rotation": testRotation, "Limits": testLimits,
		"Feedback": testFeedback, "Shares": testShares, "Counts": testCounts, "Idempotency": testIdempotency,
		"Jobs": testJobs, "JobsRefused": testJobsRefused, "Workers": testWorkers, "Deliveries": testDeliveries, "Sweep": testSweep,
		"Book": testBook, "BookIsBounded": testBounded, "Reports": testReports, "Miner": testMiner, "Import": testImport,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, func(t *testing.T) *fixture { return open(t, database(t)) })
		})
	}
}

// fixture is a store whose clock stands still until it is told to go on.
type fixture struct {
	*store.Store
	url   string
	clock *Clock
}

// Clock is a clock that a test moves.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock begins at a fixed time in the middle of a day and a month.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 5, 14, 12, 30, 30, 0, time.UTC)} }

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t *testing.T, url string) *fixture {
	t.Helper()
	f := &fixture{url: url, clock: NewClock()}
	f.Store = f.again(t)
	return f
}

// again opens the same database a second time.
func (f *fixture) again(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), f.url, store.Options{Now: f.clock.Now, MaxChallenges: 100})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// shared says whether two stores may open the database.
func (f *fixture) shared() bool { return !strings.Contains(f.url, store.Memory) }
