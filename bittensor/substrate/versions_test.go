package substrate_test

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// specs are the recorded versions of the runtime: mid-2024, the reference, the newest.
var specs = []int{185, 293, 381}

// arguments draws a value of a type, in the form that decoding gives.
type arguments struct {
	m   *substrate.Metadata
	rng *rand.Rand
}

func (a arguments) value(id substrate.TypeID, depth int) any {
	t := a.m.Types[id]
	name := ""
	if len(t.Path) > 0 {
		name = t.Path[len(t.Path)-1]
	}
	switch {
	case id == a.m.OuterCall:
		return a.call(depth)
	case name == "AccountId32":
		var id ss58.AccountID
		a.fill(id[:])
		return id
	case name == "H256":
		var h substrate.Hash
		a.fill(h[:])
		return h
	case name == "Era":
		return substrate.NewEra(64, a.rng.Uint64N(1000))
	}
	switch t.Kind {
	case substrate.KindPrimitive:
		return a.primitive(t.Primitive)
	case substrate.KindCompact:
		inner := a.value(t.Elem, depth+1)
		for {
			list, ok := inner.(substrate.Record)
			if !ok || len(list) != 1 {
				return inner
			}
			inner = list[0].Value
		}
	case substrate.KindSequence:
		return a.list(t.Elem, int(a.rng.Uint64N(4)), depth)
	case substrate.KindArray:
		return a.list(t.Elem, int(t.Len), depth)
	case substrate.KindTuple:
		if len(t.Elems) == 0 {
			return nil
		}
		var out []any
		for _, e := range t.Elems {
			out = append(out, a.value(e, depth+1))
		}
		return out
	case substrate.KindComposite:
		if len(t.Fields) == 1 && t.Fields[0].Name == "" {
			return a.value(t.Fields[0].Type, depth+1)
		}
		return a.fields(t.Fields, depth)
	case substrate.KindVariant:
		if len(t.Variants) == 0 {
			return nil
		}
		if name == "Option" {
			if depth > 6 || a.rng.IntN(2) == 0 {
				return nil
			}
			v := a.value(t.Variants[1].Fields[0].Type, depth+1)
			if v == nil {
				return substrate.Some{}
			}
			return v
		}
		v := t.Variants[a.rng.IntN(len(t.Variants))]
		switch {
		case len(v.Fields) == 0:
			return substrate.Variant{Name: v.Name}
		case len(v.Fields) == 1 && v.Fields[0].Name == "":
			return substrate.Variant{Name: v.Name, Value: a.value(v.Fields[0].Type, depth+1)}
		}
		return substrate.Variant{Name: v.Name, Value: a.fields(v.Fields, depth)}
	case substrate.KindBitSequence:
		return substrate.BitVec{true, false, true}
	}
	panic(fmt.Sprintf("type %d of kind %v", id, t.Kind))
}

func (a arguments) fill(b []byte) {
	for i := range b {
		b[i] = byte(a.rng.Uint32())
	}
}

func (a arguments) primitive(p substrate.Primitive) any {
	switch p {
	case substrate.Bool:
		return a.rng.IntN(2) == 0
	case substrate.Str:
		return "text"
	case substrate.Char:
		return 'x'
	case substrate.U8:
		return a.rng.Uint64N(1 << 8)
	case substrate.U16:
		return a.rng.Uint64N(1 << 16)
	case substrate.U32:
		return a.rng.Uint64N(1 << 32)
	case substrate.U64:
		return a.rng.Uint64()
	case substrate.U128, substrate.U256:
		return new(big.Int).Mul(new(big.Int).SetUint64(a.rng.Uint64()), new(big.Int).SetUint64(a.rng.Uint64()))
	case substrate.I128, substrate.I256:
		return big.NewInt(-int64(a.rng.Uint64() >> 1))
	}
	return -int64(a.rng.Uint64N(1 << 7))
}

