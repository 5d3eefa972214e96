// Command report makes one table of what bench/run.sh measured.
//
//	report FOLDER OUT.json
//
// The folder has a file per series, such as npr-1.ours and npr-1.peer, with one
// line per measurement: a JSON object of figures, or a line that "go test -bench"
// prints. Each figure is the median of its measurements; the ratio says how many
// times better ours is than the peer's median. The table goes to standard output
// and, with every measurement, to OUT.json.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figure is one line of the table. Its measurements are those that series.ours
// and series.peer call key, times scale.
type figure struct {
	name, unit  string
	series, key string
	scale       float64
	// lower says that less is better.
	lower bool
	// The aim is either on the ratio or on our own value; 0 is none.
	aimRatio, aimValue float64
}

const perNanosecond = 1e-6 // of a millisecond

var figures = slices.Concat([]figure{
	{name: "NPR, batch 1: rate", unit: "images/s", series: "npr-1", key: "images_per_s", scale: 1, aimRatio: 2.5},
	{name: "NPR, batch 1: peak memory", unit: "MB", series: "npr-1", key: "peak_mb", scale: 1, lower: true, aimRatio: 10},
	{name: "NPR, batch 16: rate", unit: "images/s", series: "npr-16", key: "images_per_s", scale: 1, aimRatio: 2.5},
	{name: "NPR, batch 16: peak memory", unit: "MB", series: "npr-16", key: "peak_mb", scale: 1, lower: true, aimRatio: 10},
	{name: "NPR's graph alone, batch 1, beside the C API: rate", unit: "images/s", series: "bare-1", key: "images_per_s", scale: 1, aimRatio: 0.97},
	{name: "NPR's graph alone, batch 8, beside the C API: rate", unit: "images/s", series: "bare-8", key: "images_per_s", scale: 1, aimRatio: 0.97},
	{name: "NPR's graph alone, batch 1, beside ONNX Runtime from Python: rate", unit: "images/s", series: "bare-python-1", key: "images_per_s", scale: 1},
	{name: "NPR's graph alone, batch 8, beside ONNX Runtime from Python: rate", unit: "images/s", series: "bare-python-8", key: "images_per_s", scale: 1},
	{name: "pictures for training, 224 pixels, augmentation robust", unit: "images/s", series: "loader-robust", key: "img/s", scale: 1},
	{name: "pictures for training, 224 pixels, augmentation challenge", unit: "images/s", series: "loader-challenge", key: "img/s", scale: 1},
	{name: "start to first prediction: best", unit: "s", series: "first", key: "seconds", scale: 1, lower: true, aimValue: 0.5},
	{name: "start to first prediction: fast", unit: "s", series: "first-fast", key: "seconds", scale: 1, lower: true, aimValue: 0.5},
	{name: "start to first prediction: NPR", unit: "s", series: "first-npr", key: "seconds", scale: 1, lower: true, aimValue: 0.5},
	{name: "axon, 256 connections: rate", unit: "requests/s", series: "axon", key: "per_second", scale: 1, aimRatio: 20},
	{name: "axon, 256 connections: 99th percentile", unit: "ms", series: "axon", key: "p99_ms", scale: 1, lower: true, aimRatio: 20},
	{name: "dendrite: 256 axons asked at once", unit: "ms", series: "dendrite", key: "median_ms", scale: 1, lower: true, aimRatio: 10},
	{name: "challenges from a 1024-pixel JPEG: one core", unit: "1/s", series: "challenge-one", key: "challenges/s", scale: 1, aimRatio: 3},
	{name: "challenges from a 1024-pixel JPEG: all cores", unit: "1/s", series: "challenge-all", key: "challenges/s", scale: 1, aimRatio: 3},
}, detections("fast", 2), detections("best", 1.15), []figure{
	{name: "500 pictures of 10 MB at once: answered", unit: "pictures", series: "api-flood", key: "answered", scale: 1},
	{name: "500 pictures of 10 MB at once: refused with 429 or 503", unit: "pictures", series: "api-flood", key: "shed", scale: 1},
	{name: "500 pictures of 10 MB at once: lost without an answer", unit: "pictures", series: "api-flood", key: "lost", scale: 1, lower: true},
	{name: "500 pictures of 10 MB at once: peak memory", unit: "MB", series: "api-flood", key: "peak_mb", scale: 1, lower: true, aimValue: 1000},
	{name: "store, SQLite: a challenge with 50 answers recorded", unit: "ms", series: "store-append", key: "ns/op", scale: perNanosecond, lower: true},
	{name: "store, SQLite: an answer to a picture stored", unit: "ms", series: "store-detection", key: "ns/op", scale: perNanosecond, lower: true},
	{name: "store, SQLite: a key checked and counted against two limits", unit: "ms", series: "store-key", key: "ns/op", scale: perNanosecond, lower: true},
	{name: "store, SQLite: a miner's record of 1,000 answers made", unit: "ms", series: "store-miner", key: "ns/op", scale: perNanosecond, lower: true},
	{name: "localnet, empty blocks in memory", unit: "blocks/s", series: "blocks-memory", key: "blocks/s", scale: 1},
	{name: "localnet, empty blocks saved to disk", unit: "blocks/s", series: "blocks-disk", key: "blocks/s", scale: 1},
	{name: "epoch, 256 neurons, 64 validators: Yuma 2", unit: "ms", series: "epoch-yuma2", key: "ns/op", scale: perNanosecond, lower: true, aimValue: 10},
	{name: "epoch, 256 neurons, 64 validators: Yuma 3, liquid alpha", unit: "ms", series: "epoch-yuma3-liquid", key: "ns/op", scale: perNanosecond, lower: true, aimValue: 10},
	{name: "the localnet's block with that epoch, and the next", unit: "ms", series: "epoch-block", key: "ns/op", scale: perNanosecond, lower: true},
	{name: "the localnet's block with an epoch of 1,024 neurons, 64 validators", unit: "ms", series: "epoch-1024", key: "ns/op", scale: perNanosecond, lower: true, aimValue: 50},
	{name: "the localnet's block of 1,000 signed extrinsics", unit: "ms", series: "block-1000", key: "ms/block", scale: 1, lower: true},
	{name: "chain client: connect, first answer", unit: "ms", series: "metagraph", key: "connect_ms", scale: 1, lower: true, aimRatio: 10},
	{name: "chain client: metagraph of 256 neurons", unit: "ms", series: "metagraph", key: "metagraph_ms", scale: 1, lower: true, aimRatio: 10},
	{name: "chain client: peak memory of that", unit: "MB", series: "metagraph", key: "peak_mb", scale: 1, lower: true, aimRatio: 10},
	{name: "chain client: 256 set_weights signed and submitted", unit: "ms", series: "weights", key: "weights_ms", scale: 1, lower: true, aimRatio: 10},
	{name: "sr25519 signatures verified, one core", unit: "1/s", series: "verify", key: "verifies/s", scale: 1},
	{name: "SCALE: 255 neurons decoded, one core", unit: "MB/s", series: "decode", key: "MB/s", scale: 1},
})

