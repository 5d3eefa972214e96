// Package localnet is a development chain: one process that behaves like a
// subtensor node, for neurons and tests that need a chain of their own.
//
//	node, err := localnet.Start(ctx, localnet.Config{}, "127.0.0.1:0")
//	...
//	defer node.Stop()
//	client, err := subtensor.Dial(ctx, subtensor.Options{Network: node.URL})
//
// Start puts together what New, Serve (JSON-RPC over WebSocket and HTTP POST) and Run (a
// block at each interval) do. ProduceBlock and Advance make blocks without waiting.
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
// # How it is reached
//
// Serve answers the methods of a node (state, chain, author, system, payment and
// rpc_methods, subscriptions among them, and the subtensor node's own such as
// neuronInfo_getNeurons) over WebSocket and HTTP POST, in batches too. There are no
// child tries, no keys in the node, no read proofs, and none of the newer chainHead and
// transaction groups. What goes wrong has the standard's error codes, those of the
// server library that nodes use for limits (-32006 to -32011), and a node's own. A
// message may have 10 MiB, its answer 64 MiB, a batch 512 requests; a connection may
// have 1,024 subscriptions, and is closed when 4,096 messages wait to be read.
//
// Whoever reaches the port can do whatever the accounts of //Alice and the others may:
// their keys are public. Two methods answer only clients on the same machine:
// dev_advance [n, ms] makes n blocks at once, each ms later by the chain's clock (see
// Advance), and dev_export writes the state as a raw chain specification (see Export),
// from which Config.Clone begins another chain.
//
// # What is kept
//
// With Config.Dir the state is in a snapshot and a log of blocks. A block is on the disk
// before it is announced: killing the process or cutting the power takes back nothing
// that a client has seen, except that a power cut may cost the last blocks of an
// Advance that has not returned. Transactions that wait for a block are in memory only.
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
// Beside its own declarations the runtime 381 has some of later ones, which
// current clients read by name: register_limit, locks of stake (there are
// none), the list of hyperparameters, and the shield in which btcli hides
// transactions until their block. profiles/later.json lists them.
//
// # What is simpler than the real chain
//
//   - One author makes every block; each is final at once. State and
//     extrinsics roots are hashes, not tree roots: there are no proofs.
//   - A subnet's pool trades by the real arithmetic and fee, at the runtime's
//     own fee rate; other liquidity providers' positions it has none, and the
//     fees stay with the pool.
//   - Each block adds TAO to the pools by price, and as much alpha as the
//     price asks for, at most a block's emission; as much alpha as a block's
//     emission again goes to the owner (18 %), miners (41 %) and validators
//     (41 %) at the next epoch. There is no halving. TAO staked on root weighs
//     in consensus but earns nothing.
//   - Fees are those of the declared weights; calls of FRAME's pallets whose
//     weight is not known are estimated. Fees are burnt, and never paid in
//     alpha. A new chain has no freeze window before epochs and no waits
//     between an owner's changes, new subnets, takes and hotkey swaps; root
//     sets them as on the real chain.
//   - Of several mechanisms of a subnet only the first earns; the weights of
//     the others are checked and stored.
//   - Calls that the package does not do are declared and fail with
//     System.CallFiltered, in the block and not before: replacing the
//     runtime's code (System.set_code and the like); AdminUtils.swap_authorities,
//     schedule_grandpa_change and sudo_set_evm_chain_id; all of Swap; of
//     SubtensorModule register (by work), associate_evm_key, the calls of root
//     claims, leases, voting power and, at spec 293, of scheduled coldkey swaps,
//     the senate and schedules. A test keeps the list (refused_test.go) complete.
//   - A miner whose coldkey owns the subnet earns like any other, unless it is
//     the owner's own hotkey: on a development chain one coldkey often pays
//     for all. The real chain burns what such miners earn.
package localnet
