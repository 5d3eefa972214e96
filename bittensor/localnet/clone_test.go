package localnet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// exported writes a chain's state to a file.
func exported(t testing.TB, c *Chain) string {
	t.Helper()
	var out bytes.Buffer
	if err := c.Export(&out); err != nil {
		t.Fatal(err)
	}
	return written(t, out.String())
}

func written(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClone(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		for _, form := range []string{"raw chain specification", "keys and values"} {
			t.Run(fmt.Sprint(spec, " ", form), func(t *testing.T) {
				first := testChain(t, Config{Netuid: 3, SpecVersion: spec})
				for i := range 3 {
					register(t, first, "//Bob", fmt.Sprintf("//m%d", i))
				}
				for range 30 {
					first.mustProduce(t)
				}
				path := exported(t, first)
				if form == "keys and values" {
					top := map[string]string{}
					for k, v := range allState(first) {
						top[substrate.Hex([]byte(k))] = substrate.Hex([]byte(v))
					}
					b, err := json.MarshalIndent(top, "", " ")
					if err != nil {
						t.Fatal(err)
					}
					path = written(t, string(b))
				}
				dir := t.TempDir()
				second := testChain(t, Config{Clone: path, Dir: dir, Netuid: 3, SpecVersion: spec})
				if second.BlockNumber() != first.BlockNumber() {
					t.Errorf("the clone begins at block %d, not %d", second.BlockNumber(), first.BlockNumber())
				}
				if second.Genesis() == first.Genesis() {
					t.Error("transactions of one chain are valid on the other")
				}
				want, got := allState(first), allState(second)
				for _, item := range []string{"System.Events", "System.EventCount", "System.ParentHash", "System.Digest"} {
					delete(want, first.rt.items[item].key())
					delete(got, first.rt.items[item].key())
				}
				genesisHash := first.rt.items["System.BlockHash"].key(le32(0))
				delete(want, genesisHash)
				delete(got, genesisHash)
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("state (-first +clone):\n%.3000s", d)
				}
				// It goes on: registrations, epochs, its RPC.
				register(t, second, "//Charlie", "//more")
				for range 30 {
					second.mustProduce(t)
				}
				if n := second.latest().u16("SubnetworkN", le16(3)); n != 5 {
					t.Errorf("%d neurons, want 5", n)
				}
				addr := serve(t, second)
				if got := mustAsk[string](t, addr, "chain_getBlockHash", 0); got != second.Genesis().String() {
					t.Errorf("block 0 is %s", got)
				}
				// An era that began before the first block here is no one's.
				call := encodedCall(t, second, "System", "remark", substrate.Entry{Name: "remark", Value: []byte{1}})
				x := signedExtrinsic(t, second, key(t, "//Dave"), call, func(p *substrate.ExtrinsicParams) {
					head := second.recent.head()
					p.Era, p.BirthHash = substrate.NewEra(8, head.number), substrate.Hash{}
					p.BirthHash, _ = second.blockHash(p.Era.Birth(head.number))
				})
				if _, err := second.submit(x, nil); err != nil {
					t.Errorf("a mortal extrinsic: %v", err)
				}
				// And it is restored without the file.
				number, head := second.BlockNumber(), second.recent.head().id
				if err := second.Close(); err != nil {
					t.Fatal(err)
				}
				third := testChain(t, Config{Dir: dir, SpecVersion: spec})
				if third.BlockNumber() != number || third.recent.head().id != head || third.Genesis() != second.Genesis() {
					t.Errorf("restored: block %d %s of %s", third.BlockNumber(), third.recent.head().id, third.Genesis())
				}
				third.mustProduce(t)
				if err := third.Close(); err != nil {
					t.Fatal(err)
				}
				again := testChain(t, Config{Dir: dir, Clone: path, SpecVersion: spec})
				if again.BlockNumber() != number+1 {
					t.Errorf("restored beside the file: block %d", again.BlockNumber())
				}
			})
		}
	}
}

