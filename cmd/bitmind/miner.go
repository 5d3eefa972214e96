package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/miner"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
)

type minerOptions struct {
	neuron      neuronFlags
	axon        axonFlags
	strictNonce bool
	model       modelFlags
	blacklist   miner.Blacklist
	minStake    float64
	json        bool
}

func newMinerCmd() *cobra.Command {
	var opts minerOptions
	cmd := &cobra.Command{
		Use:   "miner",
		Short: "Answer validators' challenges with a detector",
		Long: `Runs a miner: it serves an axon, announces the axon's address on the chain, and
has a detector judge each image that a validator sends. A model given by
--neuron.model_path is loaded again whenever it changes, without a pause; a model
that does not load leaves the one before in place.

The hotkey must be registered on the subnet (bitmind register). Runs until
interrupted: requests under way are finished first.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind miner --netuid 168 --subtensor.network test --wallet.name me
  bitmind miner --neuron.model_path ./my-model --axon.port 8091 --axon.external_ip 203.0.113.5`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	cmd.AddCommand(newMinerEvalCmd())
	opts.neuron.addTo(cmd)
	opts.axon.addTo(cmd, miner.DefaultPort)
	f := cmd.Flags()
	f.BoolVar(&opts.strictNonce, "axon.strict_nonce", false, "refuse requests signed more than a few seconds in the future")
	f.StringVar(&opts.model.path, "neuron.model_path", "", "detector: a folder, a file, or the name of one in this program (default "+opts.model.fallback()+")")
	f.BoolVar(&opts.blacklist.ForceValidatorPermit, "blacklist.force_validator_permit", false, "refuse callers without a validator permit")
	f.BoolVar(&opts.blacklist.AllowNonRegistered, "blacklist.allow_non_registered", false, "answer callers that are not registered on the subnet")
	f.Float64Var(&opts.minStake, "blacklist.min_stake", 0, "refuse callers with less stake than this, in TAO")
	opts.model.addRuntimeTo(cmd)
	f.BoolVar(&opts.json, "json", false, "print one JSON document with the counts at the end")
	return cmd
}

func (o *minerOptions) run(cmd *cobra.Command) (err error) {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	if !(o.minStake >= 0 && o.minStake < 1e10) {
		return usagef("--blacklist.min_stake %v; try: a number of TAO", o.minStake)
	}
	o.blacklist.MinStake = uint64(o.minStake * 1e9)
	externalIP, err := o.axon.external()
	if err != nil {
		return err
	}
	hotkey, err := o.neuron.wallet.open().Hotkey()
	if err != nil {
		return err
	}
	// A miner keeps nothing on disk yet; the lock keeps a second one of the same
	// hotkey from announcing another address in turn with the first.
	dir, err := o.neuron.stateDir("miner")
	if err != nil {
		return err
	}
	unlock, err := neuron.LockState(dir)
	if err != nil {
		return err
	}
	defer unlock()
	cfg := miner.Config{
		Netuid: o.neuron.network.netuid, Signer: hotkey,
		IP: o.axon.ip, Port: o.axon.port, ExternalIP: externalIP, ExternalPort: o.axon.externalPort,
		Blacklist: o.blacklist, StrictNonce: o.strictNonce,
		Logger: log,
	}
	if _, inside := o.model.inside(); !inside {
		model, err := o.model.options(log)
		if err != nil {
			return err
		}
		cfg.ModelPath = o.model.path
		cfg.OpenModel = func(path string) (miner.Detector, error) { return detector.Load(path, model) }
	} else {
		shipped, err := o.model.open(log)
		if err != nil {
			return err
		}
		defer func() {
			if closeErr := shipped.Close(); err == nil {
				err = closeErr
			}
		}()
		cfg.Detector = shipped
	}
	client, err := o.neuron.network.dial(cmd)
	if err != nil {
		return err
	}
	defer client.Close()
	warnClock(cmd, client, log)
	cfg.Chain = client
	cfg.RegisterCommand = o.neuron.registerCommand(cmd.Context(), client)
	m, err := miner.New(cfg)
	if err != nil {
		return err
	}
	if err := m.Run(cmd.Context()); err != nil {
		return err
	}
	s := m.Stats()
	if o.json {
		return printJSON(cmd.OutOrStdout(), s)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "answered %d of %d requests, refused %d\n", s.Answered, s.Requests, s.Refused)
	return nil
}
