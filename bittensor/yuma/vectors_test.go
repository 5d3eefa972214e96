package yuma

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type vectorFile struct {
	Scenarios         []scenario `json:"scenarios"`
	SetWeightsStorage struct {
		Cases []struct {
			Weights []uint16    `json:"weights"`
			Stored  [][2]uint16 `json:"stored"`
		} `json:"cases"`
	} `json:"set_weights_storage"`
}

type scenario struct {
	Name            string `json:"name"`
	Hyperparameters struct {
		Tempo, Kappa          uint16
		BondsMovingAverage    uint64
		BondsPenalty          uint16
		LiquidAlphaOn         bool
		AlphaValues           [2]uint16
		AlphaSigmoidSteepness int16
		Yuma3On               bool
		ActivityCutoff        uint16
		MaxAllowedValidators  uint16
		StakeThreshold        uint64
		TaoWeight             uint64
		SubnetOwnerHotkeyUID  *int   `json:"SubnetOwnerHotkey_uid"`
		Netuid                uint16 `json:"netuid"`
	} `json:"hyperparameters"`
	Epochs []struct {
		EpochBlock uint64     `json:"epoch_block"`
		Emission   uint64     `json:"rao_emission"`
		Before     state      `json:"before"`
		After      state      `json:"after"`
		Trace      [][]string `json:"trace"`
	} `json:"epochs"`
}

type state struct {
	Active                          []bool
	ValidatorPermit                 []bool
	LastUpdate, BlockAtRegistration []uint64
	AlphaStake, RootTaoStake        []uint64
	Weights, Bonds                  [][][2]uint16

	Rank, Trust, ValidatorTrust, Consensus, Incentive, Dividends []uint16
	Emission                                                     []uint64
	PruningScores, StakeWeight                                   []uint16
}

func pairs(rows [][][2]uint16) [][]Pair {
	out := make([][]Pair, len(rows))
	for i, row := range rows {
		out[i] = []Pair{}
		for _, p := range row {
			out[i] = append(out[i], Pair{p[0], p[1]})
		}
	}
	return out
}

func (s scenario) input(epoch int) Input {
	h, e := s.Hyperparameters, s.Epochs[epoch]
	owner := -1
	if h.SubnetOwnerHotkeyUID != nil {
		owner = *h.SubnetOwnerHotkeyUID
	}
	return Input{
		Hyperparameters: Hyperparameters{
			Tempo: h.Tempo, ActivityCutoff: h.ActivityCutoff, Kappa: h.Kappa,
			BondsMovingAverage: h.BondsMovingAverage, BondsPenalty: h.BondsPenalty,
			LiquidAlphaOn: h.LiquidAlphaOn, AlphaLow: h.AlphaValues[0], AlphaHigh: h.AlphaValues[1],
			AlphaSigmoidSteepness: h.AlphaSigmoidSteepness, Yuma3On: h.Yuma3On,
			MaxAllowedValidators: h.MaxAllowedValidators, StakeThreshold: h.StakeThreshold, TaoWeight: h.TaoWeight,
		},
		Block: e.EpochBlock, Emission: e.Emission, OwnerUID: owner,
		LastUpdate: e.Before.LastUpdate, BlockAtRegistration: e.Before.BlockAtRegistration,
		ValidatorPermit: e.Before.ValidatorPermit,
		AlphaStake:      e.Before.AlphaStake, TaoStake: e.Before.RootTaoStake,
		Weights: pairs(e.Before.Weights), Bonds: pairs(e.Before.Bonds),
	}
}

// vectorPaths returns the recordings in testdata and those that the
// environment names: files, or folders of JSON files.
func vectorPaths(t testing.TB) []string {
	paths := []string{"testdata/yuma.json"}
	extra := strings.FieldsFunc(os.Getenv("BITMIND_YUMA_VECTORS"), func(r rune) bool { return r == ',' || r == ':' })
	for _, p := range extra {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatalf("BITMIND_YUMA_VECTORS: %v", err)
		}
		if !info.IsDir() {
			paths = append(paths, p)
			continue
		}
		files, err := filepath.Glob(filepath.Join(p, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("BITMIND_YUMA_VECTORS: no JSON files in %s", p)
		}
		paths = append(paths, files...)
	}
	return paths
}

