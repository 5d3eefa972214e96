package localnet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"

	"github.com/google/renameio/v2"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// A chain's folder holds
//
//	snapshot    the whole state with the latest blocks, replaced atomically
//	blocks.log  every block since: its header, extrinsics and changes
//	lock        held by the process that uses the folder
//
// A record of the log is its length and CRC-32, then its content; one that
// was being written when the process died is dropped. Each block is synced to
// the disk before it is announced, so that neither the end of the process at
// any moment nor a power cut takes back what a client has seen. The exception
// is Advance, which syncs every syncEvery blocks: a power cut may cost its
// latest ones, the end of the process costs nothing. A waiting transaction is
// in memory only.

var errLocked = errors.New("locked")

const (
	snapshotName = "snapshot"
	logName      = "blocks.log"
	lockName     = "lock"

	snapshotMagic = "bitmind localnet 1\n"
	// clonedMagic begins the snapshots of a chain that Config.Clone began.
	clonedMagic = "bitmind localnet 2\n"
	// savedBlocks is how many headers and bodies a snapshot holds.
	savedBlocks = 256
	// A snapshot is due after so many blocks or bytes of log.
	snapshotBlocks = 2000
	snapshotBytes  = 64 << 20
	// maxRecord bounds a record of the log.
	maxRecord = 1 << 30
)

type disk struct {
	dir    string
	lock   *os.File
	log    *os.File
	blocks int   // records in the log
	bytes  int64 // their length
	broken bool  // the log failed: the next block takes a snapshot
	closed bool
}

// openDisk locks a folder, creating it.
func openDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("folder %s is in use by another process; try: another folder, or end that process", dir)
		}
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return &disk{dir: dir, lock: f}, nil
}

func (d *disk) close() {
	if d == nil || d.closed {
		return
	}
	d.closed = true
	if d.log != nil {
		d.log.Close()
	}
	d.lock.Close()
}

// save writes a snapshot and begins a new log. The chain's state must not
// change meanwhile: the caller holds produce.
func (c *Chain) save() error {
	if c.disk == nil {
		return nil
	}
	c.mu.RLock()
	content := c.snapshot()
	c.mu.RUnlock()
	return c.disk.writeSnapshot(content)
}

