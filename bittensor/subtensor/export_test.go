package subtensor

import (
	"context"
	"errors"
	"math/big"
	"net/netip"
)

// MetagraphWays reads a subnet in all three ways, at one block.
func (c *Client) MetagraphWays(ctx context.Context, netuid uint16) ([]*Metagraph, error) {
	_, at, err := c.head(ctx)
	if err != nil {
		return nil, err
	}
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return nil, err
	}
	whole, err1 := c.metagraphWhole(ctx, at, netuid)
	neurons, err2 := c.metagraphNeurons(ctx, rt, at, netuid)
	storage, err3 := c.metagraphStorage(ctx, rt, at, netuid)
	return []*Metagraph{whole, neurons, storage}, errors.Join(err1, err2, err3)
}

// HyperparametersStorage reads the rules without a runtime API.
func (c *Client) HyperparametersStorage(ctx context.Context, netuid uint16) (Hyperparameters, error) {
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return Hyperparameters{}, err
	}
	return c.hyperparametersStorage(ctx, rt, netuid)
}

// Pinned opens the pinned genesis hashes to tests.
var Pinned = pinned

// KnownCalls opens the calls known beforehand to tests.
var KnownCalls = knownCalls

// AxonAddr reads an axon's address from the number in which a chain keeps it.
func AxonAddr(ip *big.Int, ipType uint8) netip.Addr {
	return axonWire{IP: ip, IPType: ipType}.info().IP
}
