package yuma_test

import (
	"fmt"
	"log"

	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// Two validators, uids 0 and 1, weigh two miners, uids 2 and 3. They agree that uid 2 is
// worth twice uid 3.
func ExampleEpoch() {
	rows := [][]yuma.Pair{{{UID: 2, Value: 65535}, {UID: 3, Value: 32768}}, {{UID: 2, Value: 65535}, {UID: 3, Value: 32768}}}
	out, err := yuma.Epoch(yuma.Input{
		Hyperparameters: yuma.Hyperparameters{
			Tempo: 10, ActivityCutoff: 5000, Kappa: 32767, BondsMovingAverage: 900_000, BondsPenalty: 65535, MaxAllowedValidators: 64,
		},
		Block: 100, Emission: 1e9, OwnerUID: -1,
		LastUpdate: []uint64{95, 95, 0, 0}, BlockAtRegistration: []uint64{1, 1, 1, 1},
		ValidatorPermit: []bool{true, true, false, false},
		AlphaStake:      []uint64{3e12, 1e12, 0, 0}, TaoStake: make([]uint64, 4),
		Weights: rows,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("incentive", out.Incentive)
	fmt.Println("dividends", out.Dividends)
	fmt.Println("emission ", out.Emission)
	// Output:
	// incentive [0 0 43689 21845]
	// dividends [49151 16383 0 0]
	// emission  [375000000 124999999 333331637 166668361]
}
