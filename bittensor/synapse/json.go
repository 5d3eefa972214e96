package synapse

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// Bodies are one JSON object whose members are mostly short, beside one very
// long string (an image). The parser here splits such an object into members
// in one pass, eight bytes at a time through strings, and copies nothing; what
// it hands on has been checked in full, and its errors carry the words and
// positions that Python's json module uses, since the SDK sends them back.

const (
	maxMembers = 1024 // of the outer object: each costs more memory than input
	maxDepth   = 256
)

var (
	errNotAString = errors.New("not a string")
	errNotUTF8    = errors.New("not UTF-8")
)

// syntaxError is text that isn't JSON.
type syntaxError struct {
	reason string // in the words of Python's json module
	pos    int    // byte offset into the text
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.reason, e.pos) }

// errNotObject is JSON that is something else than an object.
var errNotObject = errors.New("not a JSON object")

// member is one name and its value's text, which aliases the input.
type member struct {
	key string
	raw []byte
}

// text is the value of a member that holds a string.
func (m member) text() (string, error) { return unquote(m.raw) }

// float is the value of a member that holds a finite number.
func (m member) float() (float64, error) {
	if len(m.raw) == 0 || m.raw[0] != '-' && (m.raw[0] < '0' || m.raw[0] > '9') {
		return 0, errNotANumber
	}
	f, err := strconv.ParseFloat(string(m.raw), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, errNotANumber
	}
	return f, nil
}

// unquote decodes a checked JSON string.
func unquote(raw []byte) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", errNotAString
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", errNotAString
	}
	return s, nil
}

type parser struct {
	data []byte
	pos  int
}

