// Package monitor shows how a subnet does, as a validator or a development subnet
// sees it: chain head and epoch clock, miners and their records, challenges with
// every answer, pools and weights. The dashboard and the API's public lists are
// made of its types.
//
//	for event := range m.Subscribe(ctx) { ... } // status, challenge, leaderboard
package monitor

import "time"

// Status is the subnet at one moment.
type Status struct {
	Network string `json:"network" doc:"name or address of the chain"`
	Netuid  uint16 `json:"netuid"`
	// Block is the newest block seen, HeadAgeMS how long ago it came.
	Block     uint64  `json:"block"`
	HeadAgeMS float64 `json:"head_age_ms"`
	// Tempo is an epoch's length in blocks, less one; BlocksToEpoch is 1 for an
	// epoch in the next block.
	Tempo         uint16  `json:"tempo"`
	BlocksToEpoch uint64  `json:"blocks_to_epoch"`
	BlockTimeMS   float64 `json:"block_time_ms"`
	// Challenges, Real, Synthetic and WeightsSet count from the beginning of the
	// records.
	Challenges   uint64 `json:"challenges"`
	Real         uint64 `json:"real"`
	Synthetic    uint64 `json:"synthetic"`
	WeightsSet   uint64 `json:"weights_set"`
	WeightsBlock uint64 `json:"weights_block" doc:"block of the last setting, 0 for never"`
	// Pools are the sources that challenges are drawn from.
	Pools      []Pool      `json:"pools"`
	Validators []Validator `json:"validators"`
}

// Pool is one source of pictures.
type Pool struct {
	Label  string `json:"label" enum:"real,ai"`
	Source string `json:"source"`
	Images int    `json:"images"`
}

// Validator is one of the validators that this program runs.
type Validator struct {
	UID        uint16 `json:"uid"`
	Hotkey     string `json:"hotkey"`
	Challenges uint64 `json:"challenges"`
	WeightsSet uint64 `json:"weights_set"`
}

// States of a miner.
const (
	Alive   = "alive"   // answered one of its last challenges
	Silent  = "silent"  // asked, and has not answered lately
	Unasked = "unasked" // not asked yet
	Foreign = "foreign" // on the subnet, and not run by this program (a development subnet's)
)

// Miner is one row of the leaderboard.
type Miner struct {
	Rank     int    `json:"rank" doc:"1 is paid most"`
	UID      uint16 `json:"uid"`
	Hotkey   string `json:"hotkey"`
	Coldkey  string `json:"coldkey,omitempty"`
	Detector string `json:"detector,omitempty" doc:"where this program runs the miner"`
	State    string `json:"state" enum:"alive,silent,unasked,foreign"`
	Asked    uint64 `json:"asked"`
	Answered uint64 `json:"answered"`
	// Accuracy is the share of right answers among the last ones, with its 95 %
	// Wilson interval; Window is how many those are.
	Accuracy     float64    `json:"accuracy"`
	AccuracyLow  float64    `json:"accuracy_low"`
	AccuracyHigh float64    `json:"accuracy_high"`
	Window       int        `json:"window"`
	Score        float64    `json:"score" doc:"what its weight comes from, in [0,1]"`
	Incentive    float64    `json:"incentive" doc:"share of the miners' pay in [0,1], from the chain"`
	Trend        []float64  `json:"trend,omitempty" doc:"accuracy over its recent answers, oldest first, at most 30 points"`
	LatencyMS    float64    `json:"latency_ms" doc:"median of its recent answers"`
	LastSeen     *time.Time `json:"last_seen,omitempty" doc:"its last answer"`
}

// Leaderboard lists the miners, best paid first.
type Leaderboard struct {
	Items []Miner `json:"items"`
}

// MinerPage is all about one miner.
type MinerPage struct {
	Miner
	// BySource says how it does on each source of pictures, worst first.
	BySource []SourceAccuracy `json:"by_source"`
	// Confusion counts its answers.
	Confusion Confusion `json:"confusion"`
	// Calibration has a bin for each tenth of the score that has answers.
	Calibration []CalibrationBin `json:"calibration"`
	Latency     Latency          `json:"latency"`
	// Errors counts what came in place of answers, by kind.
	Errors map[string]int `json:"errors,omitempty"`
	// History is its score and incentive over time, oldest first, at most 200 points.
	History []Point `json:"history,omitempty"`
	// Recent are its last answers, newest first, at most 50.
	Recent []MinerAnswer `json:"recent"`
}

