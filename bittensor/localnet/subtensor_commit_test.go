package localnet

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// commitSubnet is a small subnet with commit-reveal.
func commitSubnet(t *testing.T, spec uint32, cfg Config) *Chain {
	t.Helper()
	cfg.SpecVersion = spec
	c := testChain(t, cfg)
	smallSubnet(t, c)
	mustDo(t, c, "//Alice", "AdminUtils", "sudo_set_commit_reveal_weights_enabled", entry("netuid", 1), entry("enabled", true))
	return c
}

// toEpochStart produces blocks until the next block is the first of an epoch.
func toEpochStart(t *testing.T, c *Chain) {
	t.Helper()
	for c.latest().epochIndex(1, c.BlockNumber()+1) == c.latest().epochIndex(1, c.BlockNumber()) {
		c.mustProduce(t)
	}
}

// locked makes a commit of weights to a round of the chain's own beacon.
func locked(t *testing.T, c *Chain, p timelock.WeightsPayload, round uint64) []byte {
	t.Helper()
	config, err := c.latest().beacon()
	if err != nil {
		t.Fatal(err)
	}
	key, err := timelock.ParsePublicKey(config.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	box, err := timelock.Encrypt(key, round, p.Encode(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func timelockedCall(spec uint32, mechanism bool, box []byte, round uint64, version uint16) (string, []substrate.Entry) {
	fields := []substrate.Entry{entry("netuid", 1), entry("commit", box), entry("reveal_round", round)}
	switch {
	case spec == 293:
		return "commit_crv3_weights", fields
	case mechanism:
		return "commit_timelocked_mechanism_weights", append(fields, entry("mecid", 0), entry("commit_reveal_version", version))
	}
	return "commit_timelocked_weights", append(fields, entry("commit_reveal_version", version))
}

// eventsOf lists the events of one name in the latest block, in any phase.
func eventsOf(t *testing.T, c *Chain, name string) int {
	t.Helper()
	v, err := c.rt.meta.DecodeStorage("System", "Events", c.latest().raw("System.Events"))
	if err != nil {
		t.Fatal(err)
	}
	records, ok := v.([]any)
	if !ok {
		t.Fatalf("the events are %T", v)
	}
	n := 0
	for _, r := range records {
		event, _ := r.(substrate.Record).Get("event")
		if event.(substrate.Event).Name == name {
			n++
		}
	}
	return n
}

func TestTimelockedWeights(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		for _, mechanism := range []bool{false, true} {
			if spec == 293 && mechanism {
				continue
			}
			t.Run(fmt.Sprint(spec, mechanism), func(t *testing.T) {
				c := commitSubnet(t, spec, Config{Tempo: 12, Now: tickingClock(time.Second)})
				v := key(t, "//v").AccountID()
				for n := range uint16(3) {
					toEpochStart(t, c)
					epoch := c.latest().epochIndex(1, c.BlockNumber()+1)
					payload := timelock.WeightsPayload{Hotkey: v, UIDs: []uint16{2, 3}, Values: []uint16{65535, 10 + n}, Legacy: spec == 293}
					round := c.latest().u64("Drand.LastStoredRound") + 4
					name, fields := timelockedCall(spec, mechanism, locked(t, c, payload, round), round, 4)
					mustDo(t, c, "//v", "SubtensorModule", name, fields...)
					if waiting := c.latest().decodeTimelocked(c.latest().raw(c.latest().timelockItem(), le16(1), le64(epoch))); len(waiting) != 1 || waiting[0].hotkey != v || waiting[0].round != round {
						t.Fatalf("waiting %+v", waiting)
					}
					want := []yuma.Pair{{UID: 2, Value: 65535}, {UID: 3, Value: 10 + n}}
					for c.latest().epochIndex(1, c.BlockNumber()+1) == epoch {
						if got := c.latest().pairs("Weights", le16(1), le16(1)); slices.Equal(got, want) {
							t.Fatalf("weights are open in the epoch of their commit, at block %d", c.BlockNumber())
						}
						c.mustProduce(t)
					}
					event := "TimelockedWeightsRevealed"
					if spec == 293 {
						// Revealed by the block that ends the epoch, the last one above.
						event = "CRV3WeightsRevealed"
					} else {
						c.mustProduce(t)
					}
					if got := c.latest().pairs("Weights", le16(1), le16(1)); !slices.Equal(got, want) {
						t.Fatalf("epoch %d, block %d: weights %v, want %v", epoch, c.BlockNumber(), got, want)
					}
					if eventsOf(t, c, event) != 1 {
						t.Errorf("no %s", event)
					}
					if left := c.latest().prefixKeys(c.latest().timelockItem(), le16(1)); len(left) != 0 {
						t.Errorf("%d epochs of commits are left", len(left))
					}
				}
			})
		}
	}
}

// TestLatePulse waits in the reveal epoch for a round that comes late, and gives up
// after it.
func TestLatePulse(t *testing.T) {
	c := commitSubnet(t, 381, Config{Tempo: 12, Now: tickingClock(time.Second)})
	v := key(t, "//v").AccountID()
	toEpochStart(t, c)
	start := c.BlockNumber()
	last := c.latest().u64("Drand.LastStoredRound")
	// 13 blocks of 1 s are an epoch: 6 rounds on is in the middle of the next one, 20
	// rounds on is after it.
	for i, round := range []uint64{last + 6, last + 20} {
		payload := timelock.WeightsPayload{Hotkey: v, UIDs: []uint16{2}, Values: []uint16{uint16(1 + i)}}
		mustDo(t, c, "//v", "SubtensorModule", "commit_timelocked_mechanism_weights", entry("netuid", 1), entry("mecid", 0),
			entry("commit", locked(t, c, payload, round)), entry("reveal_round", round), entry("commit_reveal_version", 4))
	}
	revealed := 0
	for c.BlockNumber() < start+70 {
		c.mustProduce(t)
		n := eventsOf(t, c, "TimelockedWeightsRevealed")
		revealed += n
		if _, ok := c.latest().pulse(last + 6); n > 0 && !ok {
			t.Error("revealed before the pulse")
		}
	}
	if revealed != 1 {
		t.Errorf("%d revealed, want 1", revealed)
	}
	if left := c.latest().prefixKeys("TimelockedWeightCommits", le16(1)); len(left) != 0 {
		t.Errorf("%d epochs of commits are left", len(left))
	}
}

// TestCommitsThatAreDropped: what does not open or may not be set leaves no trace.
func TestCommitsThatAreDropped(t *testing.T) {
	c := commitSubnet(t, 381, Config{Tempo: 12, Now: tickingClock(time.Second)})
	v, other := key(t, "//v").AccountID(), key(t, "//m1").AccountID()
	toEpochStart(t, c)
	round := c.latest().u64("Drand.LastStoredRound") + 3
	good := timelock.WeightsPayload{Hotkey: v, UIDs: []uint16{2}, Values: []uint16{9}}
	quicknet, err := timelock.Encrypt(timelock.QuicknetKey(), round, good.Encode(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, box := range [][]byte{
		locked(t, c, timelock.WeightsPayload{Hotkey: other, UIDs: []uint16{2}, Values: []uint16{9}}, round),
		locked(t, c, timelock.WeightsPayload{Hotkey: v, UIDs: []uint16{2, 2}, Values: []uint16{9, 9}}, round),
		locked(t, c, timelock.WeightsPayload{Hotkey: v, UIDs: []uint16{200}, Values: []uint16{9}}, round),
		locked(t, c, good, round+1),
		quicknet,
		[]byte("no ciphertext"),
	} {
		mustDo(t, c, "//v", "SubtensorModule", "commit_timelocked_mechanism_weights", entry("netuid", 1), entry("mecid", 0),
			entry("commit", box), entry("reveal_round", round), entry("commit_reveal_version", 4))
	}
	for range 40 {
		c.mustProduce(t)
		if eventsOf(t, c, "TimelockedWeightsRevealed")+eventsOf(t, c, "WeightsSet") != 0 {
			t.Fatal("a bad commit was revealed")
		}
	}
	if got := c.latest().pairs("Weights", le16(1), le16(1)); len(got) != 0 {
		t.Errorf("weights %v", got)
	}
}

func TestTimelockedErrors(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		c := commitSubnet(t, spec, Config{Tempo: 20})
		box := []byte("anything")
		commit := func(signer string, version uint16) string {
			name, fields := timelockedCall(spec, spec == 381, box, 1<<40, version)
			return do(t, c, signer, "SubtensorModule", name, fields...)
		}
		want := func(got, name string) {
			t.Helper()
			if got != name {
				t.Errorf("spec %d: %q, want %q", spec, got, name)
			}
		}
		if spec == 381 {
			want(commit("//v", 3), "IncorrectCommitRevealVersion")
			want(commit("//Charlie", 4), "HotKeyNotRegisteredInSubNet")
			want(do(t, c, "//v", "SubtensorModule", "commit_timelocked_mechanism_weights", entry("netuid", 1), entry("mecid", 1),
				entry("commit", box), entry("reveal_round", 1), entry("commit_reveal_version", 4)), "MechanismDoesNotExist")
			want(do(t, c, "//v", "SubtensorModule", "commit_crv3_mechanism_weights", entry("netuid", 1), entry("mecid", 0),
				entry("commit", box), entry("reveal_round", 1<<40)), "")
			// The pool looks at the plain form alone.
			for code, round := range map[uint8]uint64{invalidRevealRound: 1} {
				name, fields := timelockedCall(spec, false, box, round, 4)
				_, err := c.submit(signedExtrinsic(t, c, key(t, "//v"), encodedCall(t, c, "SubtensorModule", name, fields...), nil), nil)
				var bad *invalidity
				if !errors.As(err, &bad) || bad.custom != code {
					t.Errorf("%v, want custom error %d", err, code)
				}
			}
		}
		toEpochStart(t, c)
		for range maxCommits {
			want(commit("//v", 4), "")
		}
		want(commit("//v", 4), "TooManyUnrevealedCommits")
		c.poke(func(s *storage) { s.setU64("WeightsSetRateLimit", 100, le16(1)) })
		want(commit("//v", 4), "CommittingWeightsTooFast")
		mustDo(t, c, "//Alice", "AdminUtils", "sudo_set_commit_reveal_weights_enabled", entry("netuid", 1), entry("enabled", false))
		want(commit("//v", 4), "CommitRevealDisabled")
	}
}

// hashed are the arguments of a reveal and their hash.
func hashed(hotkey ss58.AccountID, value uint16) (substrate.Hash, []substrate.Entry) {
	uids, values, salt := []uint16{2, 3}, []uint16{65535, value}, []uint16{7, 8, value}
	return CommitHash(hotkey, 1, uids, values, salt, 0), []substrate.Entry{
		entry("netuid", 1), entry("uids", uids), entry("values", values), entry("salt", salt), entry("version_key", 0),
	}
}

func TestHashedWeights(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		t.Run(fmt.Sprint(spec), func(t *testing.T) {
			c := commitSubnet(t, spec, Config{Tempo: 20})
			v := key(t, "//v").AccountID()
			// reveal gives the error's name: of the pool on the newer runtime, of the
			// call on the older.
			reveal := func(fields []substrate.Entry, pool uint8, call string) {
				t.Helper()
				x := signedExtrinsic(t, c, key(t, "//v"), encodedCall(t, c, "SubtensorModule", "reveal_weights", fields...), nil)
				_, err := c.submit(x, nil)
				if spec == 381 && pool != 0 {
					var bad *invalidity
					if !errors.As(err, &bad) || bad.custom != pool {
						t.Errorf("%v, want custom error %d", err, pool)
					}
					// In the block the call itself would say it.
					fields = append(slices.Clone(fields), entry("mecid", 0))
					x = signedExtrinsic(t, c, key(t, "//v"), encodedCall(t, c, "SubtensorModule", "reveal_mechanism_weights", fields...), nil)
					_, err = c.submit(x, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				c.mustProduce(t)
				if _, failure := eventNames(t, c, 1); failure != call {
					t.Errorf("%q, want %q", failure, call)
				}
			}
			commit := func(hash substrate.Hash) string {
				return do(t, c, "//v", "SubtensorModule", "commit_weights", entry("netuid", 1), entry("commit_hash", hash))
			}
			hash1, reveal1 := hashed(v, 1)
			hash2, reveal2 := hashed(v, 2)
			_, reveal3 := hashed(v, 3)
			reveal(reveal1, commitNotFound, "NoWeightsCommitFound")
			toEpochStart(t, c)
			for _, hash := range []substrate.Hash{hash1, hash2} {
				if failure := commit(hash); failure != "" {
					t.Fatal(failure)
				}
			}
			waiting := decodeCommits(c.latest().raw("WeightCommits", le16(1), v[:]))
			if len(waiting) != 2 || c.latest().epochIndex(1, waiting[0].firstReveal) != c.latest().epochIndex(1, waiting[0].block)+1 || waiting[0].last != waiting[0].firstReveal+20 {
				t.Fatalf("waiting %+v", waiting)
			}
			reveal(reveal1, outsideRevealWindow, "RevealTooEarly")
			toEpochStart(t, c)
			if c.BlockNumber()+1 != waiting[0].firstReveal {
				t.Errorf("the window opens at %d, the commit says %d", c.BlockNumber()+1, waiting[0].firstReveal)
			}
			reveal(reveal3, commitNotFound, "InvalidRevealCommitHashNotMatch")
			reveal(reveal2, 0, "")
			if got := c.latest().pairs("Weights", le16(1), le16(1)); len(got) != 2 || got[1].Value != 2 {
				t.Errorf("weights %v", got)
			}
			// The earlier one is gone with it.
			reveal(reveal1, commitNotFound, "NoWeightsCommitFound")

			if failure := commit(hash1); failure != "" {
				t.Fatal(failure)
			}
			for range 2 {
				toEpochStart(t, c)
				c.mustProduce(t)
			}
			reveal(reveal1, outsideRevealWindow, "ExpiredWeightCommit")
			toEpochStart(t, c)
			for range maxCommits {
				if failure := commit(hash1); failure != "" {
					t.Fatal(failure)
				}
			}
			if failure := commit(hash1); failure != "TooManyUnrevealedCommits" {
				t.Errorf("the eleventh commit: %q", failure)
			}
			c.poke(func(s *storage) { s.setU64("WeightsSetRateLimit", 100, le16(1)) })
			if failure := commit(hash1); failure != "CommittingWeightsTooFast" {
				t.Errorf("too fast: %q", failure)
			}
		})
	}
}

func TestBatchesOfWeights(t *testing.T) {
	c := commitSubnet(t, 381, Config{Tempo: 20})
	v := key(t, "//v").AccountID()
	toEpochStart(t, c)
	var hashes []substrate.Hash
	var uids, values, salts [][]uint16
	for n := range uint16(2) {
		uids, values, salts = append(uids, []uint16{2, 3}), append(values, []uint16{65535, n}), append(salts, []uint16{n})
		hashes = append(hashes, CommitHash(v, 1, uids[n], values[n], salts[n], 0))
	}
	if failure := do(t, c, "//v", "SubtensorModule", "batch_commit_weights", entry("netuids", []uint16{1}), entry("commit_hashes", hashes)); failure != "InputLengthsUnequal" {
		t.Errorf("unequal lengths: %q", failure)
	}
	mustDo(t, c, "//v", "SubtensorModule", "batch_commit_weights", entry("netuids", []uint16{1, 1, 9}), entry("commit_hashes", append(hashes, hashes[0])))
	if n := len(decodeCommits(c.latest().raw("WeightCommits", le16(1), v[:]))); n != 2 {
		t.Errorf("%d commits", n)
	}
	for name, n := range map[string]int{"BatchWeightItemFailed": 1, "BatchCompletedWithErrors": 1, "BatchWeightsCompleted": 1} {
		if got := eventsOf(t, c, name); got != n {
			t.Errorf("%d events %s", got, name)
		}
	}
	toEpochStart(t, c)
	mustDo(t, c, "//v", "SubtensorModule", "batch_reveal_weights", entry("netuid", 1), entry("uids_list", uids), entry("values_list", values),
		entry("salts_list", salts), entry("version_keys", []uint64{0, 0}))
	if got := c.latest().pairs("Weights", le16(1), le16(1)); len(got) != 2 || got[1].Value != 1 || eventsOf(t, c, "WeightsBatchRevealed") != 1 {
		t.Errorf("weights %v", got)
	}
	if c.latest().has("WeightCommits", le16(1), v[:]) {
		t.Error("an empty queue is left")
	}
	// Setting in a batch: refused where commit-reveal is on, item by item.
	row := []any{[]any{uint16(2), uint16(5)}}
	for enabled, failed := range map[bool]int{true: 1, false: 0} {
		c.poke(func(s *storage) { s.setFlag("CommitRevealWeightsEnabled", enabled, le16(1)) })
		mustDo(t, c, "//v", "SubtensorModule", "batch_set_weights", entry("netuids", []uint16{1}), entry("weights", []any{row}), entry("version_keys", []uint64{0}))
		if got := eventsOf(t, c, "BatchWeightItemFailed"); got != failed {
			t.Errorf("commit-reveal %v: %d failed", enabled, got)
		}
	}
}

func TestCommitRevealSettings(t *testing.T) {
	c := testChain(t, Config{})
	for period, want := range map[uint64]string{0: "RevealPeriodTooSmall", 101: "RevealPeriodTooLarge", 3: ""} {
		if got := do(t, c, "//Alice", "AdminUtils", "sudo_set_commit_reveal_weights_interval", entry("netuid", 1), entry("interval", period)); got != want {
			t.Errorf("period %d: %q, want %q", period, got, want)
		}
	}
	if got := c.latest().u64("RevealPeriodEpochs", le16(1)); got != 3 {
		t.Errorf("the period is %d", got)
	}
	if got := do(t, c, "//Bob", "AdminUtils", "sudo_set_commit_reveal_weights_enabled", entry("netuid", 1), entry("enabled", true)); got != "BadOrigin" {
		t.Errorf("a stranger: %q", got)
	}
	if got := do(t, c, "//Alice", "AdminUtils", "sudo_set_commit_reveal_version", entry("version", 5)); got != "BadOrigin" {
		t.Errorf("not root: %q", got)
	}
	mustDo(t, c, "//Alice", "Sudo", "sudo", entry("call", substrate.Call{Pallet: "AdminUtils", Name: "sudo_set_commit_reveal_version", Args: substrate.Record{entry("version", 5)}}))
	if got := c.latest().u16("CommitRevealWeightsVersion"); got != 5 {
		t.Errorf("the version is %d", got)
	}
}

// TestSchedule: the next epoch runs when the items say that the SDK reads.
func TestSchedule(t *testing.T) {
	c := testChain(t, Config{Tempo: 7})
	for range 40 {
		c.mustProduce(t)
		last, head := c.latest().u64("LastEpochBlock", le16(1)), c.BlockNumber()
		if last == 0 {
			continue
		}
		if want := last+7 == head+1; yuma.Due(head+1, 1, 7) != want {
			t.Errorf("block %d: an epoch is due: %v", head+1, !want)
		}
		if got, want := c.latest().u64("SubnetEpochIndex", le16(1)), c.latest().epochIndex(1, head); got != want && last <= head {
			t.Errorf("block %d is of epoch %d, want %d", head, got, want)
		}
	}
}
