package localnet

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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

func TestTornLog(t *testing.T) {
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
	rng := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		cut := rng.IntN(len(whole))
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		c := reopen(t, cfg)
		if n := c.BlockNumber(); n > 5 {
			t.Errorf("%d bytes of the log give block %d", cut, n)
		}
		c.mustProduce(t)
		c.disk.close()
		// What was cut off must not stand before the new block.
		again := reopen(t, cfg)
		if again.BlockNumber() != c.BlockNumber() {
			t.Errorf("after %d bytes: block %d, then %d", cut, c.BlockNumber(), again.BlockNumber())
		}
		again.disk.close()
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

// runChild makes blocks as fast as it can and prints the number and hash of
// each once it is saved.
func runChild(dir string) error {
	c, err := New(Config{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println("ready", c.BlockNumber(), c.recent.head().id)
	for {
		if err := c.ProduceBlock(); err != nil {
			return err
		}
		fmt.Println("block", c.BlockNumber(), c.recent.head().id)
	}
}

func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	var lastNumber uint64
	for round := range 4 {
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
		stopAfter := 20 + rng.IntN(200)
		var number uint64
		var hash string
		for i := 0; lines.Scan(); i++ {
			f := strings.Fields(lines.Text())
			if len(f) != 3 {
				t.Fatalf("the child says %q", lines.Text())
			}
			number, _ = strconv.ParseUint(f[1], 10, 64)
			hash = f[2]
			if f[0] == "ready" && number < lastNumber {
				t.Errorf("round %d begins at block %d, block %d was saved", round, number, lastNumber)
			}
			if i == stopAfter {
				break
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		cancel()
		if number == 0 {
			t.Fatal("the child made no block")
		}
		c := reopen(t, Config{Dir: dir})
		b := c.recent.byNumber(number)
		if b == nil || b.id.String() != hash {
			t.Fatalf("round %d: block %d is not the one that was announced", round, number)
		}
		lastNumber = c.BlockNumber()
		c.disk.close()
	}
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
