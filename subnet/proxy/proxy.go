// Package proxy asks the miners of a subnet about pictures that people have: the
// organic questions, beside the challenges that a validator thinks up. A Proxy runs
// in a validator's process; a Client asks a validator elsewhere.
//
//	p, err := proxy.New(proxy.Config{Network: v}) // v is a *validator.Validator
//	answer, err := p.Ask(ctx, proxy.Picture{Data: jpeg})
//	fmt.Println(answer.Prediction, answer.UIDs())
//
// The best miners are asked, by the validator's own score, with a few others among
// them, so that newcomers are heard too; never one that has not answered lately.
//
// A question looks like a challenge: the picture goes the same way (crop, turn,
// colours, 256 pixels square, JPEG), through the same signed requests. Miners who
// could tell them apart would do well on the one that pays and badly on the other.
// Since a random crop loses much of a picture, several are made of it, and each
// miner sees one of them.
package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// Asker answers pictures through a subnet's miners; *Proxy and *Client are askers.
type Asker interface {
	Ask(ctx context.Context, p Picture) (Answer, error)
}

// Picture is what is asked about.
type Picture struct {
	// Data is the picture as a file, in a format that media/decode reads.
	Data []byte
	// Image is the same picture, upright, as decode.Decode gives it, where it is at
	// hand; nil: Data is decoded.
	Image image.Image
}

// Answer is what the miners think of a picture.
type Answer struct {
	// Prediction in [0,1] is that of all miners together, see Combine; above 0.5 the
	// picture is judged AI-generated.
	Prediction float64
	// Asked is how many miners were asked, Answered how many gave an answer.
	Asked, Answered int
	// Agreement is the share of the answers on Prediction's side of one half.
	Agreement float64
	// Replies are the answers, by uid.
	Replies []Reply
	// Elapsed is the time from the question to the last answer that counted.
	Elapsed time.Duration
	// FQDN is the name of the validator's machine; "" in the process itself.
	FQDN string
}

// Reply is one miner's answer.
type Reply struct {
	UID        uint16
	Hotkey     ss58.AccountID
	Prediction float64 // in [0,1]
	// Weight is the miner's share of the say, in [0,1].
	Weight  float64
	Latency time.Duration
	// Rank and Incentive are the chain's, in [0,1]; Emission is in TAO a tempo.
	Rank, Incentive, Emission float64
}

// UIDs lists the miners that answered, in order.
func (a Answer) UIDs() []uint16 {
	uids := make([]uint16, len(a.Replies))
	for i, r := range a.Replies {
		uids[i] = r.UID
	}
	return uids
}

// Predictions lists what each of UIDs said.
func (a Answer) Predictions() []float64 {
	list := make([]float64, len(a.Replies))
	for i, r := range a.Replies {
		list[i] = r.Prediction
	}
	return list
}

// Errors of Ask, beside those of decoding.
var (
	// ErrNoMiners says that no miner can be asked now.
	ErrNoMiners = errors.New("no miner of the subnet answers at present")
	// ErrUnanswered says that fewer miners answered than must.
	ErrUnanswered = errors.New("too few miners answered")
	// ErrBusy says that too many questions wait already.
	ErrBusy = errors.New("too many questions wait for the miners")
	// ErrPicture says that the picture cannot be read; the decoder's error is with it.
	ErrPicture = errors.New("the picture cannot be read")
)

// Network is the validator that a proxy asks through; *validator.Validator is one.
type Network interface {
	Candidates() []validator.Candidate
	Ask(ctx context.Context, miners []validator.Candidate, jpeg []byte) []validator.Answer
}

// The defaults of Config.
const (
	DefaultSample     = 10
	DefaultExplore    = 0.2
	DefaultMinimum    = 3
	DefaultViews      = 3
	DefaultTimeout    = 9 * time.Second // the Python proxy's
	DefaultConcurrent = 4
	DefaultWaiting    = 32

	// MaxSample is the most miners that a subnet has.
	MaxSample = 256
)

