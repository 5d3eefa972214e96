package synapse

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
)

// envelope is what the protocol itself puts beside a synapse's fields.
type envelope struct {
	name       string
	timeout    float64 // seconds; NaN when not given
	totalSize  int64   // negative when not given
	headerSize int64   // likewise
	dendrite   TerminalInfo
	axon       TerminalInfo
	bodyHash   string
}

var notGiven = math.NaN()

// readHeaders fills e from a request's headers.
func (e *envelope) readHeaders(h http.Header) error {
	e.timeout = notGiven
	if v := h.Get("Name"); v != "" {
		e.name = v
	}
	if v := h.Get("Timeout"); v != "" {
		t, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsInf(t, 0) || math.IsNaN(t) {
			return fmt.Errorf("timeout: %w", errNotANumber)
		}
		e.timeout = t
	}
	for _, f := range []struct {
		key string
		to  *int64
	}{{"Header_size", &e.headerSize}, {"Total_size", &e.totalSize}} {
		*f.to = -1
		if v := h[f.key]; len(v) > 0 {
			n, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				return fmt.Errorf("%s: %w", f.key, errNotANumber)
			}
			*f.to = n
		}
	}
	if v := h["Computed_body_hash"]; len(v) > 0 {
		e.bodyHash = v[0]
	}
	return e.readTerminals(h)
}

// readTerminals fills both ends from headers.
func (e *envelope) readTerminals(h http.Header) error {
	if err := e.axon.readHeaders(h, axonKeys); err != nil {
		return fmt.Errorf("axon %w", err)
	}
	if err := e.dendrite.readHeaders(h, dendriteKeys); err != nil {
		return fmt.Errorf("dendrite %w", err)
	}
	return nil
}

// readMember fills e from one member of a body. own tells whether the member is
// one of the protocol's.
func (e *envelope) readMember(m member) (own bool, err error) {
	null := string(m.raw) == "null"
	switch m.key {
	case "name":
		// The SDK sets the name from the class and so passes over the body's.
	case "timeout":
		if null {
			e.timeout = notGiven
			break
		}
		e.timeout, err = m.float()
	case "total_size":
		if !null {
			e.totalSize, err = strconv.ParseInt(string(m.raw), 10, 64)
		}
	case "header_size":
		if !null {
			e.headerSize, err = strconv.ParseInt(string(m.raw), 10, 64)
		}
	case "computed_body_hash":
		if !null {
			e.bodyHash, err = m.text()
		}
	case "dendrite":
		err = e.dendrite.readObject(m.raw)
	case "axon":
		err = e.axon.readObject(m.raw)
	default:
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("field %q: %w", m.key, err)
	}
	return true, nil
}

func (t *TerminalInfo) readObject(raw []byte) error {
	*t = TerminalInfo{}
	if string(raw) == "null" {
		return nil
	}
	var buf [len(terminalNames)]member
	members, err := parseObject(raw, buf[:0])
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := t.readMember(m); err != nil {
			return err
		}
	}
	return nil
}

// appendJSON appends the protocol's members with the opening brace but no closing
// one: the synapse's own members follow.
func (e *envelope) appendJSON(dst []byte, spaced bool) []byte {
	sep, colon := ",", ":"
	if spaced {
		sep, colon = ", ", ": "
	}
	key := func(name string) {
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"')
		dst = append(dst, colon...)
	}
	dst = append(dst, '{')
	key("name")
	dst = appendString(dst, e.name)
	dst = append(dst, sep...)
	key("timeout")
	if math.IsNaN(e.timeout) {
		dst = append(dst, "null"...)
	} else {
		dst = appendFloat(dst, e.timeout)
	}
	dst = append(dst, sep...)
	key("total_size")
	dst = strconv.AppendInt(dst, max(e.totalSize, 0), 10)
	dst = append(dst, sep...)
	key("header_size")
	dst = strconv.AppendInt(dst, max(e.headerSize, 0), 10)
	dst = append(dst, sep...)
	key("dendrite")
	dst = e.dendrite.appendJSON(dst, sep, colon)
	dst = append(dst, sep...)
	key("axon")
	dst = e.axon.appendJSON(dst, sep, colon)
	dst = append(dst, sep...)
	key("computed_body_hash")
	return appendString(dst, e.bodyHash)
}

// size adds the protocol's own objects to s; fields is the number of the
// synapse's own fields. textual is for answers of axons before SDK 9.
func (e *envelope) size(s *sizer, fields int, textual bool) {
	s.total += pySizeObject + pySizeDict(len(ownNames)+fields) + pySizeOwnNames + pySizeTerminalNames
	s.str(e.name)
	if math.IsNaN(e.timeout) {
		s.null()
	} else {
		s.total += pySizeFloat
	}
	for _, n := range [...]int64{e.totalSize, e.headerSize} {
		if n < 0 {
			s.null()
		} else {
			s.integer(n)
		}
	}
	if textual {
		e.dendrite.size(s, 4)
		e.axon.size(s, 5)
	} else {
		e.dendrite.size(s, -1)
		e.axon.size(s, -1)
	}
	s.str(e.bodyHash)
}

// headers gathers the protocol's headers with a single allocation for all their
// values.
type headers struct {
	h      http.Header
	values []string
}

func newHeaders(h http.Header, n int) headers { return headers{h, make([]string, 0, n)} }

func (w *headers) set(key, value string) {
	n := len(w.values)
	w.values = append(w.values, clean(value))
	w.h[key] = w.values[n : n+1 : n+1]
}

// write sets e's headers into h. total is the size of the whole synapse, hash the
// hash of its body, l its layout (nil for none).
func (e *envelope) write(h http.Header, l *layout, total int, hash string) {
	w := newHeaders(h, 32)
	w.set("name", e.name)
	timeout := "None"
	if !math.IsNaN(e.timeout) {
		timeout = formatFloat(e.timeout)
	}
	w.set("timeout", timeout)
	n := 2
	for _, t := range [...]struct {
		info *TerminalInfo
		keys *headerKeys
	}{{&e.axon, axonKeys}, {&e.dendrite, dendriteKeys}} {
		for i, key := range t.keys.sent {
			if v := t.info.text(i); v != "" {
				w.set(key, v)
				n++
			}
		}
	}
	if l != nil {
		for _, i := range l.required {
			w.set(l.fields[i].header, l.fields[i].zero)
			n++
		}
	}
	w.set("header_size", strconv.Itoa(pySizeDict(n)))
	w.set("total_size", strconv.Itoa(total))
	w.set("computed_body_hash", hash)
}

// clean makes a value safe to stand in a header: control characters, which could
// start another header, and bytes outside ASCII become question marks.
func clean(v string) string {
	for i := 0; i < len(v); i++ {
		if v[i] < 0x20 || v[i] >= 0x7f {
			b := []byte(v)
			for j := i; j < len(b); j++ {
				if b[j] < 0x20 || b[j] >= 0x7f {
					b[j] = '?'
				}
			}
			return string(b)
		}
	}
	return v
}
