package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
	"github.com/maxmos001/bitmind-subnet/internal/homedir"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
)

// neuronFlags are what miner and validator share: keys, network, subnet, state.
type neuronFlags struct {
	wallet  walletFlags
	network networkFlags
	dir     string
}

func (f *neuronFlags) addTo(cmd *cobra.Command) {
	f.wallet.addTo(cmd)
	f.network.addTo(cmd)
	cmd.Flags().StringVar(&f.dir, "dir", "~/.bitmind", "folder of all state; each neuron has its own below")
}

// stateDir is this neuron's folder.
func (f *neuronFlags) stateDir(kind string) (string, error) {
	root, err := homedir.Expand(f.dir)
	if err != nil {
		return "", err
	}
	return neuron.StateDir(root, f.wallet.name, f.wallet.hotkey, f.network.netuid, kind), nil
}

// registerCommand is what registers this wallet's hotkey on this subnet. On a
// development chain, where the wallet's coldkey mostly has nothing, //Alice pays.
func (f *neuronFlags) registerCommand(ctx context.Context, c *subtensor.Client) string {
	command := f.plainRegisterCommand()
	ctx, cancel := context.WithTimeout(ctx, dialTimeout) // it is only a hint
	defer cancel()
	if dev, err := c.Development(ctx); err != nil || !dev {
		return command
	}
	if coldkey, err := f.wallet.open().ColdkeyID(); err == nil {
		cost, costErr := c.BurnCost(ctx, f.network.netuid)
		balance, balanceErr := c.Balance(ctx, coldkey)
		if costErr != nil || balanceErr != nil || balance > cost {
			return command
		}
	}
	return command + " --wallet.uri //Alice"
}

func (f *neuronFlags) plainRegisterCommand() string {
	c := fmt.Sprintf("bitmind register --netuid %d --subtensor.network %s --wallet.name %s --wallet.hotkey %s",
		f.network.netuid, shellWord(f.network.network), shellWord(f.wallet.name), shellWord(f.wallet.hotkey))
	if f.wallet.path != wallet.DefaultDir {
		c += " --wallet.path " + shellWord(f.wallet.path)
	}
	return c
}

// shellWord quotes a word where a shell would take it apart.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:~@%+=", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// axonFlags say where an axon listens and what address is announced for it.
type axonFlags struct {
	ip           string
	port         uint16
	externalIP   string
	externalPort uint16
}

func (f *axonFlags) addTo(cmd *cobra.Command, port uint16) {
	cmd.Flags().StringVar(&f.ip, "axon.ip", "", "address to listen on (default: all)")
	cmd.Flags().Uint16Var(&f.port, "axon.port", port, "port to listen on; 0 picks a free one")
	cmd.Flags().StringVar(&f.externalIP, "axon.external_ip", "", "address that others reach this axon at, behind NAT for instance (default: the one that it listens on)")
	cmd.Flags().Uint16Var(&f.externalPort, "axon.external_port", 0, "port that others reach this axon at (default: --axon.port)")
}

// external reads --axon.external_ip, and checks --axon.ip.
func (f *axonFlags) external() (netip.Addr, error) {
	if f.ip != "" {
		if _, err := netip.ParseAddr(f.ip); err != nil {
			return netip.Addr{}, usagef("--axon.ip %q is not an IP address; try: 127.0.0.1, or none for all addresses of this machine", f.ip)
		}
	}
	if f.externalIP == "" {
		return netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(f.externalIP)
	if err != nil {
		return netip.Addr{}, usagef("--axon.external_ip %q is not an IP address; try: 203.0.113.5", f.externalIP)
	}
	return ip, nil
}

// listen opens the axon's port.
func (f *axonFlags) listen() (net.Listener, error) {
	addr := net.JoinHostPort(f.ip, strconv.Itoa(int(f.port)))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; try: another --axon.port", addr, err)
	}
	return l, nil
}

// seconds is a flag for a duration that is a plain number of seconds in
// Bittensor's own flags: 12 means 12s.
type seconds struct{ time.Duration }

func (s *seconds) Set(text string) error {
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		if !(number >= 0 && number < 1e6) {
			return fmt.Errorf("%q is not a time; try: 12 or 12s", text)
		}
		s.Duration = time.Duration(number * float64(time.Second))
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a time; try: 12 or 12s", text)
	}
	s.Duration = d
	return nil
}

func (s *seconds) String() string { return s.Duration.String() }

// Type is the value's name in the help.
func (s *seconds) Type() string { return "seconds" }
