package decode

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// A Budget is memory that pictures share. Whoever is about to decode one reserves
// what Cost says, and gives it back when the picture is no longer needed:
//
//	bytes, err := decode.Cost(data, limits)
//	room, ok := budget.TryReserve(bytes)
//	if !ok {
//		return busy // and not a queue of pictures that grows without end
//	}
//	defer room.Release()
//	limits.Room = room
//	img, info, err := decode.Decode(data, limits)
//
// A decode without a Room takes its own from a budget of DefaultMaxMemory that the
// process has, waiting for others to end, and holds it until it is done.
type Budget struct {
	free  *semaphore.Weighted
	bytes int64
}

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	return &Budget{free: semaphore.NewWeighted(bytes), bytes: bytes}
}

// process is what decodes share that have no Room.
var process = NewBudget(DefaultMaxMemory)

// Room is a reserved part of a Budget.
type Room struct {
	budget *Budget
	bytes  int64
	once   sync.Once
}

// Reserve waits until there is room for so many bytes, or ctx ends. What needs
// more than the whole budget waits until it has all of it.
func (b *Budget) Reserve(ctx context.Context, bytes int64) (*Room, error) {
	if err := b.free.Acquire(ctx, min(bytes, b.bytes)); err != nil {
		return nil, fmt.Errorf("waiting for memory to decode a picture: %w", err)
	}
	return &Room{budget: b, bytes: bytes}, nil
}

// TryReserve is Reserve for those who cannot wait: it says whether there was room.
func (b *Budget) TryReserve(bytes int64) (*Room, bool) {
	if !b.free.TryAcquire(min(bytes, b.bytes)) {
		return nil, false
	}
	return &Room{budget: b, bytes: bytes}, true
}

// Release gives the room back. It may be called more than once.
func (r *Room) Release() {
	r.once.Do(func() { r.budget.free.Release(min(r.bytes, r.budget.bytes)) })
}
