package substrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrClosed means the client was closed.
var ErrClosed = errors.New("the chain client is closed")

// ErrSubscriptionLagged ends a subscription whose reader fell further behind than its
// queue holds.
var ErrSubscriptionLagged = errors.New("subscription: too many unread messages")

// ErrExpired means a mortal extrinsic's era ended before a block took it.
var ErrExpired = errors.New("the extrinsic's era ended before a block took it")

// DisconnectedError is what a call in flight returns when the connection is lost. Sent
// tells whether the request may have reached the node.
type DisconnectedError struct {
	Method string
	Sent   bool
	Err    error
}

// Error says which call was cut off.
func (e *DisconnectedError) Error() string {
	return fmt.Sprintf("%s: connection to the chain lost: %v", e.Method, e.Err)
}

// Unwrap returns the connection's error.
func (e *DisconnectedError) Unwrap() error { return e.Err }

// NoAnswerError is what a call returns whose time ran out: the node said nothing, or there
// was no connection (Sent is false then). It wraps context.DeadlineExceeded or
// context.Canceled, whichever ended the call.
type NoAnswerError struct {
	Method string
	// Sent tells whether the request may have reached the node.
	Sent bool
	Err  error
}

// Error says which call had no answer, and why.
func (e *NoAnswerError) Error() string {
	if e.Sent {
		return fmt.Sprintf("%s: no answer from the chain: %v", e.Method, e.Err)
	}
	return fmt.Sprintf("%s: no connection to the chain: %v", e.Method, e.Err)
}

// Unwrap returns what ended the call.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// GenesisError means that a connection leads to another chain than it should.
type GenesisError struct {
	URL       string
	Want, Got Hash
}

// Error names both chains by their genesis.
func (e *GenesisError) Error() string {
	return fmt.Sprintf("%s is another chain: its genesis is %v, and not %v", e.URL, e.Got, e.Want)
}

// RPCError is a node's refusal.
type RPCError struct {
	Method  string          `json:"-"`
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error writes method, message, data and code.
func (e *RPCError) Error() string {
	text := e.Message
	if d := e.DataText(); d != "" {
		text += ": " + d
	}
	return fmt.Sprintf("%s: %s (code %d)", e.Method, text, e.Code)
}

// DataText is the data as text: the reason behind the message.
func (e *RPCError) DataText() string {
	var s string
	if json.Unmarshal(e.Data, &s) == nil {
		return s
	}
	return string(e.Data)
}

// The node's error codes for transactions (crate sc-rpc-api, author).
const (
	CodeBadFormat          = 1001
	CodeVerification       = 1002
	CodeInvalidTransaction = 1010
	CodeUnknownValidity    = 1011
	CodeTemporarilyBanned  = 1012
	CodeAlreadyImported    = 1013
	CodeTooLowPriority     = 1014
	CodeCycleDetected      = 1015
	CodeImmediatelyDropped = 1016
	CodeMethodNotFound     = -32601
)

// codeNames are the names of refusals that their code alone explains.
var codeNames = map[int]string{
	CodeBadFormat: "BadFormat", CodeVerification: "VerificationError", CodeUnknownValidity: "UnknownValidity",
	CodeTemporarilyBanned: "TemporarilyBanned", CodeAlreadyImported: "AlreadyImported", CodeTooLowPriority: "TooLowPriority",
	CodeCycleDetected: "CycleDetected", CodeImmediatelyDropped: "ImmediatelyDropped",
}

// ErrRateLimited is what errors.Is finds in a refusal by one of the chain's rate limits:
// "SettingWeightsTooFast", "ServingRateLimitExceeded", "TxRateLimitExceeded", ... The same
// may be sent again some blocks later.
var ErrRateLimited = errors.New("the chain's rate limit")

func rateLimit(name string) bool {
	return strings.HasSuffix(name, "TooFast") || strings.Contains(name, "RateLimit")
}

// TransactionError means a node did not take an extrinsic into its pool.
type TransactionError struct {
	// Code is the node's error code, 1010 for an invalid transaction.
	Code int
	// Name is the reason: a runtime's own error by name where it is known
	// ("BalanceTooLow"), else one of "Call", "Payment", "Future", "Stale", "BadProof",
	// "AncientBirthBlock", "ExhaustsResources", "BadSigner", "CannotLookup",
	// "Custom(N)" of code 1010 and 1011; "BadFormat" (1001), "VerificationError"
	// (1002), "UnknownValidity" (1011), "TemporarilyBanned" (1012), "AlreadyImported"
	// (1013), "TooLowPriority" (1014), "CycleDetected" (1015), "ImmediatelyDropped"
	// (1016); "Invalid", "Dropped" and "Usurped" where the pool let go of it later
	// (code 0); or "".
	Name string
	// Text is what the node said.
	Text string
}

// Error says why, by name where there is one.
func (e *TransactionError) Error() string {
	if e.Name != "" {
		return fmt.Sprintf("transaction refused: %s (%s)", e.Name, e.Text)
	}
	return fmt.Sprintf("transaction refused: %s", e.Text)
}

// Is makes errors.Is find ErrRateLimited.
func (e *TransactionError) Is(target error) bool {
	return target == ErrRateLimited && rateLimit(e.Name)
}

// Temporary reports whether the same call may succeed when it is signed and sent anew:
// the nonce, the era or the runtime's version was out of date, or the pool had no room
// for it. Client.Submit does that by itself, some times.
func (e *TransactionError) Temporary() bool {
	switch e.Name {
	case "BadFormat", "VerificationError", "TemporarilyBanned", "TooLowPriority", "ImmediatelyDropped",
		"Stale", "BadProof", "AncientBirthBlock", "ExhaustsResources", "Invalid", "Dropped", "Usurped":
		return true
	}
	return false
}

// reasons are the texts of the node crate sc-rpc-api for invalid transactions.
var reasons = []struct{ text, name string }{
	{"Transaction call is not expected", "Call"},
	{"Inability to pay some fees", "Payment"},
	{"Transaction will be valid in the future", "Future"},
	{"Transaction is outdated", "Stale"},
	{"Transaction has a bad signature", "BadProof"},
	{"Transaction has an ancient birth block", "AncientBirthBlock"},
	{"Transaction would exhaust the block limits", "ExhaustsResources"},
	{"Invalid signing address", "BadSigner"},
	{"CannotLookup", "CannotLookup"},
}

// transactionError turns a node's refusal of an extrinsic into a TransactionError.
func transactionError(err error, custom map[uint8]string) error {
	var rpc *RPCError
	if !errors.As(err, &rpc) || rpc.Code < 1001 || rpc.Code > 1099 {
		return err
	}
	e := &TransactionError{Code: rpc.Code, Text: rpc.Message}
	if d := rpc.DataText(); d != "" {
		e.Text = rpc.Message + ": " + d
	}
	if _, number, ok := strings.Cut(e.Text, "Custom error: "); ok {
		if n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 8); err == nil {
			e.Name = custom[uint8(n)]
			if e.Name == "" {
				e.Name = fmt.Sprintf("Custom(%d)", n)
			}
			return e
		}
	}
	for _, r := range reasons {
		if strings.Contains(e.Text, r.text) {
			e.Name = r.name
			break
		}
	}
	if e.Name == "" {
		e.Name = codeNames[e.Code]
	}
	return e
}

