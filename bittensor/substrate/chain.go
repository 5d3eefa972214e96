package substrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// Client is a chain: an RPC connection together with the chain's metadata, which is read
// once and again when the runtime is upgraded or the connection leads elsewhere.
type Client struct {
	*RPC

	// turn holds one token; who has it may use the fields below. A channel, since
	// whoever waits for it while another asks the chain must be able to give up.
	turn    chan struct{}
	runtime *Runtime
	checked time.Time
	// checkedGen is the connection on which the runtime was last confirmed.
	checkedGen uint64

	senders sync.Map // ss58.AccountID -> chan struct{}: one submission at a time per account
	// final is the last block that eraStart used: a hash names one block for ever.
	final atomic.Pointer[blockRef]
}

// Runtime is what a chain's extrinsics and storage depend on. It does not change; an
// upgraded chain has another Runtime.
type Runtime struct {
	*Metadata
	SpecName    string
	SpecVersion uint32
	TxVersion   uint32
	Genesis     Hash
}

// runtimeFresh is how long a runtime version is believed without asking again: less
// than a block of the real network.
const runtimeFresh = 6 * time.Second

// Dial connects to a chain and reads its metadata.
func Dial(ctx context.Context, url string, opts Options) (*Client, error) {
	rpc, err := DialRPC(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	c := &Client{RPC: rpc, turn: make(chan struct{}, 1)}
	for range 2*len(opts.Fallbacks) + 1 {
		var wrong *GenesisError
		if _, err = c.Runtime(ctx); !errors.As(err, &wrong) {
			break // else the next endpoint's turn has come
		}
	}
	if err != nil {
		_ = rpc.Close()
		return nil, err
	}
	return c, nil
}

// Runtime returns the chain's current runtime. It asks for the version when the last
// answer is older than a few seconds or came over another connection, and for the
// metadata when the version has changed.
func (c *Client) Runtime(ctx context.Context) (*Runtime, error) { return c.currentRuntime(ctx, false) }

func (c *Client) currentRuntime(ctx context.Context, force bool) (*Runtime, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("reading the runtime's version: %w", ctx.Err())
	}
	c.mu.Lock()
	generation := c.generation
	c.mu.Unlock()
	sameConn := generation == c.checkedGen
	if c.runtime != nil && !force && sameConn && c.opts.Now().Sub(c.checked) < runtimeFresh {
		return c.runtime, nil
	}
	version, err := c.readVersion(ctx)
	if err != nil {
		return nil, err
	}
	var genesis Hash
	if c.runtime != nil && sameConn {
		genesis = c.runtime.Genesis
	} else if err = c.Read(ctx, &genesis, "chain_getBlockHash", 0); err != nil {
		return nil, fmt.Errorf("reading the genesis hash: %w", err)
	}
	want := c.opts.Genesis
	if want == nil && c.runtime != nil && len(c.opts.Fallbacks) > 0 {
		want = &c.runtime.Genesis
	}
	if want != nil && genesis != *want {
		err := &GenesisError{URL: c.URL(), Want: *want, Got: genesis}
		if len(c.opts.Fallbacks) > 0 {
			c.abandon(generation) // another endpoint may be the right one
		}
		return nil, err
	}
	c.checked, c.checkedGen = c.opts.Now(), generation
	if old := c.runtime; old != nil && old.SpecVersion == version.SpecVersion && old.SpecName == version.SpecName && old.Genesis == genesis {
		if old.TxVersion != version.TxVersion {
			next := *old
			next.TxVersion = version.TxVersion
			c.runtime = &next
		}
		return c.runtime, nil
	}
	meta, err := c.fetchMetadata(ctx)
	if err != nil {
		return nil, err
	}
	// The two answers may stand on two sides of an upgrade, or come from two nodes behind
	// one address: calls built by one and signed for the other would be refused, or worse.
	if spec, known := meta.specVersion(); known && spec != version.SpecVersion {
		if version, err = c.readVersion(ctx); err != nil {
			return nil, err
		}
		if spec != version.SpecVersion {
			c.checkedGen = 0
			return nil, fmt.Errorf("%s says that its runtime is %d and gives the metadata of %d; try: again, or another node", c.URL(), version.SpecVersion, spec)
		}
	}
	if c.runtime != nil {
		c.opts.Logger.Info("the chain's runtime changed", "from", c.runtime.SpecVersion, "to", version.SpecVersion)
	}
	c.runtime = &Runtime{Metadata: meta, SpecName: version.SpecName, SpecVersion: version.SpecVersion, TxVersion: version.TxVersion, Genesis: genesis}
	return c.runtime, nil
}

