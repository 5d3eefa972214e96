package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// startService starts bitmind serve with a detector and gives its address.
func startService(t *testing.T, model string, more ...string) (p *process, address string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "endpoints.json")
	p = startProgram(t, append([]string{"serve", "--model", model, "--listen", "127.0.0.1:0", "--store", filepath.Join(dir, "service.db"), "--endpoints", file}, more...)...)
	var at endpoints
	p.until("the address", func() bool {
		data, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(data, &at) == nil
	})
	return p, at.HTTP
}

func TestDetectAsksTheServer(t *testing.T) {
	model, dir := testDetector(t), t.TempDir()
	paths := picturesIn(t, dir, 5)
	if err := os.WriteFile(filepath.Join(dir, "pc2.txt"), []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	server, address := startService(t, model)
	d, err := detector.Load(model, detector.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()

	args := append([]string{"detect", "--server", address, "--parallel", "4", "--json"}, paths...)
	stdout, _ := bitmindOK(t, "", args...)
	decoder := json.NewDecoder(strings.NewReader(stdout))
	for i, path := range paths {
		var got struct {
			File string
			schema.Detection
		}
		if err := decoder.Decode(&got); err != nil {
			t.Fatal(err)
		}
		img, _, err := decode.File(path, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := d.Detect(t.Context(), img)
		if err != nil || got.File != path || got.Score == nil || *got.Score != want || got.ID == "" {
			t.Errorf("line %d: %+v, want %s with %v, %v", i, got, path, want, err)
		}
	}

	stdout, _ = bitmindOK(t, "", "detect", "--server", address, "--quick", paths[0])
	if !strings.Contains(stdout, paths[0]) || strings.Count(stdout, "\n") != 1 {
		t.Errorf("as text: %q", stdout)
	}
	status, stdout, stderr := bitmind(t, "", "detect", "--server", address, filepath.Join(dir, "pc2.txt"), filepath.Join(dir, "none.png"), address+"/private.png", paths[0])
	if status != 1 || strings.Count(stdout, "\n") != 1 || strings.Count(stderr, "\n") != 4 || !strings.Contains(stderr, "3 of 4") {
		t.Errorf("with bad pictures: status %d, %q, %q", status, stdout, stderr)
	}
	for _, wrong := range [][]string{
		{"--server", "nowhere", paths[0]}, {"--parallel", "0", paths[0]}, {"--parallel", "65", paths[0]},
		{"--heatmap", "x.png", paths[0], paths[1]}, {},
	} {
		if status, _, stderr := bitmind(t, "", append([]string{"detect"}, wrong...)...); status != 2 {
			t.Errorf("%v: status %d, %s", wrong, status, stderr)
		}
	}
	server.interrupt()
	if status, _, stderr := bitmind(t, "", "detect", "--server", "http://127.0.0.1:1", paths[0]); status != 1 || !strings.Contains(stderr, "is it running") {
		t.Errorf("without a server: status %d, %s", status, stderr)
	}
}

// An assistant starts the program and speaks to it.
func TestMCP(t *testing.T) {
	model, dir := testDetector(t), t.TempDir()
	paths := picturesIn(t, dir, 2)
	_, address := startService(t, model)
	for _, how := range [][]string{{"--model", model}, {"--server", address}} {
		program := exec.Command(os.Args[0], append([]string{"mcp", "--root", dir}, how...)...)
		program.Env = append(os.Environ(), asProgram+"=1")
		program.Stderr = io.Discard
		session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), &mcp.CommandTransport{Command: program}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for tool, arguments := range map[string]map[string]any{
			"detect":  {"path": paths[0]},
			"compare": {"pictures": []map[string]any{{"path": filepath.Base(paths[0])}, {"path": paths[1]}}},
		} {
			reply, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
			if err != nil || reply.IsError || reply.StructuredContent == nil {
				t.Errorf("%v, %s: %+v, %v", how, tool, reply, err)
			}
		}
		if err := session.Close(); err != nil {
			t.Errorf("%v: ending: %v", how, err)
		}
	}
	if status, _, stderr := bitmind(t, "", "mcp", "--root", filepath.Join(dir, "none")); status != 2 {
		t.Errorf("a root that is not there: status %d, %s", status, stderr)
	}
}
