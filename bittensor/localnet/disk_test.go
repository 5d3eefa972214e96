package localnet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// allState copies the latest state.
func allState(c *Chain) map[string]string {
	out := map[string]string{}
	for _, k := range c.st.keys("", "", c.st.size) {
		out[k] = string(c.st.get(k))
	}
	return out
}

// register submits a registration and makes a block of it.
func register(t testing.TB, c *Chain, coldkey, hotkey string) {
	t.Helper()
	call := encodedCall(t, c, "SubtensorModule", "burned_register",
		substrate.Entry{Name: "netuid", Value: c.cfg.Netuid}, substrate.Entry{Name: "hotkey", Value: key(t, hotkey).AccountID()})
	if _, err := c.submit(signedExtrinsic(t, c, key(t, coldkey), call, nil), nil); err != nil {
		t.Fatal(err)
	}
	c.mustProduce(t)
}

func reopen(t *testing.T, cfg Config) *Chain {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name string
		stop func(t *testing.T, c *Chain)
	}{
		{"closed", func(t *testing.T, c *Chain) {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}},
		// Without a last snapshot, as when the process is killed.
		{"killed", func(_ *testing.T, c *Chain) { c.disk.close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{Dir: t.TempDir()}
			first := reopen(t, cfg)
			register(t, first, "//Bob", "//m1")
			for range 25 {
				first.mustProduce(t)
			}
			want, head := allState(first), first.recent.head()
			c.stop(t, first)

			second := reopen(t, cfg)
			defer second.Close()
			if second.recent.head().id != head.id {
				t.Fatalf("head %d %s, want %d %s", second.recent.head().number, second.recent.head().id, head.number, head.id)
			}
			if d := cmp.Diff(want, allState(second)); d != "" {
				t.Errorf("state (-want +got):\n%s", d)
			}
			if b := second.recent.byID[head.parent]; b == nil || b.number != head.number-1 {
				t.Error("the parent of the head is forgotten")
			}
			register(t, second, "//Bob", "//m2")
			if n := second.latest().u16("SubnetworkN", le16(1)); n != 3 {
				t.Errorf("%d neurons, want 3", n)
			}
		})
	}
}

func TestFolderInUse(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	first := reopen(t, cfg)
	defer first.Close()
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second chain in the folder: %v", err)
	}
}

func TestOtherSettingsAreRefused(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	if err := reopen(t, cfg).Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Netuid = 7
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "other settings") {
		t.Errorf("error %v", err)
	}
}

func TestDamagedSnapshot(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	if err := reopen(t, cfg).Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cfg.Dir, snapshotName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"flipped":   append(append([]byte{}, good[:len(good)/2]...), append([]byte{good[len(good)/2] ^ 1}, good[len(good)/2+1:]...)...),
		"truncated": good[:len(good)-40],
		"foreign":   []byte("something else altogether, and long enough to hold a checksum"),
		"empty":     {},
	} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := New(cfg); err == nil {
			c.Close()
			t.Errorf("%s: the snapshot is taken", name)
		}
	}
}

