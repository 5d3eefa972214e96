package substrate_test

import (
	"bytes"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
)

func FuzzMetadata(f *testing.F) {
	// A small runtime: the fuzzer reaches every part of it.
	m, err := substrate.NewBuilder("r").Standard().
		Extension("CheckNonce", "CheckNonce", "()").
		Pallet(substrate.PalletDecl{Name: "A", Calls: []substrate.VariantDecl{{Name: "c", Fields: substrate.Fields("x", "Compact<u16>")}},
			Storage:   []substrate.StorageDecl{{Name: "S", Hashers: []substrate.Hasher{substrate.Identity}, Key: "u16", Value: "Vec<u8>"}},
			Constants: []substrate.ConstantDecl{{Name: "K", Type: "u8", Value: 1}}}).
		API("Core", substrate.MethodDecl{Name: "version", Output: "RuntimeVersion"}).Build()
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range []int{14, 15, 16} {
		b, err := m.Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := substrate.DecodeMetadata(data)
		if err != nil {
			return
		}
		// What was accepted must be usable without a panic.
		for id := range m.Types {
			_ = m.TypeName(substrate.TypeID(id))
			_, _ = m.ZeroValue(substrate.TypeID(id))
			_, _ = m.DecodeValue(substrate.TypeID(id), scale.NewDecoder(data[:min(len(data), 64)]))
		}
		for _, p := range m.Pallets {
			for _, s := range p.Storage {
				_, _ = m.StorageKey(p.Name, s.Name, 1)
				_, _ = m.DecodeStorage(p.Name, s.Name, nil)
			}
		}
		_, _, _ = m.SignedParts(substrate.ExtrinsicParams{})
		_, _ = m.DecodeExtrinsic(data)
	})
}

func FuzzDecodeExtrinsic(f *testing.F) {
	m := substratetest.Metadata(f, 293)
	_, records := loadExtrinsics(f)
	for _, r := range records {
		f.Add(unhex(f, r.ExtrinsicHex))
	}
	f.Add([]byte{0})
	f.Add([]byte{1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := m.DecodeExtrinsic(data)
		if err != nil {
			return
		}
		again, err := m.EncodeCall(x.Call)
		if err != nil {
			t.Fatalf("%s cannot be encoded: %v", x.Call, err)
		}
		if !bytes.Equal(again, x.CallBytes()) {
			t.Fatalf("call %x encodes to %x", x.CallBytes(), again)
		}
	})
}

func FuzzDecodeValue(f *testing.F) {
	m := substratetest.Metadata(f, 293)
	f.Add(uint32(0), []byte{4, 1, 2, 3})
	if id, ok := m.TypeByPath("Metagraph"); ok {
		f.Add(uint32(id), make([]byte, 300))
	}
	f.Fuzz(func(t *testing.T, id uint32, data []byte) {
		tid := substrate.TypeID(id % uint32(len(m.Types)))
		d := scale.NewDecoder(data)
		v, err := m.DecodeValue(tid, d)
		if err != nil {
			return
		}
		again, err := m.EncodeValue(tid, v)
		if err != nil {
			t.Fatalf("%s: %v cannot be encoded: %v", m.TypeName(tid), v, err)
		}
		if !bytes.Equal(again, data[:d.Offset()]) {
			t.Fatalf("%s: %x encodes to %x", m.TypeName(tid), data[:d.Offset()], again)
		}
	})
}

func FuzzEra(f *testing.F) {
	f.Add([]byte{0x25, 0}, uint64(70))
	f.Fuzz(func(t *testing.T, data []byte, current uint64) {
		era, err := substrate.DecodeEra(scale.NewDecoder(data))
		if err != nil {
			return
		}
		if again := era.Encode(); !bytes.HasPrefix(data, again) {
			t.Fatalf("%x decodes to %v, which encodes to %x", data, era, again)
		}
		if era.Immortal() || current > 1<<40 || current < era.Phase {
			return
		}
		if birth, death := era.Birth(current), era.Death(current); birth > current || death <= current || death-birth != era.Period {
			t.Fatalf("%v at block %d lives from %d to %d", era, current, birth, death)
		}
	})
}
