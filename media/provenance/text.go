package provenance

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// clean makes foreign text fit to be shown: valid UTF-8 of at most MaxValue
// bytes, one line, without control characters and without those that change the
// direction or hide text (Unicode categories Cc and Cf).
func clean(s string) string {
	// What is cut here is more than enough for MaxValue bytes unless nearly all
	// of it goes, and keeps the work small.
	const enough = 16 * MaxValue
	s = s[:min(len(s), enough)]
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case r == utf8.RuneError, unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			continue
		}
		more := utf8.RuneLen(r)
		if space {
			more++
		}
		if b.Len()+more > MaxValue-len("…") {
			return b.String() + "…"
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// latin1 reads ISO 8859-1, the character set of PNG's tEXt and zTXt. Many
// writers put UTF-8 there, which is taken as such where it is valid.
func latin1(data []byte) string {
	if utf8.Valid(data) {
		return string(data)
	}
	var b strings.Builder
	for _, c := range data {
		b.WriteRune(rune(c))
	}
	return b.String()
}

// utf16Text reads UTF-16 up to a NUL. Without a byte-order mark the order is
// guessed by which half of the units is mostly zero: writers of EXIF don't agree
// on it, whatever the order of the file.
func utf16Text(data []byte) string {
	big := false
	switch {
	case len(data) >= 2 && data[0] == 0xfe && data[1] == 0xff:
		big, data = true, data[2:]
	case len(data) >= 2 && data[0] == 0xff && data[1] == 0xfe:
		data = data[2:]
	default:
		first, second := 0, 0
		for i := 0; i+1 < len(data); i += 2 {
			if data[i] == 0 {
				first++
			}
			if data[i+1] == 0 {
				second++
			}
		}
		big = first > second
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 0; i+1 < len(data); i += 2 {
		u := uint16(data[i]) | uint16(data[i+1])<<8
		if big {
			u = u>>8 | u<<8
		}
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

// upToNUL cuts a C string.
func upToNUL(data []byte) string {
	s, _, _ := strings.Cut(string(data), "\x00")
	return s
}
