package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
)

const (
	// heartbeat is how often something is sent, so that proxies between keep the
	// connection and a client that went away is noticed.
	heartbeat = 15 * time.Second
	// maxStreams bounds the clients that listen.
	maxStreams = 500
)

func (s *Server) registerEvents() {
	op := huma.Operation{
		OperationID: "events", Method: http.MethodGet, Path: "/v1/events", Tags: []string{"Subnet"}, Errors: []int{404, 503},
		Summary: "Follow the subnet live, as server-sent events",
		Description: "Events: status at each block, challenge when one is finished, leaderboard a few times a minute, weights when they are set; " +
			"the data of each is the document of the route of that name. It begins with the present status and leaderboard. " +
			"A client that does not keep up loses the oldest events, and one that comes back gets the present state again: events are not repeated.",
		Responses: map[string]*huma.Response{"200": {
			Description: "The stream",
			Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}
	register(s, op, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		if s.Monitor == nil {
			return nil, errNoSubnet()
		}
		select {
		case s.streams <- struct{}{}:
		default:
			return nil, retryIn(30, problem(schema.CodeOverloaded, "%d clients listen already; try: again later, or ask /v1/status", maxStreams))
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			defer func() { <-s.streams }()
			_, w := humago.Unwrap(ctx)
			s.stream(ctx.Context(), w)
		}}, nil
	})
}

// stream sends events until the client goes away or the server stops. (WHATWG
// HTML, "Server-sent events")
func (s *Server) stream(ctx context.Context, w http.ResponseWriter) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := s.Monitor.Subscribe(ctx)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect them
	control := http.NewResponseController(w)
	id := s.Now().UnixMilli()
	send := func(kind string, data any) error {
		text, err := json.Marshal(data)
		if err != nil {
			return err
		}
		id++
		var b bytes.Buffer
		fmt.Fprintf(&b, "id: %s\nevent: %s\ndata: %s\n\n", strconv.FormatInt(id, 10), kind, text)
		// The recorder gives each write a deadline, so a client that does not read
		// ends its own stream.
		if _, err := w.Write(b.Bytes()); err != nil {
			return err
		}
		return control.Flush()
	}
	if _, err := w.Write([]byte("retry: 3000\n\n")); err != nil {
		return
	}
	if send(monitor.EventStatus, s.Monitor.Status()) != nil || send(monitor.EventLeaderboard, s.Monitor.Leaderboard()) != nil {
		return
	}
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		case event, ok := <-events:
			if !ok || send(event.Kind, event.Data) != nil {
				return
			}
		case <-ticker.C:
			if _, err := w.Write([]byte(": still here\n\n")); err != nil || control.Flush() != nil {
				return
			}
		}
	}
}
