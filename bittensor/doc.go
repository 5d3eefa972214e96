// Package bittensor holds a Bittensor SDK for Go: what a neuron, a tool or a test needs to
// talk to the chain and to other neurons. It has no code of its own; import the packages
// below it. None of them knows what a subnet is about.
//
//	wallet     coldkeys and hotkeys in the Python wallet's files; sr25519 signatures
//	subtensor  the chain: metagraph, registration, stake, weights, blocks as they come
//	synapse    the requests between neurons: an Axon answers, a Dendrite asks
//	btauth     signed HTTP requests as SDK 11 has them
//	localnet   a development chain in this process, to test against
//
//	substrate  any Substrate chain by its own metadata: storage, calls, extrinsics, RPC
//	scale      SCALE, the binary form of everything on a chain
//	ss58       addresses
//	yuma       Yuma consensus, as the chain computes it
//	timelock   values that open at a set time, for weights that are committed first
//
// # A neuron
//
// A miner registers, serves an axon and tells the chain where:
//
//	hotkey, err := wallet.Open("", "default", "default").Hotkey()
//	chain, err := subtensor.Dial(ctx, subtensor.Options{Network: "finney"})
//	axon, err := synapse.NewAxon(synapse.AxonConfig{Signer: hotkey})
//	err = synapse.Handle(axon, synapse.Handler[Echo]{Forward: answer})
//	_, err = chain.ServeAxon(ctx, hotkey, netuid, subtensor.AxonAt(address))
//	err = axon.Serve(ctx, listener)
//
// A validator reads the metagraph, asks, and sets weights:
//
//	graph, err := chain.Metagraph(ctx, netuid)
//	dendrite := synapse.NewDendrite(synapse.DendriteConfig{Signer: hotkey})
//	responses := synapse.Query(ctx, dendrite, targets, Echo{Text: "hi"}, 12*time.Second)
//	_, err = chain.SetWeights(ctx, hotkey, netuid, uids, weights, 0)
//
// The whole of that, on a chain of its own, is examples/echo.
//
// # Conventions
//
// Amounts are in rao: 1 TAO is 1e9 rao. Weights are of 65535. A context's end ends a call.
// Clients are safe for concurrent use and reconnect by themselves. Nothing is logged unless
// a Logger is given; no secret is ever logged, printed or part of an error.
package bittensor
