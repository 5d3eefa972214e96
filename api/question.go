package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// howToSend ends the errors of requests that bring no picture.
const howToSend = "try: curl -F file=@photo.jpg …/v1/detect, or curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' …/v1/detect, or JSON {\"url\": \"https://…\"}"

// fileFields are the names of form fields that hold a picture; others that bring a
// file are taken too.
var fileFields = []string{"file", "image", "picture", "photo", "upload", "files", "files[]", "file[]", "images", "images[]"}

// picture is one question as it was asked: with the bytes or the address of a
// picture.
type picture struct {
	data []byte
	url  string
	opts schema.Options
	err  error // why this one of a batch cannot be answered
}

// asked is what one request brought. Its pictures are held in a budget until
// release.
type asked struct {
	pictures []picture
	room     *lease
}

// read takes the pictures from a request, however they were sent. With many, it is
// a batch.
func (s *Server) read(ctx context.Context, w http.ResponseWriter, r *http.Request, many bool) (a *asked, err error) {
	a = &asked{room: &lease{from: s.bodies}}
	defer func() {
		if err != nil {
			a.room.release()
			a = nil
		}
	}()
	limit := s.MaxBody
	if many {
		limit = s.MaxBatch
	}
	// A picture in base64, or between a form's fields, takes more than its bytes.
	wire := limit + limit/2 + 1<<20
	if r.ContentLength > wire {
		return a, tooLarge(limit)
	}
	s.bodyDeadline(w, r.ContentLength)
	defer bodyDone(w)
	r.Body = http.MaxBytesReader(w, r.Body, wire)

	query, err := s.form.ofTexts("query", r.URL.Query())
	if err != nil {
		return a, err
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind = strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Type")))
	}
	switch {
	case kind == "multipart/form-data":
		if params["boundary"] == "" {
			return a, problem(schema.CodeBadRequest, "the form has no boundary: do not set its Content-Type by hand; %s", howToSend)
		}
		err = s.readForm(ctx, r, limit, many, query.Options, a)
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		err = s.readJSON(ctx, r, limit, many, query.Options, a)
	case many:
		return a, problem(schema.CodeUnsupportedMedia, "a batch is JSON or a form with several files, not %q; try: curl -F file=@a.jpg -F file=@b.jpg …/v1/detect/batch", kind)
	case kind == "" || kind == "application/octet-stream" || strings.HasPrefix(kind, "image/") || kind == "binary/octet-stream":
		var data []byte
		if data, err = readAll(ctx, r.Body, r.ContentLength, limit, a.room); err == nil {
			a.pictures = []picture{{data: data, opts: query.Options}}
		}
	case kind == "application/x-www-form-urlencoded":
		err = s.readURLForm(ctx, r, limit, query.Options, a)
	default:
		return a, problem(schema.CodeUnsupportedMedia, "content of type %q is not read; %s", kind, howToSend)
	}
	if err != nil {
		return a, err
	}
	if len(a.pictures) == 0 {
		return a, problem(schema.CodeEmptyBody, "no picture was sent; %s", howToSend)
	}
	if !many && len(a.pictures[0].data) == 0 && a.pictures[0].url == "" {
		return a, problem(schema.CodeEmptyBody, "the body is empty; %s", howToSend)
	}
	return a, nil
}

