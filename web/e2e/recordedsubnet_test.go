package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
)

// subnet serves the dashboard's lists with miners of every state, which a
// development subnet has no foreign and no dead ones of.
func (s *recorded) subnet(mux *http.ServeMux) {
	now := time.Now().UTC()
	answer := func(path string, v any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, v) })
	}
	status := monitor.Status{
		Network: "finney", Netuid: 34, Block: 4_812_077, HeadAgeMS: 5200, Tempo: 359, BlocksToEpoch: 122, BlockTimeMS: 12_000,
		Challenges: 18_422, Real: 9240, Synthetic: 9182, WeightsSet: 211, WeightsBlock: 4_811_839,
		Pools: []monitor.Pool{{Label: "real", Source: "open-images", Images: 41_200}, {Label: "real", Source: "getty-open-content", Images: 8120},
			{Label: "ai", Source: "flux", Images: 22_010}, {Label: "ai", Source: "stable-diffusion", Images: 18_300}, {Label: "ai", Source: "resynth", Images: 4000}},
	}
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		s.statusAsked.Add(1)
		sendJSON(w, http.StatusOK, status)
	})
	miners := recordedMiners(now)
	answer("/v1/leaderboard", monitor.Leaderboard{Items: miners})
	mux.HandleFunc("GET /v1/miners/{uid}", func(w http.ResponseWriter, r *http.Request) {
		for _, m := range miners {
			if fmt.Sprint(m.UID) == r.PathValue("uid") {
				sendJSON(w, http.StatusOK, recordedMinerPage(m, now))
				return
			}
		}
		http.NotFound(w, r)
	})
	answer("/v1/challenges", recordedChallenges(now))
	history := monitor.WeightsHistory{}
	for i := range 24 {
		set := monitor.WeightsSet{Time: now, Block: uint64(4_803_199 + 360*i), Validator: 1}
		total := 0.0
		for _, uid := range []uint16{7, 21, 40, 52} {
			share := 1.5 + math.Sin(float64(i)/4+float64(uid))
			total += share
			set.Weights = append(set.Weights, monitor.Weight{UID: uid, Share: share})
		}
		for j := range set.Weights {
			set.Weights[j].Share /= total
		}
		history.Items = append(history.Items, set)
	}
	answer("/v1/weights", history)
	mux.HandleFunc("GET /v1/events", s.sendEvents)
}

// sendEvents sends what a test pushes, and ends when the test cuts the line.
func (s *recorded) sendEvents(w http.ResponseWriter, r *http.Request) {
	if s.withoutEvents.Load() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.cut:
			return
		case event := <-s.events:
			data, _ := json.Marshal(event.Data)
			fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event.Kind, data)
			w.(http.Flusher).Flush()
		}
	}
}

func recordedMiners(now time.Time) []monitor.Miner {
	trend := func(from, by float64) (t []float64) {
		for i := range 20 {
			t = append(t, math.Min(1, from+by*float64(i)/20+.03*math.Sin(float64(i))))
		}
		return t
	}
	seen := func(ago time.Duration) *time.Time { t := now.Add(-ago); return &t }
	return []monitor.Miner{
		{Rank: 1, UID: 21, Hotkey: "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty", State: monitor.Alive, Asked: 4100, Answered: 4093, Accuracy: .94, AccuracyLow: .91, AccuracyHigh: .96, Window: 300, Score: .938, Incentive: .412, Trend: trend(.86, .09), LatencyMS: 412, LastSeen: seen(9 * time.Second)},
		{Rank: 2, UID: 7, Hotkey: "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY", State: monitor.Alive, Asked: 4120, Answered: 4120, Accuracy: .91, AccuracyLow: .873, AccuracyHigh: .937, Window: 300, Score: .9, Incentive: .33, Trend: trend(.92, -.01), LatencyMS: 288, LastSeen: seen(21 * time.Second)},
		{Rank: 3, UID: 40, Hotkey: "5DAAnrj7VHTznn2AWBemMuyBwZWs6FNFjdyVXUeYum3PTXFy", State: monitor.Alive, Asked: 180, Answered: 176, Accuracy: .78, AccuracyLow: .71, AccuracyHigh: .84, Window: 176, Score: .742, Incentive: .258, Trend: trend(.6, .2), LatencyMS: 1530, LastSeen: seen(3 * time.Minute)},
		{Rank: 4, UID: 52, Hotkey: "5HGjWAeFDfFCWPsjFQdVV2Msvz2XtMktvgocEZcCj68kUMaw", State: monitor.Silent, Asked: 900, Answered: 310, Accuracy: .5, AccuracyLow: .44, AccuracyHigh: .56, Window: 300, Score: .01, Trend: trend(.9, -.5), LatencyMS: 5200, LastSeen: seen(7 * time.Hour)},
		{Rank: 5, UID: 60, Hotkey: "5CiPPseXPECbkjWCa6MnjNokrgYjMqmKndv2rSnekmSK2DjL", State: monitor.Unasked},
		{Rank: 6, UID: 61, Hotkey: "5GNJqTPyNqANBkUVMN1LPPrxXnFouWXoe2wNSmmEoLctxiZY", State: monitor.Foreign, Asked: 12},
	}
}

