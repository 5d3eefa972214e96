// Package client asks a bitmind server: is this picture AI-generated?
//
//	c, err := client.New("http://127.0.0.1:8080", client.Options{Key: os.Getenv("BITMIND_KEY")})
//	detection, err := c.Detect(ctx, picture, schema.Options{Heatmap: true})
//	fmt.Println(detection.Verdict, *detection.Score)
//
// An error that the server told is a *schema.Problem, whose Code programs can act
// on. A server that is busy is asked again after the time that it names.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// Options say how to ask.
type Options struct {
	// Key is an API key; servers on the same machine need none.
	Key string
	// HTTP is the client to use; nil stands for one with a time limit of two minutes.
	HTTP *http.Client
	// Retries is how often a request is sent again that a busy server refused or that
	// a broken connection lost; 0 means 3, below 0 never.
	Retries int
}

const (
	defaultTimeout = 2 * time.Minute
	defaultRetries = 3
	// maxRetryAfter bounds how long a server can make a client wait.
	maxRetryAfter = time.Minute
	// maxReply bounds a reply in bytes: a heatmap or a page of 1000 detections.
	maxReply = 64 << 20
)

// Client asks one server. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	key     string
	http    *http.Client
	retries int
}

// New makes a client of the server at an address such as http://127.0.0.1:8080.
func New(server string, opts Options) (*Client, error) {
	base, err := url.Parse(server)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%q is no server's address; try: http://127.0.0.1:8080", server)
	}
	if base.User != nil {
		return nil, errors.New("a server's address holds no user and password; try: the key option")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	c := &Client{base: base, key: opts.Key, http: opts.HTTP, retries: opts.Retries}
	if c.http == nil {
		c.http = &http.Client{Timeout: defaultTimeout}
	}
	if c.retries == 0 {
		c.retries = defaultRetries
	}
	return c, nil
}

// Detect judges a picture, given by its encoded bytes.
func (c *Client) Detect(ctx context.Context, picture []byte, opts schema.Options) (*schema.Detection, error) {
	query, err := optionsQuery(opts)
	if err != nil {
		return nil, err
	}
	return decoded[schema.Detection](c.do(ctx, call{http.MethodPost, "/v1/detect", query, "application/octet-stream", picture}))
}

// optionsQuery gives options as the query parameters that stand beside raw bytes.
func optionsQuery(opts schema.Options) (url.Values, error) {
	text, err := json.Marshal(opts)
	if err != nil {
		return nil, err
	}
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	query := url.Values{}
	for name, value := range values {
		if list, ok := value.([]any); ok {
			texts := make([]string, len(list))
			for i, v := range list {
				texts[i] = fmt.Sprint(v)
			}
			query.Set(name, strings.Join(texts, ","))
			continue
		}
		query.Set(name, fmt.Sprint(value))
	}
	return query, nil
}

// DetectURL has the server fetch a picture and judge it.
func (c *Client) DetectURL(ctx context.Context, address string, opts schema.Options) (*schema.Detection, error) {
	return send[schema.Detection](ctx, c, http.MethodPost, "/v1/detect", nil, schema.Question{URL: address, Options: opts})
}

// Batch judges up to 100 pictures. An item that failed has an error in place of a
// detection.
func (c *Client) Batch(ctx context.Context, items []schema.Question) (*schema.BatchAnswer, error) {
	return send[schema.BatchAnswer](ctx, c, http.MethodPost, "/v1/detect/batch", nil, schema.Batch{Items: items})
}

// Detection gives an earlier answer.
func (c *Client) Detection(ctx context.Context, id string) (*schema.Detection, error) {
	return send[schema.Detection](ctx, c, http.MethodGet, "/v1/detections/"+url.PathEscape(id), nil, nil)
}

// waitBetween is the time between two looks at an answer that is not there yet.
const waitBetween = 250 * time.Millisecond

// Wait asks for an answer until it is there, has failed, or ctx ends.
func (c *Client) Wait(ctx context.Context, id string) (*schema.Detection, error) {
	for {
		d, err := c.Detection(ctx, id)
		if err != nil || d.Status != schema.StatusQueued {
			return d, err
		}
		if err := sleep(ctx, waitBetween); err != nil {
			return nil, err
		}
	}
}

// Filter chooses detections of the list; zero values choose all.
type Filter struct {
	Verdict, Model, ExternalID, Status string
	Since, Until                       time.Time
}

func (f Filter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"verdict": f.Verdict, "model": f.Model, "external_id": f.ExternalID, "status": f.Status} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, value := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !value.IsZero() {
			q.Set(name, value.UTC().Format(time.RFC3339Nano))
		}
	}
	return q
}

