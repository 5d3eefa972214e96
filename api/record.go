package api

import (
	"net/http"
	"strconv"
	"time"
)

// writeIdle is how long a client may take to accept a piece of the answer.
const writeIdle = 30 * time.Second

// recorder notes what is answered. It sends an error document with its length, so
// that a client has it whole while the rest of its upload is still being drained.
type recorder struct {
	http.ResponseWriter
	status  int // 0 until something is answered
	bytes   int64
	problem string // code of the error document that was answered
	delayed bool   // the header waits for the body's length
	body    *upload
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if status < 200 {
		r.ResponseWriter.WriteHeader(status)
		return
	}
	if r.status != 0 {
		return
	}
	r.status = status
	if r.delayed = r.Header().Get("Content-Type") == "application/problem+json"; !r.delayed {
		r.sendHeader()
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if r.delayed {
		r.Header().Set("Content-Length", strconv.Itoa(len(p)))
		r.flushHeader()
	}
	// Not every ResponseWriter has deadlines; then there is none.
	_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(writeIdle))
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// flushHeader sends a header that waited.
func (r *recorder) flushHeader() {
	if r.delayed {
		r.delayed = false
		r.sendHeader()
	}
}

// sendHeader sends the header. net/http first reads what is left of a small upload,
// which a client that has stopped sending would keep it at for ever.
func (r *recorder) sendHeader() {
	r.body.limitRest(r.ResponseWriter)
	r.ResponseWriter.WriteHeader(r.status)
}