// runtimeVersion is what a node says of its runtime.
type runtimeVersion struct {
	SpecName    string `json:"specName"`
	SpecVersion uint32 `json:"specVersion"`
	TxVersion   uint32 `json:"transactionVersion"`
}

func (c *Client) readVersion(ctx context.Context) (v runtimeVersion, err error) {
	if err := c.Read(ctx, &v, "state_getRuntimeVersion"); err != nil {
		return v, fmt.Errorf("reading the runtime's version: %w", err)
	}
	return v, nil
}

// fetchMetadata asks for V15, which lists runtime APIs, and falls back to V14.
func (c *Client) fetchMetadata(ctx context.Context) (*Metadata, error) {
	var text string
	err := c.Read(ctx, &text, "state_call", "Metadata_metadata_at_version", "0x0f000000")
	if err == nil {
		raw, err := ParseHex(text)
		if err == nil && len(raw) > 1 && raw[0] == 1 {
			meta, err := decodeOpaque(raw[1:])
			if err == nil {
				return meta, nil
			}
			c.opts.Logger.Warn("metadata V15 cannot be read, trying V14", "error", err)
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("reading the metadata: %w", ctx.Err())
	}
	if err := c.Read(ctx, &text, "state_getMetadata"); err != nil {
		return nil, fmt.Errorf("reading the metadata: %w", err)
	}
	raw, err := ParseHex(text)
	if err != nil {
		return nil, fmt.Errorf("reading the metadata: %w", err)
	}
	return DecodeMetadata(raw)
}

// Header is a block's header.
type Header struct {
	ParentHash     Hash        `json:"parentHash"`
	Number         BlockNumber `json:"number"`
	StateRoot      Hash        `json:"stateRoot"`
	ExtrinsicsRoot Hash        `json:"extrinsicsRoot"`
	Digest         struct {
		Logs []string `json:"logs"`
	} `json:"digest"`
}

// BlockNumber is a block's number, 0x-hex in JSON.
type BlockNumber uint64

// MarshalText writes 0x-hex without leading zeros.
func (n BlockNumber) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%#x", uint64(n)), nil }

// UnmarshalText reads 0x-hex.
func (n *BlockNumber) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(strings.TrimPrefix(string(b), "0x"), 16, 64)
	if err != nil {
		return fmt.Errorf("block number %q: %w", b, err)
	}
	*n = BlockNumber(v)
	return nil
}

// Header returns the header of a block; nil means the newest.
func (c *Client) Header(ctx context.Context, at *Hash) (Header, error) {
	var h *Header
	var err error
	if at == nil {
		err = c.Read(ctx, &h, "chain_getHeader")
	} else {
		err = c.Read(ctx, &h, "chain_getHeader", at)
	}
	if err != nil {
		return Header{}, err
	}
	if h == nil {
		return Header{}, fmt.Errorf("chain_getHeader: the chain does not know block %v", at)
	}
	return *h, nil
}

// BlockHash returns the hash of a block by its number, false when there is none yet.
func (c *Client) BlockHash(ctx context.Context, number uint64) (Hash, bool, error) {
	var h *Hash
	if err := c.Read(ctx, &h, "chain_getBlockHash", number); err != nil || h == nil {
		return Hash{}, false, err
	}
	return *h, true, nil
}

// Block is a block's header and its extrinsics, encoded.
type Block struct {
	Header     Header   `json:"header"`
	Extrinsics []string `json:"extrinsics"`
}

// Block returns a whole block.
func (c *Client) Block(ctx context.Context, at Hash) (Block, error) {
	var b struct {
		Block *Block `json:"block"`
	}
	if err := c.Read(ctx, &b, "chain_getBlock", at); err != nil {
		return Block{}, err
	}
	if b.Block == nil {
		return Block{}, fmt.Errorf("chain_getBlock: the chain does not know block %v", at)
	}
	return *b.Block, nil
}

// RawStorage returns the value under a storage key, nil when there is none. at nil
// means the newest block.
func (c *Client) RawStorage(ctx context.Context, at *Hash, key []byte) ([]byte, error) {
	var text *string
	params := []any{Hex(key)}
	if at != nil {
		params = append(params, at)
	}
	if err := c.Read(ctx, &text, "state_getStorage", params...); err != nil || text == nil {
		return nil, err
	}
	b, err := ParseHex(*text)
	return nonNil(b), err
}

