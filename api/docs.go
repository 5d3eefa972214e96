package api

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsPage string

//go:embed docs.css
var docsStyle []byte

var docsTemplate = template.Must(template.New("docs").Funcs(template.FuncMap{"prose": prose}).Parse(docsPage))

// docsOperation is an operation as the page shows it.
type docsOperation struct {
	ID, Method, Path, Summary, Text, Scope, Curl string
	Parameters                                   []docsField
	Bodies                                       []string // kinds of content it takes
	Fields                                       []docsField
	Answers                                      []docsAnswer
}

type docsField struct {
	Name, In, Type, Text string
	Required             bool
}

type docsAnswer struct {
	Status, Text, Type string
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

// docsType is a shape with its fields.
type docsType struct {
	Name   string
	Fields []docsField
}

// docsGroups is the order of the page.
var docsGroups = []string{"Detections", "Sharing", "Webhooks", "Models", "Samples", "Subnet", "Service"}

// registerDocs serves a page about the API that is made from its own document, so
// that it says what the program does. It loads nothing but its own style.
func (s *Server) registerDocs() error {
	var page bytes.Buffer
	err := docsTemplate.Execute(&page, map[string]any{
		"Version": s.Version, "Groups": s.docsOperations(), "Types": s.docsTypes(), "Kinds": docsKinds(),
	})
	if err != nil {
		return fmt.Errorf("making the page about the API: %w", err)
	}
	s.mux.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-cache")
		w.Write(page.Bytes())
	})
	s.mux.HandleFunc("GET /docs.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Write(docsStyle)
	})
	return nil
}

type docsKind struct {
	Code, Title string
	Status      int
}

func docsKinds() []docsKind {
	var list []docsKind
	for _, k := range kinds {
		list = append(list, docsKind{k.code, k.title, k.status})
	}
	return list
}

func (s *Server) docsOperations() []docsGroup {
	document := s.api.OpenAPI()
	groups := make([]docsGroup, len(docsGroups))
	for i, name := range docsGroups {
		groups[i].Name = name
	}
	for path, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op == nil || op.Hidden {
				continue
			}
			at := slices.Index(docsGroups, append(op.Tags, "Service")[0])
			groups[max(at, 0)].Operations = append(groups[max(at, 0)].Operations, s.docsOperation(path, op))
		}
	}
	for _, g := range groups {
		slices.SortFunc(g.Operations, func(a, b docsOperation) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), -cmp.Compare(a.Method, b.Method))
		})
	}
	return groups
}

func (s *Server) docsOperation(path string, op *huma.Operation) docsOperation {
	scope, _ := op.Metadata[scopeName].(string)
	d := docsOperation{
		ID: op.OperationID, Method: op.Method, Path: path, Summary: op.Summary, Text: op.Description, Scope: scope,
		Curl: curlOf(path, op),
	}
	for _, p := range op.Parameters {
		if p == nil || p.Name == "Accept" {
			continue
		}
		text := p.Description
		if text == "" && p.Schema != nil {
			text = p.Schema.Description
		}
		d.Parameters = append(d.Parameters, docsField{Name: p.Name, In: p.In, Type: s.typeText(p.Schema), Text: text, Required: p.Required})
	}
	if op.RequestBody != nil {
		for kind, media := range op.RequestBody.Content {
			d.Bodies = append(d.Bodies, kind)
			if kind == "application/json" && media.Schema != nil {
				d.Fields = s.docsFields(media.Schema)
			}
		}
		slices.Sort(d.Bodies)
	}
	for status, response := range op.Responses {
		answer := docsAnswer{Status: status, Text: response.Description}
		for kind, media := range response.Content {
			if kind != "application/problem+json" {
				answer.Type = cmp.Or(s.typeText(media.Schema), kind)
			}
		}
		d.Answers = append(d.Answers, answer)
	}
	slices.SortFunc(d.Answers, func(a, b docsAnswer) int { return cmp.Compare(a.Status, b.Status) })
	return d
}

func (s *Server) docsTypes() []docsType {
	var list []docsType
	for name, sch := range s.api.OpenAPI().Components.Schemas.Map() {
		list = append(list, docsType{name, s.docsFields(sch)})
	}
	slices.SortFunc(list, func(a, b docsType) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// docsFields lists an object's fields, those that must be there first.
func (s *Server) docsFields(sch *huma.Schema) []docsField {
	if sch.Ref != "" {
		sch = s.api.OpenAPI().Components.Schemas.SchemaFromRef(sch.Ref)
	}
	var fields []docsField
	for name, property := range sch.Properties {
		fields = append(fields, docsField{Name: name, Type: s.typeText(property), Text: property.Description, Required: slices.Contains(sch.Required, name)})
	}
	slices.SortFunc(fields, func(a, b docsField) int {
		if a.Required != b.Required {
			if a.Required {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return fields
}

// typeText names a schema's type in short.
func (s *Server) typeText(sch *huma.Schema) string {
	switch {
	case sch == nil:
		return ""
	case sch.Ref != "":
		return sch.Ref[strings.LastIndexByte(sch.Ref, '/')+1:]
	case sch.Type == huma.TypeArray:
		return "list of " + s.typeText(sch.Items)
	case len(sch.Enum) > 0:
		var words []string
		for _, v := range sch.Enum {
			words = append(words, fmt.Sprint(v))
		}
		return strings.Join(words, ", ")
	case sch.Format == "date-time":
		return "time"
	case sch.Format == "binary":
		return "file"
	}
	return sch.Type
}

// curlExamples are the calls that need more than their address.
var curlExamples = map[string]string{
	"detect":          "curl -F file=@photo.jpg '$SERVER/v1/detect?heatmap=true'",
	"detect-batch":    "curl -F file=@a.jpg -F file=@b.jpg $SERVER/v1/detect/batch",
	"feedback":        `curl --json '{"kind": "false_positive"}' $SERVER/v1/detections/$ID/feedback`,
	"list-detections": "curl -H 'Accept: text/csv' '$SERVER/v1/detections?verdict=ai' -o detections.csv",
	"heatmap":         "curl $SERVER/v1/detections/$ID/heatmap.png -o heatmap.png",
	"events":          "curl -N $SERVER/v1/events",
}

func curlOf(path string, op *huma.Operation) string {
	if text := curlExamples[op.OperationID]; text != "" {
		return text
	}
	path = strings.NewReplacer("{id}", "$ID", "{token}", "$TOKEN", "{name}", "best", "{uid}", "2").Replace(path)
	if op.OperationID == "sample" {
		path = "/v1/samples/flux-schnell.jpg -o sample.jpg"
	}
	if op.Method != http.MethodGet {
		return "curl -X " + op.Method + " $SERVER" + path
	}
	return "curl $SERVER" + path
}

// prose makes paragraphs, lists and code of a description's Markdown, of which the
// descriptions use just these.
func prose(text string) template.HTML {
	var out strings.Builder
	for block := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(block, "- ") {
			out.WriteString("<ul>")
			for item := range strings.SplitSeq(strings.TrimPrefix(block, "- "), "\n- ") {
				out.WriteString("<li>" + inline(item) + "</li>")
			}
			out.WriteString("</ul>")
			continue
		}
		out.WriteString("<p>" + inline(block) + "</p>")
	}
	return template.HTML(out.String())
}

func inline(text string) string {
	parts := strings.Split(template.HTMLEscapeString(text), "`")
	for i := 1; i < len(parts); i += 2 {
		parts[i] = "<code>" + parts[i] + "</code>"
	}
	return strings.Join(parts, "")
}
