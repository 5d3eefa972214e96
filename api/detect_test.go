package api

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// Every way of sending a picture brings the same picture.
func TestDetectWays(t *testing.T) {
	s := start(t, nil)
	data := sample(t)
	text := base64.StdEncoding.EncodeToString(data)
	ask := map[string]func() *reply{}
	for _, kind := range []string{"", "application/octet-stream", "image/jpeg", "image/png", "IMAGE/JPEG; q=1", "application/x-www-form-urlencoded"} {
		ask["bytes as "+kind] = func() *reply { return s.ask("POST", "/v1/detect", bytes.NewReader(data), "Content-Type", kind) }
	}
	ask["chunked"] = func() *reply {
		return s.ask("POST", "/v1/detect", struct{ *bytes.Reader }{bytes.NewReader(data)}, "Content-Type", "image/jpeg")
	}
	for _, name := range []string{"file", "image", "picture", "photo", "whatever"} {
		ask["form "+name] = func() *reply {
			body, kind := formOf(t, field{name, "a.jpg", data})
			return s.ask("POST", "/v1/detect", body, "Content-Type", kind)
		}
	}
	ask["chunked form"] = func() *reply {
		body, kind := formOf(t, field{"file", "a.jpg", data})
		return s.ask("POST", "/v1/detect", struct{ *bytes.Buffer }{body}, "Content-Type", kind)
	}
	ask["form with base64"] = func() *reply {
		body, kind := formOf(t, field{"image", "", []byte(text)})
		return s.ask("POST", "/v1/detect", body, "Content-Type", kind)
	}
	ask["fields with base64"] = func() *reply {
		body := url.Values{"image": {text}}.Encode()
		return s.ask("POST", "/v1/detect", strings.NewReader(body), "Content-Type", "application/x-www-form-urlencoded")
	}
	for name, image := range map[string]string{
		"base64": text, "URL base64": base64.RawURLEncoding.EncodeToString(data), "data URL": "data:image/jpeg;base64," + text,
		"wrapped base64": text[:76] + "\n" + text[76:] + "\n",
	} {
		ask["JSON "+name] = func() *reply { return s.json("/v1/detect", schema.Question{Image: image}) }
	}
	want := s.ask("POST", "/v1/detect", bytes.NewReader(data)).detection()
	if want.Media.Format != "jpeg" || want.Media.Bytes != int64(len(data)) || want.Model.Name != "one" || want.Robustness == nil || want.Timing == nil {
		t.Errorf("answer %+v", want)
	}
	for name, send := range ask {
		t.Run(name, func(t *testing.T) {
			r := send()
			r.t = t
			d := r.detection()
			if *d.Media != *want.Media || d.ID == want.ID {
				t.Errorf("answer %s %+v, want another one of %+v", d.ID, *d.Media, *want.Media)
			}
			if r.header.Get("Location") != "/v1/detections/"+d.ID {
				t.Errorf("Location %q", r.header.Get("Location"))
			}
		})
	}
}

// Options are the same in a query, a form and JSON; a body goes before the query.
func TestDetectOptions(t *testing.T) {
	s := start(t, nil)
	data := sample(t)
	yes, no, threshold := true, false, 0.25
	body, kind := formOf(t, field{"external_id", "", []byte("mine")}, field{"models", "", []byte("two, one")},
		field{"robustness", "", []byte("false")}, field{"threshold", "", []byte("0.25")}, field{"file", "a.jpg", data})
	for name, r := range map[string]*reply{
		"query": s.ask("POST", "/v1/detect?external_id=mine&models=two,one&robustness=false&threshold=0.25", bytes.NewReader(data)),
		"twice": s.ask("POST", "/v1/detect?external_id=mine&models=two&models=one&robustness=0&threshold=.25", bytes.NewReader(data)),
		"form":  s.ask("POST", "/v1/detect?external_id=other&robustness=true", body, "Content-Type", kind),
		"JSON": s.json("/v1/detect?robustness=true&models=one", schema.Question{
			Image:   base64.StdEncoding.EncodeToString(data),
			Options: schema.Options{ExternalID: "mine", Models: []string{"two", "one"}, Robustness: &no, Threshold: &threshold, Provenance: &yes},
		}),
	} {
		d := r.detection()
		if d.ExternalID != "mine" || len(d.Models) != 2 || d.Models[0].Name != "two" || d.Model.Name != "two" || d.Robustness != nil ||
			d.Bands.AIAbove != 0.25 || d.Bands.RealBelow != 0.25 || d.Verdict == schema.VerdictUnsure {
			t.Errorf("%s: %s", name, r.body)
		}
	}
}