// Get decodes a storage item; an absent one is its default, or nil when optional.
func (c *Client) Get(ctx context.Context, at *Hash, pallet, item string, args ...any) (any, error) {
	return c.retry(ctx, func(rt *Runtime) (any, error) {
		key, err := rt.StorageKey(pallet, item, args...)
		if err != nil {
			return nil, err
		}
		data, err := c.RawStorage(ctx, at, key)
		if err != nil {
			return nil, fmt.Errorf("reading %s.%s: %w", pallet, item, err)
		}
		v, err := rt.DecodeStorage(pallet, item, data)
		return v, stale(err)
	})
}

// Query is Get into a Go variable; see Assign. An absent optional value sets the zero value.
func (c *Client) Query(ctx context.Context, at *Hash, dst any, pallet, item string, args ...any) error {
	v, err := c.Get(ctx, at, pallet, item, args...)
	if err != nil {
		return err
	}
	if err := Assign(v, dst); err != nil {
		return fmt.Errorf("reading %s.%s: %w", pallet, item, err)
	}
	return nil
}

// MapEntry is one entry of a storage map.
type MapEntry struct {
	Args  []any // key parts; nil under hashers that do not keep them
	Value any
}

// Map reads all entries of a storage map whose keys begin with args, at one block. The
// values are read in pages.
func (c *Client) Map(ctx context.Context, at Hash, pallet, item string, args ...any) ([]MapEntry, error) {
	v, err := c.retry(ctx, func(rt *Runtime) (any, error) {
		prefix, err := rt.StorageKey(pallet, item, args...)
		if err != nil {
			return nil, err
		}
		var out []MapEntry
		const page = 512
		start := Hex(prefix)
		for {
			var keys []string
			if err := c.Read(ctx, &keys, "state_getKeysPaged", Hex(prefix), page, start, at); err != nil {
				return nil, fmt.Errorf("listing %s.%s: %w", pallet, item, err)
			}
			if len(keys) == 0 {
				return out, nil
			}
			entries, err := c.mapPage(ctx, rt, at, pallet, item, keys)
			if err != nil {
				return nil, err
			}
			out = append(out, entries...)
			if len(keys) < page || keys[len(keys)-1] == start {
				return out, nil
			}
			start = keys[len(keys)-1]
		}
	})
	entries, _ := v.([]MapEntry)
	return entries, err
}

func (c *Client) mapPage(ctx context.Context, rt *Runtime, at Hash, pallet, item string, keys []string) ([]MapEntry, error) {
	var sets []struct {
		Changes [][2]*string `json:"changes"`
	}
	if err := c.Read(ctx, &sets, "state_queryStorageAt", keys, at); err != nil {
		return nil, fmt.Errorf("reading %s.%s: %w", pallet, item, err)
	}
	var out []MapEntry
	for _, set := range sets {
		for _, change := range set.Changes {
			if change[0] == nil || change[1] == nil {
				continue
			}
			key, err := ParseHex(*change[0])
			if err != nil {
				return nil, err
			}
			data, err := ParseHex(*change[1])
			if err != nil {
				return nil, err
			}
			var e MapEntry
			if e.Args, err = rt.DecodeStorageKey(pallet, item, key); err != nil {
				return nil, stale(err)
			}
			if e.Value, err = rt.DecodeStorage(pallet, item, nonNil(data)); err != nil {
				return nil, stale(err)
			}
			out = append(out, e)
		}
	}
	return out, nil
}

// RuntimeCall calls a function of a runtime API and decodes its result.
func (c *Client) RuntimeCall(ctx context.Context, at *Hash, api, method string, args ...any) (any, error) {
	return c.retry(ctx, func(rt *Runtime) (any, error) {
		f, err := rt.API(api, method)
		if err != nil {
			return nil, err
		}
		if len(args) != len(f.Inputs) {
			return nil, fmt.Errorf("%s.%s: %d arguments given, it takes %d", api, method, len(args), len(f.Inputs))
		}
		var params []byte
		for i, in := range f.Inputs {
			b, err := rt.EncodeValue(in.Type, args[i])
			if err != nil {
				return nil, fmt.Errorf("%s.%s, argument %s: %w", api, method, in.Name, err)
			}
			params = append(params, b...)
		}
		var text string
		request := []any{api + "_" + method, Hex(params)}
		if at != nil {
			request = append(request, at)
		}
		if err := c.Read(ctx, &text, "state_call", request...); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", api, method, err)
		}
		data, err := ParseHex(text)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", api, method, err)
		}
		v, err := rt.DecodeAll(f.Output, data)
		if err != nil {
			return nil, stale(fmt.Errorf("%s.%s: %w", api, method, err))
		}
		return v, nil
	})
}

// staleError marks an error that outdated metadata would explain.
type staleError struct{ error }

func (e staleError) Unwrap() error { return e.error }

