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

// The node's error codes for transactions.
const (
	CodeInvalidTransaction = 1010
	CodeUnknownValidity    = 1011
	CodeTemporarilyBanned  = 1012
	CodeAlreadyImported    = 1013
	CodeTooLowPriority     = 1014
	CodeMethodNotFound     = -32601
)

// TransactionError means a node did not take an extrinsic into its pool.
type TransactionError struct {
	// Code is the node's error code, 1010 for an invalid transaction.
	Code int
	// Name is the reason: a runtime's own error by name where it is known
	// ("BalanceTooLow"), else one of "Stale", "Future", "BadProof", "Payment",
	// "AncientBirthBlock", "ExhaustsResources", "Custom(N)", or "".
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
