package localnet

import (
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// TestSetWeightsChecks breaks one rule after another, in the order in which
// the runtime checks them. Every case breaks its own rule and all that come
// later, so that only the right order gives the right error.
func TestSetWeightsChecks(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		c := testChain(t, Config{SpecVersion: spec})
		smallSubnet293(t, c) // uids: 0 Alice, 1 v, 2 m1
		id := le16(1)
		noSubnet := "SubNetworkDoesNotExist"
		if spec != 293 {
			noSubnet = "MechanismDoesNotExist"
		}
		type call struct {
			netuid      uint16
			dests, vals []uint16
			version     uint64
		}
		broken := call{1, []uint16{9, 9}, []uint16{1, 65535}, 0}
		rules := []struct {
			want   string
			signer string
			state  func(s *storage)
			call   call
		}{
			{"CommitRevealEnabled", "//Eve", func(s *storage) { s.setFlag("CommitRevealWeightsEnabled", true, id) }, call{1, []uint16{1}, nil, 0}},
			{"CanNotSetRootNetworkWeights", "//Eve", func(s *storage) { s.setFlag("CommitRevealWeightsEnabled", false, id) }, call{0, []uint16{1}, nil, 0}},
			{"WeightVecNotEqualSize", "//Eve", nil, call{99, []uint16{1}, nil, 0}},
			{noSubnet, "//Eve", nil, call{99, []uint16{1, 2, 3, 4, 5}, make([]uint16, 5), 0}},
			{"UidsLengthExceedUidsInSubNet", "//Eve", nil, call{1, []uint16{1, 2, 3, 4, 5}, make([]uint16, 5), 0}},
			{"HotKeyNotRegisteredInSubNet", "//Eve", func(s *storage) { s.setU64("StakeThreshold", 1000*tao) }, broken},
			{"NotEnoughStakeToSetWeights", "//m1", func(s *storage) { s.setU64("WeightsVersionKey", 7, id) }, broken},
			{"IncorrectWeightVersionKey", "//m1", func(s *storage) {
				s.setU64("StakeThreshold", 0)
				s.setU64("WeightsSetRateLimit", 1000, id)
			}, broken},
			{"SettingWeightsTooFast", "//m1", nil, call{1, broken.dests, broken.vals, 7}},
			{"NeuronNoValidatorPermit", "//m1", func(s *storage) { s.setU64("WeightsSetRateLimit", 0, id) }, call{1, broken.dests, broken.vals, 8}},
			{"DuplicateUids", "//m1", func(s *storage) {
				s.setFlags("ValidatorPermit", []bool{true, true, true}, id)
				s.setU16("MinAllowedWeights", 3, id)
				s.setU16("MaxWeightsLimit", 20000, id)
			}, call{1, broken.dests, broken.vals, 7}},
			{"UidVecContainInvalidOne", "//m1", nil, call{1, []uint16{0, 9}, broken.vals, 7}},
			{"WeightVecLengthIsLow", "//m1", nil, call{1, []uint16{0, 1}, broken.vals, 7}},
			{"", "//m1", nil, call{1, []uint16{2}, []uint16{1}, 7}}, // a weight on itself needs no number
			{"MaxWeightExceeded", "//m1", func(s *storage) { s.setU16("MinAllowedWeights", 1, id) }, call{1, []uint16{0, 1}, broken.vals, 7}},
			{"", "//m1", func(s *storage) { s.setU16("MaxWeightsLimit", 65535, id) }, call{1, []uint16{0, 1}, []uint16{0, 3}, 7}},
		}
		for _, r := range rules {
			if r.state != nil {
				c.poke(r.state)
			}
			e := newEnv(c.rt, c.st, c.BlockNumber()+1)
			err := e.nested(func(inner *env) error {
				return inner.dispatch(origin{id: key(t, r.signer).AccountID()}, substrate.Call{Pallet: "SubtensorModule", Name: "set_weights", Args: substrate.Record{
					entry("netuid", r.call.netuid), entry("dests", r.call.dests), entry("weights", r.call.vals), entry("version_key", r.call.version),
				}})
			})
			want := r.want
			if want == "MaxWeightExceeded" && spec != 293 {
				want = "" // later runtimes have no such limit
			}
			if want != "" {
				want = "SubtensorModule." + want
			}
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("spec %d: %q, want %q", spec, got, want)
			}
		}
		// The last row as stored: scaled to the greatest, zeros kept.
		e := newEnv(c.rt, c.st, c.BlockNumber()+1)
		if err := e.setWeights(key(t, "//m1").AccountID(), 1, 0, []uint16{0, 1}, []uint16{0, 3}, 7); err != nil {
			t.Fatal(err)
		}
		if row := e.pairs("Weights", id, le16(2)); len(row) != 2 || row[0].Value != 0 || row[1].Value != 65535 {
			t.Errorf("stored %v", row)
		}
	}
}
