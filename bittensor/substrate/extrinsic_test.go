package substrate_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

type extrinsicRecord struct {
	Name       string
	SignerSS58 string `json:"signer_ss58"`
	Nonce, Tip uint64
	Era        *struct {
		Period       uint64
		CurrentBlock uint64 `json:"current_block"`
		Phase        uint64
		EraHex       string         `json:"era_hex"`
		BirthBlock   uint64         `json:"birth_block"`
		BirthHash    substrate.Hash `json:"birth_hash"`
	}
	CallModule    string         `json:"call_module"`
	CallFunction  string         `json:"call_function"`
	CallArgs      map[string]any `json:"call_args"`
	CallHex       string         `json:"call_hex"`
	ExtraHex      string         `json:"extra_hex"`
	AdditionalHex string         `json:"additional_hex"`
	PayloadHex    string         `json:"payload_hex"`
	SignedHex     string         `json:"payload_signed_hex"`
	Hashed        bool           `json:"payload_was_hashed"`
	Signature     string
	ExtrinsicHex  string         `json:"extrinsic_hex"`
	ExtrinsicHash substrate.Hash `json:"extrinsic_hash"`
}

type extrinsicsFile struct {
	GenesisHash substrate.Hash    `json:"genesis_hash"`
	Records     []json.RawMessage `json:"records"`
	Custom      map[string]string `json:"custom_transaction_errors"`
	Invalid     map[string]string `json:"invalid_transaction_messages"`
}

func loadExtrinsics(t testing.TB) (extrinsicsFile, []extrinsicRecord) {
	t.Helper()
	var f extrinsicsFile
	substratetest.Load(t, "extrinsics.json", &f)
	var out []extrinsicRecord
	for _, raw := range f.Records {
		var r extrinsicRecord
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber() // addresses are 128-bit integers
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.CallHex != "" { // the last records are malformed on purpose
			out = append(out, r)
		}
	}
	return f, out
}

// nestedCalls turns {"call_module", "call_function", "call_args"} into Calls.
func nestedCalls(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = nestedCalls(v[i])
		}
	case map[string]any:
		if module, ok := v["call_module"].(string); ok {
			return call(module, v["call_function"].(string), v["call_args"].(map[string]any))
		}
		for k := range v {
			v[k] = nestedCalls(v[k])
		}
	}
	return v
}

func call(module, function string, args map[string]any) substrate.Call {
	var rec substrate.Record
	for k, v := range args {
		rec = append(rec, substrate.Entry{Name: k, Value: nestedCalls(v)})
	}
	return substrate.Call{Pallet: module, Name: function, Args: rec}
}

// recorded signs by answering with a recorded signature.
type recorded struct {
	id      ss58.AccountID
	sig     [64]byte
	message []byte
}

func (r *recorded) AccountID() ss58.AccountID { return r.id }
func (r *recorded) Sign(msg []byte) ([64]byte, error) {
	r.message = bytes.Clone(msg)
	return r.sig, nil
}