// parseObject appends the members of the object that data holds. The error is a
// *syntaxError, errNotUTF8 or errNotObject.
func parseObject(data []byte, members []member) ([]member, error) {
	p := parser{data: data}
	p.space()
	if p.peek() != '{' {
		if err := p.value(0); err != nil {
			return nil, err
		}
		p.space()
		if p.pos < len(data) {
			return nil, p.fail("Extra data")
		}
		return nil, errNotObject
	}
	err := p.object(0, func(key, raw []byte) error {
		if len(members) == maxMembers {
			return errors.New("too many members")
		}
		name, err := unquote(key)
		if err != nil {
			return err
		}
		members = append(members, member{name, raw})
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(data) {
		return nil, p.fail("Extra data")
	}
	return members, nil
}

func (p *parser) fail(reason string) error { return &syntaxError{reason, p.pos} }

func (p *parser) peek() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// object passes one object; visit, when given, gets the text of each member.
func (p *parser) object(depth int, visit func(key, raw []byte) error) error {
	p.pos++ // the brace
	p.space()
	if p.peek() == '}' {
		p.pos++
		return nil
	}
	for {
		if p.peek() != '"' {
			return p.fail("Expecting property name enclosed in double quotes")
		}
		start := p.pos
		if err := p.str(); err != nil {
			return err
		}
		key := p.data[start:p.pos]
		p.space()
		if p.peek() != ':' {
			return p.fail("Expecting ':' delimiter")
		}
		p.pos++
		p.space()
		start = p.pos
		if err := p.value(depth + 1); err != nil {
			return err
		}
		if visit != nil {
			if err := visit(key, p.data[start:p.pos]); err != nil {
				return err
			}
		}
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
			p.space()
		case '}':
			p.pos++
			return nil
		default:
			return p.fail("Expecting ',' delimiter")
		}
	}
}

func (p *parser) value(depth int) error {
	if depth > maxDepth {
		return p.fail("Too deeply nested")
	}
	switch c := p.peek(); {
	case c == '"':
		return p.str()
	case c == '{':
		return p.object(depth, nil)
	case c == '[':
		return p.array(depth)
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, word := range [...]string{"null", "true", "false"} {
		if bytes.HasPrefix(p.data[p.pos:], []byte(word)) {
			p.pos += len(word)
			return nil
		}
	}
	return p.fail("Expecting value")
}

func (p *parser) array(depth int) error {
	p.pos++ // the bracket
	p.space()
	if p.peek() == ']' {
		p.pos++
		return nil
	}
	for {
		if err := p.value(depth + 1); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
			p.space()
		case ']':
			p.pos++
			return nil
		default:
			return p.fail("Expecting ',' delimiter")
		}
	}
}

func (p *parser) number() error {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	digits := func() int {
		from := p.pos
		for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
			p.pos++
		}
		return p.pos - from
	}
	if p.peek() == '0' {
		p.pos++
	} else if digits() == 0 {
		p.pos = start
		return p.fail("Expecting value")
	}
	if p.peek() == '.' {
		p.pos++
		if digits() == 0 {
			p.pos--
			return p.fail("Expecting ',' delimiter")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		mark := p.pos
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if digits() == 0 {
			p.pos = mark
			return p.fail("Expecting ',' delimiter")
		}
	}
	return nil
}

// str passes one string.
func (p *parser) str() error {
	start := p.pos
	i := p.pos + 1
	data := p.data
	ascii := true
	for {
		n, special := plainPrefix(data[i:])
		i += n
		if !special {
			p.pos = start
			return p.fail("Unterminated string starting at")
		}
		switch c := data[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(data[start:i]) {
				return errNotUTF8
			}
			p.pos = i + 1
			return nil
		case c == '\\':
			n, ok := escapeLength(data[i:])
			if !ok {
				p.pos = i
				return p.fail("Invalid \\escape")
			}
			i += n
		case c < 0x20:
			p.pos = i
			return p.fail("Invalid control character at")
		default:
			ascii = false
			i++
		}
	}
}

// plainPrefix counts the bytes before the first quote, backslash, control or
// non-ASCII byte, and says whether there is such a byte.
func plainPrefix(b []byte) (n int, special bool) {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for len(b)-n >= 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		// A byte's high bit ends up set where the byte is special; a borrow
		// can only set bits above a byte that is special itself.
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		hit := ((quote - ones) | (slash - ones) | (w - ones*0x20) | w) & highs
		if hit != 0 {
			// The lowest hit is exact; quote-ones and slash-ones also hit for
			// bytes whose high bit is set, which are special anyway.
			return n + bits.TrailingZeros64(hit)/8, true
		}
		n += 8
	}
	for ; n < len(b); n++ {
		if c := b[n]; c == '"' || c == '\\' || c < 0x20 || c >= utf8.RuneSelf {
			return n, true
		}
	}
	return n, false
}

// escapeLength is the length of the escape that b starts with.
func escapeLength(b []byte) (int, bool) {
	if len(b) < 2 {
		return 0, false
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, true
	case 'u':
		if len(b) < 6 {
			return 0, false
		}
		for _, c := range b[2:6] {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
				return 0, false
			}
		}
		return 6, true
	}
	return 0, false
}

// appendString appends s as a JSON string; plain text is copied as it is.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n, special := plainPrefix(stringBytes(s))
		dst = append(dst, s[:n]...)
		if !special {
			return append(dst, '"')
		}
		s = s[n:]
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size <= 1:
			dst = append(dst, `\ufffd`...)
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x20:
			const hex = "0123456789abcdef"
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[r>>4], hex[r&15])
		default:
			dst = append(dst, s[:size]...)
		}
		s = s[size:]
	}
}

// appendSpaced appends compact JSON with a blank after each comma and colon, as
// Python's json.dumps writes it.
func appendSpaced(dst, compact []byte) []byte {
	inString := false
	for i := 0; i < len(compact); i++ {
		c := compact[i]
		dst = append(dst, c)
		switch {
		case inString && c == '\\' && i+1 < len(compact):
			i++
			dst = append(dst, compact[i])
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == ':'):
			dst = append(dst, ' ')
		}
	}
	return dst
}