// DispatchError means a block took an extrinsic and its call failed.
type DispatchError struct {
	// Pallet is the pallet of a module error ("SubtensorModule"), the kind of other
	// nested errors ("Token"), or empty.
	Pallet string
	Name   string
	// Docs is the runtime's own explanation; it may be empty.
	Docs string
}

// Error writes Pallet.Name and the explanation.
func (e *DispatchError) Error() string {
	text := e.Name
	if e.Pallet != "" {
		text = e.Pallet + "." + e.Name
	}
	if e.Docs != "" {
		text += ": " + e.Docs
	}
	return text
}

// Is makes errors.Is find ErrRateLimited.
func (e *DispatchError) Is(target error) bool { return target == ErrRateLimited && rateLimit(e.Name) }

// ErrorName is the name by which the chain refused an extrinsic, before a block
// (TransactionError) or in it (DispatchError); "" for any other error.
func ErrorName(err error) string {
	var d *DispatchError
	if errors.As(err, &d) {
		return d.Name
	}
	var t *TransactionError
	if errors.As(err, &t) {
		return t.Name
	}
	return ""
}

// DispatchErrorOf names a decoded sp_runtime::DispatchError.
func (m *Metadata) DispatchErrorOf(v any) *DispatchError {
	variant, ok := v.(Variant)
	if !ok {
		return &DispatchError{Name: "Unknown"}
	}
	if variant.Name != "Module" {
		switch inner := variant.Value.(type) {
		case Variant:
			return &DispatchError{Pallet: variant.Name, Name: inner.Name}
		default:
			return &DispatchError{Name: variant.Name}
		}
	}
	var module struct {
		Index uint8
		Error []byte
	}
	if err := Assign(variant.Value, &module); err != nil || len(module.Error) == 0 {
		return &DispatchError{Name: "Module"}
	}
	pallet, name, docs, ok := m.Error(module.Index, module.Error[0])
	if !ok {
		return &DispatchError{Pallet: fmt.Sprintf("pallet %d", module.Index), Name: fmt.Sprintf("error %d", module.Error[0])}
	}
	return &DispatchError{Pallet: pallet, Name: name, Docs: docs}
}
