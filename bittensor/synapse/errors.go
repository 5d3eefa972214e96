package synapse

import (
	"errors"
	"fmt"
	"net/http"
)

// What went wrong with a request, for errors.Is on Response.Err. Each also
// answers to its status: 408, 503, 403, 401, 404, 422.
var (
	// ErrTimeout: no complete answer within the timeout, or the axon said so.
	ErrTimeout = errors.New("timeout")
	// ErrUnavailable: no connection, or one that broke off before an answer.
	ErrUnavailable = errors.New("unavailable")
	// ErrBlacklisted: the axon refuses this caller.
	ErrBlacklisted = errors.New("blacklisted")
	// ErrNotVerified: the axon does not accept signature or nonce; a wrong
	// clock is a common cause.
	ErrNotVerified = errors.New("not verified")
	// ErrUnknownSynapse: the axon does not serve this synapse.
	ErrUnknownSynapse = errors.New("unknown synapse")
	// ErrBadResponse: the answer is not what the protocol asks for.
	ErrBadResponse = errors.New("bad response")
	// ErrTooLarge: the answer exceeds the limit; it is also an ErrBadResponse.
	ErrTooLarge = errors.New("response too large")
)

// StatusError is an outcome other than success. A Handler may return one to
// choose the status and the message of its refusal; a Dendrite gives one as
// Response.Err.
type StatusError struct {
	Code    int    // HTTP status
	Message string // as the other side sees or sent it
	Err     error  // the cause, where there is one on this side; may be nil
}

// Error gives status and message.
func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("status %d", e.Code)
	}
	return fmt.Sprintf("status %d: %s", e.Code, e.Message)
}

// Unwrap gives the cause.
func (e *StatusError) Unwrap() error { return e.Err }

// Is matches the sentinel that belongs to the status.
func (e *StatusError) Is(target error) bool {
	switch target {
	case ErrTimeout:
		return e.Code == http.StatusRequestTimeout || e.Code == http.StatusGatewayTimeout
	case ErrUnavailable:
		return e.Code == http.StatusServiceUnavailable
	case ErrBlacklisted:
		return e.Code == http.StatusForbidden
	case ErrNotVerified:
		return e.Code == http.StatusUnauthorized
	case ErrUnknownSynapse:
		return e.Code == http.StatusNotFound
	}
	return false
}
