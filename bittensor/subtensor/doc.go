// Package subtensor is a client of the Bittensor chain: who serves in a subnet, what it
// is worth, and the few transactions that a neuron sends.
//
//	c, err := subtensor.Dial(ctx, subtensor.Options{Network: "finney"})
//	...
//	meta, err := c.Metagraph(ctx, 34)
//	for _, n := range meta.Neurons {
//		fmt.Println(n.UID, n.Hotkey, n.Incentive)
//	}
//	receipt, err := c.SetWeights(ctx, hotkey, 34, uids, weights, 0)
//
// It works on every runtime from mid-2024 on: what a chain offers (dTAO, mechanisms,
// runtime APIs) is read from its metadata, again when the chain is upgraded. Amounts are
// in rao: 1 TAO is 1e9 rao.
//
// # Connection
//
// A Client reconnects by itself and may be used from any goroutine. Calls that were
// under way when the connection broke are asked again where that is safe. Blocks follows
// the chain across all of that. CheckClock compares the local clock with the chain's: a
// wrong clock makes other neurons refuse one's messages.
//
// # Transactions
//
// BurnedRegister, ServeAxon, AddStake, RemoveStake, Transfer and SetWeights sign a call,
// send it and wait until a block holds it; Submit does so with any call. A coldkey signs
// what moves funds, a hotkey the rest. Before a key is used the call is read back from
// its bytes, and Preview shows all that would be signed. Several of one account may be
// sent at once: each gets its own nonce. The receipt says in which block a call took
// effect.
//
// # Weights
//
// Some subnets take weights in the open, with SetWeights; others want them committed
// first and revealed later. CommitReveal says which: PlainWeights, TimelockedWeights
// (CommitWeights; the chain reveals them by itself) or HashedWeights (HashCommits, which
// keeps what a reveal needs on disk).
//
// # Errors
//
// The chain's refusals are typed errors of package substrate: a *substrate.DispatchError
// for a call that failed in its block, a *substrate.TransactionError for one that the node
// did not take. substrate.ErrorName gives the name of either, such as
// "SettingWeightsTooFast". Further errors that callers may test for:
//
//	substrate.ErrRateLimited       a rate limit of the chain: again some blocks later
//	substrate.ErrExpired           no block took the transaction in time
//	*substrate.NoAnswerError       the node said nothing, or there was no connection
//	*substrate.DisconnectedError   the connection broke under a call
//	*substrate.SigningError        refused to sign: the chain's metadata contradicts the call
//	*substrate.GenesisError        the node is another chain than the network named
//	*ClockError                    the local clock is wrong; wrapped beside the error it explains
//	ErrNoSubnet                    there is no such subnet
//
// Submit itself tries refusals that pass again (a nonce used by another, a ban, a full
// pool, an upgrade in between), up to five times with growing pauses; see
// substrate.Client.Submit.
package subtensor
