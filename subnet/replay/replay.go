// Package replay asks a detector the questions that a validator has asked its
// miners before: from the records that validators publish, and the pictures that
// the questions were made of.
//
//	result, err := replay.Run(ctx, replay.Options{Detector: d, Pool: pool}, reports)
//	fmt.Println(result.Yours.Reward, result.Rank)
//
// A record holds a picture's source, its path and what was done to it, but not the
// picture: questions whose picture is not in the pool cannot be asked again, and
// are listed with the reason.
package replay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// Detector scores pictures, as detector.Detector does.
type Detector interface {
	DetectBatch(ctx context.Context, imgs []image.Image) ([]float64, error)
}

// Options say what is asked, and of whom.
type Options struct {
	Detector Detector
	// Pool holds the pictures among which those of the records are found again.
	Pool *challenge.Pool
	// Batch is how many pictures the detector scores at a time; 0 is 16.
	Batch int
	// Progress is told how many records are done, if it is not nil.
	Progress func(done int)
}

// Result is what became of the records.
type Result struct {
	Records  int `json:"records"`
	Replayed int `json:"replayed"`
	// First and Last are the times of the records.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Missing are the records whose question cannot be asked again.
	Missing []Missing `json:"missing"`
	// Metrics compare the detector's scores with the labels.
	Metrics evaluate.Metrics `json:"metrics"`
	// Yours is the detector as a miner that was asked every replayed question and
	// answered all of them.
	Yours Miner `json:"yours"`
	// Miners are those of the records, by falling reward, counted on the replayed
	// questions alone.
	Miners []Miner `json:"miners"`
	// Rank is the place that the detector's mean reward has among the miners', and
	// RankByScore that of its moving score, from 1 for the best.
	Rank        int `json:"rank"`
	RankByScore int `json:"rank_by_score"`
	// Seconds is the mean time to score a picture.
	Seconds float64 `json:"seconds"`
}

// Miner is how a miner did on the replayed questions.
type Miner struct {
	UID      *uint16        `json:"uid,omitempty"` // the last one it had; nil for the detector
	Hotkey   ss58.AccountID `json:"hotkey,omitzero"`
	Asked    uint64         `json:"asked"`
	Answered uint64         `json:"answered"`
	// Accuracy is the part of its answers that were right.
	Accuracy float64 `json:"accuracy"`
	// Reward is the mean over the questions it was asked.
	Reward float64 `json:"reward"`
	// Score is the validator's moving average of rewards, from 0 at the first
	// replayed question.
	Score float64 `json:"score"`
	// Yours is the detector's mean reward on the questions that this miner was
	// asked.
	Yours float64 `json:"yours"`
	// Latency is the median of its answers' times in milliseconds, 0 without any.
	Latency float64 `json:"latency_ms"`
}

// Missing is a record whose question cannot be asked again.
type Missing struct {
	Seq    uint64 `json:"seq"`
	Class  string `json:"class"`
	Source string `json:"source"`
	Origin string `json:"origin"`
	Reason string `json:"reason"`
	// Absent says that the picture is not in the pool; else it is there and
	// something is wrong with it.
	Absent bool `json:"absent"`
}

// ErrNothing says that no record could be replayed.
var ErrNothing = errors.New("no record could be replayed")

// Run replays the records in the order of their numbers. A question that occurs
// twice counts once. With ErrNothing the result still says why.
func Run(ctx context.Context, opts Options, reports []store.Report) (Result, error) {
	if opts.Batch == 0 {
		opts.Batch = 16
	}
	reports = slices.Clone(reports)
	slices.SortStableFunc(reports, func(a, b store.Report) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq)) })
	ids := map[string]bool{}
	reports = slices.DeleteFunc(reports, func(r store.Report) bool {
		twice := r.Challenge.ID != "" && ids[r.Challenge.ID]
		ids[r.Challenge.ID] = true
		return twice
	})
	result := Result{Records: len(reports), Missing: []Missing{}, Miners: []Miner{}}
	if len(reports) > 0 {
		result.First, result.Last = reports[0].Time, reports[len(reports)-1].Time
	}
	index := challenge.NewIndex(opts.Pool)
	tally, err := newTally()
	if err != nil {
		return Result{}, err
	}
	var labels []int
	var scores []float64
	var waiting []store.Report
	var images []image.Image
	var took time.Duration
	flush := func(done int) error {
		if len(images) > 0 {
			start := time.Now()
			answers, err := opts.Detector.DetectBatch(ctx, images)
			took += time.Since(start)
			if err != nil {
				return err
			}
			for i, r := range waiting {
				labels, scores = append(labels, r.Challenge.Label), append(scores, answers[i])
				if err := tally.add(r, answers[i]); err != nil {
					return err
				}
			}
			waiting, images = waiting[:0], images[:0]
		}
		if opts.Progress != nil {
			opts.Progress(done)
		}
		return nil
	}
	for i, r := range reports {
		img, err := rebuild(ctx, index, r.Challenge)
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		if err != nil {
			c := r.Challenge
			result.Missing = append(result.Missing, Missing{
				r.Seq, className(c.Label), c.Source, c.Origin, err.Error(), errors.Is(err, challenge.ErrNoPicture),
			})
		} else {
			waiting, images = append(waiting, r), append(images, img)
		}
		if len(images) >= opts.Batch || i+1 == len(reports) {
			if err := flush(i + 1); err != nil {
				return Result{}, err
			}
		}
	}
	result.Replayed = len(labels)
	if result.Replayed == 0 {
		return result, ErrNothing
	}
	result.Seconds = took.Seconds() / float64(result.Replayed)
	if result.Metrics, err = evaluate.Compute(labels, scores); err != nil {
		return Result{}, err
	}
	result.Yours, result.Miners = tally.result()
	result.Rank, result.RankByScore = 1, 1
	for _, m := range result.Miners {
		if m.Reward > result.Yours.Reward {
			result.Rank++
		}
		if m.Score > result.Yours.Score {
			result.RankByScore++
		}
	}
	return result, nil
}