// SourceAccuracy is a miner's record on one source.
type SourceAccuracy struct {
	Source   string  `json:"source"`
	Label    string  `json:"label" enum:"real,ai"`
	Answered int     `json:"answered"`
	Right    int     `json:"right"`
	Accuracy float64 `json:"accuracy"`
}

// Confusion counts answers: the first word is what the miner said.
type Confusion struct {
	AIIsAI     int `json:"ai_is_ai"`
	AIIsReal   int `json:"ai_is_real" doc:"false alarms"`
	RealIsReal int `json:"real_is_real"`
	RealIsAI   int `json:"real_is_ai" doc:"missed"`
	NoAnswer   int `json:"no_answer"`
}

// CalibrationBin compares what was said with what was so.
type CalibrationBin struct {
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	Answers int     `json:"answers"`
	Mean    float64 `json:"mean" doc:"mean score of the bin"`
	AIShare float64 `json:"ai_share" doc:"share of the bin that was AI-generated"`
}

// Latency holds quantiles of the recent answers.
type Latency struct {
	P50MS float64 `json:"p50_ms"`
	P90MS float64 `json:"p90_ms"`
	P99MS float64 `json:"p99_ms"`
}

// Point is one moment of a history.
type Point struct {
	Time      time.Time `json:"time"`
	Block     uint64    `json:"block"`
	Score     float64   `json:"score"`
	Incentive float64   `json:"incentive"`
}

// MinerAnswer is one answer of one miner.
type MinerAnswer struct {
	ChallengeID string    `json:"challenge_id"`
	Time        time.Time `json:"time"`
	Label       string    `json:"label" enum:"real,ai"`
	Source      string    `json:"source"`
	Prediction  *float64  `json:"prediction,omitempty" doc:"absent for no answer"`
	Right       bool      `json:"right"`
	LatencyMS   float64   `json:"latency_ms"`
	Error       string    `json:"error,omitempty"`
}

// Challenge is one question with everybody's answers.
type Challenge struct {
	ID        string    `json:"id"`
	Seq       uint64    `json:"seq"`
	Time      time.Time `json:"time"`
	Block     uint64    `json:"block"`
	Validator uint16    `json:"validator" doc:"uid of who asked"`
	Label     string    `json:"label" enum:"real,ai"`
	Source    string    `json:"source"`
	Origin    string    `json:"origin"`
	// Transforms says in words what was done to the picture.
	Transforms []string `json:"transforms"`
	ImageURL   string   `json:"image_url,omitempty" doc:"the picture as the miners saw it, where it can be made again"`
	Answers    []Answer `json:"answers"`
}

// Answer is one miner's answer to a challenge.
type Answer struct {
	UID        uint16   `json:"uid"`
	Hotkey     string   `json:"hotkey"`
	Prediction *float64 `json:"prediction,omitempty" doc:"absent for no answer"`
	Right      bool     `json:"right"`
	Reward     float64  `json:"reward"`
	LatencyMS  float64  `json:"latency_ms"`
	Status     int      `json:"status" doc:"HTTP status, 0 for no answer"`
	Error      string   `json:"error,omitempty"`
}

// Challenges is a page of them, newest first.
type Challenges struct {
	Items      []Challenge `json:"items"`
	NextCursor string      `json:"next_cursor,omitempty"`
}

// WeightsSet is one setting of weights.
type WeightsSet struct {
	Time      time.Time `json:"time"`
	Block     uint64    `json:"block"`
	Validator uint16    `json:"validator"`
	Weights   []Weight  `json:"weights"`
}

// Weight is one uid's share of a setting, in [0,1], all together 1.
type Weight struct {
	UID   uint16  `json:"uid"`
	Share float64 `json:"share"`
}

// WeightsHistory lists settings, oldest first, at most 200.
type WeightsHistory struct {
	Items []WeightsSet `json:"items"`
}

// Kinds of events.
const (
	EventStatus      = "status"      // Data is a Status, at each block
	EventChallenge   = "challenge"   // Data is a Challenge, when it is finished
	EventLeaderboard = "leaderboard" // Data is a Leaderboard, a few times a minute
	EventWeights     = "weights"     // Data is a WeightsSet
)

// Event is one piece of news, sent to pages as a server-sent event of that name.
type Event struct {
	Kind string
	Data any
}
