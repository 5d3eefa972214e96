// Package score turns miners' answers into what the chain pays: a reward for
// each answer, a moving score for each miner, weights for the chain.
//
//	board, _ := score.NewBoard(score.Config{})
//	board.Sync(hotkeys)                                // uid -> hotkey, from the metagraph
//	board.Update([]score.Outcome{{UID: 3, Hotkey: h, Answered: true,
//		Reward: score.Reward(0.93, 1, 200)}})
//	uids, weights, err := score.Weights(board.Scores(), rules)
package score

import "math"

// StatusOK is the only status of an answer that can earn a reward.
const StatusOK = 200

// Reward is what one answer earns: 1 where the prediction, rounded, equals the
// label (0 real, 1 AI-generated), else 0. It is the seed network's rule: Python
// rounds a half to even, so 0.5 says "real". A prediction outside [0,1], NaN, no
// answer (-1) or a status other than 200 earns 0.
func Reward(prediction float64, label, status int) float64 {
	if status != StatusOK || !Valid(prediction) {
		return 0
	}
	if int(math.RoundToEven(prediction)) == label {
		return 1
	}
	return 0
}

// Valid says whether a prediction is one: a number in [0,1].
func Valid(prediction float64) bool {
	return prediction >= 0 && prediction <= 1 // false for NaN
}
