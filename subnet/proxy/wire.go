package proxy

import (
	"errors"
	"fmt"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

// Request is the body of a question to a validator's /validator_proxy, as the
// Python project's clients send it.
type Request struct {
	// Image is the picture as a file, in base64.
	Image string `json:"image"`
	// Authorization is where early clients put what others send as a header.
	Authorization string `json:"authorization,omitempty"`
}

// Response is the answer of /validator_proxy. Lists are by miner, in one order.
// UIDs, Preds, Ranks, Incentives, Emissions and FQDN are the Python project's; its
// validators leave out the others.
type Response struct {
	UIDs       []uint16  `json:"uids"`
	Preds      []float64 `json:"preds"`
	Ranks      []float64 `json:"ranks"`
	Incentives []float64 `json:"incentives"`
	Emissions  []float64 `json:"emissions"`
	FQDN       string    `json:"fqdn"`

	Prediction  *float64         `json:"prediction,omitempty"`
	Asked       int              `json:"asked,omitempty"`
	Agreement   float64          `json:"agreement,omitempty"`
	Hotkeys     []ss58.AccountID `json:"hotkeys,omitempty"`
	Weights     []float64        `json:"weights,omitempty"`
	LatenciesMS []float64        `json:"latencies_ms,omitempty"`
}

// Response is the answer as it is sent, with the name of the machine it is from.
func (a Answer) Response(fqdn string) Response {
	r := Response{FQDN: fqdn, Prediction: &a.Prediction, Asked: a.Asked, Agreement: a.Agreement}
	for _, reply := range a.Replies {
		r.UIDs = append(r.UIDs, reply.UID)
		r.Preds = append(r.Preds, reply.Prediction)
		r.Ranks = append(r.Ranks, reply.Rank)
		r.Incentives = append(r.Incentives, reply.Incentive)
		r.Emissions = append(r.Emissions, reply.Emission)
		r.Hotkeys = append(r.Hotkeys, reply.Hotkey)
		r.Weights = append(r.Weights, reply.Weight)
		r.LatenciesMS = append(r.LatenciesMS, float64(reply.Latency.Microseconds())/1000)
	}
	return r
}

// Answer checks a response and turns it into an answer. Where a Python validator has
// left out the prediction of all together, it is made here, by incentive.
func (r Response) Answer() (Answer, error) {
	n := len(r.Preds)
	if n == 0 {
		return Answer{}, fmt.Errorf("%w: the validator passed on none", ErrUnanswered)
	}
	if n > MaxSample {
		return Answer{}, fmt.Errorf("answers of %d miners", n)
	}
	// Nothing, or one for each.
	for _, have := range []int{len(r.UIDs), len(r.Ranks), len(r.Incentives), len(r.Emissions), len(r.Hotkeys), len(r.Weights), len(r.LatenciesMS)} {
		if have != 0 && have != n {
			return Answer{}, fmt.Errorf("lists of %d and %d miners", n, have)
		}
	}
	a := Answer{Asked: max(r.Asked, n), Answered: n, FQDN: r.FQDN, Replies: make([]Reply, n)}
	for i, p := range r.Preds {
		if !score.Valid(p) {
			return Answer{}, fmt.Errorf("the prediction %v is not in [0,1]", p)
		}
		reply := Reply{
			Prediction: p, Rank: at(r.Ranks, i), Incentive: at(r.Incentives, i), Emission: at(r.Emissions, i),
			Weight: at(r.Weights, i), Latency: time.Duration(min(max(at(r.LatenciesMS, i), 0), 1e9) * float64(time.Millisecond)),
			Hotkey: at(r.Hotkeys, i), UID: at(r.UIDs, i),
		}
		if r.Weights == nil {
			reply.Weight = reply.Incentive
		}
		a.Elapsed = max(a.Elapsed, reply.Latency)
		a.Replies[i] = reply
	}
	if r.Prediction == nil {
		a.Prediction = Combine(a.Replies)
		a.Agreement = agreement(a.Replies, a.Prediction)
		return a, nil
	}
	if a.Prediction, a.Agreement = *r.Prediction, r.Agreement; !score.Valid(a.Prediction) || !score.Valid(a.Agreement) {
		return Answer{}, errors.New("the prediction or the agreement is not in [0,1]")
	}
	return a, nil
}

func at[T any](list []T, i int) (v T) {
	if i < len(list) {
		v = list[i]
	}
	return v
}
