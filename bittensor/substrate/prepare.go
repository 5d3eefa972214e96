package substrate

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// Prepared is an extrinsic that only lacks its signature: everything that the signature
// would cover, in a form that people can read.
type Prepared struct {
	// Call is the call read back from the bytes that would be signed.
	Call      Call
	CallBytes []byte
	Signer    ss58.AccountID
	Nonce     uint64
	Tip       uint64
	Era       Era
	// Born is the era's first block and Death the first in which the extrinsic is no
	// longer valid (the largest number when it is immortal).
	Born, Death uint64
	// Runtime and Genesis name the chain and version that the signature is for.
	SpecVersion, TxVersion uint32
	Genesis                Hash
	// Payload is what is signed: longer than 256 bytes it is its hash.
	Payload []byte

	rt     *Runtime
	params ExtrinsicParams
}

// Prepare makes an extrinsic ready to be signed: it picks nonce and era, encodes the call
// and reads it back. It sends nothing and needs no key.
func (c *Client) Prepare(ctx context.Context, call Call, signer ss58.AccountID, opts SubmitOptions) (*Prepared, error) {
	// What the chain is asked goes out at once: on a real network each answer takes its
	// time.
	var birth blockRef
	var nonce uint64
	asking, askCtx := errgroup.WithContext(ctx)
	asking.Go(func() (err error) {
		birth, err = c.eraStart(askCtx)
		return err
	})
	if opts.Nonce != nil {
		nonce = *opts.Nonce
	} else {
		asking.Go(func() (err error) {
			nonce, err = c.Nonce(askCtx, signer)
			return err
		})
	}
	rt, err := c.currentRuntime(ctx, true)
	if others := asking.Wait(); err == nil {
		err = others
	}
	if err != nil {
		return nil, err
	}
	p := &Prepared{Signer: signer, Tip: opts.Tip, SpecVersion: rt.SpecVersion, TxVersion: rt.TxVersion, Genesis: rt.Genesis, rt: rt}
	if p.CallBytes, p.Call, err = rt.understand(call, c.opts.KnownCalls); err != nil {
		return nil, err
	}
	p.params = ExtrinsicParams{Tip: opts.Tip, Genesis: rt.Genesis, SpecVersion: rt.SpecVersion, TxVersion: rt.TxVersion}
	if err := c.setEra(ctx, p, birth, opts); err != nil {
		return nil, err
	}
	p.Nonce, p.params.Nonce = nonce, nonce
	extra, additional, err := rt.SignedParts(p.params)
	if err != nil {
		return nil, err
	}
	p.Payload = SigningPayload(p.CallBytes, extra, additional)
	return p, nil
}

func (c *Client) setEra(ctx context.Context, p *Prepared, birth blockRef, opts SubmitOptions) error {
	p.Born, p.Death = birth.number, ^uint64(0)
	if opts.Immortal {
		return nil
	}
	period := opts.EraPeriod
	if period == 0 {
		period = 128
	}
	p.Era = NewEra(period, birth.number)
	p.params.Era, p.params.BirthHash = p.Era, birth.hash
	if first := p.Era.Birth(birth.number); first != birth.number {
		// Long eras begin at multiples of their quantum.
		hash, ok, err := c.BlockHash(ctx, first)
		if err == nil && !ok {
			err = fmt.Errorf("the chain has no such block")
		}
		if err != nil {
			return fmt.Errorf("reading the era's first block %d: %w", first, err)
		}
		p.params.BirthHash = hash
	}
	p.Death = p.Era.Death(birth.number)
	return nil
}

// Sign signs a prepared extrinsic. The signer must be the one that it was prepared for.
func (p *Prepared) Sign(signer Signer) ([]byte, error) {
	if signer.AccountID() != p.Signer {
		return nil, &SigningError{p.Call.Pallet + "." + p.Call.Name, fmt.Sprintf("it was prepared for %v, not for %v", p.Signer, signer.AccountID())}
	}
	return p.rt.SignExtrinsic(p.CallBytes, signer, p.params)
}

// Fee asks the node what an extrinsic would cost beside its tip, in the chain's smallest
// unit. A signature of zeros stands for the real one, which does not change the fee.
func (c *Client) Fee(ctx context.Context, p *Prepared) (uint64, error) {
	extra, _, err := p.rt.SignedParts(p.params)
	if err != nil {
		return 0, err
	}
	raw, err := p.rt.assemble(p.CallBytes, extra, p.Signer, [64]byte{})
	if err != nil {
		return 0, err
	}
	var info struct {
		PartialFee json.RawMessage `json:"partialFee"`
	}
	if err := c.Read(ctx, &info, "payment_queryInfo", Hex(raw)); err != nil {
		return 0, fmt.Errorf("asking for the fee: %w", err)
	}
	// A decimal number in text, or a plain number.
	text := string(info.PartialFee)
	if s, err := strconv.Unquote(text); err == nil {
		text = s
	}
	fee, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("asking for the fee: %.60s is not an amount", info.PartialFee)
	}
	return fee, nil
}
