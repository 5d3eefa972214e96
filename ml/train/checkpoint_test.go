package train

import (
	"crypto/sha256"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

func someCheckpoint() checkpoint {
	return checkpoint{
		progress{
			Epoch: 2, Position: 3, Step: 19, LossSum: 1.25, Log: 77, Seconds: 2.5,
			Stopper: Stopper{Patience: 10, Best: 0.75, BestEpoch: 1, Seen: true},
			History: []EpochResult{{Epoch: 1, Step: 8, Held: evaluate.Metrics{N: 3, ROCAUC: 0.5, MCC: 0.1}, Best: true}},
		},
		[]vector{
			{Name: "weights", Length: 3, values: []float32{1, float32(math.Copysign(0, -1)), 3.4e38}},
			{Name: "none", Length: 0, values: []float32{}},
			{Name: "moment1", Length: 1, values: []float32{math.Float32frombits(1)}},
		},
	}
}

func TestCheckpoint(t *testing.T) {
	want := someCheckpoint()
	data, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeCheckpoint(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(checkpoint{}, vector{})); diff != "" {
		t.Error(diff)
	}
	if math.Float32bits(got.vectors[0].values[1]) != 1<<31 {
		t.Error("the sign of zero is lost")
	}
	for i := range data {
		damaged := append([]byte(nil), data...)
		damaged[i] ^= 4
		if _, err := decodeCheckpoint(damaged); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, err := decodeCheckpoint(data[:i]); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("cut after %d bytes: %v", i, err)
		}
	}
}

func FuzzCheckpoint(f *testing.F) {
	data, err := someCheckpoint().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(checkpointMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		for range 2 {
			c, err := decodeCheckpoint(data)
			if err == nil {
				for _, v := range c.vectors {
					if v.Length != len(v.values) {
						t.Fatalf("%s has %d values, said are %d", v.Name, len(v.values), v.Length)
					}
				}
			} else if !errors.Is(err, ErrCheckpoint) {
				t.Fatal(err)
			}
			// Once more with a hash that fits, so that the rest is reached.
			data = sealed(data)
		}
	})
}

// sealed puts the right hash behind data.
func sealed(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append(append([]byte(nil), data...), sum[:]...)
}
