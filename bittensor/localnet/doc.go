// Package localnet is a development chain: one process that behaves like a
// subtensor node, for neurons and tests that need a chain of their own.
//
//	c, err := localnet.New(localnet.Config{Dir: dir, BlockTime: time.Second})
//	...
//	go c.Serve(ctx, listener) // JSON-RPC over WebSocket and HTTP POST
//	err = c.Run(ctx)          // a block every second, until ctx ends
//
// The chain begins with //Alice to //Ferdie holding 1,000,000 TAO each and
// one subnet, owned by //Alice. It plays the runtime of a real spec version:
// pallets, call and error numbers, storage keys with their hashers and
// defaults, signed extensions and runtime APIs are those of the version, and
// its metadata says so; a generic client needs to know nothing else.
//
// # What it does
//
// Extrinsics are checked as a node checks them (signature, era, nonce, fee,
// the refusals of the subtensor extension) and executed on state that is
// SCALE under the real keys. At each tempo the subnet runs Yuma consensus
// (package yuma) and the emission is paid to stakes.
//
// # Time-locked weights
//
// The chain names its drand beacon in Drand.BeaconConfig and keeps that beacon's
// pulses; a time-locked commit is opened with the pulse of its round. At first the
// beacon is the chain's own: its key is made from a seed that everybody knows, and its
// pulses come with the chain's time, a round every 3 s by Quicknet's timetable. A
// client that reads the key from BeaconConfig can commit to any round of the future.
//
// The Python SDK does not read it: it locks to Quicknet's key. For it, root sets
// BeaconConfig to Quicknet's (Drand.set_beacon_config through Sudo). The chain then
// forgets its own pulses and waits for drand's, which anyone brings with
// Drand.write_pulse; each is verified against the key in BeaconConfig.
//
// # What is simpler than the real chain
//
//   - One author makes every block; each is final at once. State and
//     extrinsics roots are hashes, not tree roots: there are no proofs.
//   - A subnet's pool keeps the product of TAO and alpha, without fees and
//     without positions of other liquidity providers.
//   - Each block adds TAO to the pools by price, and as much alpha as the
//     price asks for, at most a block's emission; as much alpha as a block's
//     emission again goes to the owner (18 %), miners (41 %) and validators
//     (41 %) at the next epoch. There is no halving. TAO staked on root weighs
//     in consensus but earns nothing.
//   - Fees of calls whose weight is not recorded are estimates; fees are burnt.
//   - Calls that the package does not implement are declared and fail with
//     System.CallFiltered. Children, leases, EVM, proxies
//     and proof-of-work registration are among them.
package localnet