func (d *disk) writeSnapshot(content []byte) error {
	if err := renameio.WriteFile(filepath.Join(d.dir, snapshotName), content, 0o600); err != nil {
		return fmt.Errorf("saving a snapshot: %w", err)
	}
	// The new snapshot must have taken the old one's place for good before
	// the log is emptied.
	if err := syncDir(d.dir); err != nil {
		return fmt.Errorf("saving a snapshot: %w", err)
	}
	if d.log != nil {
		d.log.Close()
	}
	log, err := os.OpenFile(filepath.Join(d.dir, logName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		d.log, d.broken = nil, true
		return fmt.Errorf("beginning a block log: %w", err)
	}
	d.log, d.blocks, d.bytes, d.broken = log, 0, 0, false
	return nil
}

// syncDir makes the names in a folder last.
func syncDir(dir string) error {
	if goruntime.GOOS == "windows" {
		return nil // where a folder cannot be synced
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncLog makes the blocks in the log last.
func (c *Chain) syncLog() error {
	c.produce.Lock()
	defer c.produce.Unlock()
	if c.disk == nil || c.disk.closed {
		return nil
	}
	return c.disk.sync()
}

func (d *disk) sync() error {
	if d.broken || d.log == nil {
		return nil // the next block takes a snapshot
	}
	if err := d.log.Sync(); err != nil {
		d.broken = true
		return fmt.Errorf("saving a block: %w", err)
	}
	return nil
}

// persist adds a block to the log, or takes a snapshot when one is due.
// It lets go of the block's encoded changes.
func (c *Chain) persist(b *block, changed int, sync bool) error {
	defer func() { b.changed = nil }()
	if c.disk == nil {
		return nil
	}
	err := c.disk.append(b, changed)
	if err == nil && sync {
		err = c.disk.sync()
	}
	if err == nil && c.disk.blocks < snapshotBlocks && c.disk.bytes < snapshotBytes {
		return nil
	}
	if saved := c.save(); saved != nil {
		c.mu.Lock()
		c.stats.SaveErrors++
		c.mu.Unlock()
		return errors.Join(err, saved)
	}
	return nil
}

func (d *disk) append(b *block, changed int) error {
	if d.broken || d.log == nil {
		return errors.New("saving a block: the log is broken")
	}
	e := scale.NewEncoder(make([]byte, 8, 8+512+b.bodySize()+5*len(b.body)+len(b.changed)))
	encodeBlock(e, b)
	e.Compact(uint64(changed))
	e.Raw(b.changed)
	record := e.Bytes()
	binary.LittleEndian.PutUint32(record, uint32(len(record)-8))
	binary.LittleEndian.PutUint32(record[4:], crc32.ChecksumIEEE(record[8:]))
	if _, err := d.log.Write(record); err != nil {
		d.broken = true
		return fmt.Errorf("saving a block: %w", err)
	}
	d.blocks++
	d.bytes += int64(len(record))
	return nil
}

func encodeBlock(e *scale.Encoder, b *block) {
	e.Blob(b.header.encode())
	e.Compact(uint64(len(b.body)))
	for _, x := range b.body {
		e.Blob(x)
	}
}

func decodeBlock(d *scale.Decoder) (*block, error) {
	raw, err := d.Blob()
	if err != nil {
		return nil, err
	}
	h, err := decodeHeader(raw)
	if err != nil {
		return nil, err
	}
	b := &block{header: h, id: h.hash()}
	n, err := d.Length(1)
	if err != nil {
		return nil, err
	}
	for range n {
		x, err := d.Blob()
		if err != nil {
			return nil, err
		}
		b.body = append(b.body, append([]byte(nil), x...))
	}
	return b, nil
}

func decodeHeader(raw []byte) (h header, err error) {
	d := scale.NewDecoder(raw)
	read := func(into *substrate.Hash) {
		if err == nil {
			var b []byte
			if b, err = d.Raw(32); err == nil {
				*into = substrate.Hash(b)
			}
		}
	}
	read(&h.parent)
	if err == nil {
		h.number, err = d.Compact()
	}
	read(&h.state)
	read(&h.extrinsics)
	if err != nil {
		return h, err
	}
	n, err := d.Compact()
	if err != nil || n > 1 {
		return h, errors.Join(err, d.Malformed("%d digest items", n))
	}
	if n == 1 {
		// The only item is the slot.
		item, err := d.Raw(d.Remaining())
		if err != nil {
			return h, err
		}
		h.logs = [][]byte{append([]byte(nil), item...)}
	}
	return h, d.End()
}

// snapshot encodes the state and the latest blocks.
func (c *Chain) snapshot() []byte {
	var e scale.Encoder
	magic := snapshotMagic
	if c.cloned {
		magic = clonedMagic
	}
	e.Raw([]byte(magic))
	e.Uint32(c.rt.spec)
	e.Raw(c.genesis[:])
	blocks := c.recent.blocks[max(0, len(c.recent.blocks)-savedBlocks):]
	e.Compact(uint64(len(blocks)))
	for _, b := range blocks {
		encodeBlock(&e, b)
	}
	keys := c.st.keys("", "", c.st.size)
	e.Compact(uint64(len(keys)))
	for _, key := range keys {
		e.Blob([]byte(key))
		e.Blob(c.st.get(key))
	}
	sum := hashOf(e.Bytes())
	e.Raw(sum[:])
	return e.Bytes()
}

// restore reads the saved chain; false means that there is none.
func (d *disk) restore(c *Chain) (bool, error) {
	content, err := os.ReadFile(filepath.Join(d.dir, snapshotName))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the saved chain: %w", err)
	}
	if err := c.loadSnapshot(content); err != nil {
		return false, fmt.Errorf("reading the saved chain in %s: %w", d.dir, err)
	}
	if err := d.replay(c); err != nil {
		return false, fmt.Errorf("reading the saved blocks in %s: %w", d.dir, err)
	}
	return true, nil
}

func (c *Chain) loadSnapshot(content []byte) error {
	if len(content) < 32+len(snapshotMagic) {
		return errors.New("not a snapshot of this program; try: another folder")
	}
	magic := string(content[:len(snapshotMagic)])
	if magic != snapshotMagic && magic != clonedMagic {
		return errors.New("not a snapshot of this program; try: another folder")
	}
	cloned := magic == clonedMagic
	body, sum := content[:len(content)-32], content[len(content)-32:]
	if hashOf(body) != substrate.Hash(sum) {
		return errors.New("the snapshot is damaged; try: remove the folder to begin a new chain")
	}
	d := scale.NewDecoder(body[len(snapshotMagic):])
	spec, err := d.Uint32()
	if err != nil {
		return err
	}
	genesis, err := d.Raw(32)
	if err != nil {
		return err
	}
	if cloned && !c.cloned && spec == c.rt.spec {
		// The file that it was cloned from is no longer needed.
		c.genesis, c.cloned = substrate.Hash(genesis), true
	}
	switch {
	case spec != c.rt.spec:
		return fmt.Errorf("the saved chain was begun with other settings: it plays spec version %d, not %d; try: the same settings, or another folder", spec, c.rt.spec)
	case substrate.Hash(genesis) != c.genesis && c.cfg.Clone != "":
		return errors.New("the folder holds another chain than the one to clone; try: another folder")
	case substrate.Hash(genesis) != c.genesis:
		return errors.New("the saved chain was begun with other settings (netuid, tempo, runtime); try: the same settings, or another folder")
	}
	n, err := d.Length(1)
	if err != nil {
		return err
	}
	for range n {
		b, err := decodeBlock(d)
		if err != nil {
			return err
		}
		c.recent.push(b, c.cfg.History)
	}
	if n == 0 {
		return errors.New("no blocks in the snapshot")
	}
	keys, err := d.Length(2)
	if err != nil {
		return err
	}
	for range keys {
		key, err := d.Blob()
		if err != nil {
			return err
		}
		value, err := d.Blob()
		if err != nil {
			return err
		}
		c.st.set(string(key), append([]byte{}, value...))
	}
	return d.End()
}

// replay applies the blocks of the log that follow the snapshot, cuts off
// what was not written whole, and leaves the log open for more.
func (d *disk) replay(c *Chain) error {
	f, err := os.OpenFile(filepath.Join(d.dir, logName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := d.replayFrom(c, f); err != nil {
		f.Close()
		return err
	}
	d.log = f
	return nil
}

func (d *disk) replayFrom(c *Chain, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r := bufio.NewReader(f)
	for {
		record, err := readRecord(r)
		if errors.Is(err, errTorn) {
			// Blocks after a damaged one would be lost without a word.
			if d.recordFollows(r) {
				return fmt.Errorf("block %d in %s is damaged, and others follow it; try: remove %s to go back to the last snapshot", c.recent.head().number+1, logName, filepath.Join(d.dir, logName))
			}
			c.log.Warn("the last block was not written whole", "bytes", info.Size()-d.bytes)
			break
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = c.replayBlock(record)
		}
		if err != nil {
			return err
		}
		d.blocks++
		d.bytes += int64(8 + len(record))
	}
	if err := f.Truncate(d.bytes); err != nil {
		return err
	}
	_, err = f.Seek(d.bytes, io.SeekStart)
	return err
}

// errTorn means that a record is not whole.
var errTorn = errors.New("not a whole record")

// readRecord returns the next record: errTorn for one that is not whole,
// io.EOF at the end.
func readRecord(r *bufio.Reader) ([]byte, error) {
	var head [8]byte
	switch _, err := io.ReadFull(r, head[:]); {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, errTorn
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n == 0 || n > maxRecord {
		return nil, errTorn
	}
	// Read before trusting the length with memory.
	record, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil || len(record) != int(n) || crc32.ChecksumIEEE(record) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errTorn
	}
	return record, nil
}

// recordFollows reports whether a whole record comes next.
func (d *disk) recordFollows(r *bufio.Reader) bool {
	_, err := readRecord(r)
	return err == nil
}

func (c *Chain) replayBlock(record []byte) error {
	d := scale.NewDecoder(record)
	b, err := decodeBlock(d)
	if err != nil {
		return err
	}
	head := c.recent.head()
	if b.number <= head.number {
		return nil // the snapshot is newer than this part of the log
	}
	if b.parent != head.id {
		return fmt.Errorf("block %d does not follow block %d", b.number, head.number)
	}
	n, err := d.Length(2)
	if err != nil {
		return err
	}
	b.undo = make(changes, n)
	for range n {
		key, err := d.Blob()
		if err != nil {
			return err
		}
		present, err := d.Bool()
		if err != nil {
			return err
		}
		value, err := d.Blob()
		if err != nil {
			return err
		}
		if present {
			b.undo[string(key)] = c.st.set(string(key), append([]byte{}, value...))
		} else {
			b.undo[string(key)] = c.st.set(string(key), nil)
		}
	}
	c.recent.push(b, c.cfg.History)
	return nil
}
