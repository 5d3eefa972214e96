package fetch

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// reply checks an answer's header and bounds its body.
func (f *Fetcher) reply(ctx context.Context, response *http.Response, cancel func()) (*Reply, error) {
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s answered %s; try: an address that shows the picture without signing in", ErrFailed, response.Request.URL.Hostname(), response.Status)
	}
	if response.ContentLength > f.cfg.MaxBytes {
		return nil, f.tooLarge()
	}
	slow := &idleReader{from: response.Body, idle: f.cfg.Idle, ctx: ctx, cancel: cancel}
	reply := &Reply{
		Length: response.ContentLength, Type: response.Header.Get("Content-Type"),
		close: func() { cancel(); response.Body.Close() },
	}
	var body io.Reader = slow
	switch encoding := strings.ToLower(strings.TrimSpace(response.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		// Sent though it was not asked for. The limit holds for what comes out.
		unpacked, err := gzip.NewReader(slow)
		if err != nil {
			return nil, fmt.Errorf("%w: it is said to be gzip, and is not", ErrFailed)
		}
		body, reply.Length = unpacked, -1
	default:
		return nil, fmt.Errorf("%w: it is compressed with %q, which was not asked for", ErrFailed, encoding)
	}
	reply.Reader = &limitReader{from: body, left: f.cfg.MaxBytes, err: f.tooLarge()}
	return reply, nil
}

func (f *Fetcher) tooLarge() error {
	return fmt.Errorf("%w: more than %d MB; try: a smaller picture", ErrTooLarge, f.cfg.MaxBytes>>20)
}

// idleReader gives up on a body that stops coming.
type idleReader struct {
	from   io.Reader
	idle   time.Duration
	ctx    context.Context
	cancel func()
}

func (r *idleReader) Read(p []byte) (int, error) {
	timer := time.AfterFunc(r.idle, r.cancel)
	n, err := r.from.Read(p)
	expired := !timer.Stop()
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case expired, context.Cause(r.ctx) == errTime:
		return n, fmt.Errorf("%w: it comes too slowly; try: again, or send the picture itself", ErrFailed)
	case r.ctx.Err() != nil:
		return n, r.ctx.Err()
	}
	return n, fmt.Errorf("%w: it was cut short; try: again", ErrFailed)
}

// limitReader fails beyond a limit, where io.LimitReader would end.
type limitReader struct {
	from io.Reader
	left int64
	err  error
}

func (r *limitReader) Read(p []byte) (int, error) {
	if int64(len(p)) > r.left+1 {
		p = p[:r.left+1]
	}
	n, err := r.from.Read(p)
	r.left -= int64(n)
	if r.left < 0 {
		return 0, r.err
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, ErrFailed) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return n, err
		}
		return n, fmt.Errorf("%w: it is damaged on the way", ErrFailed)
	}
	return n, err
}
