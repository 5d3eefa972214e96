package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

// MaxWindow is the most answers that a MinerRecord is made of.
const MaxWindow = 10_000

// CalibrationBins is how many equal parts of [0,1] a calibration has.
const CalibrationBins = 10

// MinerRecord is how a miner did in the newest challenges that it was asked.
type MinerRecord struct {
	// Asked counts the challenges, Answered its usable answers, Right those that
	// earned something.
	Asked, Answered, Right int
	// Sources are its records by source of the pictures, real ones first.
	Sources   []SourceRecord
	Confusion Confusion
	// Calibration has its answers by what was predicted.
	Calibration [CalibrationBins]CalibrationBin
	// LatencyMS are the median, the 90th and the 99th percentile of its answers'
	// times, 0 without any.
	LatencyMS struct{ P50, P90, P99 float64 }
	// First and Last are the times of the challenges, LastAnswer that of the newest
	// usable answer.
	First, Last, LastAnswer time.Time
}

// SourceRecord is how a miner did with the pictures of one source.
type SourceRecord struct {
	Source                 string
	Label                  int // challenge.Real or challenge.Synthetic
	Asked, Answered, Right int
}

// Confusion counts answers by what was said and what was so.
type Confusion struct {
	SyntheticRight int // said to be AI-generated, and so
	SyntheticWrong int // said to be AI-generated, and real
	RealRight      int
	RealWrong      int
	NoAnswer       int
}

// CalibrationBin has the answers with a prediction in one tenth.
type CalibrationBin struct {
	Answers int
	// Mean is of the predictions, Synthetic how many of the pictures were
	// AI-generated.
	Mean      float64
	Synthetic int
}

// searchFactor is in how many times as many challenges a miner's are looked for: on
// a full subnet it is asked in every fifth.
const searchFactor = 20

// Miner makes the record of a miner from the newest challenges that it was asked
// under this uid: last of them at most, among the newest 20 times as many.
func (b *Book) Miner(ctx context.Context, uid uint16, hotkey ss58.AccountID, last int) (MinerRecord, error) {
	doing := "reading the record of uid " + strconv.Itoa(int(uid))
	if last < 1 || last > MaxWindow {
		return MinerRecord{}, b.store.wrap(doing, fmt.Errorf("%w: a window of %d answers, try 1 to %d", ErrInvalid, last, MaxWindow))
	}
	type key struct {
		label  int
		source string
	}
	var m MinerRecord
	sources := map[key]*SourceRecord{}
	var latencies []float64
	err := b.store.reader().each(ctx, `SELECT c.time, c.label, c.source, a.prediction, a.status, a.latency_ms, a.reward
		FROM (SELECT id, seq, time, label, source FROM challenges WHERE validator = ? ORDER BY seq DESC LIMIT ?) c
		JOIN answers a ON a.challenge = c.id AND a.uid = ?
		WHERE a.hotkey = (SELECT id FROM hotkeys WHERE hotkey = ?)
		ORDER BY c.seq DESC LIMIT ?`, []any{b.id, searchFactor * last, uid, hotkey[:], last}, func(row scanner) error {
		var when int64
		var k key
		var a Answer
		if err := row.Scan(&when, &k.label, &k.source, &a.Prediction, &a.Status, &a.LatencyMS, &a.Reward); err != nil {
			return err
		}
		s := sources[k]
		if s == nil {
			s = &SourceRecord{Source: k.source, Label: k.label}
			sources[k] = s
		}
		m.First = fromMicros(when)
		if m.Asked == 0 {
			m.Last = m.First
		}
		m.Asked++
		s.Asked++
		if a.Status != score.StatusOK || !score.Valid(a.Prediction) {
			m.Confusion.NoAnswer++
			return nil
		}
		if m.Answered == 0 {
			m.LastAnswer = m.First
		}
		m.Answered++
		s.Answered++
		if a.Reward > 0 {
			m.Right++
			s.Right++
		}
		m.judge(a.Prediction, k.label)
		latencies = append(latencies, a.LatencyMS)
		return nil
	})
	if err != nil {
		return MinerRecord{}, b.store.wrap(doing, err)
	}
	for i := range m.Calibration {
		if bin := &m.Calibration[i]; bin.Answers > 0 {
			bin.Mean /= float64(bin.Answers)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(sources), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(a.source, b.source))
	}) {
		m.Sources = append(m.Sources, *sources[k])
	}
	if slices.Sort(latencies); len(latencies) > 0 {
		m.LatencyMS.P50, m.LatencyMS.P90, m.LatencyMS.P99 = quantile(latencies, 0.5), quantile(latencies, 0.9), quantile(latencies, 0.99)
	}
	return m, nil
}

// judge counts one usable answer.
func (m *MinerRecord) judge(prediction float64, label int) {
	said, is := prediction > 0.5, label == challenge.Synthetic
	switch {
	case said && is:
		m.Confusion.SyntheticRight++
	case said:
		m.Confusion.SyntheticWrong++
	case is:
		m.Confusion.RealWrong++
	default:
		m.Confusion.RealRight++
	}
	bin := &m.Calibration[min(int(prediction*CalibrationBins), CalibrationBins-1)]
	bin.Answers++
	bin.Mean += prediction // the sum until all are counted
	if is {
		bin.Synthetic++
	}
}

// quantile is the smallest value that at least a part q of the sorted ones is not
// above.
func quantile(sorted []float64, q float64) float64 {
	n := float64(len(sorted))
	i := int(q * n)
	if float64(i) == q*n {
		i--
	}
	return sorted[max(i, 0)]
}
