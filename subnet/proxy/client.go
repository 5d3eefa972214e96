package proxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxResponse bounds a validator's answer, in bytes: 256 miners take some 40 kB.
	maxResponse = 1 << 20
	// clientTimeout covers a validator's own wait for its miners.
	clientTimeout = 30 * time.Second
)

// Client asks a validator elsewhere, through its /validator_proxy: one of this
// program, or of the Python project. It is safe for concurrent use.
type Client struct {
	address       string
	authorization string
	http          *http.Client
}

// NewClient makes a client of the validator at an address such as
// https://validator.example.com. The authorization is sent as a header: "Bearer " and
// a key, or the base64 of an Ed25519 public key, as the Python project does; "" for
// none. A nil http.Client is one with a time limit.
func NewClient(address, authorization string, client *http.Client) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not a validator's address; try: https://validator.example.com", address)
	}
	if client == nil {
		client = &http.Client{Timeout: clientTimeout}
	}
	return &Client{u.JoinPath("validator_proxy").String(), authorization, client}, nil
}

// Ask puts a picture to the validator's miners. The picture's Data must be there.
func (c *Client) Ask(ctx context.Context, p Picture) (Answer, error) {
	body, err := json.Marshal(Request{Image: base64.StdEncoding.EncodeToString(p.Data)})
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if c.authorization != "" {
		req.Header.Set("Authorization", c.authorization)
	}
	start := time.Now()
	reply, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		return Answer{}, fmt.Errorf("asking the validator: %w; try: its address, and whether it runs with --listen", err)
	}
	defer reply.Body.Close()
	data, err := io.ReadAll(io.LimitReader(reply.Body, maxResponse+1))
	if err != nil {
		return Answer{}, fmt.Errorf("reading the validator's answer: %w", err)
	}
	if len(data) > maxResponse {
		return Answer{}, fmt.Errorf("the validator's answer is larger than %d bytes", maxResponse)
	}
	answer, err := decodeResponse(reply.StatusCode, data)
	answer.Elapsed = time.Since(start)
	return answer, err
}

// decodeResponse reads a validator's answer.
func decodeResponse(status int, data []byte) (Answer, error) {
	var doc struct {
		Response
		// Of an error: ours, or the Python project's.
		Code       string `json:"code"`
		Detail     any    `json:"detail"`
		StatusCode int    `json:"status_code"`
	}
	err := json.Unmarshal(data, &doc)
	// Python's validators answer 200 with an exception in the body.
	if err == nil && status == http.StatusOK && doc.StatusCode != 0 {
		status = doc.StatusCode
		if len(doc.Preds) == 0 {
			return Answer{}, fmt.Errorf("%w: the validator says %.200v", ErrUnanswered, doc.Detail)
		}
	}
	switch {
	case status == http.StatusOK && err != nil:
		return Answer{}, fmt.Errorf("the validator's answer cannot be read: %w; try: whether the address is a validator's", err)
	case status == http.StatusOK:
		answer, err := doc.Answer()
		if err != nil && !errors.Is(err, ErrUnanswered) {
			err = fmt.Errorf("the validator's answer cannot be used: %w", err)
		}
		return answer, err
	}
	detail := fmt.Sprintf("%.300v", doc.Detail)
	if err != nil || doc.Detail == nil {
		detail = http.StatusText(status)
	}
	switch {
	case doc.Code == codeUnanswered:
		return Answer{}, fmt.Errorf("%w: %s", ErrUnanswered, detail)
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
		return Answer{}, fmt.Errorf("%w: %s", ErrBusy, detail)
	case status == http.StatusUnprocessableEntity, status == http.StatusRequestEntityTooLarge, status == http.StatusUnsupportedMediaType:
		return Answer{}, fmt.Errorf("%w: %s", ErrPicture, detail)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Answer{}, fmt.Errorf("the validator refuses: %s; try: a key of that validator", detail)
	}
	return Answer{}, fmt.Errorf("the validator answered %d: %s", status, detail)
}

// codeUnanswered is the code of the API's problem for it.
const codeUnanswered = "network_unanswered"
