package schema

import "fmt"

// Problem is an error document (RFC 9457, application/problem+json).
type Problem struct {
	Type      string `json:"type" doc:"address of the code's explanation, relative to the server"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty" doc:"what was wrong and what to try"`
	Instance  string `json:"instance,omitempty" doc:"path that was asked"`
	Code      string `json:"code" doc:"stable; programs tell errors apart by it"`
	RequestID string `json:"request_id,omitempty" doc:"as in the X-Request-Id header"`
	// RetryAfter is in seconds; 0 stands for none.
	RetryAfter int          `json:"retry_after,omitempty" doc:"seconds after which to try again, as in the Retry-After header"`
	Errors     []FieldError `json:"errors,omitempty" doc:"each field that was wrong"`
}

// FieldError is one wrong field of a request.
type FieldError struct {
	Location string `json:"location" doc:"such as body.webhook_url or query.limit"`
	Message  string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("%d %s", p.Status, p.Title)
	}
	return p.Detail
}

// Codes of problems.
const (
	CodeBadRequest        = "bad_request"        // 400: the request cannot be understood
	CodeEmptyBody         = "empty_body"         // 400: no picture was sent
	CodeUnauthorized      = "unauthorized"       // 401: no key, or none that is valid
	CodeForbidden         = "forbidden"          // 403: the key may not do this
	CodeNotFound          = "not_found"          // 404
	CodeMethodNotAllowed  = "method_not_allowed" // 405
	CodeConflict          = "conflict"           // 409: an idempotency key with another request, or one under way
	CodeTooLarge          = "too_large"          // 413: bytes, pixels or memory
	CodeUnsupportedMedia  = "unsupported_media"  // 415: a kind of body, or a picture's format, that is not read
	CodeInvalid           = "invalid"            // 422: a field is wrong
	CodeDamagedPicture    = "damaged_picture"    // 422: the picture cannot be decoded
	CodeFetchFailed       = "fetch_failed"       // 422: the URL gave no picture
	CodeFetchRefused      = "fetch_refused"      // 422: the URL is not one that is fetched
	CodeRateLimited       = "rate_limited"       // 429: the key's rate; see Retry-After
	CodeQuotaExceeded     = "quota_exceeded"     // 429: the key's quota; see Retry-After
	CodeOverloaded        = "overloaded"         // 503: no room now; see Retry-After
	CodeNotReady          = "not_ready"          // 503: still loading
	CodeNetworkUnanswered = "network_unanswered" // 503: no miner answered
	CodeInternal          = "internal"           // 500
)

// GetStatus is the HTTP status that the document is sent with.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the kind of content that the document is sent as.
func (*Problem) ContentType(string) string { return "application/problem+json" }
