package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// flood sends a body many times at once and counts the answers by status. Each must
// be an answer: none is lost.
func (s *service) flood(clients int, body []byte, kind string) map[int]int {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: clients}, Timeout: 5 * time.Minute}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	counts := map[int]int{}
	var g sync.WaitGroup
	for range clients {
		g.Go(func() {
			answer, err := client.Post(s.url+"/v1/detect?robustness=false&provenance=false", kind, bytes.NewReader(body))
			if err != nil {
				s.t.Errorf("no answer: %v", err)
				return
			}
			defer answer.Body.Close()
			text, err := io.ReadAll(answer.Body)
			if err != nil {
				s.t.Errorf("half an answer: %v", err)
			}
			if answer.StatusCode != 200 {
				var p schema.Problem
				if err := json.Unmarshal(text, &p); err != nil || p.Code == "" {
					s.t.Errorf("%d without a problem: %.200s", answer.StatusCode, text)
				}
			}
			if answer.StatusCode == 503 && answer.Header.Get("Retry-After") == "" {
				s.t.Error("503 without Retry-After")
			}
			mu.Lock()
			defer mu.Unlock()
			counts[answer.StatusCode]++
		})
	}
	g.Wait()
	return counts
}

func noise(t *testing.T, width, height int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, width, height))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = byte(r.Uint32())
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// 200 pictures of 1.5 MB at once: each is answered.
func TestManyUploads(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes some hundred megapixels")
	}
	s := start(t, func(c *Config) { c.Bodies = 64 << 20 })
	picture := noise(t, 1400, 1300)
	counts := s.flood(200, picture, "image/jpeg")
	t.Logf("%d bytes each: %v", len(picture), counts)
	if counts[200] < 10 || counts[200]+counts[503] != 200 {
		t.Errorf("answers %v; want 200, and 503 for what there is no room for", counts)
	}
	if used := s.server.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes of the budget are not given back", used)
	}
}

// Many large uploads at once take no more memory than the budget allows.
func TestLargeUploads(t *testing.T) {
	if testing.Short() {
		t.Skip("sends two gigabytes")
	}
	const budget = 48 << 20
	s := start(t, func(c *Config) { c.Bodies, c.MaxBody = budget, 12<<20 })
	body := make([]byte, 10<<20) // no picture: what is admitted is 415
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-done:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	counts := s.flood(100, body, "image/jpeg")
	form, kind := formOf(t, field{"file", "a.jpg", body})
	forms := s.flood(100, form.Bytes(), kind)
	close(done)
	grown := int64(<-peak) - int64(before.HeapInuse)
	t.Logf("%v, as forms %v, %d MB more on the heap", counts, forms, grown>>20)
	for _, c := range []map[int]int{counts, forms} {
		if c[415] == 0 || c[415]+c[503] != 100 {
			t.Errorf("answers %v; want 415, and 503 for what there is no room for", c)
		}
	}
	// Twice the budget, for what is not collected yet, the form itself and buffers.
	if grown > 2*budget+64<<20 {
		t.Errorf("the heap grew by %d MB with a budget of %d", grown>>20, budget>>20)
	}
}

// A client that listens only when all is sent finds the refusal, not a reset.
func TestRefusalIsSeen(t *testing.T) {
	s := start(t, func(c *Config) { c.MaxBody = 1 << 20 })
	for _, length := range []string{"Content-Length: 8388608", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n%s\r\n\r\n", length)
		piece := make([]byte, 1<<20)
		for range 8 {
			if strings.HasPrefix(length, "T") {
				fmt.Fprintf(conn, "%x\r\n", len(piece))
			}
			if _, err := conn.Write(piece); err != nil {
				t.Fatalf("%s: sending: %v", length, err)
			}
			if strings.HasPrefix(length, "T") {
				fmt.Fprint(conn, "\r\n")
			}
		}
		answer := make([]byte, 12)
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 413" {
			t.Errorf("%s: %q, %v", length, answer, err)
		}
	}
	// One that asks first is told before it sends.
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: 8388608\r\nExpect: 100-continue\r\n\r\n")
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 413" {
		t.Errorf("%q, %v", answer, err)
	}
}
