package localnet

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
)

// Quicknet's signature of round 1000, as drand published it.
const quicknet1000 = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"

// tickingClock is a clock that moves on by a step each time it is asked.
func tickingClock(step time.Duration) func() time.Time {
	now := time.Unix(1_750_000_000, 0)
	return func() time.Time { now = now.Add(step); return now }
}

// TestBeacon checks that the chain's own beacon publishes every round in time, with
// signatures of the key that the chain names.
func TestBeacon(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		c := testChain(t, Config{SpecVersion: spec, Now: tickingClock(2 * time.Second)})
		config, err := c.latest().beacon()
		if err != nil {
			t.Fatal(err)
		}
		key, err := timelock.ParsePublicKey(config.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if key.Equal(timelock.QuicknetKey()) || config.network() != timelock.Quicknet {
			t.Errorf("the beacon's key or timetable is not its own: %+v", config)
		}
		var first uint64
		for range 10 {
			c.mustProduce(t)
			last := c.latest().u64("Drand.LastStoredRound")
			if want := config.network().LatestRound(time.UnixMilli(int64(c.latest().u64("Timestamp.Now")))); last != want {
				t.Errorf("spec %d: round %d is the last, want %d", spec, last, want)
			}
			if first == 0 {
				first = last
			}
			for round := first; round <= last; round++ {
				raw, ok := c.latest().pulse(round)
				if !ok {
					t.Fatalf("spec %d: no pulse of round %d", spec, round)
				}
				s, err := timelock.ParseSignature(raw)
				if err != nil {
					t.Fatal(err)
				}
				if err := key.Verify(round, s); err != nil {
					t.Error(err)
				}
			}
		}
		if spec == 381 && c.latest().u64("Drand.OldestStoredRound") != first {
			t.Error("the oldest round is wrong")
		}
		if len(c.latest().prefixKeys("Drand.Pulses")) < 6 {
			t.Error("too few pulses for 20 s")
		}
	}
}

// TestBeaconAfterAPause checks that the rounds are caught up with in part: the last,
// and those that a commit waits for.
func TestBeaconAfterAPause(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	c := testChain(t, Config{Now: func() time.Time { return now }})
	c.mustProduce(t)
	before := c.latest().u64("Drand.LastStoredRound")
	now = now.Add(time.Hour)
	awaited := before + 100
	c.poke(func(s *storage) {
		e := &env{storage: *s, rt: c.rt}
		e.setTimelocked([]timelockedCommit{{round: awaited}, {round: awaited}, {round: before}}, le16(1), le64(5))
	})
	c.mustProduce(t)
	if got, want := c.latest().u64("Drand.LastStoredRound"), before+1200; got != want {
		t.Errorf("the last round is %d, want %d", got, want)
	}
	if _, ok := c.latest().pulse(awaited); !ok {
		t.Error("the awaited round has no pulse")
	}
	if n := len(c.latest().prefixKeys("Drand.Pulses")); n != 1+1+maxPulsesPerBlock {
		t.Errorf("%d pulses", n)
	}
}

func TestPulsesAreForgotten(t *testing.T) {
	c := testChain(t, Config{})
	e := newEnv(c.rt, newStore(), 1)
	var pulses []drandPulse
	for round := range uint64(keptPulses + 150) {
		pulses = append(pulses, drandPulse{Round: round + 1})
	}
	e.storePulses(pulses[:keptPulses+50])
	if got := e.u64("Drand.OldestStoredRound"); got != 51 {
		t.Errorf("the oldest is %d", got)
	}
	e.storePulses(pulses[keptPulses+50:])
	if got := e.u64("Drand.OldestStoredRound"); got != 151 {
		t.Errorf("the oldest is %d", got)
	}
	if n := len(e.prefixKeys("Drand.Pulses")); n != keptPulses {
		t.Errorf("%d pulses", n)
	}
}

// pulseExtrinsic is a write_pulse as the offchain worker of a node sends it.
func pulseExtrinsic(t *testing.T, c *Chain, block uint32, pulses ...drandPulse) []byte {
	t.Helper()
	signer := key(t, "//worker")
	id := signer.AccountID()
	list := make([]any, len(pulses))
	for i, p := range pulses {
		list[i] = substrate.Record{entry("round", p.Round), entry("randomness", p.Randomness), entry("signature", p.Signature)}
	}
	payload := substrate.Record{entry("block_number", block), entry("pulses", list), entry("public", substrate.Variant{Name: "Sr25519", Value: id[:]})}
	call := func(signature [64]byte) []byte {
		return encodedCall(t, c, "Drand", "write_pulse", entry("pulses_payload", payload), entry("signature", substrate.Variant{Name: "Sr25519", Value: signature[:]}))
	}
	unsigned := call([64]byte{})
	signature, err := signer.Sign(unsigned[2 : len(unsigned)-66])
	if err != nil {
		t.Fatal(err)
	}
	return substrate.UnsignedExtrinsic(call([64]byte(signature)))
}

func quicknetPulse(t *testing.T) drandPulse {
	t.Helper()
	raw, err := hex.DecodeString(quicknet1000)
	if err != nil {
		t.Fatal(err)
	}
	s, err := timelock.ParseSignature(raw)
	if err != nil {
		t.Fatal(err)
	}
	randomness := s.Randomness()
	return drandPulse{Round: 1000, Randomness: randomness[:], Signature: raw}
}