// writeLog replaces the log of a chain that is not open.
func writeLog(t *testing.T, cfg Config, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(cfg.Dir, logName), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// records splits a log.
func records(t *testing.T, log []byte) (out [][]byte) {
	t.Helper()
	for len(log) > 0 {
		n := 8 + int(binary.LittleEndian.Uint32(log))
		out = append(out, log[:n])
		log = log[n:]
	}
	return out
}

// TestTornLog cuts the log at every byte of its last record, as a death in the
// middle of writing it does, and lets the rest be anything that a power cut
// leaves there.
func TestTornLog(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	c := reopen(t, cfg)
	for range 5 {
		c.mustProduce(t)
	}
	c.disk.close()
	snapshot, err := os.ReadFile(filepath.Join(cfg.Dir, snapshotName))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(cfg.Dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	all := records(t, whole)
	if len(all) != 5 {
		t.Fatalf("%d records, want 5", len(all))
	}
	last := len(whole) - len(all[4])
	// Opening a chain takes a while: the reading of the log alone is tried
	// at every offset, and the whole of it at some.
	rt, err := newRuntime(DefaultSpec, false)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, log []byte) {
		t.Helper()
		writeLog(t, cfg, log)
		full, _ := cfg.withDefaults()
		restored := &Chain{cfg: full, rt: rt, log: full.Logger, st: newStore(), genesis: c.genesis}
		restored.recent.byID = map[substrate.Hash]*block{}
		d := &disk{dir: cfg.Dir}
		if err := restored.loadSnapshot(snapshot); err != nil {
			t.Fatal(err)
		}
		if err := d.replay(restored); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer d.log.Close()
		if n := restored.recent.head().number; n != 4 {
			t.Fatalf("%s: block %d, want 4", name, n)
		}
		// The next record stands where the torn one began.
		if info, err := d.log.Stat(); err != nil || info.Size() != int64(last) {
			t.Fatalf("%s: the log has %d bytes, want %d (%v)", name, info.Size(), last, err)
		}
	}
	for cut := last; cut < len(whole); cut++ {
		check(fmt.Sprintf("cut at %d", cut), whole[:cut])
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		// The file has its length, but not all of what was written.
		torn := append([]byte{}, whole...)
		from := last + rng.IntN(len(whole)-last-1)
		clear(torn[from:])
		if !bytes.Equal(torn, whole) {
			check(fmt.Sprintf("zeros from %d", from), torn)
		}
		flipped := append([]byte{}, whole...)
		flipped[last+rng.IntN(len(whole)-last)] ^= 1 << rng.IntN(8)
		check("a flipped bit", flipped)
	}
	for range 8 {
		cut := last + rng.IntN(len(whole)-last)
		writeLog(t, cfg, whole[:cut])
		c := reopen(t, cfg)
		if n := c.BlockNumber(); n != 4 {
			t.Errorf("%d bytes of the log give block %d", cut, n)
		}
		c.mustProduce(t)
		c.disk.close()
		// What was cut off must not stand before the new block.
		again := reopen(t, cfg)
		if again.BlockNumber() != 5 || again.recent.head().id != c.recent.head().id {
			t.Errorf("after %d bytes: block %d %s, then %d %s", cut, c.BlockNumber(), c.recent.head().id, again.BlockNumber(), again.recent.head().id)
		}
		again.disk.close()
	}
}

// Blocks behind a damaged one are not thrown away without a word.
func TestDamagedLog(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	c := reopen(t, cfg)
	for range 5 {
		c.mustProduce(t)
	}
	c.disk.close()
	path := filepath.Join(cfg.Dir, logName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := records(t, whole)
	damaged := append([]byte{}, whole...)
	damaged[len(all[0])+len(all[1])+20] ^= 1
	writeLog(t, cfg, damaged)
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "block 3") || !strings.Contains(err.Error(), "try: remove") {
		t.Errorf("error %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, damaged) {
		t.Error("the damaged log was changed")
	}
	// A block that is missing in the middle is no less.
	writeLog(t, cfg, slices.Concat(all[0], all[1], all[3], all[4]))
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "does not follow") {
		t.Errorf("error %v", err)
	}
	// What the message advises works.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if again := reopen(t, cfg); again.BlockNumber() != 0 {
		t.Errorf("block %d", again.BlockNumber())
	} else {
		again.disk.close()
	}
}

// A snapshot newer than the log, as after a death between writing the one and
// emptying the other.
func TestSnapshotNewerThanLog(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	c := reopen(t, cfg)
	for range 5 {
		c.mustProduce(t)
	}
	path := filepath.Join(cfg.Dir, logName)
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	want := allState(c)
	c.disk.close()
	writeLog(t, cfg, log)
	again := reopen(t, cfg)
	defer again.Close()
	if again.BlockNumber() != 5 {
		t.Errorf("block %d", again.BlockNumber())
	}
	if d := cmp.Diff(want, allState(again)); d != "" {
		t.Error(d)
	}
}

// A disk that is full stops neither the chain nor its restart.
func TestLogThatFails(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	c := reopen(t, cfg)
	c.mustProduce(t)
	c.disk.log.Close()
	// The block cannot be logged, so a snapshot is taken, and a new log.
	if err := c.ProduceBlock(); err != nil {
		t.Errorf("a snapshot should have saved the block: %v", err)
	}
	c.mustProduce(t)
	id := c.recent.head().id
	c.disk.close()
	again := reopen(t, cfg)
	defer again.Close()
	if again.recent.head().id != id {
		t.Errorf("block %d", again.BlockNumber())
	}
}