func TestExtrinsicsGolden(t *testing.T) {
	m := substratetest.Metadata(t, 293)
	f, records := loadExtrinsics(t)
	if len(records) < 60 {
		t.Fatalf("only %d records", len(records))
	}
	for _, r := range records {
		t.Run(r.Name, func(t *testing.T) {
			encoded, err := m.EncodeCall(call(r.CallModule, r.CallFunction, r.CallArgs))
			if err != nil {
				t.Fatal(err)
			}
			if got := substrate.Hex(encoded); got != r.CallHex {
				t.Fatalf("call %s, want %s", got, r.CallHex)
			}
			p := params(t, f, r)
			extra, additional, err := m.SignedParts(p)
			if err != nil {
				t.Fatal(err)
			}
			if r.Signature == "" {
				x, err := m.DecodeExtrinsic(unhex(t, r.ExtrinsicHex))
				if err != nil || x.Signed || r.ExtrinsicHash != (substrate.Hash{}) && x.Hash != r.ExtrinsicHash || !bytes.Equal(x.CallBytes(), encoded) {
					t.Errorf("unsigned: %+v, %v", x, err)
				}
				return
			}
			if substrate.Hex(extra) != r.ExtraHex || substrate.Hex(additional) != r.AdditionalHex {
				t.Fatalf("extra %x, want %s; additional %x, want %s", extra, r.ExtraHex, additional, r.AdditionalHex)
			}
			signed := substrate.SigningPayload(encoded, extra, additional)
			if substrate.Hex(signed) != r.SignedHex || (len(signed) == 32) != r.Hashed {
				t.Fatalf("payload %x, want %s", signed, r.SignedHex)
			}
			id, err := ss58.Parse(r.SignerSS58)
			if err != nil {
				t.Fatal(err)
			}
			signer := &recorded{id: id, sig: [64]byte(unhex(t, r.Signature))}
			valid := wallet.Verify(id, signed, signer.sig)
			if valid != (r.Name != "bad_signature") {
				t.Errorf("the recorded signature over our payload is valid: %v", valid)
			}
			full, err := m.SignExtrinsic(encoded, signer, p)
			if err != nil {
				t.Fatal(err)
			}
			if substrate.Hex(full) != r.ExtrinsicHex {
				t.Fatalf("extrinsic %x, want %s", full, r.ExtrinsicHex)
			}
			if substrate.ExtrinsicHash(full) != r.ExtrinsicHash {
				t.Errorf("hash %s, want %s", substrate.ExtrinsicHash(full), r.ExtrinsicHash)
			}

			// The server's side: take it apart again.
			x, err := m.DecodeExtrinsic(full)
			if err != nil {
				t.Fatal(err)
			}
			if !x.Signed || x.Signer != id || x.Nonce != r.Nonce || x.Tip != r.Tip || x.Scheme != "Sr25519" || x.Call.Pallet != r.CallModule || x.Call.Name != r.CallFunction {
				t.Errorf("read back as %+v", x)
			}
			payload, err := x.Payload(m, substrate.ExtrinsicParams{BirthHash: p.BirthHash, Genesis: p.Genesis, SpecVersion: p.SpecVersion, TxVersion: p.TxVersion, Extensions: p.Extensions})
			if err != nil || !bytes.Equal(payload, signed) {
				t.Errorf("server's payload %x, %v", payload, err)
			}
			again, err := m.EncodeCall(x.Call)
			if err != nil || !bytes.Equal(again, encoded) {
				t.Errorf("the decoded call encodes to %x, %v", again, err)
			}
		})
	}
}

func params(t *testing.T, f extrinsicsFile, r extrinsicRecord) substrate.ExtrinsicParams {
	p := substrate.ExtrinsicParams{Nonce: r.Nonce, Tip: r.Tip, Genesis: f.GenesisHash, SpecVersion: 293, TxVersion: 1}
	if r.Era != nil {
		p.Era = substrate.NewEra(r.Era.Period, r.Era.CurrentBlock)
		if p.Era.Phase != r.Era.Phase || p.Era.Birth(r.Era.CurrentBlock) != r.Era.BirthBlock || substrate.Hex(p.Era.Encode()) != r.Era.EraHex {
			t.Errorf("era %v born in block %d, want %+v", p.Era, p.Era.Birth(r.Era.CurrentBlock), r.Era)
		}
		p.BirthHash = r.Era.BirthHash
	}
	if r.AdditionalHex == "" {
		return p
	}
	// Some records were signed for another chain or version on purpose: what they
	// signed is in the additional data.
	d := scale.NewDecoder(unhex(t, r.AdditionalHex))
	p.SpecVersion, _ = d.Uint32()
	p.TxVersion, _ = d.Uint32()
	genesis, _ := d.Raw(32)
	birth, _ := d.Raw(32)
	p.Genesis, p.BirthHash = substrate.Hash(genesis), substrate.Hash(birth)
	if r.Name == "checkmetadatahash_mode1" {
		p.Extensions = map[string]substrate.ExtensionValue{"CheckMetadataHash": {Extra: "Enabled"}}
	}
	return p
}

