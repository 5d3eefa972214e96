package subtensor

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Preview is what a signature would stand for: the call as it reads back from the bytes,
// and everything else that is signed with it. Nothing is signed or sent for it.
type Preview struct {
	URL    string         `json:"url"`
	Pallet string         `json:"pallet"`
	Call   string         `json:"call"`
	Args   []PreviewArg   `json:"args"`
	Signer ss58.AccountID `json:"signer"`
	Nonce  uint64         `json:"nonce"`
	// Era in words, and the blocks from and to which (inclusive) the call would be
	// valid; ValidTo is 0 for an immortal one.
	Era       string `json:"era"`
	ValidFrom uint64 `json:"valid_from"`
	ValidTo   uint64 `json:"valid_to,omitempty"`
	TipRao    uint64 `json:"tip_rao"`
	// FeeRao is the node's estimate; nil when the node does not tell.
	FeeRao      *uint64        `json:"fee_rao"`
	SpecVersion uint32         `json:"spec_version"`
	TxVersion   uint32         `json:"transaction_version"`
	Genesis     substrate.Hash `json:"genesis"`
	CallHex     string         `json:"call_hex"`
}

// PreviewArg is one argument: as it was decoded, and for people where its plain form says
// little ("1.5 TAO" for 1500000000).
type PreviewArg struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
	Text  string          `json:"text,omitempty"`
}

// Preview shows what Submit would sign for an account. It needs no key.
func (c *Client) Preview(ctx context.Context, call substrate.Call, signer ss58.AccountID) (Preview, error) {
	p, err := c.chain.Prepare(ctx, call, signer, substrate.SubmitOptions{EraPeriod: c.opts.EraPeriod})
	if err != nil {
		return Preview{}, fmt.Errorf("%s: %w", call.Name, err)
	}
	out := Preview{
		URL: c.chain.URL(), Pallet: p.Call.Pallet, Call: p.Call.Name, Signer: p.Signer, Nonce: p.Nonce,
		Era: p.Era.String(), ValidFrom: p.Born, TipRao: p.Tip,
		SpecVersion: p.SpecVersion, TxVersion: p.TxVersion, Genesis: p.Genesis, CallHex: substrate.Hex(p.CallBytes),
	}
	if !p.Era.Immortal() {
		out.ValidTo = p.Death - 1
	}
	if fee, err := c.chain.Fee(ctx, p); err == nil {
		out.FeeRao = &fee
	} else {
		c.opts.Logger.Warn("the node does not tell the fee", "error", err)
	}
	for _, a := range p.Call.Args {
		// A Record writes its values as people read them: accounts as addresses.
		object, err := json.Marshal(substrate.Record{{Name: "v", Value: a.Value}})
		if err != nil {
			return Preview{}, fmt.Errorf("%s: %w", call.Name, err)
		}
		value := json.RawMessage(object[len(`{"v":`) : len(object)-1])
		out.Args = append(out.Args, PreviewArg{a.Name, value, argText(p.Call, a)})
	}
	return out, nil
}

// argText puts an argument into the unit in which people think of it.
func argText(call substrate.Call, a substrate.Entry) string {
	n, isNumber := a.Value.(uint64)
	switch {
	case isNumber && (a.Name == "amount_staked" || a.Name == "value" && call.Pallet == "Balances"):
		return FormatTAO(n) + " TAO"
	case isNumber && a.Name == "amount_unstaked":
		netuid, dTAO := call.Args.Get("netuid")
		if dTAO && netuid != uint64(0) {
			return fmt.Sprintf("%s alpha of subnet %v", FormatTAO(n), netuid)
		}
		return FormatTAO(n) + " TAO"
	case a.Name == "ip":
		ip, ok := a.Value.(*big.Int)
		kind, _ := call.Args.Get("ip_type")
		k, _ := kind.(uint64)
		if !ok || ip.BitLen() > 128 {
			return ""
		}
		var b [16]byte
		ip.FillBytes(b[:])
		return addrOf(b, uint8(k)).String()
	case a.Name == "dest":
		if v, ok := a.Value.(substrate.Variant); ok && v.Name == "Id" {
			return fmt.Sprint(v.Value)
		}
	}
	return ""
}

// FormatTAO writes an amount of rao in TAO without losing any: "1.5".
func FormatTAO(rao uint64) string {
	whole, rest := rao/RaoPerTAO, rao%RaoPerTAO
	if rest == 0 {
		return strconv.FormatUint(whole, 10)
	}
	return fmt.Sprintf("%d.%s", whole, strings.TrimRight(fmt.Sprintf("%09d", rest), "0"))
}
