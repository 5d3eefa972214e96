package assistant

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/maxmos001/bitmind-subnet/api/fetch"
	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// connect starts a server over a real session and returns the client's side.
func connect(t *testing.T, dir string) *mcp.ClientSession {
	t.Helper()
	inspector, err := inspect.New(inspect.Config{Models: []inspect.Model{{Name: "random", Detector: detector.Random(1)}}})
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); inspector.Run(ctx) }()
	fetcher, err := fetch.New(fetch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	here, there := mcp.NewInMemoryTransports()
	session, err := New(Config{Asker: Local(inspector, fetcher), Root: root, Version: "test"}).Connect(ctx, there, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(ctx, here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		session.Wait()
		cancel()
		<-ended
		root.Close()
	})
	return client
}

func call(t *testing.T, c *mcp.ClientSession, tool string, arguments, result any) (text string, failed bool) {
	t.Helper()
	reply, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return err.Error(), true
	}
	for _, content := range reply.Content {
		if part, ok := content.(*mcp.TextContent); ok {
			text += part.Text
		}
	}
	if result != nil && !reply.IsError {
		data, err := json.Marshal(reply.StructuredContent)
		if err == nil {
			err = json.Unmarshal(data, result)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return text, reply.IsError
}

func picture(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewGray(image.Rect(0, 0, 300, 300))); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestTools(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.png"), picture(t), 0o600); err != nil {
		t.Fatal(err)
	}
	c := connect(t, dir)
	tools, err := c.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"compare", "detect", "explain"}) {
		t.Errorf("tools %v", names)
	}

	encoded := base64.StdEncoding.EncodeToString(picture(t))
	for _, arguments := range []map[string]any{
		{"path": "a.png"}, {"path": filepath.Join(dir, "a.png")}, {"image": encoded}, {"image": "data:image/png;base64," + encoded},
	} {
		var got Finding
		text, failed := call(t, c, "detect", arguments, &got)
		if failed || got.Verdict == "" || got.Confidence == "" || got.Model != "random" || !strings.Contains(text, got.Verdict) {
			t.Errorf("%v: %s, %+v", arguments, text, got)
		}
	}

	var got Comparison
	text, failed := call(t, c, "compare", map[string]any{"pictures": []any{
		map[string]any{"path": "none.png"}, map[string]any{"path": "a.png"}, map[string]any{"image": encoded},
	}}, &got)
	if failed || len(got.Findings) != 3 || *got.Findings[0].Score < *got.Findings[1].Score || got.Findings[2].Error == "" || got.Findings[2].Score != nil || strings.Count(text, "\n") != 2 {
		t.Errorf("compare: %s, %+v", text, got)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret.png")
	if err := os.WriteFile(outside, picture(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link.png")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "text.png"), []byte("not a picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := connect(t, dir)
	for _, test := range []struct {
		name      string
		tool      string
		arguments map[string]any
		want      string
	}{
		{"outside", "detect", map[string]any{"path": outside}, "outside"},
		{"upwards", "detect", map[string]any{"path": "../secret.png"}, "outside"},
		{"link out", "detect", map[string]any{"path": "link.png"}, "escapes"},
		{"folder", "detect", map[string]any{"path": "."}, "not a file"},
		{"two ways", "detect", map[string]any{"path": "a.png", "url": "http://a/b"}, "exactly one"},
		{"no way", "explain", map[string]any{}, "exactly one"},
		{"base64", "detect", map[string]any{"image": "%%%"}, "base64"},
		{"text", "detect", map[string]any{"path": "text.png"}, "not a"},
		{"detector", "detect", map[string]any{"path": "text.png", "models": []string{"x"}}, "no detector"},
		{"one to compare", "compare", map[string]any{"pictures": []any{map[string]any{"path": "a.png"}}}, "2 to 10"},
		{"private address", "detect", map[string]any{"url": "http://127.0.0.1:1/a.png"}, "try: send the picture itself"},
	} {
		if text, failed := call(t, c, test.tool, test.arguments, nil); !failed || !strings.Contains(text, test.want) {
			t.Errorf("%s: failed %v, %q, want %q", test.name, failed, text, test.want)
		}
	}
}
