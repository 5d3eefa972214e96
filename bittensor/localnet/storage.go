package localnet

import (
	"encoding/binary"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// item is what is needed to read and write one storage item.
type item struct {
	prefix   string
	hashers  []substrate.Hasher
	fallback []byte // value of an absent key; nil for optional items
	cache    *keyCache
}

// items indexes the storage of a runtime by "Pallet.Item", SubtensorModule's
// also by the item alone.
type items map[string]*item

func newItems(m *substrate.Metadata) items {
	out := items{}
	cache := &keyCache{}
	for _, p := range m.Pallets {
		for _, s := range p.Storage {
			prefix := append(substrate.Twox128.Hash([]byte(p.StoragePrefix)), substrate.Twox128.Hash([]byte(s.Name))...)
			it := &item{prefix: string(prefix), hashers: s.Hashers, cache: cache}
			if s.Modifier != substrate.Optional {
				it.fallback = s.Default
			}
			out[p.Name+"."+s.Name] = it
			if p.Name == "SubtensorModule" {
				out[s.Name] = it
			}
		}
	}
	return out
}

// key builds a storage key from SCALE-encoded parts.
func (it *item) key(parts ...[]byte) string {
	b := make([]byte, 0, len(it.prefix)+40*len(parts))
	b = append(b, it.prefix...)
	for i, part := range parts {
		switch h := it.hashers[i]; {
		case h == substrate.Identity:
			b = append(b, part...)
		case h == substrate.Blake2_128Concat && len(part) == 32:
			b = append(b, it.cache.account(part)...)
		default:
			b = append(b, h.Hash(part)...)
		}
	}
	return string(b)
}

// storage gives the runtime typed access to a state. Items that the runtime
// being played does not have read as zero and ignore writes, so that one
// implementation serves several versions.
type storage struct {
	reader
	items items
	w     *layer // nil in read-only views
}

func (s *storage) raw(name string, parts ...[]byte) []byte {
	it := s.items[name]
	if it == nil || len(parts) != len(it.hashers) {
		return nil
	}
	if v := s.get(it.key(parts...)); v != nil {
		return v
	}
	return it.fallback
}

func (s *storage) has(name string, parts ...[]byte) bool {
	it := s.items[name]
	return it != nil && len(parts) == len(it.hashers) && s.get(it.key(parts...)) != nil
}

func (s *storage) setRaw(name string, value []byte, parts ...[]byte) {
	if it := s.items[name]; it != nil && s.w != nil && len(parts) == len(it.hashers) {
		s.w.set(it.key(parts...), value)
	}
}

func (s *storage) remove(name string, parts ...[]byte) { s.setRaw(name, nil, parts...) }

// prefixKeys lists the keys of an item whose first parts are given.
func (s *storage) prefixKeys(name string, parts ...[]byte) []string {
	it := s.items[name]
	if it == nil {
		return nil
	}
	return s.keys(it.key(parts...), "", 1<<30)
}

// Key parts and small values.

func le16(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func le64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func (s *storage) u8(name string, parts ...[]byte) uint8 {
	if b := s.raw(name, parts...); len(b) >= 1 {
		return b[0]
	}
	return 0
}

func (s *storage) u16(name string, parts ...[]byte) uint16 {
	if b := s.raw(name, parts...); len(b) >= 2 {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (s *storage) u64(name string, parts ...[]byte) uint64 {
	if b := s.raw(name, parts...); len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (s *storage) flag(name string, parts ...[]byte) bool { return s.u8(name, parts...) == 1 }

func (s *storage) account(name string, parts ...[]byte) (id ss58.AccountID) {
	copy(id[:], s.raw(name, parts...))
	return id
}

func (s *storage) setU8(name string, v uint8, parts ...[]byte)   { s.setRaw(name, []byte{v}, parts...) }
func (s *storage) setU16(name string, v uint16, parts ...[]byte) { s.setRaw(name, le16(v), parts...) }
func (s *storage) setU32(name string, v uint32, parts ...[]byte) { s.setRaw(name, le32(v), parts...) }
func (s *storage) setU64(name string, v uint64, parts ...[]byte) { s.setRaw(name, le64(v), parts...) }

func (s *storage) setFlag(name string, v bool, parts ...[]byte) {
	b := []byte{0}
	if v {
		b[0] = 1
	}
	s.setRaw(name, b, parts...)
}

func (s *storage) setAccount(name string, id ss58.AccountID, parts ...[]byte) {
	s.setRaw(name, append([]byte(nil), id[:]...), parts...)
}

// addU64 adds to a counter, saturating at both ends.
func (s *storage) addU64(name string, delta uint64, parts ...[]byte) {
	v := s.u64(name, parts...)
	s.setU64(name, satAdd(v, delta), parts...)
}

func (s *storage) subU64(name string, delta uint64, parts ...[]byte) {
	s.setU64(name, satSub(s.u64(name, parts...), delta), parts...)
}

func satAdd(a, b uint64) uint64 {
	if c := a + b; c >= a {
		return c
	}
	return ^uint64(0)
}

func satSub(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// Vectors. A value that does not decode reads as empty: only this package
// writes state, and a snapshot carries a checksum. Those of numbers are read
// and written without a decoder: an epoch has hundreds of thousands of them.

func vector[T any](b []byte, size int, read func(*scale.Decoder) (T, error)) []T {
	d := scale.NewDecoder(b)
	n, err := d.Length(size)
	if err != nil {
		return nil
	}
	out := make([]T, n)
	for i := range out {
		if out[i], err = read(d); err != nil {
			return nil
		}
	}
	return out
}

func encodeVector[T any](v []T, size int, write func(*scale.Encoder, T)) []byte {
	e := scale.NewEncoder(make([]byte, 0, 5+size*len(v)))
	e.Compact(uint64(len(v)))
	for _, x := range v {
		write(e, x)
	}
	return e.Bytes()
}

// elements splits a vector of elements of a size into their number and bytes.
func elements(b []byte, size int) (int, []byte) {
	d := scale.NewDecoder(b)
	n, err := d.Length(size)
	if err != nil {
		return 0, nil
	}
	return n, b[d.Offset() : d.Offset()+n*size]
}

// vectorOf begins the encoding of a vector, with room for its elements.
func vectorOf(n, size int) []byte {
	e := scale.NewEncoder(make([]byte, 0, 5+size*n))
	e.Compact(uint64(n))
	return e.Bytes()
}

func (s *storage) u16s(name string, parts ...[]byte) []uint16 {
	n, b := elements(s.raw(name, parts...), 2)
	out := make([]uint16, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return out
}

func (s *storage) u64s(name string, parts ...[]byte) []uint64 {
	n, b := elements(s.raw(name, parts...), 8)
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return out
}

func (s *storage) flags(name string, parts ...[]byte) []bool {
	n, b := elements(s.raw(name, parts...), 1)
	out := make([]bool, n)
	for i := range out {
		out[i] = b[i] == 1
	}
	return out
}

func (s *storage) setU16s(name string, v []uint16, parts ...[]byte) {
	b := vectorOf(len(v), 2)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint16(b, x)
	}
	s.setRaw(name, b, parts...)
}

func (s *storage) setU64s(name string, v []uint64, parts ...[]byte) {
	b := vectorOf(len(v), 8)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	s.setRaw(name, b, parts...)
}

func (s *storage) setFlags(name string, v []bool, parts ...[]byte) {
	b := vectorOf(len(v), 1)
	for _, x := range v {
		if x {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	s.setRaw(name, b, parts...)
}

func (s *storage) pairs(name string, parts ...[]byte) []yuma.Pair {
	n, b := elements(s.raw(name, parts...), 4)
	out := make([]yuma.Pair, n)
	for i := range out {
		out[i] = yuma.Pair{UID: binary.LittleEndian.Uint16(b[4*i:]), Value: binary.LittleEndian.Uint16(b[4*i+2:])}
	}
	return out
}

func (s *storage) setPairs(name string, v []yuma.Pair, parts ...[]byte) {
	b := vectorOf(len(v), 4)
	for _, p := range v {
		b = binary.LittleEndian.AppendUint16(b, p.UID)
		b = binary.LittleEndian.AppendUint16(b, p.Value)
	}
	s.setRaw(name, b, parts...)
}

func readByte(d *scale.Decoder) (byte, error) { return d.Uint8() }

func readAccount(d *scale.Decoder) (ss58.AccountID, error) {
	b, err := d.Raw(32)
	if err != nil {
		return ss58.AccountID{}, err
	}
	return ss58.AccountID(b), nil
}

func (s *storage) accounts(name string, parts ...[]byte) []ss58.AccountID {
	return vector(s.raw(name, parts...), 32, readAccount)
}

func (s *storage) setAccounts(name string, v []ss58.AccountID, parts ...[]byte) {
	s.setRaw(name, encodeVector(v, 32, func(e *scale.Encoder, id ss58.AccountID) { e.Raw(id[:]) }), parts...)
}

// setAt changes one element of a vector, growing it with zeros to reach it.
func setAt[T any](v []T, i int, x T) []T {
	for len(v) <= i {
		var zero T
		v = append(v, zero)
	}
	v[i] = x
	return v
}

// at reads one element of a vector, zero beyond its end.
func at[T any](v []T, i int) (x T) {
	if i < len(v) {
		x = v[i]
	}
	return x
}