func recordedMinerPage(m monitor.Miner, now time.Time) monitor.MinerPage {
	said := .93
	page := monitor.MinerPage{Miner: m,
		BySource:  []monitor.SourceAccuracy{{Source: "resynth", Label: "ai", Answered: 40, Right: 29, Accuracy: .725}, {Source: "getty-open-content", Label: "real", Answered: 60, Right: 55, Accuracy: .917}, {Source: "flux", Label: "ai", Answered: 90, Right: 88, Accuracy: .978}},
		Confusion: monitor.Confusion{AIIsAI: 140, AIIsReal: 8, RealIsReal: 142, RealIsAI: 10, NoAnswer: 7},
		Latency:   monitor.Latency{P50MS: 412, P90MS: 790, P99MS: 2210}, Errors: map[string]int{"timeout": 5, "connection refused": 2},
		Recent: []monitor.MinerAnswer{{ChallengeID: "c1", Time: now.Add(-9 * time.Second), Label: "ai", Source: "flux", Prediction: &said, Right: true, LatencyMS: 401}, {ChallengeID: "c0", Time: now.Add(-time.Minute), Label: "real", Source: "open-images", Error: "timeout"}}}
	for i := range 10 {
		mean := .05 + .1*float64(i)
		page.Calibration = append(page.Calibration, monitor.CalibrationBin{Low: mean - .05, High: mean + .05, Answers: 10 + 4*(i-5)*(i-5), Mean: mean, AIShare: math.Pow(mean, 1.3)})
	}
	for i := range 40 {
		page.History = append(page.History, monitor.Point{Time: now, Block: uint64(4_800_000 + 360*i), Score: .8 + .1*math.Sin(float64(i)/7), Incentive: .3 + .1*math.Cos(float64(i)/9)})
	}
	return page
}

func recordedChallenges(now time.Time) monitor.Challenges {
	said := func(x float64) *float64 { return &x }
	challenge := func(seq uint64, label, source, image string, transforms []string) monitor.Challenge {
		return monitor.Challenge{ID: fmt.Sprintf("c%d", seq), Seq: seq, Time: now.Add(-time.Duration(18_423-seq) * 20 * time.Second), Block: 4_812_000 + seq - 18_400, Validator: 1, Label: label, Source: source, Transforms: transforms, ImageURL: image,
			Answers: []monitor.Answer{
				{UID: 21, Prediction: said(.96), Right: label == "ai", Reward: 1, LatencyMS: 402, Status: 200}, {UID: 7, Prediction: said(.81), Right: label == "ai", LatencyMS: 280, Status: 200},
				{UID: 40, Prediction: said(.22), Right: label == "real", LatencyMS: 1490, Status: 200}, {UID: 52, Error: "no answer within 9 s", Status: 408}}}
	}
	return monitor.Challenges{NextCursor: "18418", Items: []monitor.Challenge{
		challenge(18_422, "ai", "flux", "/samples/fake/flux/flux-dev-checkpoint-example.jpg", []string{"cropped to 256 x 256", "JPEG quality 71"}),
		challenge(18_421, "real", "getty-open-content", "/gone.jpg", nil),
		challenge(18_420, "ai", "chroma", "/samples/fake/chroma/image-chroma-text-to-image.jpg", []string{"flipped"}),
		challenge(18_419, "real", "open-images", "", []string{"rotated by 4°"}),
	}}
}
