package localnet

import (
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

func TestProfiles(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		rt, err := newRuntime(spec, false)
		if err != nil {
			t.Fatal(err)
		}
		p, err := loadProfile(spec)
		if err != nil {
			t.Fatal(err)
		}
		for version, encoded := range map[string][]byte{"V14": rt.metadataV14, "V15": rt.metadataV15} {
			m, err := substrate.DecodeMetadata(encoded)
			if err != nil {
				t.Fatalf("spec %d, %s: %v", spec, version, err)
			}
			checkDeclared(t, p, m)
			if version == "V15" && !m.HasAPI("SubnetInfoRuntimeApi", "get_metagraph") {
				t.Errorf("spec %d, V15 lists no get_metagraph", spec)
			}
		}
		for name := range rt.calls {
			if _, _, ok := cutName(name); !ok {
				t.Errorf("%s is no call's name", name)
			}
		}
	}
	if _, err := loadProfile(1); err == nil {
		t.Error("a profile of spec 1 loads")
	}
}

func cutName(name string) (pallet, call string, ok bool) {
	for i := range name {
		if name[i] == '.' {
			return name[:i], name[i+1:], true
		}
	}
	return "", "", false
}

// checkDeclared compares a metadata with the declarations it was made from.
func checkDeclared(t *testing.T, p *profile, m *substrate.Metadata) {
	t.Helper()
	if len(m.Extrinsic.Extensions) != len(p.Extrinsic.SignedExtensions) {
		t.Errorf("%d signed extensions, want %d", len(m.Extrinsic.Extensions), len(p.Extrinsic.SignedExtensions))
	}
	for name, decl := range p.Pallets {
		pallet, err := m.Pallet(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if pallet.Index != decl.Index {
			t.Errorf("%s has index %d, want %d", name, pallet.Index, decl.Index)
		}
		for _, c := range decl.Calls {
			_, v, err := m.Call(name, c.name)
			if err != nil {
				t.Error(err)
				continue
			}
			if v.Index != c.index || len(v.Fields) != len(c.fields) {
				t.Errorf("%s.%s: index %d with %d arguments, want %d with %d", name, c.name, v.Index, len(v.Fields), c.index, len(c.fields))
			}
		}
		for item, s := range decl.Storage {
			if omitted[name+"."+item] {
				continue
			}
			_, got, err := m.StorageItem(name, item)
			if err != nil {
				t.Error(err)
				continue
			}
			if len(got.Hashers) != len(s.Hashers) {
				t.Errorf("%s.%s has %d hashers, want %d", name, item, len(got.Hashers), len(s.Hashers))
				continue
			}
			for i, h := range s.Hashers {
				if got.Hashers[i].String() != h {
					t.Errorf("%s.%s: hasher %d is %s, want %s", name, item, i, got.Hashers[i], h)
				}
			}
			if s.Default != "" && substrate.Hex(got.Default) != s.Default {
				t.Errorf("%s.%s: default %x, want %s", name, item, got.Default, s.Default)
			}
			if got.Modifier == substrate.Default {
				if _, err := m.DecodeAll(got.Value, got.Default); err != nil {
					t.Errorf("%s.%s: default: %v", name, item, err)
				}
			}
		}
	}
}
