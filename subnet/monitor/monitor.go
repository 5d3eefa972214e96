package monitor

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// Errors of the lists.
var (
	ErrNotFound  = errors.New("not found")
	ErrBadCursor = errors.New("the cursor is not one of this list")
)

const (
	// accuracyWindow is how many of a miner's latest answers its accuracy looks at.
	accuracyWindow = 100
	// maxChallenges is how many challenges of a validator are kept at hand with their
	// answers: with 50 answers each some 10 MB.
	maxChallenges = 1000
	// maxAnswers is how many answers of a miner are kept. Where 50 of 256 miners are
	// asked at a time they belong to the last 2,560 challenges: some 25 MB in all.
	maxAnswers = 500
	// minEvents is the least time between two events of one kind, but for challenges.
	minEvents        = 250 * time.Millisecond
	leaderboardEvery = 10 * time.Second
)

// Chain is where a Monitor learns of blocks and of the subnet's members;
// *validator.Validator and *neuron.Neuron are chains.
type Chain interface {
	Block() uint64
	Idle() time.Duration
	View() (neuron.View, bool)
	Changed() <-chan struct{}
}

// Source is what a Monitor reads of a validator; *validator.Validator is one.
type Source interface {
	Chain
	Hotkey() ss58.AccountID
	Snapshot() validator.Snapshot
	Recent(ctx context.Context, n int) ([]validator.Report, error)
	Reports(ctx context.Context, before time.Time, n int) ([]validator.Report, error)
	Report(ctx context.Context, challengeID string) (validator.Report, error)
}

// Config sets up a Monitor.
type Config struct {
	// Network is the chain's name or address, for people to read.
	Network string
	Netuid  uint16
	// BlockTime is the chain's until it was measured; 0 means 12 s.
	BlockTime time.Duration
	// Pool is what challenges are drawn from; nil: unknown, and no picture can be
	// made again.
	Pool *challenge.Pool
	// Chain tells of blocks; nil: the first validator does.
	Chain Chain
	// Detector names the detector of a miner that this program runs, and says whether
	// it runs it. nil: it runs none, and none is marked foreign.
	Detector func(hotkey ss58.AccountID) (name string, own bool)
	// HistoryFile keeps scores, incentives and weights over time; "": in memory.
	HistoryFile string
	// Logger takes the monitor's log lines; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Monitor watches the validators of this process. It is safe for concurrent use.
type Monitor struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	history *history
	events  hub
	images  pictures

	mu        sync.RWMutex
	feeds     []*Feed
	byID      map[string]*record
	miners    map[ss58.AccountID]*answers
	blockTime time.Duration
}

// New reads the history back.
func New(cfg Config) (*Monitor, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.BlockTime == 0 {
		cfg.BlockTime = 12 * time.Second
	}
	m := &Monitor{
		cfg: cfg, log: neuron.OrDiscard(cfg.Logger), now: cfg.Now,
		byID: map[string]*record{}, miners: map[ss58.AccountID]*answers{}, blockTime: cfg.BlockTime,
	}
	m.images.pool = cfg.Pool
	var err error
	m.history, err = openHistory(cfg.HistoryFile, m.log, cfg.Now)
	return m, err
}

// Feed is what one validator tells a Monitor.
type Feed struct {
	monitor   *Monitor
	validator Source
	hotkey    ss58.AccountID
	records   ring[*record] // guarded by the monitor's mu
}

// Feed makes the link to one validator: set the validator's OnForward and OnWeights
// to the feed's methods of the same names, and Bind the validator before it runs.
func (m *Monitor) Feed() *Feed {
	return &Feed{monitor: m, records: ring[*record]{limit: maxChallenges}}
}

// Bind takes up what the validator has on record.
func (f *Feed) Bind(ctx context.Context, v Source) error {
	reports, err := v.Recent(ctx, maxChallenges)
	if err != nil {
		return err
	}
	m := f.monitor
	m.mu.Lock()
	defer m.mu.Unlock()
	f.validator, f.hotkey = v, v.Hotkey()
	for _, r := range reports {
		m.take(f, r)
	}
	for _, a := range m.miners {
		a.sort() // among the answers to the validators bound before
	}
	m.feeds = append(m.feeds, f)
	return nil
}

// OnForward takes a finished challenge.
func (f *Feed) OnForward(r validator.Report) {
	m := f.monitor
	m.mu.Lock()
	rec := m.take(f, r)
	m.mu.Unlock()
	if m.events.listening() {
		m.events.publish(Event{EventChallenge, m.challenge(rec)})
	}
}

// OnWeights takes a setting of weights.
func (f *Feed) OnWeights(w validator.WeightsSet) {
	set := WeightsSet{Time: w.Time, Block: w.Block, Weights: shares(w)}
	set.Validator, _ = f.uid()
	f.monitor.history.addWeights(set)
	f.monitor.events.publish(Event{EventWeights, set})
}

