package api

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/devnet"
)

type fixedSubnet devnet.Snapshot

func (s fixedSubnet) Snapshot() devnet.Snapshot { return devnet.Snapshot(s) }
func (fixedSubnet) BlocksToEpoch() uint64       { return 4 }

func serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(New(Config{
		Detector: detector.Random(1),
		Subnet: fixedSubnet{Blocks: 12, Challenges: 5, WeightsSet: 1, Images: devnet.Images{Real: 2, Synthetic: 3},
			Miners: []devnet.Miner{{UID: 2, Hotkey: "5F", Detector: "npr", Asked: 5, Answered: 4, Accuracy: 0.75, Score: 0.5, Incentive: 1}}},
		Version: "test",
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	reply, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(body)
}

func TestDetect(t *testing.T) {
	url := serve(t) + "/v1/detect"
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	// The kinds of content that clients send for a picture.
	for _, kind := range []string{"application/octet-stream", "image/png", ""} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(picture.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", kind)
		reply, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var d Detection
		err = json.NewDecoder(reply.Body).Decode(&d)
		reply.Body.Close()
		if err != nil || reply.StatusCode != 200 {
			t.Fatalf("content type %q: status %d, error %v", kind, reply.StatusCode, err)
		}
		if d.Prediction < 0 || d.Prediction > 1 || d.Width != 40 || d.Height != 30 || d.Format != "png" || d.Detector == "" || d.Verdict == "" {
			t.Errorf("content type %q: %+v", kind, d)
		}
	}
}

func TestDetectRefuses(t *testing.T) {
	url := serve(t) + "/v1/detect"
	for _, test := range []struct {
		name   string
		body   string
		status int
	}{
		{"no image", "hello", 422},
		{"nothing", "", 400},
		{"cut short", "\x89PNG\r\n\x1a\n", 422},
		{"too much", strings.Repeat("x", maxPicture+1), 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply, err := http.Post(url, "image/png", strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			defer reply.Body.Close()
			var problem struct{ Detail string }
			if err := json.NewDecoder(reply.Body).Decode(&problem); err != nil {
				t.Fatal(err)
			}
			if reply.StatusCode != test.status || problem.Detail == "" {
				t.Errorf("status %d, detail %q; want %d and a reason", reply.StatusCode, problem.Detail, test.status)
			}
		})
	}
}

func TestPages(t *testing.T) {
	url := serve(t)
	for path, want := range map[string]string{
		"/v1/status":    `"blocks_to_epoch":4`,
		"/v1/detector":  `"name":"random"`,
		"/healthz":      `"status":"ok"`,
		"/metrics":      `bitmind_miner_incentive{detector="npr",uid="2"} 1`,
		"/openapi.json": `"/v1/detect"`,
		"/":             "<title>bitmind</title>",
	} {
		if status, body := get(t, url+path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: status %d, body without %s: %.400s", path, status, want, body)
		}
	}
	if status, _ := get(t, url+"/nothing"); status != 404 {
		t.Errorf("/nothing: status %d, want 404", status)
	}
}
