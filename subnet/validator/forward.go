package validator

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/protocol"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// forwardStep makes one challenge from drawing to saving. It waits first until
// there is somebody to ask.
func (v *Validator) forwardStep(ctx context.Context) error {
	if err := v.waitMiners(ctx); err != nil {
		return err
	}
	if err := v.pacer.start(ctx); err != nil {
		return err
	}
	counts := false
	defer func() { v.pacer.finish(counts) }() // after a panic too
	if err := v.forward(ctx); err != nil {
		return err
	}
	counts = true
	return nil
}

func (v *Validator) forward(ctx context.Context) error {
	rng := v.rng()
	miners := v.selectMiners(rng)
	if len(miners) == 0 {
		return errors.New("no miner is left to ask")
	}
	c, err := v.cfg.Challenges.Draw(ctx, rng)
	if err != nil {
		return fmt.Errorf("drawing a challenge: %w", err)
	}
	targets := make([]synapse.Target, len(miners))
	for i, n := range miners {
		targets[i] = synapse.Target{Hotkey: n.Hotkey, Addr: n.Axon.AddrPort()}
	}
	responses := synapse.Query(ctx, v.dendrite, targets, protocol.NewImageSynapse(c.Image), v.cfg.Timeout)
	if ctx.Err() != nil {
		return ctx.Err() // answers cut short by our own end say nothing about miners
	}
	v.noteClock(ctx, responses)
	return v.record(ctx, c, answers(miners, responses, c.Label))
}

// noteClock says so when no miner accepts this validator's signature and the local clock
// is to blame: the first time, and again after it had been right.
func (v *Validator) noteClock(ctx context.Context, responses []synapse.Response[protocol.ImageSynapse]) {
	for _, r := range responses {
		if !errors.Is(r.Err, synapse.ErrNotVerified) {
			v.clockSaid.Store(false)
			return
		}
	}
	chain, ok := v.cfg.Chain.(interface{ CheckClock(context.Context) error })
	var wrong *subtensor.ClockError
	if ok && !v.clockSaid.Load() && errors.As(chain.CheckClock(ctx), &wrong) {
		v.clockSaid.Store(true)
		v.log.Error("no miner accepts this validator's requests", "error", wrong)
	}
}

// record scores one challenge and writes it down: the result first, then the
// state that counts it.
func (v *Validator) record(ctx context.Context, c challenge.Challenge, list []Answer) error {
	v.recording.Lock()
	defer v.recording.Unlock()
	r, err := v.keep(ctx, c, list)
	if err != nil {
		return err
	}
	answered, right := 0, 0
	for _, a := range list {
		if a.Prediction >= 0 {
			answered++
		}
		if a.Reward > 0 {
			right++
		}
	}
	v.log.Info("challenge", "n", r.Seq, "label", c.Label, "source", c.Source, "asked", len(list), "answered", answered, "right", right)
	if v.cfg.OnForward != nil {
		v.cfg.OnForward(r)
	}
	return nil
}

// keep is the part of record that changes the state. v.recording is held, so that
// v.mu need not be while the result is written: a database may take its time.
func (v *Validator) keep(ctx context.Context, c challenge.Challenge, list []Answer) (Report, error) {
	r, results, err := v.next(ctx, c, list)
	if err != nil {
		return r, err
	}
	if results != nil {
		// A challenge that is finished is written down also when the validator ends.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		if err := results.Append(ctx, r); err != nil {
			// It does not say whether the result has arrived all the same.
			v.behind = true
			return r, fmt.Errorf("writing the result: %w", err)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.apply(r); err != nil {
		return r, err
	}
	if err := v.save(); err != nil {
		// The result is on disk, so nothing is lost; the next save tries again.
		v.log.Error("saving the state failed; trying again after the next challenge", "err", err)
	}
	return r, nil
}

// next numbers a finished challenge.
func (v *Validator) next(ctx context.Context, c challenge.Challenge, list []Answer) (Report, *store.Book, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.behind {
		if err := v.replay(ctx); err != nil {
			return Report{}, nil, err
		}
	}
	return Report{
		Seq: v.state.Challenges + 1, Time: v.cfg.Now().UTC().Truncate(time.Microsecond), Block: v.neuron.Block(),
		Challenge: c, Answers: list,
	}, v.results, nil
}

// waitMiners waits until the subnet has a miner to ask and the chain is alive.
func (v *Validator) waitMiners(ctx context.Context) error {
	said := ""
	return v.neuron.WaitUntil(ctx, func() bool {
		why := ""
		switch {
		case !v.registered():
			why = "this hotkey is no longer registered"
		case v.neuron.Idle() > staleAfter:
			why = "the chain sends no blocks"
		case len(v.candidates()) == 0:
			why = "no miner on the subnet serves an axon"
		default:
			return true
		}
		if why != said {
			said = why
			v.log.Info("challenges wait", "why", why)
		}
		return false
	})
}

func (v *Validator) registered() bool {
	_, ok := v.neuron.Self()
	return ok
}

// candidates are the neurons that may be asked: they serve an axon, are not this
// one, and are not validators, known by a permit together with a large stake.
func (v *Validator) candidates() []subtensor.Neuron {
	view, ok := v.neuron.View()
	if !ok {
		return nil
	}
	return candidates(view.Metagraph, v.cfg.Signer.AccountID(), v.cfg.VpermitTAOLimit)
}

func candidates(m *subtensor.Metagraph, self ss58.AccountID, vpermitTAOLimit float64) []subtensor.Neuron {
	var list []subtensor.Neuron
	for _, n := range m.Serving() {
		if n.Hotkey == self {
			continue
		}
		if vpermitTAOLimit >= 0 && n.ValidatorPermit && float64(n.Stake)/1e9 > vpermitTAOLimit {
			continue
		}
		list = append(list, n)
	}
	return list
}

// selectMiners draws up to SampleSize candidates, each equally likely.
func (v *Validator) selectMiners(rng *rand.Rand) []subtensor.Neuron {
	list := v.candidates()
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	list = list[:min(len(list), v.cfg.SampleSize)]
	slices.SortFunc(list, func(a, b subtensor.Neuron) int { return cmp.Compare(a.UID, b.UID) })
	return list
}

// rng is one challenge's source of randomness. Without a seed it is one that
// miners cannot foresee; with one, each challenge has its own stream, so that the
// order in which concurrent challenges run does not matter.
func (v *Validator) rng() *rand.Rand {
	if v.cfg.Seed == 0 {
		return challenge.NewRand()
	}
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], v.cfg.Seed)
	binary.LittleEndian.PutUint64(seed[8:], v.pacer.stream())
	return rand.New(rand.NewChaCha8(seed))
}

// pacer spaces the starts of challenges and counts them against a limit.
type pacer struct {
	interval time.Duration
	steps    int // 0: no limit

	mu      sync.Mutex
	next    time.Time
	open    int // started, not finished
	done    int
	streams uint64
}

// start waits for the next challenge's turn. It returns neuron.ErrDone when
// enough challenges are done or under way.
func (p *pacer) start(ctx context.Context) error {
	p.mu.Lock()
	if p.steps > 0 && p.done+p.open >= p.steps {
		p.mu.Unlock()
		return neuron.ErrDone
	}
	p.open++
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.interval)
	p.mu.Unlock()
	if wait := time.Until(at); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			p.finish(false)
			return ctx.Err()
		}
	}
	return nil
}

// finish ends what start began; a failed challenge does not count.
func (p *pacer) finish(counts bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if counts {
		p.done++
	}
}

func (p *pacer) stream() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams++
	return p.streams
}
