package store_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

const childFile = "BITMIND_TEST_CHILD_FILE"

// child accepts jobs and does every other one, until it is killed. It prints what
// it was promised.
func child(path string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		d, err := s.Enqueue(ctx, store.Detection{Picture: []byte("x")}, json.RawMessage("{}"), "https://example.org")
		if err != nil {
			return err
		}
		fmt.Println("accepted", d.ID)
		if i%2 == 0 {
			continue
		}
		job, found, err := s.ClaimJob(ctx, time.Second)
		if err != nil || !found {
			return fmt.Errorf("%v, %w", found, err)
		}
		if err := s.FinishJob(ctx, job, store.Detection{ID: job.DetectionID, Status: store.Done}, json.RawMessage("{}")); err != nil {
			return err
		}
		fmt.Println("finished", job.DetectionID)
	}
}

// A kill at any moment loses no job that was accepted, does none twice, and sends
// each result's message.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	accepted, finished := map[string]bool{}, map[string]bool{}
	for range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childFile+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			what, id, _ := strings.Cut(lines.Text(), " ")
			if len(id) != 36 {
				break // a line that the kill cut off
			}
			switch what {
			case "accepted":
				accepted[id] = true
			case "finished":
				finished[id] = true
			}
			if n == 0 {
				time.AfterFunc(time.Duration(rand.Int64N(int64(200*time.Millisecond))), func() { cmd.Process.Kill() })
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
	}
	future := func() time.Time { return time.Now().Add(time.Hour) } // all leases are over
	s, err := store.Open(t.Context(), path, store.Options{Now: future})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for id := range finished {
		d, err := s.Detection(t.Context(), id)
		if err != nil || d.Status != store.Done {
			t.Errorf("%s was finished, and is %q (%v)", id, d.Status, err)
		}
	}
	for {
		job, found, err := s.ClaimJob(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if !found {
			break
		}
		if finished[job.DetectionID] {
			t.Errorf("%s is to be done twice", job.DetectionID)
		}
		if err := s.FinishJob(t.Context(), job, store.Detection{ID: job.DetectionID, Status: store.Done}, json.RawMessage("{}")); err != nil {
			t.Fatal(err)
		}
	}
	for id := range accepted {
		d, err := s.Detection(t.Context(), id)
		if err != nil || d.Status != store.Done {
			t.Errorf("%s was accepted, and is %q (%v)", id, d.Status, err)
		}
		if list, err := s.Deliveries(t.Context(), id); err != nil || len(list) != 1 {
			t.Errorf("%s has %d messages (%v)", id, len(list), err)
		}
	}
	t.Logf("%d accepted, %d finished before the kills", len(accepted), len(finished))
	if len(accepted) < 6 {
		t.Error("too few to say anything")
	}
}
