package wallet

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"

	"github.com/cosmos/go-bip39"
)

// ErrMnemonicChecksum reports words that are all in the list but do not belong
// together.
var ErrMnemonicChecksum = errors.New("mnemonic checksum does not match: a word is wrong, missing or out of order; try: compare each word with your written copy")

// WordCounts lists the lengths that a mnemonic can have: 128 to 256 bits in steps of 32.
func WordCounts() []int { return []int{12, 15, 18, 21, 24} }

// WordError names a word that is not in the BIP-39 English list.
type WordError struct {
	Position int    // counted from 1
	Word     string // what was written there
	Nearest  string // the word of the list that is most like it
}

// Error shows the word that was mistyped and no other.
func (e *WordError) Error() string {
	return fmt.Sprintf("word %d of the mnemonic, %q, is not in the BIP-39 word list; try: %q", e.Position, e.Word, e.Nearest)
}

// NewMnemonic draws a mnemonic of 12, 15, 18, 21 or 24 words.
func NewMnemonic(words int) (string, error) {
	if words < 12 || words > 24 || words%3 != 0 {
		return "", fmt.Errorf("a mnemonic cannot have %d words; try: 12, 15, 18, 21 or 24", words)
	}
	entropy := make([]byte, words/3*4)
	if _, err := rand.Read(entropy); err != nil {
		return "", fmt.Errorf("creating a mnemonic: reading randomness: %w", err)
	}
	return mnemonicOf(entropy), nil
}

// mnemonicOf writes 16 to 32 bytes as words of 11 bits; the last word ends in
// the first bits of the entropy's SHA-256.
func mnemonicOf(entropy []byte) string {
	sum := sha256.Sum256(entropy)
	stream := append(append([]byte(nil), entropy...), sum[0])
	words := make([]string, len(entropy)*3/4)
	for i := range words {
		index := 0
		for bit := i * 11; bit < i*11+11; bit++ {
			index = index<<1 | int(stream[bit/8]>>(7-bit%8)&1)
		}
		words[i] = bip39.WordList[index]
	}
	return strings.Join(words, " ")
}

// entropyOf is the reverse of mnemonicOf.
func entropyOf(mnemonic string) ([]byte, error) {
	words := strings.Fields(mnemonic)
	if n := len(words); n < 12 || n > 24 || n%3 != 0 {
		return nil, fmt.Errorf("the mnemonic has %d words; try: 12, 15, 18, 21 or 24 of them, separated by spaces", n)
	}
	stream := make([]byte, (len(words)*11+7)/8)
	for i, word := range words {
		index, ok := bip39.ReverseWordMap[strings.ToLower(word)]
		if !ok {
			return nil, &WordError{Position: i + 1, Word: clip(word), Nearest: nearestWord(strings.ToLower(word))}
		}
		for b := range 11 {
			if index>>(10-b)&1 == 1 {
				bit := i*11 + b
				stream[bit/8] |= 1 << (7 - bit%8)
			}
		}
	}
	entropy := stream[:len(words)/3*4]
	sumBits := len(words) / 3
	sum := sha256.Sum256(entropy)
	if (sum[0]^stream[len(entropy)])>>(8-sumBits) != 0 {
		return nil, ErrMnemonicChecksum
	}
	return entropy, nil
}

// seedFromMnemonic hashes the entropy, not the words as BIP-39 has it: that is
// Substrate's own rule.
func seedFromMnemonic(mnemonic, password string) (seed [32]byte, err error) {
	entropy, err := entropyOf(mnemonic)
	if err != nil {
		return seed, err
	}
	key, err := pbkdf2.Key(sha512.New, string(entropy), []byte("mnemonic"+password), 2048, 64)
	if err != nil {
		return seed, errors.New("deriving the seed of a mnemonic failed")
	}
	copy(seed[:], key)
	return seed, nil
}

// normalise gives the words as a keyfile holds them: lower case, one space between.
func normalise(mnemonic string) string {
	return strings.ToLower(strings.Join(strings.Fields(mnemonic), " "))
}

// clip shortens a foreign word, so that an error stays one line.
func clip(word string) string {
	if len(word) > 24 {
		return word[:24] + "…"
	}
	return word
}

// nearestWord finds the listed word with the fewest edits; of several, the one
// with the longest common beginning, since BIP-39 words differ in the first four
// letters.
func nearestWord(word string) string {
	if len(word) > 24 {
		word = word[:24]
	}
	best, bestCost := "", 1<<30
	for _, candidate := range bip39.WordList {
		common := 0
		for common < len(word) && common < len(candidate) && word[common] == candidate[common] {
			common++
		}
		if cost := editDistance(word, candidate)*64 - min(common, 8); cost < bestCost {
			best, bestCost = candidate, cost
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours (Damerau, optimal string alignment).
func editDistance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
