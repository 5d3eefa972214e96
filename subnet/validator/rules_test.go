package validator

import (
	"math"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/protocol"
)

func TestCandidates(t *testing.T) {
	serving := subtensor.AxonInfo{IP: netip.MustParseAddr("203.0.113.5"), Port: 8091}
	const tao = 1_000_000_000
	neurons := []subtensor.Neuron{
		{UID: 0, Hotkey: ss58.AccountID{1}, Axon: serving, ValidatorPermit: true, Stake: 5000 * tao}, // validator
		{UID: 1, Hotkey: ss58.AccountID{2}, Axon: serving},
		{UID: 2, Hotkey: ss58.AccountID{3}},                                                          // no axon
		{UID: 3, Hotkey: ss58.AccountID{4}, Axon: serving, ValidatorPermit: true, Stake: 4096 * tao}, // at the limit
		{UID: 4, Hotkey: ss58.AccountID{5}, Axon: serving, Stake: 9000 * tao},                        // rich miner
		{UID: 5, Hotkey: ss58.AccountID{9}, Axon: serving},                                           // this one
	}
	for _, c := range []struct {
		limit float64
		want  []uint16
	}{{4096, []uint16{1, 3, 4}}, {6000, []uint16{0, 1, 3, 4}}, {-1, []uint16{0, 1, 3, 4}}} {
		var got []uint16
		for _, n := range candidates(&subtensor.Metagraph{Neurons: neurons}, ss58.AccountID{9}, c.limit) {
			got = append(got, n.UID)
		}
		if !cmp.Equal(got, c.want) {
			t.Errorf("limit %v: asks %v, want %v", c.limit, got, c.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	asked := make([]subtensor.Neuron, 6)
	for i := range asked {
		asked[i] = subtensor.Neuron{UID: uint16(i), Hotkey: ss58.AccountID{byte(i)}}
	}
	response := func(prediction float64, status int, err error) synapse.Response[protocol.ImageSynapse] {
		return synapse.Response[protocol.ImageSynapse]{
			Synapse: protocol.ImageSynapse{Prediction: prediction}, StatusCode: status, Err: err,
		}
	}
	got := answers(asked, []synapse.Response[protocol.ImageSynapse]{
		response(0.9, 200, nil),
		response(0.1, 200, nil),
		response(protocol.NoAnswer, 200, nil),
		response(1.5, 200, nil),
		response(0.9, 408, synapse.ErrTimeout),
		response(math.NaN(), 200, nil),
	}, 1)
	want := []Answer{
		{UID: 0, Prediction: 0.9, Status: 200, Reward: 1},
		{UID: 1, Prediction: 0.1, Status: 200},
		{UID: 2, Prediction: -1, Status: 200},
		{UID: 3, Prediction: -1, Status: 200, Error: "the prediction is not in [0,1]"},
		{UID: 4, Prediction: -1, Status: 408, Error: "timeout"},
		{UID: 5, Prediction: -1, Status: 200, Error: "the prediction is not in [0,1]"},
	}
	for i := range want {
		want[i].Hotkey = asked[i].Hotkey
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestSchedule(t *testing.T) {
	// netuid 1, tempo 10: consensus runs in blocks 8, 19, 30, 41.
	s := schedule{Calendar: neuron.Calendar{Netuid: 1, Tempo: 10}, rateLimit: 3}
	for _, c := range []struct {
		block, last uint64
		ever, want  bool
	}{
		{block: 19, last: 15, ever: true, want: false}, // a new epoch, its first half
		{block: 23, last: 15, ever: true, want: false},
		{block: 24, last: 15, ever: true, want: true}, // the middle
		{block: 29, last: 15, ever: true, want: true}, // the last block before consensus
		{block: 29, last: 24, ever: true, want: false},
		{block: 30, last: 15, ever: true, want: true}, // an epoch was missed: at once
		{block: 21, last: 19, ever: false, want: false},
		{block: 24, last: 23, ever: false, want: false}, // registered just now: rate limit
		{block: 26, last: 23, ever: false, want: true},  // never set: the epoch of the registration will do
		{block: 5, last: 9, ever: true, want: false},    // a chain that went back
	} {
		if got := s.due(c.block, c.last, c.ever); got != c.want {
			t.Errorf("due(%d, %d, %v) = %v", c.block, c.last, c.ever, got)
		}
	}
	fixed := schedule{Calendar: neuron.Calendar{Netuid: 1, Tempo: 360}, epochLength: 50, rateLimit: 100}
	for block, want := range map[uint64]bool{149: false, 199: false, 200: true, 300: true} {
		if got := fixed.due(block, 100, true); got != want {
			t.Errorf("every 50 blocks, rate limit 100: due(%d) = %v", block, got)
		}
	}
}

// A validator that always succeeds sets weights exactly once per epoch, never
// within the rate limit, for any tempo; one that fails for a while is caught up
// with one setting.
func TestScheduleOncePerEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedule{Calendar: neuron.Calendar{
			Netuid: rapid.Uint16Range(0, 1000).Draw(t, "netuid"),
			Tempo:  rapid.Uint16Range(1, 400).Draw(t, "tempo"),
		}}
		s.rateLimit = rapid.Uint64Range(0, uint64(s.Tempo)/2).Draw(t, "rate limit")
		start := rapid.Uint64Range(0, 10_000).Draw(t, "start")
		if rapid.Bool().Draw(t, "counted") {
			s.Counted = &subtensor.EpochSchedule{
				Index:     rapid.Uint64Range(0, 1000).Draw(t, "index"),
				LastBlock: start - min(start, rapid.Uint64Range(0, uint64(s.Tempo)-1).Draw(t, "since")),
			}
		}
		outage := start + rapid.Uint64Range(1, 4000).Draw(t, "outage")
		outageEnd := outage + rapid.Uint64Range(0, 2000).Draw(t, "outage length")
		length := s.Length()
		end := outageEnd + 5*uint64(s.Tempo) + 5

		sets := map[uint64]int{}
		last, ever := start, true
		for block := start; block <= end; block++ {
			if !s.due(block, last, ever) || block >= outage && block < outageEnd {
				continue
			}
			if block-last < s.rateLimit {
				t.Fatalf("set at %d, %d blocks after the last", block, block-last)
			}
			epoch, _ := s.At(block)
			sets[epoch]++
			last = block
		}
		_, into := s.At(start)
		epoch, _ := s.At(start)
		for from := start - into + length; from+length <= end; from += length {
			// The whole epoch lies outside the outage.
			epoch++
			if at, into := s.At(from); at != epoch || into != 0 {
				t.Fatalf("block %d is %d blocks into epoch %d, want the first of %d", from, into, at, epoch)
			}
			to := from + length - 1
			if n := sets[epoch]; n > 1 || n == 0 && (to < outage || from >= outageEnd+1) {
				t.Fatalf("%d settings in epoch %d", n, epoch)
			}
		}
	})
}
