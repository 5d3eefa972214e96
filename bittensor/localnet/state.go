package localnet

import (
	"slices"
	"strings"
)

// reader reads storage under full keys; nil means that a key is absent.
type reader interface {
	get(key string) []byte
	// keys returns the present keys with a prefix that come after a key, in
	// order, at most limit.
	keys(prefix, after string, limit int) []string
}

// bucketLen is the length of the part of a key that pallet and item make up.
const bucketLen = 32

// store holds the latest state, grouped by storage item so that keys can be
// listed in order without a tree: items hold a few thousand keys at most.
type store struct {
	buckets map[string]*bucket
	order   []string // the buckets' names, sorted
	size    int      // number of keys
}

type bucket struct {
	values map[string][]byte
	sorted []string
}

func newStore() *store { return &store{buckets: map[string]*bucket{}} }

func bucketOf(key string) string { return key[:min(len(key), bucketLen)] }

func (s *store) get(key string) []byte {
	if b := s.buckets[bucketOf(key)]; b != nil {
		return b.values[key]
	}
	return nil
}

// set changes one key, nil removing it, and returns what was there before.
func (s *store) set(key string, value []byte) (old []byte) {
	name := bucketOf(key)
	b := s.buckets[name]
	if b == nil {
		if value == nil {
			return nil
		}
		b = &bucket{values: map[string][]byte{}}
		s.buckets[name] = b
		at, _ := slices.BinarySearch(s.order, name)
		s.order = slices.Insert(s.order, at, name)
	}
	old = b.values[key]
	switch {
	case value == nil && old != nil:
		delete(b.values, key)
		at, _ := slices.BinarySearch(b.sorted, key)
		b.sorted = slices.Delete(b.sorted, at, at+1)
		s.size--
	case value != nil:
		if old == nil {
			at, _ := slices.BinarySearch(b.sorted, key)
			b.sorted = slices.Insert(b.sorted, at, key)
			s.size++
		}
		b.values[key] = value
	}
	return old
}

func (s *store) keys(prefix, after string, limit int) []string {
	var out []string
	from, _ := slices.BinarySearch(s.order, bucketOf(prefix))
	for _, name := range s.order[from:] {
		if !strings.HasPrefix(name, bucketOf(prefix)) || len(out) >= limit {
			break
		}
		b := s.buckets[name]
		at, found := slices.BinarySearch(b.sorted, max(prefix, after))
		if found && max(prefix, after) == after && after != "" {
			at++
		}
		for _, key := range b.sorted[at:] {
			if !strings.HasPrefix(key, prefix) || len(out) >= limit {
				break
			}
			out = append(out, key)
		}
	}
	return out
}

// changes are new values by key; nil removes the key.
type changes map[string][]byte

// layer is a set of changes on top of another state, which they leave alone.
type layer struct {
	under  reader
	writes changes
}

func newLayer(under reader) *layer { return &layer{under: under, writes: changes{}} }

func (l *layer) get(key string) []byte {
	if v, ok := l.writes[key]; ok {
		return v
	}
	return l.under.get(key)
}

func (l *layer) set(key string, value []byte) { l.writes[key] = value }

func (l *layer) keys(prefix, after string, limit int) []string {
	return overlayKeys(l.under, l.writes, prefix, after, limit)
}

// merge writes the changes into the layer below.
func (l *layer) merge(into *layer) {
	for k, v := range l.writes {
		into.writes[k] = v
	}
}

// overlayKeys lists keys of a state as changed by writes.
func overlayKeys(under reader, writes changes, prefix, after string, limit int) []string {
	var extra []string
	removed := 0
	for k, v := range writes {
		if !strings.HasPrefix(k, prefix) || k <= after && after != "" {
			continue
		}
		if v == nil {
			removed++
		} else {
			extra = append(extra, k)
		}
	}
	out := under.keys(prefix, after, limit+removed)
	out = slices.DeleteFunc(out, func(k string) bool { v, ok := writes[k]; return ok && v == nil })
	out = append(out, extra...)
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), limit)]
}

// past is the state after an earlier block: the latest one with the changes
// of the blocks since undone.
type past struct {
	latest reader
	// undone holds, oldest block first, the values that each later block
	// replaced.
	undone []changes
}

func (p *past) get(key string) []byte {
	for _, u := range p.undone {
		if v, ok := u[key]; ok {
			return v
		}
	}
	return p.latest.get(key)
}

func (p *past) keys(prefix, after string, limit int) []string {
	all := changes{}
	for _, u := range p.undone {
		for k, v := range u {
			if _, ok := all[k]; !ok && strings.HasPrefix(k, prefix) {
				all[k] = v
			}
		}
	}
	return overlayKeys(p.latest, all, prefix, after, limit)
}