// rebuild gives the picture as a miner decodes it.
func rebuild(ctx context.Context, index *challenge.Index, c challenge.Challenge) (image.Image, error) {
	if c.Label != challenge.Real && c.Label != challenge.Synthetic {
		return nil, fmt.Errorf("it has the label %d", c.Label)
	}
	data, err := index.Rebuild(ctx, c)
	if err != nil {
		return nil, err
	}
	img, _, err := decode.Decode(data, decode.Limits{})
	return img, err
}

func className(label int) string {
	if label == challenge.Real {
		return "real"
	}
	return "fake"
}

// tally counts what everybody earned.
type tally struct {
	yours  *score.Board
	total  float64 // of your rewards
	miners map[ss58.AccountID]*counts
}

// counts are one miner's.
type counts struct {
	uid       uint16
	board     *score.Board // of this miner alone: it may change its uid
	rewards   float64
	yours     float64
	latencies []float64
}

func newTally() (*tally, error) {
	b, err := score.NewBoard(score.Config{})
	return &tally{yours: b, miners: map[ss58.AccountID]*counts{}}, err
}

func (t *tally) add(r store.Report, prediction float64) error {
	reward := score.Reward(prediction, r.Challenge.Label, score.StatusOK)
	t.total += reward
	if err := t.yours.Update([]score.Outcome{{Reward: reward, Answered: true}}); err != nil {
		return err
	}
	for _, a := range r.Answers {
		m := t.miners[a.Hotkey]
		if m == nil {
			board, err := score.NewBoard(score.Config{})
			if err != nil {
				return err
			}
			m = &counts{board: board}
			t.miners[a.Hotkey] = m
		}
		m.uid = a.UID
		// The validator's own rule counts, whatever the record says was earned.
		earned := score.Reward(a.Prediction, r.Challenge.Label, a.Status)
		answered := score.Valid(a.Prediction) && a.Status == score.StatusOK
		if err := m.board.Update([]score.Outcome{{Reward: earned, Answered: answered}}); err != nil {
			return err
		}
		m.rewards += earned
		m.yours += reward
		if answered {
			m.latencies = append(m.latencies, a.LatencyMS)
		}
	}
	return nil
}

func (t *tally) result() (Miner, []Miner) {
	entry := t.yours.Entries()[0]
	yours := Miner{
		Asked: entry.Asked, Answered: entry.Answered, Accuracy: entry.Accuracy(), Score: entry.Score,
		Reward: t.total / float64(entry.Asked), Yours: t.total / float64(entry.Asked),
	}
	miners := []Miner{}
	for hotkey, c := range t.miners {
		entry := c.board.Entries()[0]
		m := Miner{
			UID: &c.uid, Hotkey: hotkey, Asked: entry.Asked, Answered: entry.Answered, Accuracy: entry.Accuracy(), Score: entry.Score,
			Reward: c.rewards / float64(entry.Asked), Yours: c.yours / float64(entry.Asked),
		}
		if len(c.latencies) > 0 {
			slices.Sort(c.latencies)
			m.Latency = (c.latencies[(len(c.latencies)-1)/2] + c.latencies[len(c.latencies)/2]) / 2
		}
		miners = append(miners, m)
	}
	slices.SortFunc(miners, func(a, b Miner) int {
		return cmp.Or(cmp.Compare(b.Reward, a.Reward), cmp.Compare(b.Score, a.Score), cmp.Compare(*a.UID, *b.UID), bytes.Compare(a.Hotkey[:], b.Hotkey[:]))
	})
	return yours, miners
}