// readForm reads a form with files.
func (s *Server) readForm(ctx context.Context, r *http.Request, limit int64, many bool, opts schema.Options, a *asked) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return problem(schema.CodeBadRequest, "the form cannot be read; %s", howToSend)
	}
	texts := map[string][]string{}
	var files [][]byte
	slab, err := newSlab(ctx, r.ContentLength, a.room)
	if err != nil {
		return err
	}
	total, fields := int64(0), 0
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if p, ok := errors.AsType[*schema.Problem](bodyError(err)); ok && p.Code == schema.CodeTooLarge {
				return p
			}
			return problem(schema.CodeBadRequest, "the form is cut short or damaged; %s", howToSend)
		}
		if fields++; fields > schema.MaxBatchItems+50 {
			return problem(schema.CodeTooLarge, "the form has too many fields; try: at most %d pictures", schema.MaxBatchItems)
		}
		name := part.FormName()
		isFile := part.FileName() != "" || slices.Contains(fileFields, name) && name != "image"
		if !isFile && name == "image" {
			// The picture itself, or its base64: told apart by what it is.
			kind := part.Header.Get("Content-Type")
			isFile = strings.HasPrefix(kind, "image/") || kind == "application/octet-stream"
		}
		if !isFile && name != "image" {
			text, err := io.ReadAll(io.LimitReader(part, 8<<10))
			if err != nil {
				return bodyError(err)
			}
			texts[name] = append(texts[name], string(text))
			continue
		}
		data, err := slab.read(ctx, part, min(s.MaxBody, limit-total))
		if err != nil {
			return err
		}
		total += int64(len(data))
		if !isFile && !looksBinary(data) {
			texts[name] = append(texts[name], string(data))
			continue
		}
		if files = append(files, data); len(files) > schema.MaxBatchItems {
			return tooMany()
		}
		if !many && len(files) > 1 {
			return problem(schema.CodeBadRequest, "the form has several pictures; try: /v1/detect/batch, or one request for each")
		}
	}
	if len(files) == 0 && texts["url"] == nil && texts["image"] == nil {
		return problem(schema.CodeEmptyBody, "the form holds no picture; %s", howToSend)
	}
	q, err := s.form.ofTexts("body", texts)
	if err != nil {
		return err
	}
	opts = merge(opts, q.Options, texts)
	for _, data := range files {
		p := picture{data: data, opts: opts}
		if len(data) == 0 {
			p.err = problem(schema.CodeEmptyBody, "the file is empty; %s", howToSend)
			if !many {
				return p.err
			}
		}
		a.pictures = append(a.pictures, p)
	}
	if q.URL != "" || q.Image != "" {
		if len(files) > 0 && !many {
			return problem(schema.CodeBadRequest, "the form has both a file and a url or image; try: one of them")
		}
		q.Options = opts
		a.pictures = append(a.pictures, s.ofQuestion(q))
	}
	if !many && len(a.pictures) == 1 {
		return a.pictures[0].err
	}
	return nil
}

func tooMany() *schema.Problem {
	return problem(schema.CodeTooLarge, "more than %d pictures; try: several batches", schema.MaxBatchItems)
}

// readURLForm reads what curl sends with -d and --data-binary where no type is
// named: a picture, or fields.
func (s *Server) readURLForm(ctx context.Context, r *http.Request, limit int64, opts schema.Options, a *asked) error {
	data, err := readAll(ctx, r.Body, r.ContentLength, limit+limit/2, a.room)
	if err != nil || len(data) == 0 {
		return err
	}
	if looksBinary(data) {
		a.pictures = []picture{{data: data, opts: opts}}
		return nil
	}
	values, err := url.ParseQuery(string(data))
	if err != nil || len(values["url"])+len(values["image"]) == 0 {
		return problem(schema.CodeUnsupportedMedia, "the body is neither a picture nor a form with a url or an image; %s", howToSend)
	}
	q, err := s.form.ofTexts("body", values)
	if err != nil {
		return err
	}
	q.Options = merge(opts, q.Options, values)
	p := s.ofQuestion(q)
	a.pictures = []picture{p}
	return p.err
}