// Config sets up a Proxy. Only Network is needed; zero values take the defaults.
type Config struct {
	Network Network

	// Sample is how many miners are asked: the best ones, and for a part Explore of
	// them others at random. Below 0, Explore is none.
	Sample  int
	Explore float64
	// Minimum is how many must answer for an answer to be given. With three or more
	// no single miner can move it beyond what the others say.
	Minimum int
	// Views is how many different crops of a picture are made.
	Views int
	// Timeout is how long answers are waited for at most. Once most are there, the
	// rest get only as long again as those took.
	Timeout time.Duration
	// Concurrent is how many questions are with the miners at once, Waiting how many
	// more may wait; beyond those Ask returns ErrBusy.
	Concurrent, Waiting int
	// Limits bound the decoding of pictures.
	Limits decode.Limits

	// Counters keeps how many questions went well (CountQuestions), and how many
	// each miner answered (CountMiners); nil: nobody does.
	Counters Counters
	// Seed makes choices repeatable, for tests; 0 chooses what nobody can foresee.
	Seed uint64
	// Logger takes the proxy's log lines; nil discards.
	Logger *slog.Logger
}

// Kinds of what a proxy counts: questions as a whole (the subject is ""), and
// requests to miners (the subject is the uid).
const (
	CountQuestions = "proxy"
	CountMiners    = "proxy_miner"
)

// Counters counts successes and failures by day; *store.Store does.
type Counters interface {
	Count(ctx context.Context, kind, subject string, success, failure uint64) error
}

// tally is something to count.
type tally struct {
	kind, subject    string
	success, failure uint64
}

// Proxy asks the miners through a validator in this process. It is safe for
// concurrent use.
type Proxy struct {
	cfg  Config
	pool challenge.Pool // makes pictures only
	turn chan struct{}
	room chan struct{}

	mu  sync.Mutex
	rng *rand.Rand
}

// New checks the configuration.
func New(cfg Config) (*Proxy, error) {
	defaultTo(&cfg.Sample, DefaultSample)
	defaultTo(&cfg.Explore, DefaultExplore)
	defaultTo(&cfg.Minimum, DefaultMinimum)
	defaultTo(&cfg.Views, DefaultViews)
	defaultTo(&cfg.Timeout, DefaultTimeout)
	defaultTo(&cfg.Concurrent, DefaultConcurrent)
	defaultTo(&cfg.Waiting, DefaultWaiting)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Network == nil:
		return nil, errors.New("a proxy needs a validator to ask through")
	case cfg.Sample < 1 || cfg.Sample > MaxSample:
		return nil, fmt.Errorf("a proxy that asks %d miners; try: 1 to %d", cfg.Sample, MaxSample)
	case cfg.Minimum < 1 || cfg.Minimum > cfg.Sample:
		return nil, fmt.Errorf("a proxy that needs %d answers of %d miners; try: 1 to %d", cfg.Minimum, cfg.Sample, cfg.Sample)
	case !(cfg.Explore < 1):
		return nil, fmt.Errorf("a proxy with a part of %v for miners other than the best; try: 0.2", cfg.Explore)
	case cfg.Views < 1 || cfg.Concurrent < 1 || cfg.Waiting < 1 || cfg.Timeout < 0:
		return nil, errors.New("a proxy's views, concurrency, waiting room and timeout must be positive")
	}
	p := &Proxy{
		cfg: cfg, pool: challenge.Pool{Limits: cfg.Limits},
		turn: make(chan struct{}, cfg.Concurrent), room: make(chan struct{}, cfg.Concurrent+cfg.Waiting),
		rng: challenge.NewRand(),
	}
	if cfg.Seed != 0 {
		p.rng = rand.New(rand.NewPCG(cfg.Seed, 0))
	}
	return p, nil
}

