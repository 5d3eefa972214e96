package ss58

// alphabet is Bitcoin's base58: no 0, O, I and l, which look like others.
const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// digitOf maps a character to its value plus one; zero means not a digit.
var digitOf = func() (t [256]byte) {
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i + 1)
	}
	return t
}()

// chunk is the largest power of 58 that fits 32 bits, and chunkDigits its
// exponent: five digits are handled at once, since an axon decodes two addresses
// for each request.
const (
	chunkDigits = 5
	chunk       = 58 * 58 * 58 * 58 * 58
)

// encodeBase58 writes data (at most 36 bytes) as base58, each leading zero byte as a 1.
func encodeBase58(data []byte) string {
	zeros := 0
	for zeros < len(data) && data[zeros] == 0 {
		zeros++
	}
	// limbs holds the number in base 58^5, least significant first.
	var limbs [(maxLen + chunkDigits - 1) / chunkDigits]uint32
	used := 0
	for _, b := range data[zeros:] {
		carry := uint64(b)
		for i := range used {
			carry += uint64(limbs[i]) << 8
			limbs[i] = uint32(carry % chunk)
			carry /= chunk
		}
		if carry > 0 {
			limbs[used] = uint32(carry)
			used++
		}
	}
	var out [maxLen + chunkDigits]byte
	at := len(out)
	for i := range used {
		limb := limbs[i]
		for range chunkDigits {
			at--
			out[at] = alphabet[limb%58]
			limb /= 58
		}
	}
	for at < len(out) && out[at] == alphabet[0] {
		at++
	}
	for range zeros {
		at--
		out[at] = alphabet[0]
	}
	return string(out[at:])
}

// decodeBase58 appends the bytes of s (at most maxLen digits) to out.
func decodeBase58(out []byte, s string) ([]byte, error) {
	zeros := 0
	for zeros < len(s) && s[zeros] == alphabet[0] {
		zeros++
	}
	// limbs holds the number in base 2^32, least significant first: 50 digits
	// are less than 293 bits.
	var limbs [10]uint32
	used := 0
	for at := zeros; at < len(s); {
		scale, carry := uint64(1), uint64(0)
		for n := 0; n < chunkDigits && at < len(s); n++ {
			d := digitOf[s[at]]
			if d == 0 {
				return nil, ErrCharacter
			}
			carry = carry*58 + uint64(d-1)
			scale *= 58
			at++
		}
		for i := range used {
			carry += uint64(limbs[i]) * scale
			limbs[i] = uint32(carry)
			carry >>= 32
		}
		if carry > 0 {
			limbs[used] = uint32(carry)
			used++
		}
	}
	for range zeros {
		out = append(out, 0)
	}
	leading := true
	for i := used - 1; i >= 0; i-- {
		for shift := 24; shift >= 0; shift -= 8 {
			b := byte(limbs[i] >> shift)
			if leading && b == 0 {
				continue
			}
			leading = false
			out = append(out, b)
		}
	}
	return out, nil
}