func loadVectors(t testing.TB, path string) vectorFile {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(f.Scenarios) == 0 {
		t.Fatalf("%s holds no scenarios", path)
	}
	return f
}

func TestEpochMatchesRuntime(t *testing.T) {
	for _, path := range vectorPaths(t) {
		for _, s := range loadVectors(t, path).Scenarios {
			for k, e := range s.Epochs {
				t.Run(fmt.Sprintf("%s/%s/%d", filepath.Base(path), s.Name, k), func(t *testing.T) {
					if !Due(e.EpochBlock, s.Hyperparameters.Netuid, s.Hyperparameters.Tempo) {
						t.Errorf("block %d is no epoch block", e.EpochBlock)
					}
					in := s.input(k)
					trace := &traceChecker{t: t, want: e.Trace}
					in.Trace = trace.check
					out, err := Epoch(in)
					if err != nil {
						t.Fatal(err)
					}
					if len(e.Trace) > 0 && trace.matched == 0 {
						t.Error("no label of the trace was met")
					}
					compareOutput(t, in, out, e.After)
					compareStake(t, in, out, e.After)
					in.Trace = nil
					again, err := Epoch(in)
					if err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(out, again); d != "" {
						t.Errorf("tracing changes the result: %s", d)
					}
				})
			}
		}
	}
}

func compareOutput(t *testing.T, in Input, out Output, want state) {
	t.Helper()
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"Active", out.Active, want.Active},
		{"Rank", out.Rank, want.Rank},
		{"Trust", out.Trust, want.Trust},
		{"ValidatorTrust", out.ValidatorTrust, want.ValidatorTrust},
		{"Consensus", out.Consensus, want.Consensus},
		{"Incentive", out.Incentive, want.Incentive},
		{"Dividends", out.Dividends, want.Dividends},
		{"Emission", out.Emission, want.Emission},
		{"PruningScores", out.PruningScores, want.PruningScores},
		{"ValidatorPermit", out.ValidatorPermit, want.ValidatorPermit},
		{"StakeWeight", out.StakeWeight, want.StakeWeight},
		{"Bonds", out.Bonds, pairs(want.Bonds)},
		{"LastUpdate", in.LastUpdate, want.LastUpdate},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// compareStake pays the epoch out, which in the recordings is all alpha and