// The same request becomes the bytes that each runtime wants.
func TestCallsPerRuntime(t *testing.T) {
	hotkey := ss58.AccountID{1}
	for _, c := range []struct {
		spec int
		call substrate.Call
		want string
	}{
		{185, substrate.Call{Pallet: "SubtensorModule", Name: "add_stake", Args: substrate.Record{{Name: "hotkey", Value: hotkey}, {Name: "amount_staked", Value: 5}}},
			"0x0702" + hotkeyHex + "0500000000000000"},
		{293, substrate.Call{Pallet: "SubtensorModule", Name: "add_stake", Args: substrate.Record{{Name: "hotkey", Value: hotkey}, {Name: "netuid", Value: 3}, {Name: "amount_staked", Value: 5}}},
			"0x0702" + hotkeyHex + "03000500000000000000"},
		{381, substrate.Call{Pallet: "SubtensorModule", Name: "set_mechanism_weights", Args: substrate.Record{{Name: "netuid", Value: 3}, {Name: "mecid", Value: 0}, {Name: "dests", Value: []uint16{1, 2}}, {Name: "weights", Value: []uint16{3, 4}}, {Name: "version_key", Value: 7}}},
			"0x0777030000080100020008030004000700000000000000"},
		{185, substrate.Call{Pallet: "SubtensorModule", Name: "burned_register", Args: substrate.Record{{Name: "netuid", Value: 3}, {Name: "hotkey", Value: hotkey}}},
			"0x07070300" + hotkeyHex},
	} {
		m := substratetest.Metadata(t, c.spec)
		got, err := m.EncodeCall(c.call)
		if err != nil {
			t.Fatal(err)
		}
		if substrate.Hex(got) != c.want {
			t.Errorf("runtime %d: %s is %x, want %s", c.spec, c.call.Name, got, c.want)
		}
	}
	for _, spec := range []int{185, 293, 381} {
		m := substratetest.Metadata(t, spec)
		extra, additional, err := m.SignedParts(substrate.ExtrinsicParams{Nonce: 1, Tip: 2, Era: substrate.NewEra(64, 2), SpecVersion: uint32(spec), TxVersion: 1})
		if err != nil {
			t.Fatal(err)
		}
		wantExtra, wantAdditional := 4, 4+4+32+32
		if spec != 185 { // CheckMetadataHash: one byte of mode, one of None
			wantExtra, wantAdditional = 5, wantAdditional+1
		}
		if len(extra) != wantExtra || len(additional) != wantAdditional {
			t.Errorf("runtime %d: %d bytes extra, %d additional", spec, len(extra), len(additional))
		}
		if m.HasCall("SubtensorModule", "set_mechanism_weights") != (spec == 381) {
			t.Errorf("runtime %d: set_mechanism_weights", spec)
		}
	}
}

const hotkeyHex = "0100000000000000000000000000000000000000000000000000000000000000"

func TestUnknownExtension(t *testing.T) {
	b := substratetest.Builder(t, 293)
	b.Struct("future::Lenient", substrate.Fields("a", "Option<u32>", "b", "Compact<u64>", "c", "()")...)
	m, err := b.Extension("Lenient", "Lenient", "()").Build()
	if err != nil {
		t.Fatal(err)
	}
	extra, _, err := m.SignedParts(substrate.ExtrinsicParams{})
	if err != nil || !bytes.HasSuffix(extra, []byte{0, 0, 0}) {
		t.Errorf("extra %x, %v", extra, err)
	}
	m, err = b.Extension("Strict", "[u8;4]", "()").Build()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.SignedParts(substrate.ExtrinsicParams{}); err == nil {
		t.Error("an extension that needs four unknown bytes was given something")
	}
	if _, _, err := m.SignedParts(substrate.ExtrinsicParams{Extensions: map[string]substrate.ExtensionValue{"Strict": {Extra: "0x01020304"}}}); err != nil {
		t.Error(err)
	}
}

func TestInherent(t *testing.T) {
	m := substratetest.Metadata(t, 293)
	// The first extrinsic of a recorded block.
	raw := unhex(t, "0x280502000bc02c25099801")
	x, err := m.DecodeExtrinsic(append([]byte{0x28, 4}, raw[2:]...))
	if err != nil {
		t.Fatal(err)
	}
	y, err := m.DecodeExtrinsic(raw) // version 5, bare
	if err != nil {
		t.Fatal(err)
	}
	now, _ := y.Call.Args.Get("now")
	if x.Signed || y.Signed || y.Call.Pallet != "Timestamp" || now != uint64(0x01980925_2cc0) {
		t.Errorf("read %+v", y)
	}
	if _, err := y.Payload(m, substrate.ExtrinsicParams{}); err == nil {
		t.Error("an inherent has a payload")
	}
	if got := substrate.UnsignedExtrinsic(y.CallBytes()); got[1] != 4 || len(got) != len(raw) {
		t.Errorf("%x", got)
	}
}
