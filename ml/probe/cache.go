package probe

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// shard is a file of the embeddings of one graph for one view: a header, then
// records of equal length, each with a checksum. It only grows; a process that
// is killed leaves at most one broken record at the end, which the next one cuts
// off.
//
//	header: "BMEMB1\n\x00", little-endian uint32 dimension
//	record: 32 bytes hash of the picture, dimension half-precision numbers, CRC-32
type shard struct {
	file *os.File
	dim  int
	at   map[[sha256.Size]byte]int // record's number by picture
}

const (
	shardMagic  = "BMEMB1\n\x00"
	shardHeader = len(shardMagic) + 4
)

func (s *shard) record() int { return sha256.Size + 2*s.dim + 4 }

// errBusy says that another process writes the same embeddings.
var errBusy = errors.New("another process writes these embeddings; try: when it has ended")

// openShard opens or makes the file, which no other process may use until it is
// closed.
func openShard(path string, dim int) (_ *shard, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("opening the embeddings %s: %w", path, err), f.Close())
		}
	}()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errBusy
		}
		return nil, err
	}
	s := &shard{file: f, dim: dim, at: map[[sha256.Size]byte]int{}}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	header := binary.LittleEndian.AppendUint32([]byte(shardMagic), uint32(dim))
	if info.Size() < int64(shardHeader) {
		if err := f.Truncate(0); err != nil {
			return nil, err
		}
		_, err := f.WriteAt(header, 0)
		return s, err
	}
	have := make([]byte, shardHeader)
	if _, err := f.ReadAt(have, 0); err != nil {
		return nil, err
	}
	if string(have) != string(header) {
		return nil, errors.New("it is not a file of such embeddings; try: delete it")
	}
	return s, s.index(info.Size())
}

// index reads every record's key and cuts the file off at the first broken one.
func (s *shard) index(size int64) error {
	record := make([]byte, s.record())
	n := 0
	r := io.NewSectionReader(s.file, int64(shardHeader), size-int64(shardHeader))
	for {
		if _, err := io.ReadFull(r, record); err != nil {
			break
		}
		body := len(record) - 4
		if crc32.ChecksumIEEE(record[:body]) != binary.LittleEndian.Uint32(record[body:]) {
			break
		}
		s.at[[sha256.Size]byte(record[:sha256.Size])] = n
		n++
	}
	return s.file.Truncate(int64(shardHeader) + int64(n)*int64(s.record()))
}

func (s *shard) has(key [sha256.Size]byte) bool { _, ok := s.at[key]; return ok }

// add appends a picture's embedding.
func (s *shard) add(key [sha256.Size]byte, values []uint16) error {
	record := make([]byte, 0, s.record())
	record = append(record, key[:]...)
	for _, v := range values {
		record = binary.LittleEndian.AppendUint16(record, v)
	}
	record = binary.LittleEndian.AppendUint32(record, crc32.ChecksumIEEE(record))
	n := len(s.at)
	if _, err := s.file.WriteAt(record, int64(shardHeader)+int64(n)*int64(s.record())); err != nil {
		return fmt.Errorf("storing an embedding: %w", err)
	}
	s.at[key] = n
	return nil
}

// read gives a picture's embedding.
func (s *shard) read(key [sha256.Size]byte, dst []uint16) error {
	n, ok := s.at[key]
	if !ok {
		return errors.New("the embedding is not there")
	}
	raw := make([]byte, 2*s.dim)
	if _, err := s.file.ReadAt(raw, int64(shardHeader)+int64(n)*int64(s.record())+sha256.Size); err != nil {
		return fmt.Errorf("reading an embedding: %w", err)
	}
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	return nil
}

func (s *shard) close() error { return s.file.Close() }
