// Package devnet runs a whole subnet in one process: a development chain, miners
// of different skill and validators, which talk to each other over the same
// JSON-RPC and the same signed HTTP as neurons on separate machines would.
//
//	net, err := devnet.New(devnet.Config{Dir: dir, Miners: 3, Validators: 1, RPC: listener,
//		Real: real, Synthetic: synthetic, Detector: det})
//	if err != nil { ... }
//	err = net.Run(ctx) // until ctx ends, or Config.Steps challenges are done
//	fmt.Println(net.Snapshot().Miners)
package devnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/miner"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// validatorStake is what each validator stakes, in rao (10,000 TAO): enough for a
// permit, and above the default vpermit limit under which a neuron counts as miner.
const validatorStake = 10_000 * 1e9

// alpha is the weight of the newest reward in a miner's score. Challenges come
// many to an epoch here, so the score averages over more of them than on a
// network, where the validators' 0.1 is used: with that, which of two miners of
// like skill is ahead would be a matter of the last twenty challenges.
const alpha = 0.02

// Config says what to run. Zero values of Netuid, BlockTime, Tempo and Interval
// take the defaults named beside them.
type Config struct {
	Dir        string        // state of the chain and of every neuron
	Netuid     uint16        // 1
	Miners     int           // number of miners; their skill follows Skill
	Validators int           // number of validators
	BlockTime  time.Duration // 1 s
	Tempo      uint16        // blocks in an epoch less one; 10
	Spec       uint32        // version of the runtime to play; 0 = localnet.DefaultSpec
	Clone      string        // file of a state to begin with, see localnet.Config
	Interval   time.Duration // between the starts of two challenges of a validator; 250 ms
	Steps      int           // stop after this many challenges of each validator; 0 = when ctx ends
	Seed       uint64        // of the challenges; 0 = random

	// RPC is where the chain serves JSON-RPC. Run closes it.
	RPC net.Listener

	// Real and Synthetic are the validators' pool. They may be empty when there
	// are no validators.
	Real, Synthetic []dataset.Source

	// Detector is the skilled miner's. The caller closes it after Run.
	Detector detector.Detector

	// Counters keeps how many questions of people went well; nil: nobody does.
	Counters proxy.Counters

	// OnChallenge, when set, is told of every finished challenge.
	OnChallenge func(validator.Report)

	Logger *slog.Logger // nil discards
}

// Devnet is one chain with its neurons. Its methods may be called at any time,
// from any goroutine.
type Devnet struct {
	cfg   Config
	log   *slog.Logger
	chain *localnet.Chain
	url   string

	pool    *challenge.Pool
	monitor *monitor.Monitor
	proxy   *proxy.Proxy

	mu         sync.Mutex
	names      map[ss58.AccountID]string
	validators []*validator.Validator
	incentives map[ss58.AccountID]float64
	follow     *neuron.Neuron // nil before Run
}

