package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// scratch holds what the tests make, for all of them together.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "bitmind-e2e-web-") })

// program builds bitmind once, where BITMIND_E2E_PROGRAM names none that is built.
var program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("BITMIND_E2E_PROGRAM"); path != "" {
		return path, nil
	}
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bitmind")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/bitmind").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building bitmind: %w\n%s", err, out)
	}
	return path, nil
})

var running struct {
	sync.Mutex
	list []*exec.Cmd
}

// start runs bitmind until the tests end and returns the address of its page, which
// it writes to a file of endpoints.
func start(endpoints string, args ...string) (string, error) {
	path, err := program()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, args...)
	logs, err := os.Create(endpoints + ".log")
	if err != nil {
		return "", err
	}
	defer logs.Close()
	cmd.Stdout, cmd.Stderr = logs, logs
	if err := cmd.Start(); err != nil {
		return "", err
	}
	running.Lock()
	running.list = append(running.list, cmd)
	running.Unlock()
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		var at struct{ HTTP string }
		if data, err := os.ReadFile(endpoints); err == nil && json.Unmarshal(data, &at) == nil && ready(ctx, at.HTTP) {
			return at.HTTP, nil
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(logs.Name())
			return "", fmt.Errorf("bitmind %v ended at once: %s", args, text)
		case <-ctx.Done():
			text, _ := os.ReadFile(logs.Name())
			return "", fmt.Errorf("bitmind %v is not ready after %s: %s", args, patience, text)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func ready(ctx context.Context, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", nil)
	if err != nil {
		return false
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	reply.Body.Close()
	return reply.StatusCode == http.StatusOK
}

// service is one bitmind serve for all tests, with two detectors, that may fetch
// from this machine.
var service = sync.OnceValues(func() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	return start(filepath.Join(dir, "serve.json"), "serve", "--model", "best", "--model", "fast", "--listen", "127.0.0.1:0",
		"--store", filepath.Join(dir, "store.db"), "--fetch.allow", "127.0.0.1", "--endpoints", filepath.Join(dir, "serve.json"))
})

func serveURL(t *testing.T) string {
	t.Helper()
	url, err := service()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// subnet is one localnet for all tests.
var subnet = sync.OnceValues(func() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, "localnet")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", err
	}
	return start(filepath.Join(folder, "endpoints.json"), "localnet", "--dir", folder, "--block-time", "500ms", "--rpc", "127.0.0.1:0", "--listen", "127.0.0.1:0")
})

// stopPrograms ends what start began, and waits for it.
func stopPrograms() {
	running.Lock()
	defer running.Unlock()
	for _, cmd := range running.list {
		cmd.Process.Signal(syscall.SIGTERM)
	}
	deadline := time.Now().Add(20 * time.Second)
	for _, cmd := range running.list {
		for cmd.Process.Signal(syscall.Signal(0)) == nil && time.Now().Before(deadline) {
			time.Sleep(50 * time.Millisecond)
		}
		cmd.Process.Kill()
	}
	if dir, err := scratch(); err == nil {
		os.RemoveAll(dir)
	}
}