// with the default take of 18 %.
func compareStake(t *testing.T, in Input, out Output, want state) {
	t.Helper()
	take := make([]uint16, len(in.LastUpdate))
	for i := range take {
		take[i] = 11796
	}
	paid := PayOut(PayoutInput{
		PendingAlpha: in.Emission, OwnerUID: in.OwnerUID,
		AlphaStake: in.AlphaStake, TaoStake: in.TaoStake, StoredTaoShare: in.TaoWeight, Take: take,
		ServerEmission: out.ServerEmission, ValidatorEmission: out.ValidatorEmission,
	})
	alpha := make([]uint64, len(take))
	for uid := range alpha {
		alpha[uid] = in.AlphaStake[uid] + paid.Alpha(uid)
	}
	if d := cmp.Diff(want.AlphaStake, alpha); d != "" {
		t.Errorf("AlphaStake (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want.RootTaoStake, in.TaoStake); d != "" {
		t.Errorf("RootTaoStake (-want +got):\n%s", d)
	}
}

// traceChecker compares what Epoch reports with the runtime's log lines:
// values under the same label in the same order.
type traceChecker struct {
	t       *testing.T
	want    [][]string
	next    int
	matched int
}

func (c *traceChecker) check(label string, value any) {
	if len(c.want) == 0 {
		return
	}
	for k := c.next; k < len(c.want); k++ {
		wantLabel, text := c.want[k][0], c.want[k][1]
		if rest, ok := strings.CutPrefix(text, "(mask) "); ok {
			wantLabel, text = wantLabel+" (mask)", rest
		}
		if wantLabel != label {
			continue
		}
		if k != c.next {
			c.t.Errorf("trace: %q came where the runtime has %q", label, c.want[c.next][0])
		}
		c.next, c.matched = k+1, c.matched+1
		want, err := parseTrace(text, value)
		if err != nil {
			c.t.Errorf("trace %q: %v", label, err)
			return
		}
		if d := cmp.Diff(want, value, cmpopts.EquateEmpty()); d != "" {
			c.t.Errorf("trace %q (-want +got):\n%s", label, d)
		}
		return
	}
	// Recordings leave out the matrices of large subnets.
	if _, ok := value.(matrix); !ok {
		c.t.Errorf("trace: the runtime has no %q", label)
	}
}

// parseTrace reads the runtime's debug text into the type of like.
func parseTrace(text string, like any) (any, error) {
	text = strings.NewReplacer("(", "[", ")", "]").Replace(strings.TrimSpace(text))
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var raw any
	if err := dec.Decode(&raw); err != nil {
		return nil, err
	}
	list := func(v any) []any { l, _ := v.([]any); return l }
	number := func(v any) json.Number { n, _ := v.(json.Number); return n }
	switch like.(type) {
	case uint64:
		return parseU64(number(raw))
	case Wide:
		return parseWide(number(raw))
	case []bool:
		out := []bool{}
		for _, v := range list(raw) {
			out = append(out, v == true)
		}
		return out, nil
	case []uint64:
		return parseAll(list(raw), func(v any) (uint64, error) { return parseU64(number(v)) })
	case []Wide:
		return parseAll(list(raw), func(v any) (Wide, error) { return parseWide(number(v)) })
	case []Fixed:
		return parseAll(list(raw), func(v any) (Fixed, error) { return parseFixed(number(v)) })
	case [][]Fixed:
		return parseAll(list(raw), func(v any) ([]Fixed, error) {
			return parseAll(list(v), func(v any) (Fixed, error) { return parseFixed(number(v)) })
		})
	case matrix:
		rows, err := parseAll(list(raw), func(v any) ([]Cell, error) {
			return parseAll(list(v), func(v any) (Cell, error) {
				pair := list(v)
				if len(pair) != 2 {
					return Cell{}, fmt.Errorf("cell %v", v)
				}
				uid, err := parseU64(number(pair[0]))
				if err != nil {
					return Cell{}, err
				}
				value, err := parseFixed(number(pair[1]))
				return Cell{uint16(uid), value}, err
			})
		})
		return matrix(rows), err
	}
	return nil, fmt.Errorf("no way to read %T", like)
}

func parseAll[T any](list []any, parse func(any) (T, error)) ([]T, error) {
	out := make([]T, 0, len(list))
	for _, v := range list {
		x, err := parse(v)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// scaled reads a decimal as an integer of units of 2^-bits, rounded to the
// nearest.
func scaled(n json.Number, bits uint) (*big.Int, error) {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return nil, fmt.Errorf("number %q", n)
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), bits+1)))
	twice := new(big.Int).Quo(r.Num(), r.Denom())
	return twice.Add(twice, big.NewInt(1)).Rsh(twice, 1), nil
}

func parseU64(n json.Number) (uint64, error) {
	v, err := scaled(n, 0)
	if err != nil || !v.IsUint64() {
		return 0, fmt.Errorf("integer %q: %w", n, err)
	}
	return v.Uint64(), nil
}

func parseFixed(n json.Number) (Fixed, error) {
	v, err := scaled(n, 32)
	if err != nil || !v.IsInt64() {
		return 0, fmt.Errorf("number %q: %w", n, err)
	}
	return Fixed(v.Int64()), nil
}

func parseWide(n json.Number) (Wide, error) {
	v, err := scaled(n, 64)
	if err != nil {
		return Wide{}, err
	}
	hi := new(big.Int).Rsh(v, 64)
	lo := new(big.Int).And(v, new(big.Int).SetUint64(^uint64(0)))
	return Wide{hi.Uint64(), lo.Uint64()}, nil
}

func TestMaxUpscaleMatchesStorage(t *testing.T) {
	cases := 0
	for _, path := range vectorPaths(t) {
		for _, c := range loadVectors(t, path).SetWeightsStorage.Cases {
			if c.Stored == nil {
				continue
			}
			cases++
			want := []uint16{}
			for _, p := range c.Stored {
				want = append(want, p[1])
			}
			if d := cmp.Diff(want, MaxUpscale(c.Weights)); d != "" {
				t.Errorf("%v (-want +got):\n%s", c.Weights, d)
			}
		}
	}
	if cases == 0 {
		t.Error("no vectors")
	}
}
