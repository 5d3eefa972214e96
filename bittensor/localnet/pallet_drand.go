package localnet

import (
	"encoding/hex"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// drandCalls are the calls of the Drand pallet, which keeps the pulses of one
// beacon: the one that its storage item BeaconConfig names.
func drandCalls() map[string]callFunc {
	return map[string]callFunc{
		"Drand.write_pulse":             (*env).writePulse,
		"Drand.set_beacon_config":       (*env).setBeaconConfig,
		"Drand.set_oldest_stored_round": (*env).setOldestStoredRound,
	}
}

// drandEvents are the pallet's events, which the declaration files leave out.
func drandEvents() []substrate.VariantDecl {
	f := substrate.Fields
	return []substrate.VariantDecl{
		{Name: "BeaconConfigChanged", Index: 0},
		{Name: "NewPulse", Index: 1, Fields: f("rounds", "Vec<u64>")},
		{Name: "SetOldestStoredRound", Index: 2, Fields: f("", "u64")},
	}
}

// beaconConfig is the value of Drand.BeaconConfig.
type beaconConfig struct {
	PublicKey   []byte `scale:"public_key"`
	Period      uint32 // seconds
	GenesisTime uint32 `scale:"genesis_time"` // unix seconds
	Hash        []byte
	GroupHash   []byte `scale:"group_hash"`
	SchemeID    []byte `scale:"scheme_id"`
	Metadata    struct {
		BeaconID []byte `scale:"beacon_id"`
	}
}

func (b beaconConfig) encode() []byte {
	var e scale.Encoder
	e.Blob(b.PublicKey)
	e.Uint32(b.Period)
	e.Uint32(b.GenesisTime)
	for _, part := range [][]byte{b.Hash, b.GroupHash, b.SchemeID, b.Metadata.BeaconID} {
		e.Blob(part)
	}
	return e.Bytes()
}

func decodeBeaconConfig(raw []byte) (b beaconConfig, err error) {
	d := scale.NewDecoder(raw)
	if b.PublicKey, err = d.Blob(); err != nil {
		return b, err
	}
	if b.Period, err = d.Uint32(); err != nil {
		return b, err
	}
	if b.GenesisTime, err = d.Uint32(); err != nil {
		return b, err
	}
	for _, part := range []*[]byte{&b.Hash, &b.GroupHash, &b.SchemeID, &b.Metadata.BeaconID} {
		if *part, err = d.Blob(); err != nil {
			return b, err
		}
	}
	return b, d.End()
}

// network is the beacon's timetable.
func (b beaconConfig) network() timelock.Network {
	return timelock.Network{Genesis: time.Unix(int64(b.GenesisTime), 0), Period: time.Duration(b.Period) * time.Second}
}

// scheme is the drand scheme of all beacons here: signatures in G1, no chaining.
const scheme = "bls-unchained-g1-rfc9380"

// quicknetConfig is the item's default on the real chain.
func quicknetConfig() beaconConfig {
	hash, err := hex.DecodeString(timelock.QuicknetHash)
	if err != nil {
		panic(err) // a constant
	}
	group, err := hex.DecodeString("f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e")
	if err != nil {
		panic(err)
	}
	b := beaconConfig{
		PublicKey: timelock.QuicknetKey().Bytes(),
		Period:    uint32(timelock.Quicknet.Period / time.Second), GenesisTime: uint32(timelock.Quicknet.Genesis.Unix()),
		Hash: hash, GroupHash: group, SchemeID: []byte(scheme),
	}
	b.Metadata.BeaconID = []byte("quicknet")
	return b
}

// beacon reads the beacon that the chain follows.
func (s *storage) beacon() (beaconConfig, error) {
	return decodeBeaconConfig(s.raw("Drand.BeaconConfig"))
}

// drandPulse is what a beacon publishes for one round.
type drandPulse struct {
	Round      uint64
	Randomness []byte
	Signature  []byte
}

func (p drandPulse) encode() []byte {
	var e scale.Encoder
	e.Uint64(p.Round)
	e.Blob(p.Randomness)
	e.Blob(p.Signature)
	return e.Bytes()
}

// pulse reads a stored pulse's signature; false where there is none.
func (s *storage) pulse(round uint64) (signature []byte, ok bool) {
	raw := s.raw("Drand.Pulses", le64(round))
	if raw == nil {
		return nil, false
	}
	d := scale.NewDecoder(raw)
	if _, err := d.Uint64(); err != nil {
		return nil, false
	}
	if _, err := d.Blob(); err != nil {
		return nil, false
	}
	signature, err := d.Blob()
	return signature, err == nil
}

// timelocked reports whether the runtime has commit-reveal version 4 and what
// came with it, against the version 3 of older runtimes.
func (s *storage) timelocked() bool { return s.items["TimelockedWeightCommits"] != nil }

func pulsesOf(a args) (pulses []drandPulse, block uint32) {
	payload := arg[struct {
		BlockNumber uint32 `scale:"block_number"`
		Pulses      []drandPulse
	}](a, "pulses_payload")
	return payload.Pulses, payload.BlockNumber
}

// writePulse stores pulses whose signatures are the beacon's. Like the real
// pallet it passes over a pulse with a wrong signature, refuses one whose
// signature is no point of the curve, and asks for growing rounds.
func (e *env) writePulse(from origin, a args) error {
	if !from.none {
		return errBadOrigin
	}
	config, err := e.beacon()
	if err != nil {
		return e.fail("Drand.PulseVerificationError")
	}
	key, err := timelock.ParsePublicKey(config.PublicKey)
	if err != nil {
		return e.fail("Drand.PulseVerificationError")
	}
	pulses, _ := pulsesOf(a)
	last := e.u64("Drand.LastStoredRound")
	var good []drandPulse
	for _, p := range pulses {
		signature, err := timelock.ParseSignature(p.Signature)
		if err != nil {
			return e.fail("Drand.PulseVerificationError")
		}
		if key.Verify(p.Round, signature) != nil {
			continue
		}
		if p.Round <= last {
			return e.fail("Drand.InvalidRoundNumber")
		}
		last = p.Round
		good = append(good, p)
	}
	e.storePulses(good)
	next := uint32(e.block)
	if !e.timelocked() {
		next++
	}
	e.setU32("Drand.NextUnsignedAt", next)
	return nil
}

// keptPulses bounds how many rounds back pulses are kept: a day of them, where the
// real chain keeps a week.
const keptPulses = 28_800

// storePulses stores pulses of growing rounds, forgets old ones and announces the
// new ones.
func (e *env) storePulses(pulses []drandPulse) {
	if len(pulses) == 0 {
		return
	}
	first := e.u64("Drand.LastStoredRound") == 0 && e.u64("Drand.OldestStoredRound") == 0
	rounds := make([]uint64, len(pulses))
	for i, p := range pulses {
		e.setRaw("Drand.Pulses", p.encode(), le64(p.Round))
		rounds[i] = p.Round
	}
	last := rounds[len(rounds)-1]
	e.setU64("Drand.LastStoredRound", last)
	if first {
		e.setU64("Drand.OldestStoredRound", rounds[0])
	}
	// The runtimes that do not name the oldest round never forget any; here they do.
	if oldest := e.u64("Drand.OldestStoredRound"); e.items["Drand.OldestStoredRound"] == nil {
		e.remove("Drand.Pulses", le64(satSub(last, keptPulses)))
	} else if oldest != 0 {
		for removed := 0; last-oldest+1 > keptPulses && removed < 100; removed++ {
			e.remove("Drand.Pulses", le64(oldest))
			oldest++
		}
		e.setU64("Drand.OldestStoredRound", oldest)
	}
	e.emit("Drand", "NewPulse", rounds)
}

// setBeaconConfig lets root name another beacon. Rounds begin anew with another key or
// timetable, which is how a chain changes between its own beacon and drand's; the real
// pallet keeps the old pulses.
func (e *env) setBeaconConfig(from origin, a args) error {
	if !from.root {
		return errBadOrigin
	}
	config := arg[struct{ Config beaconConfig }](a, "config_payload").Config
	old, err := e.beacon()
	e.setRaw("Drand.BeaconConfig", config.encode())
	if err != nil || string(old.PublicKey) != string(config.PublicKey) || old.network() != config.network() {
		for _, key := range e.prefixKeys("Drand.Pulses") {
			e.w.set(key, nil)
		}
		e.setU64("Drand.LastStoredRound", 0)
		e.setU64("Drand.OldestStoredRound", 0)
	}
	e.setU32("Drand.NextUnsignedAt", uint32(e.block)+1)
	e.emit("Drand", "BeaconConfigChanged")
	return nil
}

func (e *env) setOldestStoredRound(from origin, a args) error {
	if !from.root {
		return errBadOrigin
	}
	round := a.u64("oldest_round")
	e.setU64("Drand.OldestStoredRound", round)
	e.emit("Drand", "SetOldestStoredRound", round)
	return nil
}

// unsignedLongevity is for how many blocks a write_pulse may wait.
const unsignedLongevity = 3

// asPulse says whether an unsigned transaction is a write_pulse, and its first round,
// by which the pool tells them apart.
func (t *transaction) asPulse() (round uint64, ok bool) {
	if t.Signed || t.Call.Pallet != "Drand" || t.Call.Name != "write_pulse" {
		return 0, false
	}
	if pulses, _ := pulsesOf(args{t.Call.Args}); len(pulses) > 0 {
		round = pulses[0].Round
	}
	return round, true
}

// validatePulse makes the checks by which the pallet lets a write_pulse in without a
// signer and without a fee: the payload is signed by the key that it names.
func (e *env) validatePulse(t *transaction) error {
	a := args{t.Call.Args}
	signature := arg[*substrate.Variant](a, "signature")
	if signature == nil {
		return &invalidity{name: "BadSigner"}
	}
	payload := arg[struct{ Public substrate.Variant }](a, "pulses_payload")
	if !t.verified {
		t.verified = signedPayload(t.CallBytes(), payload.Public, *signature)
	}
	if !t.verified {
		return &invalidity{name: "BadProof"}
	}
	pulses, block := pulsesOf(a)
	switch next := uint64(e.u32("Drand.NextUnsignedAt")); {
	case e.block < uint64(block):
		return &invalidity{name: "Future"}
	case !e.timelocked() && next > uint64(block):
		return &invalidity{name: "Stale"}
	case !e.timelocked():
		return nil
	case len(pulses) != 1:
		return &invalidity{name: "Call"}
	case next > e.block, pulses[0].Round <= e.u64("Drand.LastStoredRound"):
		return &invalidity{name: "Stale"}
	}
	return nil
}

// signedPayload verifies the sr25519 signature that ends the bytes of a call over the
// argument before it.
func signedPayload(call []byte, public, signature substrate.Variant) bool {
	const tail = 2 + 64 // Some, the scheme, the signature
	var key ss58.AccountID
	var sig []byte
	if public.Name != "Sr25519" || signature.Name != "Sr25519" || len(call) < 2+tail {
		return false
	}
	if substrate.Assign(public.Value, &key) != nil || substrate.Assign(signature.Value, &sig) != nil || len(sig) != 64 {
		return false
	}
	return wallet.Verify(key, call[2:len(call)-tail], [64]byte(sig))
}

// applyUnsigned executes a validated write_pulse: nobody pays for it.
func (e *env) applyUnsigned(t *transaction) {
	e.inBody = true
	err := e.nested(func(e *env) error { return e.dispatch(origin{none: true}, t.Call) })
	if err != nil {
		e.emit("System", "ExtrinsicFailed", asDispatchError(err), t.info.dispatchInfo())
	} else {
		e.emit("System", "ExtrinsicSuccess", t.info.dispatchInfo())
	}
	e.phase++
}