func defaultTo[T int | float64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Ask puts a picture to the miners. Errors are those named above, wrapped, and that
// of ctx.
func (p *Proxy) Ask(ctx context.Context, picture Picture) (Answer, error) {
	select {
	case p.room <- struct{}{}:
		defer func() { <-p.room }()
	default:
		return Answer{}, ErrBusy
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	answer, tallies, err := p.ask(ctx, picture)
	switch {
	case err == nil:
		tallies = append(tallies, tally{kind: CountQuestions, success: 1})
	case !errors.Is(err, ErrPicture) && ctx.Err() == nil: // neither is the network's fault
		tallies = append(tallies, tally{kind: CountQuestions, failure: 1})
	}
	p.count(ctx, tallies)
	return answer, err
}

// ask also says what each miner did.
func (p *Proxy) ask(ctx context.Context, picture Picture) (Answer, []tally, error) {
	miners := p.choose(p.cfg.Network.Candidates())
	if len(miners) == 0 {
		return Answer{}, nil, ErrNoMiners
	}
	if len(miners) < p.cfg.Minimum {
		return Answer{Asked: len(miners)}, nil, fmt.Errorf("%w: %d can be asked, %d must answer", ErrUnanswered, len(miners), p.cfg.Minimum)
	}
	views, err := p.views(picture, min(p.cfg.Views, len(miners)))
	if err != nil {
		return Answer{}, nil, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	start := time.Now()
	answers := p.query(ctx, miners, views)
	if ctx.Err() != nil {
		return Answer{}, nil, ctx.Err()
	}
	answer := Answer{Asked: len(miners)}
	var tallies []tally
	for i, a := range answers {
		subject := strconv.Itoa(int(a.UID))
		if a.Status != score.StatusOK || !score.Valid(a.Prediction) {
			if a.Status != statusCutOff {
				tallies = append(tallies, tally{kind: CountMiners, subject: subject, failure: 1})
			}
			continue
		}
		tallies = append(tallies, tally{kind: CountMiners, subject: subject, success: 1})
		latency := time.Duration(a.LatencyMS * float64(time.Millisecond))
		answer.Replies = append(answer.Replies, Reply{
			UID: a.UID, Hotkey: a.Hotkey, Prediction: a.Prediction, Latency: latency,
			Weight: skill(miners[i]), Rank: miners[i].Rank, Incentive: miners[i].Incentive, Emission: miners[i].Emission,
		})
		answer.Elapsed = max(answer.Elapsed, latency)
	}
	answer.Answered = len(answer.Replies)
	if answer.Answered < p.cfg.Minimum {
		return answer, tallies, fmt.Errorf("%w: %d of %d, %d must", ErrUnanswered, answer.Answered, answer.Asked, p.cfg.Minimum)
	}
	slices.SortFunc(answer.Replies, func(a, b Reply) int { return cmp.Compare(a.UID, b.UID) })
	answer.Prediction = Combine(answer.Replies)
	answer.Agreement = agreement(answer.Replies, answer.Prediction)
	p.cfg.Logger.Info("organic question", "asked", answer.Asked, "answered", answer.Answered,
		"prediction", answer.Prediction, "agreement", answer.Agreement, "took", time.Since(start).Round(time.Millisecond))
	return answer, tallies, nil
}

// count must not fail a question that the miners have answered.
func (p *Proxy) count(ctx context.Context, tallies []tally) {
	if p.cfg.Counters == nil || len(tallies) == 0 {
		return
	}
	// The caller may leave at any moment; what was counted stays right.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, t := range tallies {
		if err := p.cfg.Counters.Count(ctx, t.kind, t.subject, t.success, t.failure); err != nil {
			p.cfg.Logger.Warn("counting an organic question failed", "error", err)
			return
		}
	}
}

// views makes n pictures of one as challenges are made.
func (p *Proxy) views(picture Picture, n int) ([][]byte, error) {
	views := make([][]byte, n)
	for i := range views {
		rng := p.fork()
		var err error
		if picture.Image != nil {
			views[i], _, err = p.pool.PrepareImage(picture.Image, rng)
		} else {
			views[i], _, err = p.pool.Prepare(picture.Data, rng)
		}
		if err != nil {
			return nil, err
		}
	}
	return views, nil
}

// fork gives a generator of its own to one use.
func (p *Proxy) fork() *rand.Rand {
	p.mu.Lock()
	defer p.mu.Unlock()
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(p.rng.Uint32())
	}
	return rand.New(rand.NewChaCha8(seed))
}