func TestSnapshotIsTakenWhenDue(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	c := reopen(t, cfg)
	c.disk.blocks = snapshotBlocks - 2
	for range 3 {
		c.mustProduce(t)
	}
	if c.disk.blocks != 1 {
		t.Errorf("the log holds %d blocks, want 1", c.disk.blocks)
	}
	n := c.BlockNumber()
	c.disk.close()
	again := reopen(t, cfg)
	defer again.Close()
	if again.BlockNumber() != n {
		t.Errorf("block %d, want %d", again.BlockNumber(), n)
	}
}

// TestMain runs a chain until it is killed when it is asked to be one.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LOCALNET_TEST_CHAIN"); dir != "" {
		if err := runChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runChild makes blocks as fast as it can, one at a time and in fast-forwards,
// with a snapshot now and then, and prints the number and hash of each that is
// announced to be saved.
func runChild(dir string) error {
	c, err := New(Config{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println("ready", c.BlockNumber(), c.recent.head().id)
	for i := 0; ; i++ {
		switch {
		case i%40 == 39:
			err = c.Advance(context.Background(), 20, time.Second)
		case i%97 == 96:
			// As if a snapshot were due.
			c.disk.blocks = snapshotBlocks
			err = c.ProduceBlock()
		default:
			err = c.ProduceBlock()
		}
		if err != nil {
			return err
		}
		fmt.Println("block", c.BlockNumber(), c.recent.head().id)
	}
}

// TestKilledProcess kills a chain in another process at random moments, again
// and again on one folder: every block that it announced is there each time,
// and what is there goes on.
func TestKilledProcess(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 4
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	var lastNumber uint64
	for round := range rounds {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "LOCALNET_TEST_CHAIN="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		stopAfter := rng.IntN(150)
		var number uint64
		var hash string
		begun := false
		for i := 0; lines.Scan(); i++ {
			f := strings.Fields(lines.Text())
			if len(f) != 3 {
				t.Fatalf("the child says %q", lines.Text())
			}
			number, _ = strconv.ParseUint(f[1], 10, 64)
			hash = f[2]
			begun = begun || f[0] == "ready"
			if f[0] == "ready" && number < lastNumber {
				t.Errorf("round %d begins at block %d, block %d was saved", round, number, lastNumber)
			}
			if i == stopAfter {
				// Anywhere in the work on the next block.
				time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
				break
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		cancel()
		if !begun {
			t.Fatal("the child did not begin")
		}
		c := reopen(t, Config{Dir: dir})
		b := c.recent.byNumber(number)
		if b == nil || b.id.String() != hash {
			t.Fatalf("round %d: block %d is not the one that was announced", round, number)
		}
		// The state is the head's: it says so itself.
		if n := c.latest().number(); n != c.BlockNumber() {
			t.Fatalf("round %d: the state of block %d with block %d", round, n, c.BlockNumber())
		}
		lastNumber = c.BlockNumber()
		c.disk.close()
	}
	t.Logf("%d kills, %d blocks", rounds, lastNumber)
}

func FuzzSnapshot(f *testing.F) {
	rt, err := newRuntime(DefaultSpec, false)
	if err != nil {
		f.Fatal(err)
	}
	cfg, _ := Config{}.withDefaults()
	c := &Chain{cfg: cfg, rt: rt, st: newStore(), pool: newPool()}
	f.Add([]byte{})
	f.Add([]byte(snapshotMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		// With a good checksum, so that what it guards is reached.
		content := append([]byte(snapshotMagic), data...)
		sum := hashOf(content)
		fresh := &Chain{cfg: c.cfg, rt: c.rt, st: newStore(), recent: recentBlocks{byID: map[substrate.Hash]*block{}}}
		_ = fresh.loadSnapshot(append(content, sum[:]...))
		_ = fresh.loadSnapshot(data)
		fresh.recent.push(&block{}, 1)
		_ = fresh.replayBlock(data)
	})
}
