package validator

import (
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/subnet/protocol"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

// answers turns the responses to one challenge into scored answers, in the order
// of the miners asked.
func answers(asked []subtensor.Neuron, responses []synapse.Response[protocol.ImageSynapse], label int) []Answer {
	list := parse(asked, responses)
	for i := range list {
		list[i].Reward = score.Reward(list[i].Prediction, label, list[i].Status)
	}
	return list
}

// parse turns responses into answers without a reward, in the order of the miners asked.
func parse(asked []subtensor.Neuron, responses []synapse.Response[protocol.ImageSynapse]) []Answer {
	list := make([]Answer, len(asked))
	for i, n := range asked {
		r := responses[i]
		a := Answer{
			UID: n.UID, Hotkey: n.Hotkey, Status: r.StatusCode, Prediction: protocol.NoAnswer,
			LatencyMS: float64(r.Latency.Round(time.Microsecond)) / float64(time.Millisecond),
		}
		if r.Err != nil {
			a.Error = r.Err.Error()
			if a.Status == score.StatusOK {
				a.Status = 0 // a success that cannot be read is none
			}
		} else if score.Valid(r.Synapse.Prediction) {
			a.Prediction = r.Synapse.Prediction
		} else if r.Synapse.Prediction != protocol.NoAnswer {
			a.Error = "the prediction is not in [0,1]"
		}
		list[i] = a
	}
	return list
}