func (a arguments) list(elem substrate.TypeID, n, depth int) any {
	if t := a.m.Types[elem]; t.Kind == substrate.KindPrimitive && t.Primitive == substrate.U8 {
		b := make([]byte, n)
		a.fill(b)
		return b
	}
	if depth > 8 {
		n = 0
	}
	out := make([]any, n)
	for i := range out {
		out[i] = a.value(elem, depth+1)
	}
	return out
}

func (a arguments) fields(fields []substrate.Field, depth int) any {
	if len(fields) > 0 && fields[0].Name == "" {
		var out []any
		for _, f := range fields {
			out = append(out, a.value(f.Type, depth+1))
		}
		return out
	}
	rec := substrate.Record{}
	for _, f := range fields {
		rec = append(rec, substrate.Entry{Name: f.Name, Value: a.value(f.Type, depth+1)})
	}
	return rec
}

// call draws any call; deep inside others only a plain one, so that it ends.
func (a arguments) call(depth int) substrate.Call {
	if depth > 3 {
		return remark("deep")
	}
	for {
		p := a.m.Pallets[a.rng.IntN(len(a.m.Pallets))]
		if p.Calls == nil || len(a.m.Types[*p.Calls].Variants) == 0 {
			continue
		}
		vs := a.m.Types[*p.Calls].Variants
		return a.make(p.Name, vs[a.rng.IntN(len(vs))], depth)
	}
}

func (a arguments) make(pallet string, v substrate.Variety, depth int) substrate.Call {
	c := substrate.Call{Pallet: pallet, Name: v.Name, Args: substrate.Record{}}
	for _, f := range v.Fields {
		c.Args = append(c.Args, substrate.Entry{Name: f.Name, Value: a.value(f.Type, depth+1)})
	}
	return c
}

// Every call of the three recorded versions, with drawn arguments: encoded, decoded,
// found the same, and signed and taken apart with the version's own signed extensions.
func TestEveryCallOfEveryVersion(t *testing.T) {
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range specs {
		t.Run(fmt.Sprint(spec), func(t *testing.T) {
			const seed = 1
			m := substratetest.Metadata(t, spec)
			a := arguments{m, rand.New(rand.NewPCG(seed, uint64(spec)))}
			calls := 0
			for _, p := range m.Pallets {
				if p.Calls == nil {
					continue
				}
				for _, v := range m.Types[*p.Calls].Variants {
					for range 4 {
						c := a.make(p.Name, v, 0)
						encoded, decoded, err := substrate.Understand(m, c, nil)
						if err != nil {
							t.Errorf("seed %d: %v: %v", seed, c, err)
							continue
						}
						if encoded[0] != p.Index || encoded[1] != v.Index {
							t.Errorf("%s.%s has the numbers %d.%d", p.Name, v.Name, encoded[0], encoded[1])
						}
						if decoded.Pallet != p.Name || decoded.Name != v.Name {
							t.Errorf("%s.%s is read as %s.%s", p.Name, v.Name, decoded.Pallet, decoded.Name)
						}
						signAndTakeApart(t, m, encoded, alice, uint32(spec))
					}
					calls++
				}
			}
			t.Logf("%d calls", calls)
			if calls < 100 {
				t.Errorf("only %d calls", calls)
			}
		})
	}
}

func signAndTakeApart(t *testing.T, m *substrate.Metadata, call []byte, signer *wallet.Keypair, spec uint32) {
	t.Helper()
	p := substrate.ExtrinsicParams{
		Nonce: 300, Tip: 7, Era: substrate.NewEra(64, 1234), BirthHash: substrate.Hash{1}, Genesis: substrate.Hash{2}, SpecVersion: spec, TxVersion: 1,
	}
	raw, err := m.SignExtrinsic(call, &recorded{id: signer.AccountID()}, p)
	if err != nil {
		t.Error(err)
		return
	}
	x, err := m.DecodeExtrinsic(raw)
	if err != nil {
		t.Error(err)
		return
	}
	if !bytes.Equal(x.CallBytes(), call) || x.Nonce != p.Nonce || x.Tip != p.Tip || x.Era != p.Era || x.Signer != signer.AccountID() {
		t.Errorf("taken apart: %+v", x)
	}
}
