// Package yuma computes Yuma consensus: how the weights that validators set
// become incentives, dividends, bonds, trust and emission. It is a pure
// function of a subnet's state and repeats the arithmetic of the subtensor
// runtime (32.32-bit fixed point, truncating) to the last unit.
//
//	out, err := yuma.Epoch(yuma.Input{
//		Hyperparameters: yuma.Hyperparameters{Tempo: 10, Kappa: 32767, ...},
//		Block: block, Emission: rao, OwnerUID: 0,
//		LastUpdate: updated, ..., Weights: rows, Bonds: rows,
//	})
//
// Numbers go in and come out as the chain stores them: proportions as
// 65535ths, token amounts in units of 1e-9 (rao). The algorithm is that of
// pallets/subtensor/src/epoch of the subtensor repository at spec version
// 293, in its Yuma2 and Yuma3 forms.
package yuma
