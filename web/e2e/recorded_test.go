package e2e

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/provenance"
	"github.com/maxmos001/bitmind-subnet/samples"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
	"github.com/maxmos001/bitmind-subnet/web"
)

// recorded serves the pages with fixed answers, for what a detector cannot be made
// to say at will: every part of an answer at once, several detectors that disagree,
// a network, a broken signature, a busy server.
type recorded struct {
	*httptest.Server
	t      *testing.T
	answer atomic.Pointer[http.HandlerFunc] // to POST /v1/detect
	// events go to the one stream that is open; a word on cut ends it.
	events        chan monitor.Event
	cut           chan struct{}
	withoutEvents atomic.Bool // answers them with 404, as a proxy may
	statusAsked   atomic.Int32
}

func (s *recorded) setAnswer(answer http.HandlerFunc) { s.answer.Store(&answer) }

// push sends an event to the page that listens.
func (s *recorded) push(event monitor.Event) {
	s.t.Helper()
	select {
	case s.events <- event:
	case <-time.After(patience):
		s.t.Fatal("no page listens to events")
	}
}

// cutEvents ends the stream that is open.
func (s *recorded) cutEvents() {
	s.t.Helper()
	select {
	case s.cut <- struct{}{}:
	case <-time.After(patience):
		s.t.Fatal("no page listens to events")
	}
}

func record(t *testing.T) *recorded {
	s := &recorded{t: t, events: make(chan monitor.Event), cut: make(chan struct{})}
	s.setAnswer(func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, fullAnswer()) })
	mux := http.NewServeMux()
	web.Mount(mux)
	mux.HandleFunc("POST /v1/detect", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		(*s.answer.Load())(w, r)
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		sendJSON(w, http.StatusOK, schema.Models{Items: []schema.ModelInfo{
			{Model: schema.Model{Name: "best", Version: "1.0.0"}, Default: true, Architecture: "probe", Heatmap: true, Bands: bands, Reference: &schema.Reference{
				Photographs: falling(3), HumanArt: falling(1.2), AI: falling(.15), Data: "9,300 pictures of 31 sources that it was not trained on."}},
			{Model: schema.Model{Name: "fast", Version: "1.1.0"}, Architecture: "npr", Bands: bands},
		}})
	})
	mux.HandleFunc("GET /v1/samples", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, schema.Samples{}) })
	mux.HandleFunc("GET /v1/detections/{id}/heatmap.png", func(w http.ResponseWriter, _ *http.Request) { w.Write(heatmapPNG()) })
	mux.HandleFunc("POST /v1/detections/{id}/feedback", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST /v1/detections/{id}/share", func(w http.ResponseWriter, _ *http.Request) {
		sendJSON(w, http.StatusCreated, schema.Share{URL: "/r/0123456789abcdef"})
	})
	mux.HandleFunc("GET /v1/shared/{token}", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, fullAnswer()) })
	s.subnet(mux)
	mux.Handle("GET /samples/", http.StripPrefix("/samples/", http.FileServerFS(samples.FS)))
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() }) // the stream of events has no end of its own
	return s
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, p schema.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

var bands = schema.Bands{RealBelow: .3, AIAbove: .8}

// falling is the share of pictures with a score of at least i/100.
func falling(steepness float64) []float64 {
	list := make([]float64, 101)
	for i := range list {
		list[i] = math.Pow(1-float64(i)/100, steepness)
	}
	list[100] = 0
	return list
}

// fullAnswer is an answer with every part.
func fullAnswer() schema.Detection {
	score := .91
	return schema.Detection{
		ID: "01JDQ8H3V2M8E4", Status: schema.StatusDone, CreatedAt: time.Date(2026, 11, 30, 14, 5, 0, 0, time.UTC),
		Model: &schema.Model{Name: "best", Version: "1.0.0"}, Media: &schema.Media{SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Width: 1024, Height: 768, Format: "png", Bytes: 1_482_113, Kind: "art"},
		Score: &score, Verdict: schema.VerdictAI, Bands: &bands, Confidence: "Fairly sure: about 9 in 10 pictures with this score are AI-generated.",
		Models:     []schema.ModelScore{{Name: "best", Version: "1.0.0", Score: score, Verdict: schema.VerdictAI, MS: 241}, {Name: "fast", Version: "1.1.0", Score: .55, Verdict: schema.VerdictUnsure, MS: 28}},
		Robustness: &schema.Robustness{HalfSize: .86, JPEG60: .74},
		Heatmap:    &schema.Heatmap{URL: "/v1/detections/01JDQ8H3V2M8E4/heatmap.png", Model: "best", Summary: "Mostly the upper left of the picture."},
		Provenance: &provenance.Report{
			C2PA: provenance.C2PA{Status: provenance.StatusInvalid, Present: true, Checker: "c2pa 0.67", Trusted: provenance.TrustNo, Signer: "Example Camera Co", Issuer: "Example CA",
				Note:    "The manifest is signed, and the picture is not the one that was signed.",
				Actions: []provenance.Action{{Action: "c2pa.created", SourceType: "trainedAlgorithmicMedia", Software: "Example Studio 3"}, {Action: "c2pa.edited", Software: "Example Editor"}},
				Chain:   []provenance.Link{{Title: "night.png", Generator: "Example Editor"}, {Depth: 1, Title: "draft.png", Relation: "parentOf", Generator: "Example Studio 3", SourceType: "trainedAlgorithmicMedia"}},
				Errors:  []string{"assertion.dataHash.mismatch"}},
			Claims:  []provenance.Claim{{Source: provenance.SourceEXIF, Name: "Make", Value: "<img src=x onerror=alert(1)>", Says: provenance.SaysCamera, Text: "The file says that a camera took it."}},
			Summary: "There is a signed history, and it does not hold: the picture was changed after it was signed.",
		},
		Warnings: []schema.Warning{{Code: "drawing_or_painting", Text: "This seems to be a drawing or painting. The detector is wrong more often on those."}},
		Network:  &schema.Network{Asked: 5, Answered: 4, Agreement: .75, UIDs: []uint16{3, 8, 21, 40}},
		Timing:   &schema.Timing{QueueMS: 2, DecodeMS: 31, DetectMS: 269, RobustnessMS: 430, HeatmapMS: 510, TotalMS: 1242},
	}
}

// heatmapPNG is red at the upper left, blue at the lower right, clear between.
func heatmapPNG() []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 64, 48))
	for y := range 48 {
		for x := range 64 {
			d := float64(x)/64 + float64(y)/48 - 1
			c := color.NRGBA{R: 214, G: 40, B: 40, A: uint8(220 * math.Max(0, -d))}
			if d > 0 {
				c = color.NRGBA{R: 40, G: 90, B: 214, A: uint8(220 * d)}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var out bytes.Buffer
	png.Encode(&out, img)
	return out.Bytes()
}
