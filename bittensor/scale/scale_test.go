package scale

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// The examples of the SCALE specification.
func TestCompactKnownValues(t *testing.T) {
	big100 := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 10); return n }
	for _, c := range []struct {
		v    *big.Int
		want string
	}{
		{big.NewInt(0), "00"}, {big.NewInt(1), "04"}, {big.NewInt(42), "a8"}, {big.NewInt(63), "fc"},
		{big.NewInt(64), "0101"}, {big.NewInt(69), "1501"}, {big.NewInt(16383), "fdff"},
		{big.NewInt(16384), "02000100"}, {big.NewInt(65535), "feff0300"}, {big.NewInt(1<<30 - 1), "feffffff"},
		{big.NewInt(1 << 30), "0300000040"}, {new(big.Int).SetUint64(math.MaxUint32), "03ffffffff"},
		{big100("100000000000000"), "0b00407a10f35a"}, {new(big.Int).SetUint64(math.MaxUint64), "13ffffffffffffffff"},
		{big100("18446744073709551616"), "17000000000000000001"},
	} {
		var e Encoder
		if err := e.CompactBig(c.v); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(e.Bytes()); got != c.want {
			t.Errorf("compact(%s) = %s, want %s", c.v, got, c.want)
		}
		got, err := NewDecoder(e.Bytes()).CompactBig()
		if err != nil || got.Cmp(c.v) != 0 {
			t.Errorf("decoding %s: %v, %v", c.want, got, err)
		}
	}
}

func TestCompactRefusesLongForms(t *testing.T) {
	for _, s := range []string{"0100", "02000000", "0300000000", "03ffffff3f", "0700000000", "13ffffffffffffff00", "17ffffffffffffffff01"} {
		b, _ := hex.DecodeString(s)
		if v, err := NewDecoder(b).Compact(); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrShort) {
			t.Errorf("%s decoded to %d, %v", s, v, err)
		}
	}
}

func TestLengthNeverAnnouncesMoreThanInput(t *testing.T) {
	var e Encoder
	e.Compact(1 << 40)
	e.Raw(make([]byte, 100))
	if _, err := NewDecoder(e.Bytes()).Blob(); !errors.Is(err, ErrShort) {
		t.Fatalf("a length of 2^40 gave %v", err)
	}
	if _, err := NewDecoder(e.Bytes()).Length(0); !errors.Is(err, ErrShort) {
		t.Fatalf("2^40 empty elements gave %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.Uint64().Draw(t, "u")
		s := rapid.String().Draw(t, "s")
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
		signed := rapid.Bool().Draw(t, "signed")
		i := new(big.Int).SetUint64(u)
		if signed && rapid.Bool().Draw(t, "negative") {
			i.Neg(i)
		}
		var e Encoder
		e.Compact(u)
		e.Text(s)
		e.Blob(raw)
		if err := e.BigInt(i, 16, signed); err != nil {
			t.Fatal(err)
		}
		d := NewDecoder(e.Bytes())
		gotU, err1 := d.Compact()
		gotS, err2 := d.Text()
		gotRaw, err3 := d.Blob()
		gotI, err4 := d.BigInt(16, signed)
		if err := errors.Join(err1, err2, err3, err4, d.End()); err != nil {
			t.Fatal(err)
		}
		if gotU != u || gotS != s || !bytes.Equal(gotRaw, raw) || gotI.Cmp(i) != 0 {
			t.Fatalf("got %d %q %x %s", gotU, gotS, gotRaw, gotI)
		}
	})
}

func TestBigIntRange(t *testing.T) {
	var e Encoder
	if err := e.BigInt(big.NewInt(-1), 4, false); err == nil {
		t.Error("-1 fits in u32")
	}
	if err := e.BigInt(big.NewInt(128), 1, true); err == nil {
		t.Error("128 fits in i8")
	}
	if err := e.BigInt(big.NewInt(-128), 1, true); err != nil {
		t.Error(err)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte{0xfd, 0xff, 4, 1, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		d := NewDecoder(data)
		for d.Remaining() > 0 {
			start := d.Offset()
			v, err := d.CompactBig()
			if err != nil {
				break
			}
			var e Encoder
			if err := e.CompactBig(v); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(e.Bytes(), data[start:d.Offset()]) {
				t.Fatalf("%x decodes to %s, which encodes to %x", data[start:d.Offset()], v, e.Bytes())
			}
			if _, err := d.Blob(); err != nil {
				break
			}
		}
	})
}
