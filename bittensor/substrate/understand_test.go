package substrate_test

import (
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
)

// Every recorded call is understood, in the form in which the record gives it.
func TestRecordedCallsAreUnderstood(t *testing.T) {
	m := substratetest.Metadata(t, 293)
	_, records := loadExtrinsics(t)
	for _, r := range records {
		encoded, decoded, err := substrate.Understand(m, call(r.CallModule, r.CallFunction, r.CallArgs), nil)
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		if substrate.Hex(encoded) != r.CallHex || decoded.Name != r.CallFunction {
			t.Errorf("%s: %v", r.Name, decoded)
		}
	}
}

// A value that is not what was decoded is told from one that is, in every form.
func TestSameValue(t *testing.T) {
	bob := ss58.AccountID{2}
	record := substrate.Record{{Name: "a", Value: uint64(1)}, {Name: "b", Value: bob}}
	for i, c := range []struct {
		want, got any
		same      bool
	}{
		{uint16(5), uint64(5), true}, {5, uint64(6), false}, {big.NewInt(7), big.NewInt(7), true}, {"8", uint64(8), true},
		{true, true, true}, {true, false, false}, {nil, nil, true}, {1, nil, false},
		{bob, bob, true}, {bob.String(), bob, true}, {ss58.AccountID{3}, bob, false}, {bob, substrate.Variant{Name: "Id", Value: bob}, true},
		{bob, substrate.Variant{Name: "Id", Value: ss58.AccountID{9}}, false}, {bob, substrate.Variant{Name: "Raw", Value: bob[:]}, false},
		{[]uint16{1, 2}, []any{uint64(1), uint64(2)}, true}, {[]uint16{1, 2}, []any{uint64(2), uint64(1)}, false}, {[]uint16{1}, []any{uint64(1), uint64(2)}, false},
		{"hi", []byte("hi"), true}, {[]byte("hi"), []byte("ho"), false}, {"0x0102", []byte{1, 2}, true}, {[]any{1, 2}, []byte{1, 2}, true},
		{map[string]any{"a": 1, "b": bob}, record, true}, {map[string]any{"a": 2, "b": bob}, record, false}, {map[string]any{"a": 1}, record, false},
		{map[string]any{"a": 1, "b": bob, "c": 1}, record, false}, {[]any{1, bob}, record, true},
		{struct {
			A int
			B ss58.AccountID
		}{1, bob}, record, true},
		{substrate.Variant{Name: "Some", Value: 4}, uint64(4), true}, {substrate.Some{Value: 4}, uint64(4), true},
		{"Sr25519", substrate.Variant{Name: "Sr25519"}, true}, {"Ed25519", substrate.Variant{Name: "Sr25519"}, false},
		{map[string]any{"Tip": 3}, substrate.Variant{Name: "Tip", Value: uint64(3)}, true}, {map[string]any{"Tip": 4}, substrate.Variant{Name: "Tip", Value: uint64(3)}, false},
		{remark("x"), remark("x"), true}, {remark("x"), remark("y"), false},
	} {
		if err := substrate.SameValue(c.want, c.got); (err == nil) != c.same {
			t.Errorf("%d: %v and %v: %v", i, c.want, c.got, err)
		}
	}
}

// lying gives one call the numbers or the arguments of another.
func lying(t *testing.T, change func(set, register *substrate.Variety)) *substrate.Metadata {
	m := substratetest.Metadata(t, 293)
	_, set, err := m.Call("SubtensorModule", "set_weights")
	if err != nil {
		t.Fatal(err)
	}
	_, register, err := m.Call("SubtensorModule", "burned_register")
	if err != nil {
		t.Fatal(err)
	}
	change(set, register)
	return m
}

// A node whose metadata gives a call the bytes of another gets no signature.
func TestLyingMetadata(t *testing.T) {
	known := map[string]substrate.KnownCall{
		"SubtensorModule.set_weights":     {Pallet: 7, Call: 0, Args: []string{"netuid u16, dests Vec<u16>, weights Vec<u16>, version_key u64"}},
		"SubtensorModule.burned_register": {Pallet: 7, Call: 7, Args: []string{"netuid u16, hotkey [u8;32]"}},
	}
	set := substrate.Call{Pallet: "SubtensorModule", Name: "set_weights", Args: substrate.Record{
		{Name: "netuid", Value: 2}, {Name: "dests", Value: []uint16{1}}, {Name: "weights", Value: []uint16{65535}}, {Name: "version_key", Value: 0}}}
	if _, _, err := substrate.Understand(substratetest.Metadata(t, 293), set, known); err != nil {
		t.Errorf("honest metadata: %v", err)
	}
	for name, change := range map[string]func(set, register *substrate.Variety){
		"numbers of another call": func(set, register *substrate.Variety) { set.Index, register.Index = register.Index, set.Index },
		"unknown numbers":         func(set, _ *substrate.Variety) { set.Index = 250 },
		"arguments in another order": func(set, _ *substrate.Variety) {
			set.Fields[1], set.Fields[2] = set.Fields[2], set.Fields[1]
		},
		"another argument's type": func(set, _ *substrate.Variety) { set.Fields[0].Type = set.Fields[3].Type },
	} {
		var refused *substrate.SigningError
		if _, _, err := substrate.Understand(lying(t, change), set, known); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A call that is not known may not take the numbers of one that is.
	m := lying(t, func(set, _ *substrate.Variety) { set.Name = "harmless" })
	set.Name = "harmless"
	var refused *substrate.SigningError
	if _, _, err := substrate.Understand(m, set, known); !errors.As(err, &refused) {
		t.Errorf("another name: %v", err)
	}
}

func ExampleMetadata_CallLayout() {
	m, err := substrate.NewBuilder("my_runtime").Standard().Pallet(substrate.PalletDecl{
		Name: "Subnet", Index: 7, Crate: "pallet_subnet",
		Calls: []substrate.VariantDecl{{Name: "register", Fields: substrate.Fields("netuid", "u16", "hotkey", "AccountId32")}},
	}).Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.CallLayout("Subnet", "register"))
	// Output: netuid u16, hotkey [u8;32] <nil>
}

// Types that hold each other many times over have a name that ends.
func TestNameOfEndlessType(t *testing.T) {
	m := &substrate.Metadata{Types: []substrate.Type{{Kind: substrate.KindTuple, Elems: make([]substrate.TypeID, 64)}}}
	if got := m.TypeName(0); len(got) > 1<<20 {
		t.Errorf("%d bytes of a name", len(got))
	}
}
