package api

import (
	"io"
	"net/http"
	"time"
)

// Limits of reading on after an answer was sent early, so that a client that
// first sends and then listens does not find its connection reset.
const (
	drainBytes = 64 << 20
	drainTime  = 10 * time.Second
	// maxDrains is how many uploads are drained at a time: their refusals have been
	// sent, and those of others come first.
	maxDrains = 16
)

// upload is a request's body that knows how far it was read.
type upload struct {
	io.ReadCloser
	begun, ended bool
}

func (u *upload) Read(p []byte) (int, error) {
	u.begun = true
	n, err := u.ReadCloser.Read(p)
	if err != nil {
		u.ended = true
	}
	return n, err
}

// drain reads what is left of an upload that was answered before its end. Turns are
// taken by the tokens that turn holds.
func (u *upload) drain(w *recorder, r *http.Request, turn chan struct{}) {
	if u.ended || r.ContentLength == 0 {
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
	wait := time.NewTimer(drainTime)
	defer wait.Stop()
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-wait.C:
		return
	}
	if control.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return
	}
	io.CopyN(io.Discard, u.ReadCloser, drainBytes)
	_ = control.SetReadDeadline(time.Time{})
}
