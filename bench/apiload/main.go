// Command apiload drives a detection service, ours or another one, with pictures.
// See bench/run.sh, which runs it.
//
//	apiload -url http://127.0.0.1:8080/v1/detect -clients 16 -seconds 5 -pid PID
//	apiload -url http://127.0.0.1:8080/v1/detect -flood 500 -pid PID
//
// The first sends 512-pixel JPEGs over kept-alive connections, one after the other
// on each, and prints requests a second, latencies and the service's peak memory.
// The second sends that many pictures of 10 MB at once and prints how each ended.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bench/internal/peak"
	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/resample"
	"github.com/maxmos001/bitmind-subnet/samples"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:8080/v1/detect", "where to post pictures")
	clients := flag.Int("clients", 16, "connections, each with one picture under way")
	seconds := flag.Float64("seconds", 5, "how long to measure")
	flood := flag.Int("flood", 0, "send this many pictures of 10 MB at once instead")
	pid := flag.Int("pid", 0, "the service's process, whose memory is read; 0: none")
	flag.Parse()
	var err error
	if *flood > 0 {
		err = drown(*url, *flood, *pid)
	} else {
		err = load(*url, *clients, *seconds, *pid)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "apiload:", err)
		os.Exit(1)
	}
}

// pictures gives sample pictures as JPEGs of 512 x 512 pixels.
func pictures() ([][]byte, error) {
	set, err := dataset.LabelledFS(samples.FS, "")
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, source := range append(set.Real, set.Synthetic...) {
		for i := range min(source.Len(), 4) {
			data, err := source.Load(context.Background(), i)
			if err != nil {
				return nil, err
			}
			img, _, err := decode.Decode(data, decode.Limits{})
			if err != nil {
				return nil, err
			}
			var buf bytes.Buffer
			if err := jpeg.Encode(&buf, resample.Resize(img, 512, 512, resample.Bicubic), &jpeg.Options{Quality: 90}); err != nil {
				return nil, err
			}
			all = append(all, buf.Bytes())
		}
	}
	return all, nil
}

// post sends one picture and gives the reply's status.
func post(client *http.Client, url string, picture []byte) (status int, score float64, err error) {
	reply, err := client.Post(url, "image/jpeg", bytes.NewReader(picture))
	if err != nil {
		return 0, 0, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return 0, 0, err
	}
	answer := struct{ Score *float64 }{}
	if reply.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &answer); err != nil || answer.Score == nil {
			return 0, 0, fmt.Errorf("an answer without a score: %.200s", body)
		}
		score = *answer.Score
	}
	return reply.StatusCode, score, nil
}

func load(url string, clients int, seconds float64, pid int) error {
	all, err := pictures()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	var mu sync.Mutex
	var latencies []float64 // ms
	refused := 0
	var failed error
	run := func(seconds float64, record bool) {
		end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
		var g sync.WaitGroup
		for c := range clients {
			g.Go(func() {
				for i := c; time.Now().Before(end); i++ {
					start := time.Now()
					status, _, err := post(client, url, all[i%len(all)])
					took := float64(time.Since(start).Microseconds()) / 1000
					mu.Lock()
					switch {
					case err != nil:
						failed = err
					case !record:
					case status == http.StatusOK:
						latencies = append(latencies, took)
					default:
						refused++
					}
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
		g.Wait()
	}
	run(min(seconds, 2), false)
	start := time.Now()
	run(seconds, true)
	took := time.Since(start).Seconds()
	if failed != nil {
		return failed
	}
	if len(latencies) == 0 {
		return errors.New("nothing was answered")
	}
	slices.Sort(latencies)
	at := func(q float64) float64 { return latencies[min(int(q*float64(len(latencies))), len(latencies)-1)] }
	figures := map[string]float64{
		"requests_per_s": float64(len(latencies)) / took, "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99),
		"refused": float64(refused),
	}
	if pid != 0 {
		if figures["peak_mb"], err = peak.MB(strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(figures)
}

// drown sends n pictures at once, each on a connection of its own.
func drown(url string, n, pid int) error {
	picture, err := large()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Minute}
	var mu sync.Mutex
	answered, shed, lost := 0, 0, 0
	var slowestRefusal float64
	var g sync.WaitGroup
	for range n {
		g.Go(func() {
			start := time.Now()
			status, _, err := post(client, url, picture)
			took := float64(time.Since(start).Microseconds()) / 1000
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				lost++
				fmt.Fprintln(os.Stderr, err)
			case status == http.StatusOK:
				answered++
			case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
				shed++
				slowestRefusal = max(slowestRefusal, took)
			default:
				lost++
				fmt.Fprintln(os.Stderr, "status", status)
			}
		})
	}
	g.Wait()
	figures := map[string]float64{
		"answered": float64(answered), "shed": float64(shed), "lost": float64(lost),
		"slowest_refusal_ms": slowestRefusal, "picture_mb": float64(len(picture)) / 1e6,
	}
	if pid != 0 {
		if figures["peak_mb"], err = peak.MB(strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(figures)
}

// large gives a JPEG of about 10 MB: 12 megapixels of noise.
func large() ([]byte, error) {
	rng := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, 4000, 3000))
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.Uint32() >> 24)
	}
	var buf bytes.Buffer
	err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 78})
	return buf.Bytes(), err
}
