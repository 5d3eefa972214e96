package api

import (
	"context"
	"errors"
	"io"
)

// slab holds the files of a form: of one whose length is declared they lie one
// behind the other in memory that was taken at once, so that nothing is copied as
// they grow.
type slab struct {
	room *lease
	data []byte // nil for a form of unknown length
}

func newSlab(ctx context.Context, length int64, room *lease) (*slab, error) {
	s := &slab{room: room}
	if length > 0 {
		if err := room.grow(ctx, length); err != nil {
			return nil, err
		}
		s.data = make([]byte, 0, length)
	}
	return s, nil
}

// read returns the content of a file of at most limit bytes.
func (s *slab) read(ctx context.Context, from io.Reader, limit int64) ([]byte, error) {
	if s.data == nil {
		return readAll(ctx, from, -1, limit, s.room)
	}
	start := len(s.data)
	for {
		// A form is longer than its files by its boundaries.
		if len(s.data) == cap(s.data) {
			return nil, tooLarge(limit)
		}
		n, err := from.Read(s.data[len(s.data):cap(s.data)])
		s.data = s.data[:len(s.data)+n]
		if int64(len(s.data)-start) > limit {
			return nil, tooLarge(limit)
		}
		if errors.Is(err, io.EOF) {
			return s.data[start:len(s.data):len(s.data)], nil
		}
		if err != nil {
			return nil, bodyError(err)
		}
	}
}
