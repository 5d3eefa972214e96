package synapse

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

func TestFloatsAsPythonWritesThem(t *testing.T) {
	for f, want := range map[float64]string{
		12: "12.0", -1: "-1.0", 0.875: "0.875", 7.486343383789062e-05: "7.486343383789062e-05",
		0.0001: "0.0001", 1e16: "1e+16", 1e15: "1000000000000000.0", 1e-7: "1e-07",
		123456789.5: "123456789.5", 0: "0.0", 1e100: "1e+100", math.Copysign(0, -1): "-0.0",
	} {
		if got := formatFloat(f); got != want {
			t.Errorf("%g: %s, want %s", f, got, want)
		}
	}
}

func TestValuesAsPythonWritesThem(t *testing.T) {
	var none *int
	for _, c := range []struct {
		v    any
		want string
	}{
		{"bare", "bare"}, {[]string{"a", "it's", `"`, "\n\x01"}, `['a', "it's", '"', '\n\x01']`},
		{[]int{1, 2}, "[1, 2]"}, {true, "True"}, {none, "None"}, {1.0, "1.0"}, {uint8(7), "7"},
		{map[string]int{"b": 2, "a": 1}, "{'a': 1, 'b': 2}"}, {[][]float64{{0.5}, {}}, "[[0.5], []]"},
	} {
		if got := pyStr(reflect.ValueOf(c.v), false); got != c.want {
			t.Errorf("%v: %s, want %s", c.v, got, c.want)
		}
	}
}

// Sizes that sys.getsizeof gives in CPython 3.11.
func TestDictionarySizes(t *testing.T) {
	for n, want := range map[int]int{0: 64, 1: 184, 5: 184, 6: 272, 10: 272, 11: 464, 21: 464,
		22: 832, 42: 832, 43: 1584, 85: 1584, 86: 3328, 170: 3328, 171: 6576} {
		if got := pySizeDict(n); got != want {
			t.Errorf("%d entries: %d, want %d", n, got, want)
		}
	}
}

// The words and places are Python's json module's.
func TestSyntaxErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"image": `:        "Expecting value at byte 10",
		``:                  "Expecting value at byte 0",
		`{`:                 "Expecting property name enclosed in double quotes at byte 1",
		`{"a" 1}`:           "Expecting ':' delimiter at byte 5",
		`{"a": 1 "b"}`:      "Expecting ',' delimiter at byte 8",
		`{"a": [1 2]}`:      "Expecting ',' delimiter at byte 9",
		`{"a": "b`:          "Unterminated string starting at at byte 6",
		"{\"a\": \"b\nc\"}": "Invalid control character at at byte 8",
		`{"a": "\x"}`:       `Invalid \escape at byte 7`,
		`{} x`:              "Extra data at byte 3",
		`{"a": tru}`:        "Expecting value at byte 6",
		`{"a": 01}`:         "Expecting ',' delimiter at byte 7",
		`{"a":1,}`:          "Expecting property name enclosed in double quotes at byte 7",
	} {
		_, err := parseObject([]byte(text), nil)
		var syntax *syntaxError
		if !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{`[]`, `7`, `null`, ` "x" `} {
		if _, err := parseObject([]byte(text), nil); !errors.Is(err, errNotObject) {
			t.Errorf("%s: %v", text, err)
		}
	}
	var many strings.Builder
	for i := range maxMembers + 1 {
		fmt.Fprintf(&many, `,"%d":0`, i)
	}
	if _, err := parseObject([]byte("{"+many.String()[1:]+"}"), nil); err == nil {
		t.Error("any number of members was taken")
	}
}

// The parser agrees with encoding/json on what is an object and what is in it.
func TestParserAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "members")
		data, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		members, err := parseObject(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, m := range members {
			if got[m.key], err = m.text(); err != nil {
				t.Fatal(err)
			}
		}
		var want map[string]string
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
		for k, v := range want {
			var back string
			if err := json.Unmarshal(appendString(nil, v), &back); err != nil || back != v {
				t.Fatalf("%q: %q came back as %q (%v)", k, v, back, err)
			}
		}
	})
}

// Whatever order of callers, clocks and timeouts: no nonce of a stream is accepted
// twice or after a newer one, though the table holds only a few streams.
func TestNoNonceIsAcceptedTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 3
		table := newNonceTable(limit, 20*time.Second, rapid.Bool().Draw(t, "uptime"))
		newest := map[nonceKey]int64{}
		now := int64(1_800_000_000_000_000_000)
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			now += rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "later")
			key := nonceKey{ss58.AccountID{byte(rapid.IntRange(0, 7).Draw(t, "caller"))}, "u"}
			nonce := now + rapid.Int64Range(-int64(time.Minute), int64(time.Minute)).Draw(t, "skew")
			if last, ok := newest[key]; ok && rapid.Bool().Draw(t, "replay") {
				nonce = last
			}
			timeout := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "timeout"))
			if table.accept(key, nonce, timeout, now) == "" {
				if last, ok := newest[key]; ok && nonce <= last {
					t.Fatalf("nonce %d accepted after %d", nonce, last)
				}
				newest[key] = nonce
			}
			if len(table.entries) > limit || len(table.order) != len(table.entries) {
				t.Fatalf("%d entries", len(table.entries))
			}
		}
	})
}

func TestNonceTableForgetsOldStreams(t *testing.T) {
	table := newNonceTable(1000, time.Minute, false)
	now := time.Now().UnixNano()
	for i := range 500 {
		if refusal := table.accept(nonceKey{uuid: fmt.Sprint(i)}, now, 0, now); refusal != "" {
			t.Fatal(refusal)
		}
	}
	later := now + int64(2*time.Minute)
	if refusal := table.accept(nonceKey{uuid: "new"}, later, 0, later); refusal != "" || table.len() != 1 {
		t.Errorf("%d streams remembered, %q", table.len(), refusal)
	}
	if table.floor != 0 {
		t.Error("forgetting in time raised the floor")
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	s := h.summary()
	near := func(got, want time.Duration) bool {
		return math.Abs(float64(got-want)) <= 0.07*float64(want)
	}
	if s.Count != 1000 || s.Max != time.Second || !near(s.P50, 500*time.Millisecond) ||
		!near(s.P90, 900*time.Millisecond) || !near(s.P99, 990*time.Millisecond) || !near(s.Mean, 500*time.Millisecond) {
		t.Errorf("%+v", s)
	}
	for _, d := range []time.Duration{-1, 0, 15, 16, 31, 32, 63, 64, 1e9, math.MaxInt64} {
		if b := bucketOf(max(d, 0)); d < 1e12 && (bucketEnd(b) < d || b > 0 && bucketEnd(b-1) >= max(d, 1)) {
			t.Errorf("%d ns in bucket %d, which ends at %d", d, b, bucketEnd(b))
		}
	}
}