func stale(err error) error {
	if err == nil {
		return nil
	}
	return staleError{err}
}

// retry runs f, and once more when it failed in a way that a runtime upgrade explains
// and there was one.
func (c *Client) retry(ctx context.Context, f func(*Runtime) (any, error)) (any, error) {
	rt, err := c.Runtime(ctx)
	if err != nil {
		return nil, err
	}
	v, err := f(rt)
	var s staleError
	if !errors.As(err, &s) {
		return v, err
	}
	next, rerr := c.currentRuntime(ctx, true)
	if rerr != nil || next.Metadata == rt.Metadata {
		return nil, s.error
	}
	return f(next)
}

// Nonce returns the nonce that an account's next extrinsic needs, those waiting in the
// node's pool included.
func (c *Client) Nonce(ctx context.Context, id ss58.AccountID) (uint64, error) {
	var n uint64
	err := c.Read(ctx, &n, "system_accountNextIndex", id)
	var refused *RPCError
	if errors.As(err, &refused) && refused.Code == CodeMethodNotFound {
		err = c.Read(ctx, &n, "account_nextIndex", id)
	}
	if err != nil {
		return 0, fmt.Errorf("reading the account's nonce: %w", err)
	}
	return n, nil
}

// Heads delivers the headers of new best blocks, the newest only when the reader is
// slow, across reconnects. The channel closes when ctx ends or the client is closed.
func (c *Client) Heads(ctx context.Context) (<-chan Header, error) {
	sub, err := c.Subscribe(ctx, SubscribeRequest{
		Method: "chain_subscribeNewHeads", Unsubscribe: "chain_unsubscribeNewHeads", Latest: true, Resubscribe: true,
	})
	if err != nil {
		return nil, err
	}
	out := make(chan Header)
	go func() {
		defer close(out)
		for raw := range sub.C {
			var h Header
			if err := json.Unmarshal(raw, &h); err != nil {
				c.opts.Logger.Warn("a block header cannot be read", "error", err)
				continue
			}
			// While this header waits, newer ones replace each other in sub.C;
			// take the newest before handing over.
			for waiting := true; waiting; {
				select {
				case out <- h:
					waiting = false
				case newer, ok := <-sub.C:
					if !ok {
						return
					}
					var next Header
					if err := json.Unmarshal(newer, &next); err == nil {
						h = next
					}
				}
			}
		}
	}()
	return out, nil
}

// GetMany reads one storage map at several keys in one request, at one block. Absent
// keys give the item's default, or nil when optional.
func (c *Client) GetMany(ctx context.Context, at Hash, pallet, item string, keys [][]any) ([]any, error) {
	v, err := c.retry(ctx, func(rt *Runtime) (any, error) {
		texts := make([]string, len(keys))
		for i, args := range keys {
			key, err := rt.StorageKey(pallet, item, args...)
			if err != nil {
				return nil, err
			}
			texts[i] = Hex(key)
		}
		found := map[string]string{}
		for start := 0; start < len(texts); start += 512 {
			var sets []struct {
				Changes [][2]*string `json:"changes"`
			}
			if err := c.Read(ctx, &sets, "state_queryStorageAt", texts[start:min(start+512, len(texts))], at); err != nil {
				return nil, fmt.Errorf("reading %s.%s: %w", pallet, item, err)
			}
			for _, set := range sets {
				for _, change := range set.Changes {
					if change[0] != nil && change[1] != nil {
						found[*change[0]] = *change[1]
					}
				}
			}
		}
		out := make([]any, len(texts))
		for i, key := range texts {
			var data []byte
			if text, ok := found[key]; ok {
				raw, err := ParseHex(text)
				if err != nil {
					return nil, err
				}
				data = nonNil(raw)
			}
			value, err := rt.DecodeStorage(pallet, item, data)
			if err != nil {
				return nil, stale(err)
			}
			out[i] = value
		}
		return out, nil
	})
	values, _ := v.([]any)
	return values, err
}

// Hash computes the header's hash, which is the block's: blake2b-256 of its encoding.
func (h Header) Hash() (Hash, error) {
	var e scale.Encoder
	e.Raw(h.ParentHash[:])
	e.Compact(uint64(h.Number))
	e.Raw(h.StateRoot[:])
	e.Raw(h.ExtrinsicsRoot[:])
	e.Compact(uint64(len(h.Digest.Logs)))
	for _, item := range h.Digest.Logs {
		raw, err := ParseHex(item)
		if err != nil {
			return Hash{}, fmt.Errorf("header of block %d: %w", h.Number, err)
		}
		e.Raw(raw)
	}
	return blake2b.Sum256(e.Bytes()), nil
}
