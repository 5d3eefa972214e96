package store_test

import (
	"bufio"
	"bytes"
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

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/store/storetest"
)

const childFile, childDir = "BITMIND_TEST_CHILD_FILE", "BITMIND_TEST_CHILD_DIR"

// importer takes over the files of a folder, once.
func importer(path, dir string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	book, err := s.Book(ctx, 1, ss58.AccountID{1})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return book.Import(ctx, dir)
}

// A kill at any moment of an import leaves nothing half done: the next start ends it.
func TestKillImport(t *testing.T) {
	const reports = 1200
	kills := 0
	for range 4 {
		dir := t.TempDir()
		path := filepath.Join(dir, "test.db")
		for i, name := range []string{"results-000000000001.jsonl", "results.jsonl"} {
			var text bytes.Buffer
			for seq := i*reports/2 + 1; seq <= (i+1)*reports/2; seq++ {
				if err := json.NewEncoder(&text).Encode(storetest.NewReport(uint64(seq), 10)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for tries, ended := 0, false; !ended; tries++ {
			cmd := exec.Command(os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), childFile+"="+path, childDir+"="+dir)
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if !bufio.NewScanner(out).Scan() {
				t.Fatal("the child ended by itself: ", cmd.Wait())
			}
			kill := time.AfterFunc(time.Duration(rand.Int64N(int64(time.Second))), func() { cmd.Process.Kill() })
			ended = cmd.Wait() == nil
			kill.Stop()
			s := openFile(t, path)
			book, err := s.Book(t.Context(), 1, ss58.AccountID{1})
			if err != nil {
				t.Fatal(err)
			}
			n, err := book.Len(t.Context())
			if err != nil || n != 0 && n != reports {
				t.Fatalf("%d reports of %d are there, %v", n, reports, err)
			}
			left, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
			if err != nil || n == 0 && len(left) != 2 || ended && (n != reports || len(left) != 0) {
				t.Fatalf("%d reports are there, and the files %v (%v)", n, left, err)
			}
			if !ended {
				kills++
			}
			if tries == 4 && !ended { // a slow machine: to the end now
				if err := book.Import(t.Context(), dir); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
	}
	t.Logf("%d kills", kills)
}

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