func shares(w validator.WeightsSet) []Weight {
	sum := 0.0
	for _, v := range w.Weights {
		sum += float64(v)
	}
	list := make([]Weight, 0, len(w.UIDs))
	for i, uid := range w.UIDs {
		if sum > 0 {
			list = append(list, Weight{uid, float64(w.Weights[i]) / sum})
		}
	}
	return list
}

// uid is the validator's, as long as it has one.
func (f *Feed) uid() (uint16, bool) {
	if f.validator == nil {
		return 0, false
	}
	view, ok := f.validator.View()
	if !ok {
		return 0, false
	}
	self, ok := view.Metagraph.ByHotkey(f.hotkey)
	return self.UID, ok
}

// chain is where blocks are heard of, nil while nobody tells.
func (m *Monitor) chain() Chain {
	if m.cfg.Chain != nil {
		return m.cfg.Chain
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.feeds) == 0 {
		return nil
	}
	return m.feeds[0].validator
}

// view is the newest view of the subnet that anyone here has.
func (m *Monitor) view() (newest neuron.View, ok bool) {
	chains := []Chain{m.chain()}
	for _, f := range m.bound() {
		chains = append(chains, f.validator)
	}
	for _, c := range chains {
		if c == nil {
			continue
		}
		if v, have := c.View(); have && (!ok || v.Metagraph.Block > newest.Metagraph.Block) {
			newest, ok = v, true
		}
	}
	return newest, ok
}

// Metagraph is the newest that anyone here has read; nil before the first.
func (m *Monitor) Metagraph() *subtensor.Metagraph {
	view, _ := m.view()
	return view.Metagraph
}

// bound lists the validators.
func (m *Monitor) bound() []*Feed {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.feeds[:len(m.feeds):len(m.feeds)]
}

// Run follows the chain until ctx ends: it sends events, and takes scores and
// incentives down once in an epoch. Validators may be bound before or after.
func (m *Monitor) Run(ctx context.Context) error {
	var blockAt, statusAt, boardAt time.Time
	block := uint64(0)
	// Without a chain, and between blocks, the leaderboard is still sent.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var changed <-chan struct{}
		if c := m.chain(); c != nil {
			changed = c.Changed()
			now := m.now()
			if b := c.Block(); b != block {
				m.measure(block, b, now.Sub(blockAt))
				block, blockAt = b, now
				m.sample(b)
			}
			if now.Sub(statusAt) >= minEvents && m.events.listening() {
				statusAt = now
				m.events.publish(Event{EventStatus, m.Status()})
			}
			if now.Sub(boardAt) >= leaderboardEvery && m.events.listening() {
				boardAt = now
				m.events.publish(Event{EventLeaderboard, m.Leaderboard()})
			}
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return m.history.save()
		}
	}
}

// measure learns the time between blocks.
func (m *Monitor) measure(before, block uint64, took time.Duration) {
	if before == 0 || block <= before {
		return
	}
	each := took / time.Duration(block-before)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blockTime += (each - m.blockTime) / 8
}

// sample takes down scores and incentives, once the view is of a new epoch.
func (m *Monitor) sample(block uint64) {
	view, ok := m.view()
	if !ok {
		return
	}
	epoch, _ := view.Calendar().At(view.Metagraph.Block)
	if !m.history.due(epoch) {
		return
	}
	now := m.now().UTC().Truncate(time.Second)
	points := map[ss58.AccountID]Point{}
	for hotkey, row := range m.rows(view) {
		points[hotkey] = Point{Time: now, Block: block, Score: row.Score, Incentive: row.Incentive}
	}
	m.history.addPoints(epoch, points)
	if err := m.history.save(); err != nil {
		m.log.Error("saving the history of scores failed; trying again in the next epoch", "error", err)
	}
}

// Status returns the subnet as it is now.
func (m *Monitor) Status() Status {
	s := Status{Network: m.cfg.Network, Netuid: m.cfg.Netuid, Pools: m.images.pools(), Validators: []Validator{}}
	if c := m.chain(); c != nil {
		s.Block, s.HeadAgeMS = c.Block(), milliseconds(c.Idle())
	}
	if view, ok := m.view(); ok {
		s.Tempo = view.Hyperparameters.Tempo
		calendar := view.Calendar()
		_, into := calendar.At(s.Block)
		s.BlocksToEpoch = calendar.Length() - min(into, calendar.Length()-1)
	}
	for _, f := range m.bound() {
		snap := f.validator.Snapshot()
		s.Challenges += snap.Challenges
		s.Real += snap.Images.Real
		s.Synthetic += snap.Images.Synthetic
		s.WeightsSet += snap.WeightsSet
		s.WeightsBlock = max(s.WeightsBlock, snap.WeightsBlock)
		s.Validators = append(s.Validators, Validator{
			UID: snap.UID, Hotkey: snap.Hotkey.String(), Challenges: snap.Challenges, WeightsSet: snap.WeightsSet,
		})
	}
	m.mu.RLock()
	s.BlockTimeMS = milliseconds(m.blockTime)
	m.mu.RUnlock()
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d.Round(time.Microsecond)) / 1e6 }
