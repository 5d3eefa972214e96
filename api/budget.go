package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

const (
	// roomWait is how long a body waits for room before its sender is told to come
	// back.
	roomWait = 500 * time.Millisecond
	// growStep is how much room a body of unknown length takes at a time.
	growStep = 256 << 10

	// A body may take bodyTime, and longer where it is large and comes at bodyRate.
	bodyTime    = 15 * time.Second
	bodyRate    = 64 << 10 // bytes a second
	bodyTimeMax = 3 * time.Minute
)

// budget is the memory that encoded pictures may take, from their first byte to
// their answer.
type budget struct {
	size int64
	room *semaphore.Weighted
	used atomic.Int64 // for the metrics
}

func newBudget(size int64) *budget {
	return &budget{size: size, room: semaphore.NewWeighted(size)}
}

// lease is one request's part of a budget.
type lease struct {
	from  *budget
	taken int64
}

// grow takes n more bytes, waiting a moment where there is no room.
func (l *lease) grow(ctx context.Context, n int64) error {
	if n <= 0 || l.from == nil {
		return nil
	}
	if l.taken+n > l.from.size {
		return problem(schema.CodeTooLarge, "the request needs more than the %d MB of memory that this server has for pictures; try: a smaller picture", l.from.size>>20)
	}
	if !l.from.room.TryAcquire(n) {
		waiting, cancel := context.WithTimeout(ctx, roomWait)
		defer cancel()
		if l.from.room.Acquire(waiting, n) != nil {
			if err := ctx.Err(); err != nil {
				return err
			}
			return retryIn(2, problem(schema.CodeOverloaded, "too many pictures are being sent at once; try: again in a moment"))
		}
	}
	l.taken += n
	l.from.used.Add(n)
	return nil
}

// shrink gives back what is taken beyond n bytes.
func (l *lease) shrink(n int64) {
	if l.taken > n {
		l.from.room.Release(l.taken - n)
		l.from.used.Add(n - l.taken)
		l.taken = n
	}
}

// release gives everything back.
func (l *lease) release() { l.shrink(0) }

// readAll reads a body of at most limit bytes into room that it takes from a
// lease: all at once where the length is declared, else as it comes.
func readAll(ctx context.Context, from io.Reader, declared, limit int64, room *lease) ([]byte, error) {
	if declared > limit {
		return nil, tooLarge(limit)
	}
	var data []byte
	if declared > 0 {
		if err := room.grow(ctx, declared); err != nil {
			return nil, err
		}
		data = make([]byte, 0, declared)
	}
	for {
		if len(data) == cap(data) {
			// One byte more than declared tells the end.
			if declared > 0 && int64(len(data)) == declared {
				var one [1]byte
				if n, err := io.ReadFull(from, one[:]); n == 0 {
					return data, bodyError(err)
				}
				return nil, tooLarge(limit)
			}
			// The old piece and the new one are both held while one is copied.
			step := max(growStep, int64(len(data)))
			if err := room.grow(ctx, step+int64(len(data))); err != nil {
				return nil, err
			}
			larger := make([]byte, len(data), int64(len(data))+step)
			copy(larger, data)
			room.shrink(room.taken - int64(len(data)))
			data = larger
		}
		n, err := from.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if int64(len(data)) > limit {
			return nil, tooLarge(limit)
		}
		if err != nil {
			return data, bodyError(err)
		}
	}
}

// bodyError explains a body that did not come whole; the end is no error.
func bodyError(err error) error {
	var large *http.MaxBytesError
	var told *schema.Problem
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.As(err, &told), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return problem(schema.CodeBadRequest, "the body did not come whole or came too slowly; try: send it again")
}

func tooLarge(limit int64) error {
	return problem(schema.CodeTooLarge, "the body is larger than %d MB; try: a smaller picture, or start the server with a larger --max-body", limit>>20)
}

// bodyDeadline gives a body time by its size.
func (s *Server) bodyDeadline(w http.ResponseWriter, length int64) {
	allowed := bodyTimeMax
	if length >= 0 {
		allowed = min(s.bodyTime+time.Duration(length)*time.Second/bodyRate, bodyTimeMax)
	}
	// Tests' writers may have no deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(allowed))
}

// bodyDone takes the deadline away: the connection is watched from now on for the
// client going away.
func bodyDone(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}
