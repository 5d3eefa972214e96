package api

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Limits of reading on after an answer was sent early, so that a client that
// first sends and then listens does not find its connection reset.
const (
	drainBytes = 64 << 20
	// maxDrains is how many uploads are drained at a time: their refusals have been
	// sent, and those of others come first.
	maxDrains = 16
	// restTime is how long the rest of an upload may take to come when the answer is
	// ready, and twice that when it was sent.
	restTime = 5 * time.Second
)

// upload is a request's body that knows how far it was read.
type upload struct {
	io.ReadCloser
	length               int64         // as declared, -1 for unknown
	rest                 time.Duration // to wait for what is left when the answer is ready
	begun, ended, failed bool
}

func (u *upload) Read(p []byte) (int, error) {
	u.begun = true
	n, err := u.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		u.ended = true
	} else if err != nil {
		u.failed = true
	}
	return n, err
}

// limitRest bounds the wait for what is left of an upload. One that failed is not
// read again. Without a body the deadline is left alone: the connection is watched
// for the client going away.
func (u *upload) limitRest(w http.ResponseWriter) {
	if u.ended || u.length == 0 {
		return
	}
	deadline := time.Now()
	if !u.failed {
		deadline = deadline.Add(u.rest)
	}
	_ = http.NewResponseController(w).SetReadDeadline(deadline) // tests' writers may have none
}

// drain reads what is left of an upload that was answered before its end. Turns are
// taken by the tokens that turn holds.
func (u *upload) drain(w *recorder, r *http.Request, turn chan struct{}) {
	if u.ended || u.failed || u.length == 0 {
		return
	}
	w.flushHeader()
	control := http.NewResponseController(w.ResponseWriter)
	if control.Flush() != nil {
		return
	}
	// A client that waits for "100 Continue" will not send now.
	if !u.begun && r.Header.Get("Expect") != "" {
		return
	}
	wait := time.NewTimer(2 * u.rest)
	defer wait.Stop()
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-wait.C:
		return
	}
	if control.SetReadDeadline(time.Now().Add(2*u.rest)) != nil {
		return
	}
	// Where the end has not come, net/http looks for it once more: the deadline stays.
	if _, err := io.CopyN(io.Discard, u.ReadCloser, drainBytes); errors.Is(err, io.EOF) || errors.Is(err, http.ErrBodyReadAfterClose) {
		_ = control.SetReadDeadline(time.Time{})
	}
}
