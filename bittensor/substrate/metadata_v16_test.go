package substrate_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
)

// realV16 is the metadata of Polkadot's asset hub, less all pallets but System and
// the runtime APIs; see
// testdata/README.md.
func realV16(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open("testdata/assethub_v16.scale.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRealV16(t *testing.T) {
	raw := realV16(t)
	m, err := substrate.DecodeMetadata(raw)
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.Encode(16)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, again) {
		t.Errorf("%d bytes read and written are %d others", len(raw), len(again))
	}
	functions, associated := 0, 0
	for _, p := range m.Pallets {
		functions += len(p.ViewFunctions)
		associated += len(p.AssociatedTypes)
	}
	t.Logf("%d types, %d pallets, %d runtime APIs, %d view functions, %d associated types", len(m.Types), len(m.Pallets), len(m.APIs), functions, associated)
	if len(m.Pallets) == 0 || associated == 0 {
		t.Error("parts of it are empty")
	}
	if m.Extrinsic.Version != 4 || len(m.Extrinsic.Extensions) == 0 || m.TypeName(m.Extrinsic.Address) != "MultiAddress" {
		t.Errorf("extrinsic %+v", m.Extrinsic)
	}
	if !m.HasCall("System", "remark_with_event") || !m.HasStorage("System", "Account") {
		t.Error("calls and storage are not found")
	}
	// Every default must be a value of its item's type.
	for _, p := range m.Pallets {
		for _, s := range p.Storage {
			if s.Modifier == substrate.Optional {
				continue
			}
			if _, err := m.DecodeAll(s.Value, s.Default); err != nil {
				t.Errorf("default of %s.%s: %v", p.Name, s.Name, err)
			}
		}
		for _, c := range p.Constants {
			if _, err := m.Constant(p.Name, c.Name); err != nil {
				t.Errorf("%s.%s: %v", p.Name, c.Name, err)
			}
		}
	}
	for _, version := range []int{14, 15} {
		if _, err := m.Encode(version); err == nil || !strings.Contains(err.Error(), "V16") {
			t.Errorf("writing it as V%d: %v", version, err)
		}
	}
}

func TestV16HoldsWhatV15Does(t *testing.T) {
	for _, spec := range []int{185, 293, 381} {
		m := substratetest.Metadata(t, spec)
		read := func(version int) *substrate.Metadata {
			b, err := m.Encode(version)
			if err != nil {
				t.Fatal(err)
			}
			out, err := substrate.DecodeMetadata(b)
			if err != nil {
				t.Fatal(err)
			}
			again, err := out.Encode(version)
			if err != nil || !bytes.Equal(b, again) {
				t.Errorf("runtime %d, V%d: reading and writing changes it (%v)", spec, version, err)
			}
			return out
		}
		v15, v16 := read(15), read(16)
		ignore := cmp.Options{
			cmpopts.IgnoreUnexported(substrate.Metadata{}, substrate.ExtrinsicInfo{}, substrate.Deprecation{}),
			cmpopts.IgnoreFields(substrate.Metadata{}, "RuntimeType"),
			cmpopts.IgnoreFields(substrate.ExtrinsicInfo{}, "Extra", "Versions"),
		}
		if d := cmp.Diff(v15, v16, ignore); d != "" {
			t.Errorf("runtime %d: V16 differs from V15:\n%.2000s", spec, d)
		}
	}
}

func TestV16OwnParts(t *testing.T) {
	m, err := substrate.NewBuilder("r").Standard().
		Extension("CheckNonce", "CheckNonce", "()").Extension("CheckEra", "Era", "H256").
		Pallet(substrate.PalletDecl{Name: "A",
			Calls:     []substrate.VariantDecl{{Name: "c"}, {Name: "d", Index: 7}},
			Storage:   []substrate.StorageDecl{{Name: "S", Value: "u32"}},
			Constants: []substrate.ConstantDecl{{Name: "K", Type: "u8", Value: 1}}}).
		API("Core", substrate.MethodDecl{Name: "version", Output: "RuntimeVersion"}).Build()
	if err != nil {
		t.Fatal(err)
	}
	since := "v9"
	note := substrate.Deprecation{Deprecated: true, Note: "gone soon", Since: &since}
	p := &m.Pallets[0]
	p.AssociatedTypes = []substrate.AssociatedType{{Name: "Balance", Type: p.Storage[0].Value, Docs: []string{"money"}}}
	p.ViewFunctions = []substrate.ViewFunction{{ID: [32]byte{1, 2}, Name: "look", Inputs: []substrate.MethodInput{{Name: "x", Type: p.Storage[0].Value}}, Output: p.Storage[0].Value, Deprecated: note}}
	p.DeprecatedCalls = map[uint8]substrate.Deprecation{0: {Deprecated: true}, 7: note}
	p.Storage[0].Deprecated = substrate.Deprecation{Deprecated: true}
	p.Constants[0].Deprecated = note
	p.Deprecated = substrate.Deprecation{Deprecated: true, Note: "why"}
	m.APIs[0].Version, m.APIs[0].Deprecated, m.APIs[0].Methods[0].Deprecated = 5, note, note
	m.Custom = []substrate.CustomValue{{Name: "c", Type: 0, Value: []byte{1}}}
	m.Extrinsic.Versions = []uint8{5, 4}

	b, err := m.Encode(16)
	if err != nil {
		t.Fatal(err)
	}
	back, err := substrate.DecodeMetadata(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m.Pallets, back.Pallets, cmpopts.IgnoreUnexported(substrate.Deprecation{})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(m.APIs, back.APIs, cmpopts.IgnoreUnexported(substrate.Deprecation{})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(m.Custom, back.Custom); d != "" {
		t.Error(d)
	}
	x := back.Extrinsic
	if x.Version != 4 || len(x.Versions) != 2 || len(x.Extensions) != 2 || x.Extensions[1].Name != "CheckEra" || x.Call != back.OuterCall {
		t.Errorf("extrinsic %+v", x)
	}
	// No shortened metadata may be taken for a whole one.
	for n := range len(b) {
		if _, err := substrate.DecodeMetadata(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken for metadata", n, len(b))
		}
	}
}
