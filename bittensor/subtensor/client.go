package subtensor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// RaoPerTAO is the number of rao in one TAO.
const RaoPerTAO = 1_000_000_000

// pallet is the name of the chain's own pallet.
const pallet = "SubtensorModule"

// networks are the public entry points and the port of a local node.
var networks = map[string]string{
	"local":  "ws://127.0.0.1:9944",
	"test":   "wss://test.finney.opentensor.ai:443",
	"finney": "wss://entrypoint-finney.opentensor.ai:443",
}

// customErrors are the runtime's names for "Custom error: N" at validation
// (CustomTransactionError upstream; 255 is BadRequest).
var customErrors = map[uint8]string{
	0: "ColdkeyInSwapSchedule", 1: "StakeAmountTooLow", 2: "BalanceTooLow", 3: "SubnetDoesntExist",
	4: "HotkeyAccountDoesntExist", 5: "NotEnoughStakeToWithdraw", 6: "RateLimitExceeded",
	7: "InsufficientLiquidity", 8: "SlippageTooHigh", 9: "TransferDisallowed",
	10: "HotKeyNotRegisteredInNetwork", 11: "InvalidIpAddress", 12: "ServingRateLimitExceeded",
	13: "InvalidPort", 14: "ZeroMaxAmount", 15: "InvalidRevealRound", 16: "CommitNotFound",
	17: "CommitBlockNotInRevealRange", 18: "InputLengthsUnequal", 19: "UidNotFound",
	20: "EvmKeyAssociateRateLimitExceeded", 255: "BadRequest",
}

// Signer signs transactions: a key pair of package wallet.
type Signer = substrate.Signer

// Options configure a client.
type Options struct {
	// Network is "local", "test", "finney" or a ws:// or wss:// URL; default "finney".
	Network string
	// Fallbacks are other nodes of the same network, tried when Network's cannot be
	// reached. One of another genesis is passed over.
	Fallbacks []string
	// Logger receives reconnects and the like; nil discards.
	Logger *slog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time
	// StallAfter is how long Blocks may be silent before it asks the chain whether
	// there are newer blocks; default 30 s.
	StallAfter time.Duration
	// EraPeriod is for how many blocks a transaction is valid; default 128.
	EraPeriod uint64
	// RPC tunes the connection; Dial sets its Logger, Now, CustomErrors, KnownCalls
	// and, for the public networks, Genesis.
	RPC substrate.Options
}

// Client is a connection to the chain. It reconnects by itself; all methods may be used
// from any goroutine.
type Client struct {
	chain *substrate.Client
	opts  Options
}

// URL returns the WebSocket URL that a network name stands for; a URL stands for itself.
func URL(network string) (string, error) {
	if network == "" {
		network = "finney"
	}
	if u, ok := networks[network]; ok {
		return u, nil
	}
	u, err := url.Parse(network)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return "", fmt.Errorf("network %q is not known; try: local, test, finney or a ws:// URL", network)
	}
	return network, nil
}

// Dial connects to a network. It fails when ctx ends before the chain answers.
func Dial(ctx context.Context, opts Options) (*Client, error) {
	u, err := URL(opts.Network)
	if err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.StallAfter <= 0 {
		opts.StallAfter = 30 * time.Second
	}
	rpc := opts.RPC
	rpc.Logger, rpc.Now, rpc.CustomErrors, rpc.KnownCalls = opts.Logger, opts.Now, customErrors, knownCalls
	for _, network := range opts.Fallbacks {
		fallback, err := URL(network)
		if err != nil {
			return nil, err
		}
		rpc.Fallbacks = append(rpc.Fallbacks[:len(rpc.Fallbacks):len(rpc.Fallbacks)], fallback)
	}
	rpc.Genesis = pinned(u)
	chain, err := substrate.Dial(ctx, u, rpc)
	if err != nil {
		return nil, nameDialClock(err, opts.Now())
	}
	return &Client{chain: chain, opts: opts}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.chain.Close() }

// Chain gives the client underneath, for calls and storage that have no method here.
func (c *Client) Chain() *substrate.Client { return c.chain }

// Stats returns the connection's counters.
func (c *Client) Stats() substrate.RPCStats { return c.chain.Stats() }