// What brings no picture is told how to send one.
func TestDetectRefuses(t *testing.T) {
	s := start(t, func(c *Config) { c.MaxBody = 1 << 20 })
	data := string(sample(t))
	const (
		jsonKind = "application/json"
		urlForm  = "application/x-www-form-urlencoded"
	)
	for _, test := range []struct {
		name, path, kind, body string
		status                 int
		code, says             string
	}{
		{"nothing", "", "", "", 400, "empty_body", "curl -F file=@"},
		{"nothing as a picture", "", "image/png", "", 400, "empty_body", "curl -F file=@"},
		{"nothing as JSON", "", jsonKind, "", 400, "empty_body", "curl -F file=@"},
		{"no image", "", "image/png", "hello", 415, "unsupported_media", ""},
		{"cut short", "", "image/jpeg", data[:600], 422, "damaged_picture", ""},
		{"another kind", "", "text/html", "<p>", 415, "unsupported_media", "text/html"},
		{"a film", "", "video/mp4", "film", 415, "unsupported_media", "video/mp4"},
		{"too much", "", "image/png", strings.Repeat("x", 1<<20+1), 413, "too_large", "1 MB"},
		{"far too much", "", "image/png", strings.Repeat("x", 3<<20), 413, "too_large", "1 MB"},
		{"no JSON", "", jsonKind, "{", 400, "bad_request", "base64"},
		{"a list", "", jsonKind, "[]", 400, "bad_request", "base64"},
		{"null", "", jsonKind, "null", 400, "bad_request", "base64"},
		{"a picture as JSON", "", jsonKind, data, 400, "bad_request", "curl -F file=@"},
		{"neither", "", jsonKind, "{}", 400, "empty_body", "url"},
		{"both", "", jsonKind, `{"url":"http://example.com/","image":"eA=="}`, 422, "invalid", "one of them"},
		{"no base64", "", jsonKind, `{"image":"%%%"}`, 422, "invalid", "base64"},
		{"plain data URL", "", jsonKind, `{"image":"data:image/svg+xml,<svg/>"}`, 422, "invalid", "base64"},
		{"empty image", "", jsonKind, `{"image":""}`, 400, "empty_body", "url"},
		{"number for URL", "", jsonKind, `{"url":1}`, 422, "invalid", "body.url"},
		{"no URL", "", jsonKind, `{"url":"::"}`, 422, "invalid", "body.url"},
		{"unknown field", "", jsonKind, `{"url":"http://example.com","heatmpa":true}`, 422, "invalid", "heatmpa"},
		{"unknown option", "?heatmpa=1", "image/jpeg", data, 422, "invalid", "heatmap"},
		{"no number", "?threshold=high", "image/jpeg", data, 422, "invalid", "query.threshold"},
		{"too high", "?threshold=2", "image/jpeg", data, 422, "invalid", "query.threshold"},
		{"not a number at all", "?threshold=NaN", "image/jpeg", data, 422, "invalid", "threshold"},
		{"neither true nor false", "?heatmap=maybe", "image/jpeg", data, 422, "invalid", "query.heatmap"},
		{"unknown model", "?models=three", "image/jpeg", data, 422, "invalid", "one, two"},
		{"form without boundary", "", "multipart/form-data", "x", 400, "bad_request", "boundary"},
		{"form of another kind", "", "multipart/form-data; boundary=x", "nothing", 400, "empty_body", "curl -F"},
		{"fields", "", urlForm, "a=b", 415, "unsupported_media", "curl"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := s.ask("POST", "/v1/detect"+test.path, strings.NewReader(test.body), "Content-Type", test.kind)
			r.t = t
			p := r.problem(test.status, test.code)
			if !strings.Contains(p.Detail, test.says) {
				t.Errorf("detail %q does not say %q", p.Detail, test.says)
			}
		})
	}
	t.Run("form", func(t *testing.T) {
		empty, kind := formOf(t, field{"x", "", []byte("y")})
		s.ask("POST", "/v1/detect", empty, "Content-Type", kind).problem(400, "empty_body")
		several, kind := formOf(t, field{"file", "a.jpg", []byte(data)}, field{"file", "b.jpg", []byte(data)})
		s.ask("POST", "/v1/detect", several, "Content-Type", kind).problem(400, "bad_request")
		large, kind := formOf(t, field{"file", "a.jpg", make([]byte, 1<<20+1)})
		s.ask("POST", "/v1/detect", large, "Content-Type", kind).problem(413, "too_large")
		cut, kind := formOf(t, field{"file", "a.jpg", []byte(data)})
		cut.Truncate(cut.Len() / 2)
		s.ask("POST", "/v1/detect", cut, "Content-Type", kind).problem(400, "bad_request")
	})
}