// followQuicknet makes the chain's sudo key name drand's beacon.
func followQuicknet(t *testing.T, c *Chain) {
	t.Helper()
	q := quicknetConfig()
	config := substrate.Record{
		entry("public_key", q.PublicKey), entry("period", q.Period), entry("genesis_time", q.GenesisTime), entry("hash", q.Hash),
		entry("group_hash", q.GroupHash), entry("scheme_id", q.SchemeID), entry("metadata", substrate.Record{entry("beacon_id", q.Metadata.BeaconID)}),
	}
	id := key(t, "//Alice").AccountID()
	call := substrate.Call{Pallet: "Drand", Name: "set_beacon_config", Args: substrate.Record{
		entry("config_payload", substrate.Record{entry("block_number", 0), entry("config", config), entry("public", substrate.Variant{Name: "Sr25519", Value: id[:]})}),
		entry("signature", nil),
	}}
	mustDo(t, c, "//Alice", "Sudo", "sudo", entry("call", call))
}

func TestWritePulse(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		c := testChain(t, Config{SpecVersion: spec})
		c.mustProduce(t)
		real := quicknetPulse(t)
		refused := func(want string, x []byte) {
			t.Helper()
			_, err := c.submit(x, nil)
			var bad *invalidity
			if !errors.As(err, &bad) || bad.name != want {
				t.Errorf("spec %d: %v, want %s", spec, err, want)
			}
		}
		head := func() uint32 { return uint32(c.BlockNumber()) }
		if spec == 381 {
			// The own beacon is far beyond round 1000.
			refused("Stale", pulseExtrinsic(t, c, head(), real))
		}
		followQuicknet(t, c)
		if n := len(c.latest().prefixKeys("Drand.Pulses")); n != 0 || c.latest().u64("Drand.LastStoredRound") != 0 {
			t.Errorf("%d pulses are left of the other beacon", n)
		}
		c.mustProduce(t)
		if n := len(c.latest().prefixKeys("Drand.Pulses")); n != 0 {
			t.Error("the chain's own beacon still writes")
		}
		refused("Future", pulseExtrinsic(t, c, head()+5, real))
		if spec == 381 {
			refused("Call", pulseExtrinsic(t, c, head(), real, real))
			refused("Call", pulseExtrinsic(t, c, head()))
		}
		x := pulseExtrinsic(t, c, head(), real)
		x[len(x)-1] ^= 1
		refused("BadProof", x)

		// A wrong signature is passed over, one that is no point fails the call.
		wrong := real
		wrong.Round = 1001
		if _, err := c.submit(pulseExtrinsic(t, c, head(), wrong), nil); err != nil {
			t.Fatal(err)
		}
		c.mustProduce(t)
		if _, failure := eventNames(t, c, 1); failure != "" || len(c.latest().prefixKeys("Drand.Pulses")) != 0 {
			t.Errorf("a wrong signature: %q", failure)
		}
		c.mustProduce(t)
		broken := real
		broken.Signature = bytes.Repeat([]byte{1}, 48)
		if _, err := c.submit(pulseExtrinsic(t, c, head()+1, broken), nil); err != nil {
			t.Fatal(err)
		}
		c.mustProduce(t)
		if _, failure := eventNames(t, c, 1); failure != "PulseVerificationError" {
			t.Errorf("a broken signature: %q", failure)
		}

		c.mustProduce(t)
		if _, err := c.submit(pulseExtrinsic(t, c, head()+1, real), nil); err != nil {
			t.Fatal(err)
		}
		c.mustProduce(t)
		if names, failure := eventNames(t, c, 1); failure != "" || len(names) == 0 || names[0] != "Drand.NewPulse" {
			t.Errorf("events %v, failure %q", names, failure)
		}
		if raw, ok := c.latest().pulse(1000); !ok || hex.EncodeToString(raw) != quicknet1000 || c.latest().u64("Drand.LastStoredRound") != 1000 {
			t.Errorf("the pulse is not stored")
		}
		// A call with a signer is none of the pallet's.
		if spec == 381 {
			if failure := do(t, c, "//Bob", "Drand", "set_oldest_stored_round", entry("oldest_round", 5)); failure != "BadOrigin" {
				t.Errorf("a signer sets the oldest round: %q", failure)
			}
		}
	}
}

// TestQuicknetCommit reveals weights that are locked to the real beacon.
func TestQuicknetCommit(t *testing.T) {
	c := testChain(t, Config{})
	smallSubnet(t, c)
	mustDo(t, c, "//Alice", "AdminUtils", "sudo_set_commit_reveal_weights_enabled", entry("netuid", 1), entry("enabled", true))
	followQuicknet(t, c)
	v := key(t, "//v").AccountID()
	payload := timelock.WeightsPayload{Hotkey: v, UIDs: []uint16{2, 3}, Values: []uint16{65535, 100}}
	box, err := timelock.Encrypt(timelock.QuicknetKey(), 1000, payload.Encode(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, c, "//v", "SubtensorModule", "commit_timelocked_mechanism_weights", entry("netuid", 1), entry("mecid", 0),
		entry("commit", box), entry("reveal_round", 1000), entry("commit_reveal_version", 4))
	if _, err := c.submit(pulseExtrinsic(t, c, uint32(c.BlockNumber()), quicknetPulse(t)), nil); err != nil {
		t.Fatal(err)
	}
	for range 25 {
		c.mustProduce(t)
	}
	if got := c.latest().pairs("Weights", le16(1), le16(1)); len(got) != 2 || got[0].Value != 65535 {
		t.Errorf("weights %v", got)
	}
}
