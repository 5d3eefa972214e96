package validator_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Miners refuse the requests of a validator whose clock is an hour behind; the log names
// the clock, once.
func TestWrongClockIsNamed(t *testing.T) {
	s := newSubnet(t)
	late := func() time.Time { return time.Now().Add(-time.Hour) }
	client, err := subtensor.Dial(t.Context(), subtensor.Options{Network: s.chain.URL, Now: late})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var log syncBuffer
	cfg := s.config("")
	cfg.Chain, cfg.Now, cfg.Logger = client, late, slog.New(slog.NewTextHandler(&log, nil))
	s.runUntil(cfg, "several refused challenges", func(snap validator.Snapshot) bool { return snap.Challenges >= 3 })
	if n := strings.Count(log.String(), "no miner accepts this validator's requests"); n != 1 || !strings.Contains(log.String(), "1h0m0s behind") && !strings.Contains(log.String(), "59m59s behind") {
		t.Errorf("named %d times:\n%s", n, log.String())
	}
}
