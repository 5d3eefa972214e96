package localnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Node is a chain that makes blocks and answers clients, until it is stopped.
type Node struct {
	*Chain
	// URL is where clients reach it: ws://127.0.0.1:PORT.
	URL string

	cancel context.CancelFunc
	wg     sync.WaitGroup
	errs   [2]error // of Serve and Run
}

// Start opens a chain and runs it on a TCP address, such as 127.0.0.1:9944 or, for any
// free port, 127.0.0.1:0. It runs until ctx ends or Stop is called, and Stop must be
// called in either case.
//
//	node, err := localnet.Start(ctx, localnet.Config{AllowLoopback: true}, "127.0.0.1:0")
//	defer node.Stop()
//	client, err := subtensor.Dial(ctx, subtensor.Options{Network: node.URL})
func Start(ctx context.Context, cfg Config, addr string) (*Node, error) {
	chain, err := New(cfg)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting a chain: %w", err), chain.Close())
	}
	n := &Node{Chain: chain, URL: "ws://" + l.Addr().String()}
	ctx, n.cancel = context.WithCancel(ctx)
	for i, run := range []func() error{
		func() error { return chain.Serve(ctx, l) },
		func() error { return chain.Run(ctx) },
	} {
		n.wg.Go(func() {
			n.errs[i] = run()
			n.cancel() // neither is any use without the other
		})
	}
	return n, nil
}

// Stop ends the chain, saves its state and says what went wrong while it ran. Later
// calls say the same.
func (n *Node) Stop() error {
	n.cancel()
	n.wg.Wait()
	return errors.Join(n.errs[:]...)
}