func TestCloneOfClone(t *testing.T) {
	first := testChain(t, Config{})
	for range 5 {
		first.mustProduce(t)
	}
	second := testChain(t, Config{Clone: exported(t, first)})
	third := testChain(t, Config{Clone: exported(t, second)})
	third.mustProduce(t)
	if third.BlockNumber() != 6 {
		t.Errorf("block %d", third.BlockNumber())
	}
}

func TestCloneOfBlockZero(t *testing.T) {
	c := testChain(t, Config{Clone: exported(t, testChain(t, Config{}))})
	if c.BlockNumber() != 0 || c.recent.head().id != c.Genesis() {
		t.Errorf("block %d %s", c.BlockNumber(), c.recent.head().id)
	}
	c.mustProduce(t)
}

func TestCloneRefusals(t *testing.T) {
	c := testChain(t, Config{})
	c.mustProduce(t)
	path := exported(t, c)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	number := substrate.Hex([]byte(c.rt.items["System.Number"].key()))
	keysOf := substrate.Hex([]byte(c.rt.items["NetworksAdded"].key(le16(1))))
	for name, s := range map[string]struct {
		content string
		spec    uint32
		want    string
	}{
		"empty":               {"", 381, "unexpected end"},
		"truncated":           {string(good[:len(good)/2]), 381, "line"},
		"a list":              {`[["0x00","0x00"]]`, 381, "raw chain specification"},
		"no keys":             {`{}`, 381, "no keys"},
		"no keys in raw":      {`{"genesis":{"raw":{"top":{}}}}`, 381, "no keys"},
		"a plain spec":        {`{"genesis":{"runtimeGenesis":{}}}`, 381, "build-spec --raw"},
		"numbers":             {`{"0x00":5}`, 381, "hex is expected"},
		"without 0x":          {`{"0x00":"00"}`, 381, "after 0x"},
		"odd digits":          {`{"0x000":"0x00"}`, 381, "odd length"},
		"no hex":              {`{"0x00":"0xzz"}`, 381, "invalid byte"},
		"an empty key":        {`{"0x":"0x00"}`, 381, "key is empty"},
		"no accounts":         {`{"0x00":"0x00"}`, 381, "no accounts"},
		"another spec":        {string(good), 293, "spec version 381, and this chain plays 293"},
		"a value of no sense": {strings.Replace(string(good), number+`":"0x`, number+`":"0xff`, 1), 381, "System.Number"},
		"a key of no sense":   {strings.Replace(string(good), number+`"`, number+`00"`, 1), 381, "none of System.Number"},
		"a flag of no sense":  {strings.Replace(string(good), keysOf+`":"0x01"`, keysOf+`":"0x09"`, 1), 381, "NetworksAdded"},
	} {
		_, err := New(Config{Clone: written(t, s.content), SpecVersion: s.spec})
		if err == nil || !strings.Contains(err.Error(), s.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Config{Clone: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a missing file is taken")
	}
	// A folder holds one chain.
	dir := t.TempDir()
	if err := reopen(t, Config{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Dir: dir, Clone: path}); err == nil || !strings.Contains(err.Error(), "another chain than the one to clone") {
		t.Errorf("a clone in another chain's folder: %v", err)
	}
	// A version that no profile plays, as in the genesis of a network of 2022.
	old := testChain(t, Config{})
	old.mustProduce(t)
	old.poke(func(s *storage) {
		s.setRaw("System.LastRuntimeUpgrade", append([]byte{0x9d, 0x01}, scaleBytes([]byte("node-subtensor"))...))
	})
	if _, err := New(Config{Clone: exported(t, old)}); err == nil || !strings.Contains(err.Error(), "spec version 103") {
		t.Errorf("an old version: %v", err)
	}
}

func FuzzReadState(f *testing.F) {
	for _, seed := range []string{`{"0x00":"0x01"}`, `{"genesis":{"raw":{"top":{"0x00":"0x01"},"childrenDefault":{}}}}`, `{"genesis":{}}`, `[]`, `{"0x":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := ReadState(bytes.NewReader(data))
		if err == nil && len(state) == 0 {
			t.Error("a state without keys is taken")
		}
	})
}
