package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/internal/homedir"
	"github.com/maxmos001/bitmind-subnet/models"
	"github.com/maxmos001/bitmind-subnet/subnet/devnet"
)

type localnetOptions struct {
	dir        string
	netuid     uint16
	miners     int
	validators int
	blockTime  time.Duration
	tempo      uint16
	spec       uint32
	clone      string
	export     string
	interval   time.Duration
	steps      int
	seed       uint64
	images     imageFlags
	rpc        string
	service    serviceFlags
	json       bool
	model      modelFlags
}

func newLocalnetCmd() *cobra.Command {
	var o localnetOptions
	cmd := &cobra.Command{
		Use:   "localnet",
		Short: "Run a whole subnet on this machine: chain, miners and validator",
		Long: `localnet starts a development chain, miners of different skill (the shipped
detector, the same on a quarter of the resolution, one that answers at random; then
again) and a validator in one process. They speak the real protocols, so that wallets,
miners and validators in other processes can join: --miners 0 --validators 0 is the
bare chain.

//Alice owns the subnet; //Alice to //Ferdie hold 1,000,000 TAO each. State is kept
in --dir, and the next start goes on where this one stopped.

--export writes the state in --dir to a file, as a raw chain specification, and ends;
of a chain that runs, the RPC method dev_export answers the same. --clone begins a new
chain from such a file, or from an object of keys and values in hex, as it is: with its
subnets, accounts and block number. dev_advance makes blocks at once. The dev_ methods
answer clients on this machine only.`,
		Example: `  bitmind localnet                              # until Ctrl-C
  bitmind localnet --steps 100 --json           # 100 challenges, then a summary
  bitmind localnet --real photos --synthetic ai # your own images
  bitmind localnet --miners 0 --validators 0    # the bare chain
  bitmind localnet --export state.json          # save its state, then begin again from it
  bitmind localnet --clone state.json --dir copy --miners 0 --validators 0`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runLocalnet(cmd.Context(), cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "~/.bitmind/localnet", "folder for the state of the chain and the neurons")
	f.Uint16Var(&o.netuid, "netuid", 1, "number of the subnet")
	f.IntVar(&o.miners, "miners", 3, "number of miners")
	f.IntVar(&o.validators, "validators", 1, "number of validators")
	f.DurationVar(&o.blockTime, "block-time", time.Second, "time between two blocks, 50ms or more")
	f.Uint16Var(&o.tempo, "tempo", 10, "blocks in an epoch, less one")
	f.Uint32Var(&o.spec, "spec", localnet.DefaultSpec, "version of the runtime to play: 381 or 293")
	f.StringVar(&o.clone, "clone", "", "file of a chain's state to begin with, in an empty --dir")
	f.StringVar(&o.export, "export", "", "write the state in --dir to this file and end")
	f.DurationVar(&o.interval, "interval", 250*time.Millisecond, "time between the starts of two challenges")
	f.IntVar(&o.steps, "steps", 0, "stop after this many challenges (0: when interrupted)")
	f.Uint64Var(&o.seed, "seed", 0, "seed of the challenges (0: random)")
	o.images.addTo(cmd)
	f.StringVar(&o.rpc, "rpc", "127.0.0.1:9944", "address of the chain's JSON-RPC; port 0 picks a free one")
	o.service.addTo(cmd)
	f.BoolVar(&o.json, "json", false, "print one JSON summary at the end")
	// The fast one, so that a laptop has a challenge four times a second.
	o.model.shipped = models.Fast
	o.model.addTo(cmd)
	return cmd
}

// endpoints is the form of <dir>/endpoints.json.
type endpoints struct {
	RPC  string `json:"rpc,omitempty"`
	HTTP string `json:"http"`
}

func (o *localnetOptions) check() error {
	switch {
	case o.miners < 0 || o.validators < 0:
		return usagef("--miners %d --validators %d; try: 0 or more", o.miners, o.validators)
	case o.miners+o.validators > 200:
		return usagef("--miners %d --validators %d; try: at most 200 neurons in all", o.miners, o.validators)
	case o.validators > 0 && o.miners == 0:
		return usagef("--validators %d --miners 0: nobody to ask; try: --miners 3, or --validators 0 for the bare chain", o.validators)
	case o.blockTime < 50*time.Millisecond:
		return usagef("--block-time %s; try: 50ms or more", o.blockTime)
	case o.interval < 0:
		return usagef("--interval %s; try: 250ms", o.interval)
	case o.export != "" && o.clone != "":
		return usagef("--export and --clone exclude each other; try: one after the other")
	case o.tempo == 0:
		return usagef("--tempo 0; try: 10")
	case o.steps < 0:
		return usagef("--steps %d; try: 0 or more", o.steps)
	case o.steps > 0 && o.validators == 0:
		return usagef("--steps %d needs a validator; try: --validators 1", o.steps)
	}
	return nil
}

func runLocalnet(ctx context.Context, cmd *cobra.Command, o localnetOptions) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	dir, err := homedir.Expand(o.dir)
	if err != nil {
		return err
	}
	if o.export != "" {
		return exportState(dir, o)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the state folder: %w; try: --dir with a folder you can write to", err)
	}

	// On a terminal the table owns the screen, so the log goes to a file.
	live := !o.json && isTerminal(cmd.OutOrStdout())
	logTo := cmd.ErrOrStderr()
	if live {
		file, err := os.OpenFile(filepath.Join(dir, "localnet.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("opening the log: %w", err)
		}
		defer file.Close()
		logTo = file
	}
	log, err := loggerTo(cmd, logTo)
	if err != nil {
		return err
	}

	cfg := devnet.Config{
		Dir: dir, Netuid: o.netuid, Miners: o.miners, Validators: o.validators,
		Spec: o.spec, Clone: o.clone,
		BlockTime: o.blockTime, Tempo: o.tempo, Interval: o.interval, Steps: o.steps, Seed: o.seed, Logger: log,
	}
	if o.validators > 0 {
		if cfg.Real, cfg.Synthetic, err = o.images.open(); err != nil {
			return err
		}
	}
	if o.miners > 0 {
		det, err := o.model.open(log)
		if err != nil {
			return err
		}
		defer det.Close()
		cfg.Detector = det
	}
	if cfg.RPC, err = listen("--rpc", o.rpc); err != nil {
		return err
	}
	defer cfg.RPC.Close()
	web, err := listen("--listen", o.service.listen)
	if err != nil {
		return err
	}
	defer web.Close()
	service, err := o.service.open(ctx, web, filepath.Join(dir, "service.db"), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.store.Close()) }()
	// The page judges with the best detector, whatever the miners use. A chain goes
	// on without it.
	service.load = func() ([]inspect.Model, error) { return openModels([]string{models.Best}, o.model, log) }
	service.failed = func(err error) error {
		log.Warn("the page has no detector", "error", err)
		return nil
	}

	view := newLocalnetView(cmd.OutOrStdout(), dir, endpoints{
		RPC:  "ws://" + cfg.RPC.Addr().String(),
		HTTP: "http://" + web.Addr().String(),
	})
	cfg.OnChallenge, cfg.Counters = view.challenged, service.store
	subnet, err := devnet.New(cfg)
	if err != nil {
		return err
	}
	// Written only now: a second start on the same folder has been refused by New,
	// and must not take the first one's file away.
	if err := writeJSON(filepath.Join(dir, "endpoints.json"), view.endpoints); err != nil {
		return fmt.Errorf("writing endpoints.json: %w", err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "chain %s\npage  %s\ndocs  %s/docs\n", view.endpoints.RPC, view.endpoints.HTTP, view.endpoints.HTTP)
	service.cfg.Subnet, service.cfg.Monitor = subnet, subnet.Monitor()
	service.cfg.Asker, service.cfg.SeedMonitor = subnet.Proxy(), subnet.Monitor()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var background sync.WaitGroup
	background.Go(func() {
		if err := service.run(ctx, web); err != nil {
			log.Error("the API stopped", "error", err)
		}
	})
	switch {
	case live:
		background.Go(func() { view.draw(ctx, subnet) })
	case !o.json:
		background.Go(func() { view.print(ctx, subnet) })
	}
	err = subnet.Run(ctx)
	cancel()
	background.Wait()
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(subnet.Snapshot())
	}
	return nil
}

// exportState writes the state of the chain in a folder to a file.
func exportState(dir string, o localnetOptions) (err error) {
	if _, err := os.Stat(filepath.Join(dir, "snapshot")); err != nil {
		return fmt.Errorf("--export: there is no chain in %s; try: --dir with the folder of a chain", dir)
	}
	// A chain that runs holds the folder: New says so.
	chain, err := localnet.New(localnet.Config{
		Dir: dir, Netuid: o.netuid, Tempo: o.tempo, BlockTime: o.blockTime, SpecVersion: o.spec,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chain.Close()) }()
	file, err := renameio.NewPendingFile(o.export)
	if err != nil {
		return fmt.Errorf("--export: %w; try: a path that you can write to", err)
	}
	defer func() { err = errors.Join(err, file.Cleanup()) }()
	if err := chain.Export(file); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

// listen opens a TCP listener for the address given by a flag.
func listen(flag, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; try: %s 127.0.0.1:0 for a free port", flag, err, flag)
	}
	return listener, nil
}

// writeJSON writes v to path, whole or not at all.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(data, '\n'), 0o644)
}