// Block returns the newest block's number.
func (c *Client) Block(ctx context.Context) (uint64, error) {
	h, err := c.chain.Header(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("reading the newest block: %w", err)
	}
	return uint64(h.Number), nil
}

// head returns the newest block that the chain can be asked about.
func (c *Client) head(ctx context.Context) (uint64, substrate.Hash, error) {
	h, err := c.chain.Header(ctx, nil)
	if err != nil {
		return 0, substrate.Hash{}, fmt.Errorf("reading the newest block: %w", err)
	}
	hash, ok, err := c.chain.BlockHash(ctx, uint64(h.Number))
	if err == nil && !ok {
		err = errors.New("the chain has no hash for it")
	}
	if err != nil {
		return 0, substrate.Hash{}, fmt.Errorf("reading block %d: %w", h.Number, err)
	}
	return uint64(h.Number), hash, nil
}

// blockAt returns a block by number, the newest for 0.
func (c *Client) blockAt(ctx context.Context, number uint64) (uint64, substrate.Hash, error) {
	if number == 0 {
		return c.head(ctx)
	}
	hash, ok, err := c.chain.BlockHash(ctx, number)
	if err == nil && !ok {
		err = errors.New("the chain has no such block")
	}
	if err != nil {
		return 0, substrate.Hash{}, fmt.Errorf("reading block %d: %w", number, err)
	}
	return number, hash, nil
}

// Balance returns an account's free balance in rao.
func (c *Client) Balance(ctx context.Context, id ss58.AccountID) (uint64, error) {
	var account struct{ Data struct{ Free uint64 } }
	if err := c.chain.Query(ctx, nil, &account, "System", "Account", id); err != nil {
		return 0, fmt.Errorf("balance of %v: %w", id, err)
	}
	return account.Data.Free, nil
}

// SubnetExists reports whether a subnet is registered.
func (c *Client) SubnetExists(ctx context.Context, netuid uint16) (bool, error) {
	var exists bool
	if err := c.chain.Query(ctx, nil, &exists, pallet, "NetworksAdded", netuid); err != nil {
		return false, fmt.Errorf("subnet %d: %w", netuid, err)
	}
	return exists, nil
}

// UID returns the uid of a hotkey in a subnet, false when it is not registered there.
func (c *Client) UID(ctx context.Context, netuid uint16, hotkey ss58.AccountID) (uint16, bool, error) {
	var uid *uint16
	if err := c.chain.Query(ctx, nil, &uid, pallet, "Uids", netuid, hotkey); err != nil {
		return 0, false, fmt.Errorf("uid of %v in subnet %d: %w", hotkey, netuid, err)
	}
	if uid == nil {
		return 0, false, nil
	}
	return *uid, true, nil
}

// BurnCost returns what burned_register costs now, in rao.
func (c *Client) BurnCost(ctx context.Context, netuid uint16) (uint64, error) {
	var rao uint64
	if err := c.chain.Query(ctx, nil, &rao, pallet, "Burn", netuid); err != nil {
		return 0, fmt.Errorf("registration cost of subnet %d: %w", netuid, err)
	}
	return rao, nil
}

// Development reports whether the chain is one for development, whose keys everybody
// knows: the chain says so, or it does not say and listens on this machine.
func (c *Client) Development(ctx context.Context) (bool, error) {
	var raw json.RawMessage
	err := c.chain.Read(ctx, &raw, "system_chainType")
	var refused *substrate.RPCError
	if errors.As(err, &refused) {
		return isLoopback(c.chain.URL()), nil
	}
	if err != nil {
		return false, err
	}
	var kind string
	if json.Unmarshal(raw, &kind) != nil {
		return false, nil // {"Custom": ...}
	}
	return kind == "Development" || kind == "Local", nil
}

func isLoopback(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil {
		return false
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// addrOf turns the chain's form of an IP address (an integer with a kind, 4 or 6) into
// an address; an unset one is invalid.
func addrOf(ip [16]byte, kind uint8) netip.Addr {
	if kind == 6 {
		return netip.AddrFrom16(ip)
	}
	a := netip.AddrFrom4([4]byte(ip[12:]))
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// Addr is the axon's address and port, as net/http and others want it.
func (a AxonInfo) Addr() string {
	return net.JoinHostPort(a.IP.String(), fmt.Sprint(a.Port))
}
