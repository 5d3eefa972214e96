package localnet

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
)

// beaconSeed makes the development beacon's key. Everybody knows it: nothing that is
// encrypted to this beacon is secret.
const beaconSeed = "bittensor/localnet drand beacon"

// localBeacon is the development beacon: its key and what the chain says of it.
var localBeacon = sync.OnceValue(func() (b struct {
	secret timelock.SecretKey
	config beaconConfig
}) {
	b.secret = timelock.DeriveSecretKey(beaconSeed)
	key := b.secret.Public().Bytes()
	hash := blake2b.Sum256(key)
	b.config = quicknetConfig()
	b.config.PublicKey, b.config.Hash, b.config.GroupHash = key, hash[:], hash[:]
	b.config.Metadata.BeaconID = []byte("bittensor-localnet")
	return b
})

// beaconGenesis names the development beacon as the chain's. Its timetable is
// Quicknet's, so clients that reckon with that mean the rounds of this one.
func (e *env) beaconGenesis() {
	e.setRaw("Drand.BeaconConfig", localBeacon().config.encode())
}

// maxPulsesPerBlock is how many rounds are caught up with at once.
const maxPulsesPerBlock = 50

// feedBeacon stores the pulses that the development beacon has published until the
// block's time (ms since 1970). It does nothing on a chain that follows another beacon.
//
// After a pause of the chain only the last rounds are made up for, and those that a
// commit waits for.
func (e *env) feedBeacon(now uint64) {
	config, err := e.beacon()
	if err != nil || config.Period == 0 || !bytes.Equal(config.PublicKey, localBeacon().config.PublicKey) {
		return
	}
	latest := config.network().LatestRound(time.UnixMilli(int64(now)))
	last := e.u64("Drand.LastStoredRound")
	if latest <= last {
		return
	}
	from := last + 1
	var rounds []uint64
	switch {
	case last == 0:
		from = latest
	case latest-last > maxPulsesPerBlock:
		from = latest - maxPulsesPerBlock + 1
		for _, round := range e.awaitedRounds() {
			if round > last && round < from {
				rounds = append(rounds, round)
			}
		}
	}
	for round := from; round <= latest; round++ {
		rounds = append(rounds, round)
	}
	pulses := make([]drandPulse, len(rounds))
	for i, round := range rounds {
		signature := localBeacon().secret.Sign(round)
		randomness := signature.Randomness()
		pulses[i] = drandPulse{Round: round, Randomness: randomness[:], Signature: signature.Bytes()}
	}
	e.storePulses(pulses)
}

// awaitedRounds lists the rounds of waiting commits, ascending, each once.
func (e *env) awaitedRounds() []uint64 {
	var rounds []uint64
	for _, key := range e.prefixKeys(e.timelockItem()) {
		for _, c := range e.decodeTimelocked(e.get(key)) {
			rounds = append(rounds, c.round)
		}
	}
	slices.Sort(rounds)
	return slices.Compact(rounds)
}