// detections are the figures of the service with a detector; the aim is on the rate at
// 16 clients.
func detections(model string, aim float64) []figure {
	var all []figure
	series := ""
	for _, clients := range []int{1, 16, 64} {
		series = fmt.Sprintf("api-%s-%d", model, clients)
		name := fmt.Sprintf("detections with %s, %d clients: ", model, clients)
		if clients == 1 {
			name = fmt.Sprintf("detections with %s, 1 client: ", model)
		}
		rate := figure{name: name + "rate", unit: "requests/s", series: series, key: "requests_per_s", scale: 1}
		if clients == 16 {
			rate.aimRatio = aim
		}
		all = append(all, rate)
		for _, q := range []struct{ name, key string }{{"median", "p50_ms"}, {"95th percentile", "p95_ms"}, {"99th percentile", "p99_ms"}} {
			all = append(all, figure{name: name + q.name, unit: "ms", series: series, key: q.key, scale: 1, lower: true})
		}
	}
	return append(all, figure{name: "detections with " + model + ": peak memory of all that", unit: "MB", series: series, key: "peak_mb", scale: 1, lower: true, aimRatio: 3})
}

// result is what a figure came to; a value that was not measured is left out.
type result struct {
	Figure      string    `json:"figure"`
	Unit        string    `json:"unit"`
	Ours        float64   `json:"ours"`
	Peer        float64   `json:"peer,omitempty"`
	Ratio       float64   `json:"ratio,omitempty"`
	Aim         string    `json:"aim,omitempty"`
	Met         *bool     `json:"met,omitempty"`
	OursSamples []float64 `json:"ours_samples"`
	PeerSamples []float64 `json:"peer_samples,omitempty"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: report FOLDER OUT.json")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(folder, out string) error {
	var results []result
	for _, f := range figures {
		r, err := f.result(folder)
		if err != nil {
			return err
		}
		if len(r.OursSamples) > 0 {
			results = append(results, r)
		}
	}
	text, err := json.MarshalIndent(struct {
		Time    string   `json:"time"`
		Go      string   `json:"go"`
		Cores   int      `json:"cores"`
		Figures []result `json:"figures"`
	}{time.Now().UTC().Format(time.RFC3339), runtime.Version(), runtime.NumCPU(), results}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return table(os.Stdout, results)
}

func (f figure) result(folder string) (result, error) {
	ours, err := samples(filepath.Join(folder, f.series+".ours"), f.key, f.scale)
	if err != nil {
		return result{}, err
	}
	peer, err := samples(filepath.Join(folder, f.series+".peer"), f.key, f.scale)
	if err != nil {
		return result{}, err
	}
	r := result{Figure: f.name, Unit: f.unit, OursSamples: ours, PeerSamples: peer}
	if len(ours) == 0 {
		return r, nil
	}
	r.Ours = median(ours)
	if len(peer) > 0 {
		r.Peer = median(peer)
		r.Ratio = r.Ours / r.Peer
		if f.lower {
			r.Ratio = r.Peer / r.Ours
		}
	}
	var met bool
	switch {
	case f.aimValue > 0:
		r.Aim = number(f.aimValue) + " " + f.unit
		met = r.Ours <= f.aimValue
	case f.aimRatio > 0:
		r.Aim = number(f.aimRatio) + " times"
		if r.Ratio == 0 {
			return r, nil
		}
		met = r.Ratio >= f.aimRatio
	default:
		return r, nil
	}
	r.Met = &met
	return r, nil
}

// samples gives a key's values in a series; a missing file has none.
func samples(path, key string, scale float64) ([]float64, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []float64
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		values, err := measurement(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		v, ok := values[key]
		if !ok {
			return nil, fmt.Errorf("%s: no %s in %q", path, key, lines.Text())
		}
		all = append(all, v*scale)
	}
	return all, lines.Err()
}

// measurement reads a JSON object of numbers, or a benchmark's line: name, runs,
// then pairs of value and unit.
func measurement(line string) (map[string]float64, error) {
	values := map[string]float64{}
	if strings.HasPrefix(line, "{") {
		err := json.Unmarshal([]byte(line), &values)
		return values, err
	}
	words := strings.Fields(line)
	for i := 2; i+1 < len(words); i += 2 {
		v, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", line, err)
		}
		values[words[i+1]] = v
	}
	return values, nil
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// number gives three digits, more only before the point.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', max(digits, 0), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// table writes Markdown, its columns aligned.
func table(w io.Writer, results []result) error {
	rows := [][]string{{"figure", "unit", "ours", "peer", "ratio", "aim", "met"}, nil}
	for _, r := range results {
		row := []string{r.Figure, r.Unit, number(r.Ours), "", "", r.Aim, ""}
		if r.Ratio > 0 {
			row[3], row[4] = number(r.Peer), number(r.Ratio)
		}
		if r.Met != nil {
			row[6] = map[bool]string{true: "yes", false: "no"}[*r.Met]
		}
		rows = append(rows, row)
	}
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	for i := range width {
		rows[1] = append(rows[1], strings.Repeat("-", width[i]))
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = fmt.Sprintf("%-*s", width[i], cell)
		}
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | ")); err != nil {
			return err
		}
	}
	return nil
}
