package neuron

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

func TestLoopOutlivesErrorsAndPanics(t *testing.T) {
	var log bytes.Buffer
	calls := 0
	l := &Loop{Name: "work", MinPause: time.Millisecond, MaxPause: 2 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	l.Step = func(context.Context) error {
		calls++
		switch calls {
		case 1:
			return errors.New("out of luck")
		case 2:
			panic("nobody expected this")
		case 5:
			return ErrDone
		}
		return nil
	}
	l.Run(context.Background())
	got := l.Stats()
	if got.Steps != 3 || got.Errors != 2 || got.Panics != 1 || !strings.Contains(got.LastError, "nobody expected") {
		t.Errorf("stats %+v", got)
	}
	for _, want := range []string{"out of luck", "panicked", "loop_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
}

func TestLoopEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Loop{Name: "work", MinPause: time.Hour} // it would wait an hour after the error
	l.Step = func(context.Context) error {
		cancel()
		return errors.New("fails")
	}
	l.Run(ctx)
	if s := l.Stats(); s.Errors != 0 {
		t.Errorf("the end of ctx counts as an error: %+v", s)
	}

	ctx, cancel = context.WithCancel(context.Background())
	failed := make(chan struct{}, 1)
	l = &Loop{Name: "work", MinPause: time.Hour, MaxPause: time.Hour}
	l.Step = func(context.Context) error { failed <- struct{}{}; return errors.New("fails") }
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run(ctx) }()
	<-failed
	cancel()
	<-ended // from within its hour of pause
}

func TestEpochs(t *testing.T) {
	const netuid, tempo = 1, 10
	calendar := Calendar{Netuid: netuid, Tempo: tempo}
	for block := uint64(1); block < 100; block++ {
		runs := yuma.Due(block, netuid, tempo)
		before, _ := calendar.At(block - 1)
		epoch, into := calendar.At(block)
		if runs != (epoch != before) || runs != (into == 0) {
			t.Fatalf("block %d: consensus %v, epoch %d after %d, block %d of it", block, runs, epoch, before, into)
		}
	}
}
