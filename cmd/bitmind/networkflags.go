package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

// networkFlags name a chain and a subnet on it; every command that talks to the chain
// has them.
type networkFlags struct {
	netuid  uint16
	network string
}

func (f *networkFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().Uint16Var(&f.netuid, "netuid", 34, "number of the subnet: 34 on finney, 168 on test, 1 on a localnet")
	f.addNetworkTo(cmd)
}

// addNetworkTo is for commands that are about no subnet.
func (f *networkFlags) addNetworkTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.network, "subtensor.network", "finney", "the chain: local, test, finney or a ws:// or wss:// URL; more of them after a comma stand in when the first cannot be reached")
}

// dialTimeout bounds the wait for a chain that does not answer.
const dialTimeout = 30 * time.Second

// dial connects to the chain. The caller closes the client.
func (f *networkFlags) dial(cmd *cobra.Command) (*subtensor.Client, error) {
	var urls []string
	for _, network := range strings.Split(f.network, ",") {
		url, err := subtensor.URL(strings.TrimSpace(network))
		if err != nil {
			return nil, usagef("--subtensor.network: %w", err)
		}
		urls = append(urls, url)
	}
	log, err := logger(cmd)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), dialTimeout)
	defer cancel()
	c, err := subtensor.Dial(ctx, subtensor.Options{Network: urls[0], Fallbacks: urls[1:], Logger: log})
	if err != nil {
		if cmd.Context().Err() != nil {
			return nil, cmd.Context().Err()
		}
		hint := "another --subtensor.network, or later"
		if f.network == "local" {
			hint = "bitmind localnet, which starts a chain on this machine"
		}
		return nil, fmt.Errorf("%w; try: %s", err, hint)
	}
	return c, nil
}

// warnClock says so when the local clock and the chain's disagree: a neuron's messages
// would be refused for it.
func warnClock(cmd *cobra.Command, c *subtensor.Client, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(cmd.Context(), dialTimeout)
	defer cancel()
	var wrong *subtensor.ClockError
	if errors.As(c.CheckClock(ctx), &wrong) {
		log.Warn("the clock is wrong: messages signed by this machine will be refused", "error", wrong)
	}
}
