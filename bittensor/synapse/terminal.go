package synapse

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// TerminalInfo describes one end of an exchange, as both ends write it into
// headers and bodies. A zero field means "not given" (None in Python, null in
// JSON, no header).
type TerminalInfo struct {
	StatusCode    int     // HTTP status
	StatusMessage string  // in words
	ProcessTime   float64 // seconds
	IP            string
	Port          int
	Version       int   // SDK version as major*1e6 + minor*1e3 + patch
	Nonce         int64 // nanoseconds since 1970
	UUID          string
	Hotkey        string // SS58 address
	Signature     string // 0x and 128 hexadecimal digits
}

// terminalNames are the fields' names on the wire, in the SDK's order.
var terminalNames = [...]string{
	"status_code", "status_message", "process_time", "ip", "port",
	"version", "nonce", "uuid", "hotkey", "signature",
}

// headerKeys holds, for one terminal, its ten headers: as sent, and as
// net/http's canonical form of a received one.
type headerKeys struct{ sent, received [len(terminalNames)]string }

func newHeaderKeys(terminal string) *headerKeys {
	k := new(headerKeys)
	for i, name := range terminalNames {
		k.sent[i] = "bt_header_" + terminal + "_" + name
		k.received[i] = http.CanonicalHeaderKey(k.sent[i])
	}
	return k
}

var (
	axonKeys     = newHeaderKeys("axon")
	dendriteKeys = newHeaderKeys("dendrite")
)

var errNotANumber = errors.New("not a number")

// set parses one field in its text form.
func (t *TerminalInfo) set(field int, v string) error {
	var err error
	switch field {
	case 0:
		t.StatusCode, err = strconv.Atoi(v)
	case 1:
		t.StatusMessage = v
	case 2:
		t.ProcessTime, err = strconv.ParseFloat(v, 64)
	case 3:
		t.IP = v
	case 4:
		t.Port, err = strconv.Atoi(v)
	case 5:
		t.Version, err = strconv.Atoi(v)
	case 6:
		t.Nonce, err = strconv.ParseInt(v, 10, 64)
	case 7:
		t.UUID = v
	case 8:
		t.Hotkey = v
	case 9:
		t.Signature = v
	}
	if err != nil {
		return fmt.Errorf("%s: %w", terminalNames[field], errNotANumber)
	}
	return nil
}

// text gives one field in its text form, "" when it is not given.
func (t *TerminalInfo) text(field int) string {
	switch field {
	case 0:
		return textInt(int64(t.StatusCode))
	case 1:
		return t.StatusMessage
	case 2:
		if t.ProcessTime != 0 {
			return formatFloat(t.ProcessTime)
		}
	case 3:
		return t.IP
	case 4:
		return textInt(int64(t.Port))
	case 5:
		return textInt(int64(t.Version))
	case 6:
		return textInt(t.Nonce)
	case 7:
		return t.UUID
	case 8:
		return t.Hotkey
	case 9:
		return t.Signature
	}
	return ""
}

func textInt(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// readHeaders fills t from the headers that h carries for it.
func (t *TerminalInfo) readHeaders(h http.Header, keys *headerKeys) error {
	for i, key := range keys.received {
		if v := h[key]; len(v) > 0 {
			if err := t.set(i, v[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// readMember fills one field from a JSON member; unknown names are passed over,
// null means not given.
func (t *TerminalInfo) readMember(m member) error {
	for i, name := range terminalNames {
		if m.key != name {
			continue
		}
		if string(m.raw) == "null" {
			return nil
		}
		text := string(m.raw)
		isString := text[0] == '"'
		if isString {
			var err error
			if text, err = m.text(); err != nil {
				return err
			}
		}
		switch i {
		case 1, 3, 7, 8, 9:
			if !isString {
				return fmt.Errorf("%s: %w", name, errNotAString)
			}
		}
		return t.set(i, text)
	}
	return nil
}

// appendJSON appends t as a JSON object; sep is ", " and colon ": " in a
// request, "," and ":" in a response.
func (t *TerminalInfo) appendJSON(dst []byte, sep, colon string) []byte {
	dst = append(dst, '{')
	for i, name := range terminalNames {
		if i > 0 {
			dst = append(dst, sep...)
		}
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"')
		dst = append(dst, colon...)
		before := len(dst)
		switch i {
		case 0:
			dst = appendInt(dst, int64(t.StatusCode))
		case 2:
			if t.ProcessTime != 0 {
				dst = appendFloat(dst, t.ProcessTime)
			}
		case 4:
			dst = appendInt(dst, int64(t.Port))
		case 5:
			dst = appendInt(dst, int64(t.Version))
		case 6:
			dst = appendInt(dst, t.Nonce)
		default:
			if s := t.text(i); s != "" {
				dst = appendString(dst, s)
			}
		}
		if len(dst) == before {
			dst = append(dst, "null"...)
		}
	}
	return append(dst, '}')
}

func appendInt(dst []byte, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(dst, n, 10)
}

// size adds the terminal's objects to s. Before SDK 9 an axon kept its own
// version and the caller's port as strings: textual names that field, or -1.
func (t *TerminalInfo) size(s *sizer, textual int) {
	s.total += pySizeObject + pySizeDict(len(terminalNames))
	for i := range terminalNames {
		switch i {
		case 0:
			s.optionalInt(int64(t.StatusCode), false)
		case 2:
			if t.ProcessTime == 0 {
				s.null()
			} else {
				s.total += pySizeFloat
			}
		case 4:
			s.optionalInt(int64(t.Port), textual == i)
		case 5:
			s.optionalInt(int64(t.Version), textual == i)
		case 6:
			s.optionalInt(t.Nonce, false)
		default:
			if v := t.text(i); v == "" {
				s.null()
			} else {
				s.str(v)
			}
		}
	}
}

func (s *sizer) optionalInt(n int64, textual bool) {
	switch {
	case n == 0:
		s.null()
	case textual:
		s.total += pySizeEmptyString + len(strconv.FormatInt(n, 10))
	default:
		s.integer(n)
	}
}
