package yuma

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// randomInput makes a subnet whose first validators all weigh every neuron.
func randomInput(rng *rand.Rand, neurons, validators int) Input {
	in := Input{
		Hyperparameters: Hyperparameters{
			Tempo: 99, ActivityCutoff: 5000, Kappa: 32767, BondsMovingAverage: 900000, BondsPenalty: 65535,
			AlphaLow: 45875, AlphaHigh: 58982, AlphaSigmoidSteepness: 1000,
			MaxAllowedValidators: 64, TaoWeight: 971718665099567868,
		},
		Block: 10_000, Emission: 100_000_000_000, OwnerUID: 0,
		LastUpdate: make([]uint64, neurons), BlockAtRegistration: make([]uint64, neurons),
		ValidatorPermit: make([]bool, neurons),
		AlphaStake:      make([]uint64, neurons), TaoStake: make([]uint64, neurons),
		Weights: make([][]Pair, neurons), Bonds: make([][]Pair, neurons),
	}
	for i := range neurons {
		in.LastUpdate[i] = 9_900 + rng.Uint64N(50)
		in.BlockAtRegistration[i] = 100 + rng.Uint64N(100)
		in.AlphaStake[i] = rng.Uint64N(1_000)
		if i >= validators {
			continue
		}
		in.ValidatorPermit[i] = true
		in.AlphaStake[i] = 1_000_000_000 + rng.Uint64N(1_000_000_000_000)
		for j := range neurons {
			in.Weights[i] = append(in.Weights[i], Pair{uint16(j), uint16(rng.Uint32N(65536))})
			in.Bonds[i] = append(in.Bonds[i], Pair{uint16(j), uint16(rng.Uint32N(65536))})
		}
	}
	return in
}

func BenchmarkEpoch256x64(b *testing.B) {
	for _, c := range []struct {
		name          string
		yuma3, liquid bool
	}{{"yuma2", false, false}, {"yuma3", true, false}, {"yuma3-liquid", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			in := randomInput(rand.New(rand.NewPCG(1, 2)), 256, 64)
			in.Yuma3On, in.LiquidAlphaOn = c.yuma3, c.liquid
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Epoch(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestEpochRefusesUnequalLengths(t *testing.T) {
	in := randomInput(rand.New(rand.NewPCG(1, 2)), 4, 2)
	in.TaoStake = in.TaoStake[:3]
	if _, err := Epoch(in); err == nil || !strings.Contains(err.Error(), "TaoStake") {
		t.Errorf("error %v, want one that names TaoStake", err)
	}
	in = randomInput(rand.New(rand.NewPCG(1, 2)), 4, 2)
	in.Weights = append(in.Weights, nil)
	if _, err := Epoch(in); err == nil {
		t.Error("more rows of weights than neurons pass")
	}
}

func TestEpochOfNobody(t *testing.T) {
	out, err := Epoch(Input{Block: 10, Emission: 5, OwnerUID: -1})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Emission) != 0 || len(out.Bonds) != 0 {
		t.Errorf("an empty subnet gives %+v", out)
	}
}

func TestDue(t *testing.T) {
	var due []uint64
	for block := range uint64(40) {
		if Due(block, 1, 10) {
			due = append(due, block)
		}
	}
	if len(due) != 3 || due[0] != 8 || due[1] != 19 || due[2] != 30 {
		t.Errorf("epochs of netuid 1, tempo 10 at %v", due)
	}
	if Due(7, 1, 0) {
		t.Error("a subnet of tempo 0 has epochs")
	}
}

func TestResetBonds(t *testing.T) {
	bonds := [][]Pair{{{1, 5}, {2, 6}}, {{2, 7}}, nil}
	ResetBonds(bonds, 2)
	if len(bonds[0]) != 1 || bonds[0][0] != (Pair{1, 5}) || len(bonds[1]) != 0 {
		t.Errorf("bonds %v", bonds)
	}
}

func TestWithinMax(t *testing.T) {
	for _, c := range []struct {
		weights []uint16
		limit   uint16
		want    bool
	}{
		{[]uint16{1, 1}, 32768, true},
		{[]uint16{1, 1}, 32767, false},
		{[]uint16{5}, 65535, true},
		{[]uint16{0, 0}, 0, true},
		{nil, 0, true},
	} {
		if got := WithinMax(c.weights, c.limit); got != c.want {
			t.Errorf("WithinMax(%v, %d) = %v", c.weights, c.limit, got)
		}
	}
}

// FuzzEpoch looks for input that panics or pays out more than there is.
func FuzzEpoch(f *testing.F) {
	f.Add(uint64(1), uint8(8), uint8(3), uint16(32767), uint64(900000), int16(1000), uint8(0))
	f.Add(uint64(7), uint8(1), uint8(1), uint16(0), ^uint64(0), int16(-32768), uint8(7))
	f.Fuzz(func(t *testing.T, seed uint64, neurons, validators uint8, kappa uint16, average uint64, steepness int16, flags uint8) {
		n := int(neurons)%40 + 1
		in := randomInput(rand.New(rand.NewPCG(seed, 2)), n, int(validators)%n)
		in.Kappa, in.BondsMovingAverage, in.AlphaSigmoidSteepness = kappa, average, steepness
		in.Yuma3On, in.LiquidAlphaOn = flags&1 != 0, flags&2 != 0
		in.BondsPenalty = uint16(flags) << 8
		if flags&4 != 0 {
			in.OwnerUID = -1
		}
		out, err := Epoch(in)
		if err != nil {
			t.Fatal(err)
		}
		var paid uint64
		for i := range out.Emission {
			paid += out.Emission[i]
		}
		if average <= 1_000_000 && paid > in.Emission {
			t.Errorf("paid %d of %d", paid, in.Emission)
		}
	})
}
