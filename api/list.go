package api

import (
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

type listInput struct {
	Cursor     string    `query:"cursor" maxLength:"400" doc:"next_cursor of the page before"`
	Limit      int       `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"detections of a page"`
	Verdict    string    `query:"verdict" enum:"ai,real,unsure"`
	Model      string    `query:"model" maxLength:"200" doc:"that decided"`
	ExternalID string    `query:"external_id" maxLength:"200"`
	Status     string    `query:"status" enum:"queued,done,failed"`
	Since      time.Time `query:"since" doc:"from this time on (RFC 3339)"`
	Until      time.Time `query:"until" doc:"before this time (RFC 3339)"`
	Format     string    `query:"format" enum:"json,csv" doc:"csv: all that match, as a table, as with Accept: text/csv"`
	Accept     string    `header:"Accept" hidden:"true"`
}

func (s *Server) registerList() {
	op := scoped(store.ScopeRead, huma.Operation{
		OperationID: "list-detections", Method: http.MethodGet, Path: "/v1/detections", Tags: []string{"Detections"},
		Errors:  []int{401, 403, 422, 429, 503},
		Summary: "List your answers, newest first",
		Description: "A page at a time, or all of them as CSV. Those that are not retained have their hash, verdict, score, model and times. " +
			"In CSV a text that a spreadsheet would take for a formula begins with an apostrophe.",
		RejectUnknownQueryParameters: true,
	})
	registry := s.api.OpenAPI().Components.Schemas
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
		"application/json": {Schema: registry.Schema(typeOf[schema.Detections](), true, "")},
		"text/csv":         {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	register(s, op, s.list)
}

func (in *listInput) filter(who asker) store.Filter {
	f := store.Filter{
		Verdict: in.Verdict, Model: in.Model, ExternalID: in.ExternalID, Status: in.Status, Since: in.Since, Until: in.Until,
	}
	if !who.key.Has(store.ScopeAdmin) {
		f.KeyID = &who.key.ID
	}
	return f
}

func (s *Server) list(ctx context.Context, in *listInput) (*huma.StreamResponse, error) {
	if askerOf(ctx).anonymous() && !s.Loopback {
		return nil, problem(schema.CodeUnauthorized, "a list is of one key's answers; try: -H 'Authorization: Bearer bm_…'")
	}
	filter := in.filter(askerOf(ctx))
	if in.Format == "csv" || in.Format == "" && strings.Contains(in.Accept, "text/csv") {
		return &huma.StreamResponse{Body: func(ctx huma.Context) { s.writeCSV(ctx, filter) }}, nil
	}
	rows, next, err := s.Store.Detections(ctx, filter, in.Cursor, in.Limit)
	if errors.Is(err, store.ErrBadCursor) {
		return nil, invalid([]schema.FieldError{{Location: "query.cursor", Message: "not one that a page gave; try: next_cursor of the page before"}})
	} else if err != nil {
		return nil, s.storeFailed(err)
	}
	page, err := s.page(ctx, rows, askerOf(ctx))
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		if next != "" {
			r, _ := humago.Unwrap(ctx)
			query := r.URL.Query()
			query.Set("cursor", next)
			ctx.SetHeader("Link", "<"+r.URL.Path+"?"+query.Encode()+">; rel=\"next\"")
		}
		ctx.SetHeader("Content-Type", "application/json")
		// The status is sent; what fails now is a client that went away.
		_ = s.api.Marshal(ctx.BodyWriter(), "application/json", schema.Detections{Items: page, NextCursor: next})
	}}, nil
}

// page makes answers of rows, with what the asker said of them.
func (s *Server) page(ctx context.Context, rows []store.Detection, who asker) ([]schema.Detection, error) {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	said, err := s.Store.Feedback(ctx, who.key.ID, ids...)
	if err != nil {
		return nil, s.storeFailed(err)
	}
	items := make([]schema.Detection, len(rows))
	for i, r := range rows {
		items[i] = s.whole(r)
		items[i].Feedback = said[r.ID].Kind
	}
	return items, nil
}

// csvColumns are the first line of the table.
var csvColumns = []string{"id", "created_at", "status", "verdict", "score", "model", "external_id", "sha256", "width", "height", "format", "retained", "feedback", "error"}

// csvBatch is how many rows are asked for at a time.
const csvBatch = 500

// writeCSV streams all that a filter finds (RFC 4180).
func (s *Server) writeCSV(ctx huma.Context, filter store.Filter) {
	who := askerOf(ctx.Context())
	rows, next, err := s.Store.Detections(ctx.Context(), filter, "", csvBatch)
	if err != nil {
		s.refuse(ctx, s.storeFailed(err))
		return
	}
	ctx.SetHeader("Content-Type", "text/csv; charset=utf-8; header=present")
	ctx.SetHeader("Content-Disposition", `attachment; filename="detections.csv"`)
	w := csv.NewWriter(ctx.BodyWriter())
	w.UseCRLF = true
	err = w.Write(csvColumns)
	for err == nil {
		var page []schema.Detection
		if page, err = s.page(ctx.Context(), rows, who); err != nil {
			break
		}
		for _, d := range page {
			err = errors.Join(err, w.Write(csvRow(d)))
		}
		if w.Flush(); err == nil {
			err = w.Error()
		}
		if next == "" || err != nil {
			break
		}
		rows, next, err = s.Store.Detections(ctx.Context(), filter, next, csvBatch)
	}
	if err != nil {
		// A table that is cut short must not look whole.
		s.log.Info("a table was cut short", "request_id", requestOf(ctx.Context()).id, "error", err)
		panic(http.ErrAbortHandler)
	}
}

func csvRow(d schema.Detection) []string {
	var score, model, sum, width, height, format, failure string
	if d.Score != nil {
		score = strconv.FormatFloat(*d.Score, 'f', -1, 64)
	}
	if d.Model != nil {
		model = d.Model.Name
	}
	if m := d.Media; m != nil {
		sum, format = m.SHA256, m.Format
		if m.Width > 0 {
			width, height = strconv.Itoa(m.Width), strconv.Itoa(m.Height)
		}
	}
	if d.Error != nil {
		failure = d.Error.Code
	}
	return []string{
		d.ID, d.CreatedAt.UTC().Format(time.RFC3339Nano), d.Status, d.Verdict, score, plainCell(model), plainCell(d.ExternalID), sum,
		width, height, format, strconv.FormatBool(d.Retained), d.Feedback, failure,
	}
}

// plainCell keeps a spreadsheet from running a stranger's text as a formula (OWASP,
// CSV injection).
func plainCell(text string) string {
	if text != "" && strings.ContainsAny(text[:1], "=+-@\t\r\n") || strings.HasPrefix(text, "＝") || strings.HasPrefix(text, "＋") ||
		strings.HasPrefix(text, "－") || strings.HasPrefix(text, "＠") {
		return "'" + text
	}
	return text
}