// New opens the chain in cfg.Dir, or makes a new one there.
func New(cfg Config) (*Devnet, error) {
	if cfg.Netuid == 0 {
		cfg.Netuid = 1
	}
	if cfg.BlockTime == 0 {
		cfg.BlockTime = time.Second
	}
	if cfg.Tempo == 0 {
		cfg.Tempo = 10
	}
	if cfg.Interval == 0 {
		cfg.Interval = 250 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Validators > 0 && (len(cfg.Real) == 0 || len(cfg.Synthetic) == 0) {
		return nil, errors.New("a validator needs real and synthetic images; try: --real DIR --synthetic DIR")
	}
	if cfg.Miners > 0 && cfg.Detector == nil {
		return nil, errors.New("miners need a detector")
	}
	chain, err := localnet.New(localnet.Config{
		Netuid:      cfg.Netuid,
		BlockTime:   cfg.BlockTime,
		Tempo:       cfg.Tempo,
		SpecVersion: cfg.Spec,
		Clone:       cfg.Clone,
		Dir:         cfg.Dir,
		Logger:      cfg.Logger.With("part", "chain"),
		// Everything is on this machine, and the neurons that join may be too.
		AllowLoopback: true,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the development chain: %w", err)
	}
	d := &Devnet{
		cfg:        cfg,
		log:        cfg.Logger,
		chain:      chain,
		url:        "ws://" + cfg.RPC.Addr().String(),
		pool:       &challenge.Pool{Real: cfg.Real, Synthetic: cfg.Synthetic, Logger: cfg.Logger},
		names:      make(map[ss58.AccountID]string),
		incentives: make(map[ss58.AccountID]float64),
	}
	d.monitor, err = monitor.New(monitor.Config{
		Network: "localnet", Netuid: cfg.Netuid, BlockTime: cfg.BlockTime, Pool: d.pool, Chain: blocks{d},
		Detector: d.detector, HistoryFile: filepath.Join(cfg.Dir, "monitor.json"), Logger: cfg.Logger.With("part", "monitor"),
	})
	if err != nil {
		return nil, errors.Join(err, chain.Close())
	}
	// A subnet of one miner shall have answers too.
	d.proxy, err = proxy.New(proxy.Config{Network: asking{d}, Minimum: 1, Counters: cfg.Counters, Logger: cfg.Logger.With("part", "proxy")})
	if err != nil {
		return nil, errors.Join(err, chain.Close())
	}
	return d, nil
}

// Run starts everything and returns nil once ctx ends or, with Config.Steps, once
// the challenges are done and an epoch has paid for them. State is on disk
// when it returns.
func (d *Devnet) Run(ctx context.Context) error {
	// Neurons stop before the chain does, so that their last extrinsics land.
	chainCtx, stopChain := context.WithCancel(context.WithoutCancel(ctx))
	defer stopChain()
	var chain errgroup.Group
	chain.Go(func() error { return d.chain.Serve(chainCtx, d.cfg.RPC) })
	chain.Go(func() error { return d.chain.Run(chainCtx) })

	neuronsCtx, stopNeurons := context.WithCancel(ctx)
	chainDied := make(chan error, 1)
	go func() {
		chainDied <- chain.Wait()
		stopNeurons()
	}()

	err := d.runNeurons(neuronsCtx)
	stopNeurons()
	stopChain()
	chainErr := <-chainDied
	if err == nil || errors.Is(err, context.Canceled) {
		err = nil
		if chainErr != nil && !errors.Is(chainErr, context.Canceled) {
			err = fmt.Errorf("development chain: %w", chainErr)
		}
	}
	return err
}

// member is one neuron of the development subnet.
type member struct {
	role    string // "miner" or "validator"
	index   int
	hotkey  *wallet.Keypair
	coldkey *wallet.Keypair
}

func (m member) name() string { return fmt.Sprintf("%s-%d", m.role, m.index) }

// members derives the neurons' keys. Validators come first, so that they get
// the low uids.
func (d *Devnet) members() ([]member, error) {
	owners := []string{"//Bob", "//Charlie", "//Dave", "//Eve", "//Ferdie"}
	var all []member
	add := func(role string, count int) error {
		for i := range count {
			hotkey, err := wallet.FromURI(fmt.Sprintf("//bitmind//%s//%d", role, i))
			if err != nil {
				return err
			}
			coldkey, err := wallet.FromURI(owners[len(all)%len(owners)])
			if err != nil {
				return err
			}
			all = append(all, member{role, i, hotkey, coldkey})
		}
		return nil
	}
	if err := add("validator", d.cfg.Validators); err != nil {
		return nil, err
	}
	return all, add("miner", d.cfg.Miners)
}

func (d *Devnet) runNeurons(ctx context.Context) error {
	client, err := subtensor.Dial(ctx, subtensor.Options{Network: d.url, Logger: d.log.With("part", "client")})
	if err != nil {
		return fmt.Errorf("connecting to the development chain: %w", err)
	}
	defer client.Close()
	if d.cfg.Miners+d.cfg.Validators == 0 {
		return d.watch(ctx, client)
	}

	all, err := d.members()
	if err != nil {
		return err
	}
	if err := d.register(ctx, client, all); err != nil {
		return err
	}

	// Miners and the watcher run until the validators are done.
	group, groupCtx := errgroup.WithContext(ctx)
	background, stopBackground := context.WithCancel(groupCtx)
	defer stopBackground()
	var ready []<-chan struct{}
	for _, m := range all {
		if m.role != "miner" {
			continue
		}
		run, err := d.newMiner(m, client)
		if err != nil {
			return err
		}
		ready = append(ready, run.Ready())
		group.Go(func() error {
			if err := run.Run(background); err != nil {
				return fmt.Errorf("%s: %w", m.name(), err)
			}
			return nil
		})
	}
	for _, ch := range ready {
		select {
		case <-ch:
		case <-groupCtx.Done():
			return group.Wait()
		}
	}
	group.Go(func() error { return d.watchIncentives(background, client) })
	group.Go(func() error { return d.watch(background, client) })

	var validators errgroup.Group
	for _, m := range all {
		if m.role != "validator" {
			continue
		}
		v, err := d.newValidator(ctx, m, client)
		if err != nil {
			return err
		}
		validators.Go(func() error {
			if err := v.Run(groupCtx); err != nil {
				return fmt.Errorf("%s: %w", m.name(), err)
			}
			return nil
		})
	}
	if d.cfg.Validators == 0 {
		<-groupCtx.Done()
	}
	err = validators.Wait()
	if err == nil && d.cfg.Steps > 0 && d.cfg.Validators > 0 {
		err = d.awaitEpoch(groupCtx, client)
	}
	stopBackground()
	return errors.Join(err, group.Wait())
}

// register puts every neuron on the subnet and gives each validator its stake.
// Neurons of one owner go one after the other, since they share its nonce.
func (d *Devnet) register(ctx context.Context, client *subtensor.Client, all []member) error {
	graph, err := client.Metagraph(ctx, d.cfg.Netuid)
	if err != nil {
		return fmt.Errorf("reading the metagraph: %w", err)
	}
	byOwner := make(map[ss58.AccountID][]member)
	for _, m := range all {
		byOwner[m.coldkey.AccountID()] = append(byOwner[m.coldkey.AccountID()], m)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, owned := range byOwner {
		group.Go(func() error {
			for _, m := range owned {
				id := m.hotkey.AccountID()
				seen, registered := graph.ByHotkey(id)
				if !registered {
					d.log.Info("registering", "neuron", m.name(), "hotkey", m.hotkey.Address())
					if _, err := client.BurnedRegister(ctx, m.coldkey, d.cfg.Netuid, id); err != nil {
						return fmt.Errorf("registering %s: %w", m.name(), err)
					}
				}
				if m.role == "validator" && seen.Stake < validatorStake/2 {
					if _, err := client.AddStake(ctx, m.coldkey, id, d.cfg.Netuid, validatorStake); err != nil {
						return fmt.Errorf("staking for %s: %w", m.name(), err)
					}
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// Skill names what the i-th miner answers with: the given detector, the same on
// an image of a quarter of the resolution, or a random number; then again.
func Skill(i int, d detector.Detector) detector.Detector {
	switch i % 3 {
	case 1:
		return detector.Reduced(d, 4)
	case 2:
		return detector.Random(uint64(i))
	default:
		return d
	}
}

func (d *Devnet) newMiner(m member, client *subtensor.Client) (*miner.Miner, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening a port for %s: %w", m.name(), err)
	}
	det := Skill(m.index, d.cfg.Detector)
	run, err := miner.New(miner.Config{
		Netuid:   d.cfg.Netuid,
		Signer:   m.hotkey,
		Chain:    client,
		Detector: det,
		Listener: listener,
		Logger:   d.log.With("part", m.name()),
	})
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("starting %s: %w", m.name(), err)
	}
	d.mu.Lock()
	d.names[m.hotkey.AccountID()] = det.Info().Name
	d.mu.Unlock()
	return run, nil
}

func (d *Devnet) newValidator(ctx context.Context, m member, client *subtensor.Client) (*validator.Validator, error) {
	seed := d.cfg.Seed
	if seed != 0 {
		seed += uint64(m.index) // or all validators would draw the same challenges
	}
	feed := d.monitor.Feed()
	v, err := validator.New(validator.Config{
		Netuid:     d.cfg.Netuid,
		Signer:     m.hotkey,
		Chain:      client,
		Challenges: d.pool,
		Interval:   d.cfg.Interval,
		Alpha:      alpha,
		Steps:      d.cfg.Steps,
		// So that even a short run ends with weights on the chain.
		FinalWeights: d.cfg.Steps > 0,
		StateDir:     neuron.StateDir(d.cfg.Dir, "localnet", m.name(), d.cfg.Netuid, "validator"),
		Seed:         seed,
		OnForward: func(r validator.Report) {
			feed.OnForward(r)
			if d.cfg.OnChallenge != nil {
				d.cfg.OnChallenge(r)
			}
		},
		OnWeights: feed.OnWeights,
		Logger:    d.log.With("part", m.name()),
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", m.name(), err)
	}
	if err := feed.Bind(ctx, v); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the results of %s: %w", m.name(), err), v.Close())
	}
	d.mu.Lock()
	d.validators = append(d.validators, v)
	d.mu.Unlock()
	return v, nil
}
