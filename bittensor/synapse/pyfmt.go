package synapse

import (
	"reflect"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The wire carries a few things in Python's own notation: floats as repr()
// prints them, str() of hashed values, and sizes of objects in CPython's
// memory. This file reproduces them.

// appendFloat appends f as Python's repr does: the shortest digits that read
// back as f, always with a point or an exponent, which appears below 1e-4 and
// from 1e16 on.
func appendFloat(dst []byte, f float64) []byte {
	var buf [32]byte
	digits := strconv.AppendFloat(buf[:0], f, 'e', -1, 64)
	e := len(digits) - 1
	for e >= 0 && digits[e] != 'e' {
		e--
	}
	if e < 0 { // NaN and infinities have no exponent; callers refuse them.
		return append(dst, digits...)
	}
	exp, _ := strconv.Atoi(string(digits[e+1:]))
	if exp < -4 || exp >= 16 {
		return append(dst, digits...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, '.', '0')
}

func formatFloat(f float64) string {
	var buf [32]byte
	return string(appendFloat(buf[:0], f))
}

// pyStr is Python's str() of a value as the body hash wants it. Strings are
// bare at the top and quoted inside lists and dictionaries.
func pyStr(v reflect.Value, nested bool) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return "None"
		}
		return pyStr(v.Elem(), nested)
	case reflect.String:
		if nested {
			return pyQuote(v.String())
		}
		return v.String()
	case reflect.Bool:
		if v.Bool() {
			return "True"
		}
		return "False"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return formatFloat(v.Float())
	case reflect.Slice, reflect.Array:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = pyStr(v.Index(i), true)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		// A Go map has no order of its own: sorted keys at least make the
		// hash repeatable.
		keys := v.MapKeys()
		sort.Slice(keys, func(i, j int) bool { return pyStr(keys[i], false) < pyStr(keys[j], false) })
		parts := make([]string, len(keys))
		for i, k := range keys {
			parts[i] = pyStr(k, true) + ": " + pyStr(v.MapIndex(k), true)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return ""
}

// pyQuote is Python's repr of a string: single quotes unless it holds one and
// no double quote.
func pyQuote(s string) string {
	quote := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			b.WriteString(`\x`)
			if r < 0x10 {
				b.WriteByte('0')
			}
			b.WriteString(strconv.FormatInt(int64(r), 16))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

// Object sizes of 64-bit CPython 3.11, as sys.getsizeof reports them. The
// Python SDK adds them up into total_size and header_size.
const (
	pySizeObject = 80 // a pydantic model without its dictionary
	pySizeNone   = 16
	pySizeFloat  = 24
	pySizeBool   = 28
	pySizeList   = 56
	// Names of a TerminalInfo's ten fields, shared by its two instances.
	pySizeTerminalNames = 10*pySizeEmptyString + len("status_code"+"status_message"+"process_time"+
		"ip"+"port"+"version"+"nonce"+"uuid"+"hotkey"+"signature")
	// Names of the protocol's own seven fields.
	pySizeOwnNames = 7*pySizeEmptyString + len("name"+"timeout"+"total_size"+"header_size"+
		"dendrite"+"axon"+"computed_body_hash")
	pySizeEmptyString = 49
)

// pySizeDict is the size of a dictionary of n string keys: its table doubles.
func pySizeDict(n int) int {
	if n == 0 {
		return 64
	}
	// A table of 2^k slots takes two thirds of that many entries of 16 bytes,
	// with an index of one byte a slot (two from 256 slots on).
	slots := 8
	for slots*2/3 < n {
		slots *= 2
	}
	index := 1
	if slots > 128 {
		index = 2
	}
	return 64 + 32 + slots*index + slots*2/3*16
}

func pySizeString(s string) int {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return pySizeEmptyString + len(s)
	}
	n, widest := 0, rune(0)
	for _, r := range s {
		n++
		widest = max(widest, r)
	}
	switch {
	case widest < 0x100:
		return 73 + n
	case widest < 0x10000:
		return 74 + 2*n
	}
	return 76 + 4*n
}

func pySizeInt(n int64) int {
	if n < 0 {
		n = -n
	}
	switch {
	case n < 1<<30:
		return 28
	case n < 1<<60:
		return 32
	}
	return 36
}

// sizer adds up sizes as the SDK's get_size does: an object met twice counts
// once. Only objects that CPython shares for certain are known as such: None,
// the empty string, small integers and booleans.
type sizer struct {
	total     int
	none      bool
	empty     bool
	yes, no   bool
	smallInts [33]byte
}

func (s *sizer) null() {
	if !s.none {
		s.none = true
		s.total += pySizeNone
	}
}

func (s *sizer) str(v string) {
	if v == "" {
		if s.empty {
			return
		}
		s.empty = true
	}
	s.total += pySizeString(v)
}

func (s *sizer) integer(n int64) {
	if n >= 0 && n <= 256 {
		i, bit := n/8, byte(1)<<(n%8)
		if int(i) < len(s.smallInts) {
			if s.smallInts[i]&bit != 0 {
				return
			}
			s.smallInts[i] |= bit
		}
	}
	s.total += pySizeInt(n)
}

func (s *sizer) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			s.null()
		} else {
			s.value(v.Elem())
		}
	case reflect.String:
		s.str(v.String())
	case reflect.Bool:
		seen := &s.no
		if v.Bool() {
			seen = &s.yes
		}
		if !*seen {
			*seen = true
			s.total += pySizeBool
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.integer(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.integer(int64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		s.total += pySizeFloat
	case reflect.Slice, reflect.Array:
		s.total += pySizeList + 8*v.Len()
		for i := range v.Len() {
			s.value(v.Index(i))
		}
	case reflect.Map:
		s.total += pySizeDict(v.Len())
		for _, k := range v.MapKeys() {
			s.value(k)
			s.value(v.MapIndex(k))
		}
	case reflect.Struct:
		s.total += pySizeDict(v.NumField())
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.str(v.Type().Field(i).Name)
				s.value(v.Field(i))
			}
		}
	}
}
