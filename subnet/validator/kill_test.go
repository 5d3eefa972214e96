package validator_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

const childURL, childDir = "BITMIND_TEST_CHILD_URL", "BITMIND_TEST_CHILD_DIR"

// TestMain makes the test binary a validator process when TestKill asks for one.
func TestMain(m *testing.M) {
	if os.Getenv(childURL) == "" {
		os.Exit(m.Run())
	}
	if err := child(os.Getenv(childURL), os.Getenv(childDir)); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

// child runs a validator until it is killed, and prints the number of each
// challenge that is on disk.
func child(url, dir string) error {
	ctx := context.Background()
	client, err := subtensor.Dial(ctx, subtensor.Options{Network: url})
	if err != nil {
		return err
	}
	// The pool's pictures are made by code that wants a test.
	t := &testing.T{}
	v, err := validator.New(validator.Config{
		Netuid: subnettest.Netuid, Signer: subnettest.Key(t, "//validator"), Chain: client, Challenges: subnettest.Pool(t),
		StateDir: dir, OnForward: func(r validator.Report) { fmt.Println(r.Seq) },
		Logger: subnettest.Logger(t),
	})
	if err != nil {
		return err
	}
	return v.Run(ctx)
}

// A validator killed with SIGKILL at random moments, again and again, never
// finds its state damaged, goes on where it was, and loses no challenge that it
// had reported.
func TestKill(t *testing.T) {
	s := newSubnet(t)
	dir := t.TempDir()
	kills := 8
	var reported uint64
	for round := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childURL+"="+s.chain.URL, childDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatalf("round %d: the validator ended by itself: %v", round, cmd.Wait())
		}
		first, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		// The challenge under way at the kill may have come to disk unreported.
		if first < reported+1 || first > reported+2 {
			t.Fatalf("round %d: goes on with challenge %d after %d", round, first, reported)
		}
		reported = first
		time.AfterFunc(time.Duration(rand.Int64N(int64(400*time.Millisecond))), func() { cmd.Process.Kill() })
		for lines.Scan() {
			n, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				break // a line that the kill cut off
			}
			if n != reported+1 {
				t.Fatalf("round %d: challenge %d after %d", round, n, reported)
			}
			reported = n
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the validator ended without an error, though it was killed")
		}
	}
	damaged, err := filepath.Glob(filepath.Join(dir, "*.damaged-*"))
	if err != nil || len(damaged) > 0 {
		t.Errorf("damaged files %v (%v)", damaged, err)
	}

	cfg := s.config(dir)
	cfg.Seed = 0
	v, err := validator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	snap := v.Snapshot()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if snap.Challenges < reported || snap.Challenges > reported+1 {
		t.Errorf("%d challenges in the state, %d were reported", snap.Challenges, reported)
	}
	// The scores are exactly those that the stored results give.
	list := results(t, filepath.Join(dir, validator.ResultsName), s)
	for i, r := range list {
		if r.Seq != uint64(i)+1 {
			t.Fatalf("result %d follows %d", r.Seq, i)
		}
	}
	if len(list) != int(snap.Challenges) {
		t.Errorf("%d results, %d challenges", len(list), snap.Challenges)
	}
	sameScores(t, snap, list)
	t.Logf("%d kills, %d challenges", kills, snap.Challenges)
}