// Detections goes through the list of earlier answers, newest first, page by page.
// It ends with the first error.
func (c *Client) Detections(ctx context.Context, f Filter) iter.Seq2[schema.Detection, error] {
	return func(yield func(schema.Detection, error) bool) {
		query := f.query()
		for {
			page, err := send[schema.Detections](ctx, c, http.MethodGet, "/v1/detections", query, nil)
			if err != nil {
				yield(schema.Detection{}, err)
				return
			}
			for _, d := range page.Items {
				if !yield(d, nil) {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			query.Set("cursor", page.NextCursor)
		}
	}
}

// Feedback says whether an answer was right.
func (c *Client) Feedback(ctx context.Context, id string, f schema.Feedback) error {
	_, err := send[schema.Detection](ctx, c, http.MethodPost, "/v1/detections/"+url.PathEscape(id)+"/feedback", nil, f)
	return err
}

// Delete removes an answer and all that is kept of it.
func (c *Client) Delete(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: "/v1/detections/" + url.PathEscape(id)})
	return err
}

// Heatmap gives the PNG of an answer's heatmap.
func (c *Client) Heatmap(ctx context.Context, d *schema.Detection) ([]byte, error) {
	if d.Heatmap == nil {
		return nil, errors.New("the answer has no heatmap; try: to ask with Options.Heatmap")
	}
	return c.do(ctx, call{method: http.MethodGet, path: d.Heatmap.URL})
}

// Models lists the server's detectors, the default one first.
func (c *Client) Models(ctx context.Context) (*schema.Models, error) {
	return send[schema.Models](ctx, c, http.MethodGet, "/v1/models", nil, nil)
}

// send asks with a JSON body, where there is one, and reads a JSON reply.
func send[Reply any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (*Reply, error) {
	request := call{method: method, path: path, query: query}
	if body != nil {
		var err error
		if request.body, err = json.Marshal(body); err != nil {
			return nil, err
		}
		request.kind = "application/json"
	}
	return decoded[Reply](c.do(ctx, request))
}

func decoded[Reply any](data []byte, err error) (*Reply, error) {
	if err != nil {
		return nil, err
	}
	reply := new(Reply)
	if err := json.Unmarshal(data, reply); err != nil {
		return nil, fmt.Errorf("reading the server's reply: %w; try: the address of a bitmind server", err)
	}
	return reply, nil
}

// call is a request.
type call struct {
	method, path string
	query        url.Values
	kind         string // of the body
	body         []byte
}

// do sends a request until it is answered, and gives the reply's body.
func (c *Client) do(ctx context.Context, r call) ([]byte, error) {
	target := *c.base
	target.Path += r.path
	target.RawQuery = r.query.Encode()
	// The same for every try, so that one which was carried out, though its reply was
	// lost, is not carried out again.
	key := ""
	if r.method == http.MethodPost {
		key = uuid.NewString()
	}
	for try := 0; ; try++ {
		data, wait, err := c.once(ctx, r, target.String(), key)
		if err == nil || wait < 0 || try >= c.retries || ctx.Err() != nil {
			return data, err
		}
		if wait == 0 {
			wait = time.Second << try
		}
		if err := sleep(ctx, min(wait, maxRetryAfter)); err != nil {
			return nil, err
		}
	}
}

// once sends a request. Where it fails, wait says when it can be sent again: 0 for
// soon, below 0 for never.
func (c *Client) once(ctx context.Context, r call, target, key string) (data []byte, wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, -1, err
	}
	if r.kind != "" {
		request.Header.Set("Content-Type", r.kind)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	reply, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, -1, ctx.Err()
		}
		return nil, 0, fmt.Errorf("asking the server: %w; try: is it running there?", err)
	}
	defer reply.Body.Close()
	data, err = io.ReadAll(io.LimitReader(reply.Body, maxReply+1))
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("reading the server's reply: %w", err)
	case len(data) > maxReply:
		return nil, -1, fmt.Errorf("the server's reply has more than %d bytes", maxReply)
	case reply.StatusCode < 300:
		return data, 0, nil
	}
	wait = -1
	if reply.StatusCode == http.StatusTooManyRequests || reply.StatusCode == http.StatusServiceUnavailable {
		seconds, err := strconv.Atoi(reply.Header.Get("Retry-After"))
		wait = time.Duration(max(seconds, 0)) * time.Second
		if err != nil {
			wait = 0
		}
	}
	problem := &schema.Problem{}
	if json.Unmarshal(data, problem) != nil || problem.Status == 0 {
		// Not from a bitmind server, or a proxy in front of it.
		problem = &schema.Problem{Status: reply.StatusCode, Title: http.StatusText(reply.StatusCode)}
	}
	return nil, wait, problem
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