// readJSON reads a question or a batch of them.
func (s *Server) readJSON(ctx context.Context, r *http.Request, limit int64, many bool, opts schema.Options, a *asked) error {
	data, err := readAll(ctx, r.Body, r.ContentLength, limit+limit/2+1<<20, a.room)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return problem(schema.CodeEmptyBody, "the body is empty; %s", howToSend)
	}
	if looksBinary(data) {
		return problem(schema.CodeBadRequest, "the Content-Type says JSON, but the body is none; %s", howToSend)
	}
	// The texts of the document, and the bytes that they stand for.
	if err := a.room.grow(ctx, 2*int64(len(data))); err != nil {
		return err
	}
	var values map[string]any
	if err := json.Unmarshal(data, &values); err != nil || values == nil {
		return problem(schema.CodeBadRequest, "the body is not a JSON object (%v); try: {\"url\": \"https://…\"} or {\"image\": \"<base64>\"}", jsonError(err))
	}
	length := int64(len(data))
	data = nil
	if !many {
		if values["url"] == nil && values["image"] == nil {
			return problem(schema.CodeEmptyBody, "the question has neither url nor image; try: {\"url\": \"https://…\"} or {\"image\": \"<base64>\"}")
		}
		q, err := s.form.ofValues("body", s.form.question, values)
		if err != nil {
			return err
		}
		q.Options = mergeJSON(opts, q.Options, values)
		p := s.ofQuestion(q)
		a.room.shrink(max(length, int64(len(p.data))))
		a.pictures = []picture{p}
		return p.err
	}
	items, ok := values["items"].([]any)
	if ok && len(items) > schema.MaxBatchItems {
		return tooMany()
	}
	if !ok || len(items) == 0 {
		return invalid([]schema.FieldError{{Location: "body.items", Message: "a list of 1 to 100 questions is needed; try: {\"items\": [{\"url\": \"https://…\"}]}"}})
	}
	for name := range values {
		if name != "items" {
			return invalid([]schema.FieldError{{Location: "body." + name, Message: "unexpected; try: options within the items, or as query parameters"}})
		}
	}
	for i, item := range items {
		a.pictures = append(a.pictures, s.ofItem(i, item, opts))
	}
	return nil
}

// ofItem reads one question of a batch; what is wrong with it is told of it alone.
func (s *Server) ofItem(i int, item any, opts schema.Options) picture {
	where := itemPath(i)
	values, ok := item.(map[string]any)
	if !ok {
		return picture{err: invalid([]schema.FieldError{{Location: where, Message: "a question is an object"}})}
	}
	q, err := s.form.ofValues(where, s.form.question, values)
	if err != nil {
		return picture{err: err}
	}
	q.Options = mergeJSON(opts, q.Options, values)
	return s.ofQuestion(q)
}

// ofQuestion takes the picture out of a question.
func (s *Server) ofQuestion(q schema.Question) picture {
	p := picture{url: q.URL, opts: q.Options}
	switch {
	case q.URL != "" && q.Image != "":
		p.err = invalid([]schema.FieldError{{Location: "body", Message: "both url and image are given; try: one of them"}})
	case q.Image != "":
		p.data, p.err = decodeImage(q.Image)
		if p.err == nil && int64(len(p.data)) > s.MaxBody {
			p.data, p.err = nil, tooLarge(s.MaxBody)
		}
	case q.URL == "":
		p.err = problem(schema.CodeEmptyBody, "the question has neither url nor image; try: {\"url\": \"https://…\"} or {\"image\": \"<base64>\"}")
	}
	return p
}

// decodeImage reads base64 of either alphabet, with or without padding and line
// ends, or a data: URL of it.
func decodeImage(text string) ([]byte, error) {
	wrong := func(message string) error {
		return invalid([]schema.FieldError{{Location: "body.image", Message: message}})
	}
	if len(text) >= 5 && strings.EqualFold(text[:5], "data:") {
		head, body, ok := strings.Cut(text, ",")
		if !ok || !strings.HasSuffix(strings.ToLower(head), ";base64") {
			return nil, wrong("a data: URL must be in base64, such as data:image/png;base64,…")
		}
		text = body
	}
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	data, err := encoding.DecodeString(text) // it skips line ends
	switch {
	case err != nil:
		return nil, wrong("not base64; try: base64 -w0 photo.jpg")
	case len(data) == 0:
		return nil, problem(schema.CodeEmptyBody, "the image is empty; %s", howToSend)
	}
	return data, nil
}

// looksBinary says whether data begins as no text does.
func looksBinary(data []byte) bool {
	return bytes.ContainsFunc(data[:min(len(data), 512)], func(c rune) bool {
		return c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0xFFFD
	})
}

// jsonError is a JSON error in words that name no Go type.
func jsonError(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Error()
	}
	return "an object is needed"
}
