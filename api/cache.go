package api

import (
	"container/list"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// Bounds of the answers held in memory.
const (
	cacheTime  = 15 * time.Minute
	cacheItems = 2000
	cacheBytes = 64 << 20
)

// cached is an answer in memory: whole, whether its owner asked for it to be kept
// or not.
type cached struct {
	detection schema.Detection
	heatmap   []byte // PNG; nil for none
	key       string // id of the key that asked, "" for none
	until     time.Time
	size      int
}

// cache holds the newest answers for a short time, so that the page can show a
// heatmap and a shared link what is not written down.
type cache struct {
	now func() time.Time

	mu    sync.Mutex
	order *list.List // of *cached, oldest first
	byID  map[string]*list.Element
	bytes int
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, order: list.New(), byID: map[string]*list.Element{}}
}

// put adds an answer or replaces it; the oldest ones make room.
func (c *cache) put(d schema.Detection, heatmap []byte, key string) {
	// About what an answer's Go values take, masks and provenance included.
	item := &cached{detection: d, heatmap: heatmap, key: key, until: c.now().Add(cacheTime), size: len(heatmap) + 4<<10}
	if d.Heatmap != nil && d.Heatmap.Mask != nil {
		item.size += 8 * len(d.Heatmap.Mask.Counts)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(d.ID)
	c.byID[d.ID] = c.order.PushBack(item)
	c.bytes += item.size
	for c.order.Len() > cacheItems || c.bytes > cacheBytes || c.order.Len() > 0 && c.now().After(c.order.Front().Value.(*cached).until) {
		c.remove(c.order.Front().Value.(*cached).detection.ID)
	}
}

// get returns an answer that is still held.
func (c *cache) get(id string) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.byID[id]
	if element == nil {
		return cached{}, false
	}
	item := element.Value.(*cached)
	if c.now().After(item.until) {
		c.remove(id)
		return cached{}, false
	}
	return *item, true
}

// drop forgets an answer.
func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(id)
}

func (c *cache) remove(id string) {
	if element := c.byID[id]; element != nil {
		c.bytes -= element.Value.(*cached).size
		c.order.Remove(element)
		delete(c.byID, id)
	}
}
