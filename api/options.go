package api

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// form reads questions: it checks them by the schema that the OpenAPI document
// shows, whichever way they came.
type form struct {
	registry        huma.Registry
	question, batch *huma.Schema
	options         *huma.Schema
}

func newForm(registry huma.Registry) *form {
	named := func(t reflect.Type) *huma.Schema {
		return registry.SchemaFromRef(registry.Schema(t, true, "").Ref)
	}
	return &form{
		registry: registry,
		question: named(reflect.TypeFor[schema.Question]()),
		batch:    named(reflect.TypeFor[schema.Batch]()),
		options:  huma.SchemaFromType(registry, reflect.TypeFor[schema.Options]()),
	}
}

// names lists the options in a fixed order.
func (f *form) names() []string {
	var names []string
	for name := range f.options.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// parameters are the options as query parameters.
func (f *form) parameters() []*huma.Param {
	var params []*huma.Param
	for _, name := range f.names() {
		property := f.options.Properties[name]
		p := &huma.Param{Name: name, In: "query", Schema: property, Description: property.Description}
		if property.Type == huma.TypeArray {
			no := false
			p.Explode = &no // a,b,c
		}
		params = append(params, p)
	}
	return params
}

// question makes a question of texts: query parameters or the fields of a form.
// Where is query or body, for the errors' locations. Url and image are fields of
// forms only.
func (f *form) ofTexts(where string, values map[string][]string) (schema.Question, error) {
	known := f.options
	if where == "body" {
		known = f.question
	}
	typed := map[string]any{}
	var wrong []schema.FieldError
	for name, texts := range values {
		property := known.Properties[name]
		if property == nil {
			wrong = append(wrong, schema.FieldError{Location: where + "." + name, Message: "there is no such option; try: " + strings.Join(f.names(), ", ")})
			continue
		}
		value, err := typedValue(property.Type, texts)
		if err != nil {
			wrong = append(wrong, schema.FieldError{Location: where + "." + name, Message: err.Error()})
			continue
		}
		typed[name] = value
	}
	if len(wrong) > 0 {
		return schema.Question{}, invalid(wrong)
	}
	return f.ofValues(where, known, typed)
}

// typedValue reads a text as the type that a schema wants.
func typedValue(kind string, texts []string) (any, error) {
	text := ""
	if len(texts) > 0 {
		text = strings.TrimSpace(texts[len(texts)-1])
	}
	switch kind {
	case huma.TypeBoolean:
		switch strings.ToLower(text) {
		case "", "true", "1", "yes", "on":
			return true, nil
		case "false", "0", "no", "off":
			return false, nil
		}
		return nil, fmt.Errorf("%q is neither true nor false", text)
	case huma.TypeNumber:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return nil, fmt.Errorf("%q is not a number", text)
		}
		return n, nil
	case huma.TypeArray:
		list := []any{}
		for _, text := range texts {
			for item := range strings.SplitSeq(text, ",") {
				if item = strings.TrimSpace(item); item != "" {
					list = append(list, item)
				}
			}
		}
		return list, nil
	}
	return text, nil
}

// ofValues checks JSON values against a schema and makes a question of them.
func (f *form) ofValues(where string, by *huma.Schema, values map[string]any) (schema.Question, error) {
	if err := f.check(where, by, values); err != nil {
		return schema.Question{}, err
	}
	// The picture does not take the way through JSON again.
	image, _ := values["image"].(string)
	delete(values, "image")
	var q schema.Question
	text, err := json.Marshal(values)
	if err == nil {
		err = json.Unmarshal(text, &q)
	}
	if err != nil {
		return schema.Question{}, fmt.Errorf("reading a checked question: %w", err)
	}
	q.Image = image
	return q, nil
}

// check validates JSON values by a schema.
func (f *form) check(where string, by *huma.Schema, values any) error {
	path := huma.NewPathBuffer(nil, 0)
	path.Push(where)
	var result huma.ValidateResult
	huma.Validate(f.registry, by, path, huma.ModeWriteToServer, values, &result)
	var wrong []schema.FieldError
	for _, err := range result.Errors {
		field := schema.FieldError{Message: err.Error()}
		if detail, ok := err.(huma.ErrorDetailer); ok {
			d := detail.ErrorDetail()
			field = schema.FieldError{Location: d.Location, Message: d.Message}
		}
		wrong = append(wrong, field)
	}
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	return nil
}

// invalid tells of wrong fields, the first one in words.
func invalid(fields []schema.FieldError) *schema.Problem {
	slices.SortFunc(fields, func(a, b schema.FieldError) int { return strings.Compare(a.Location, b.Location) })
	p := problem(schema.CodeInvalid, "%s: %s", fields[0].Location, fields[0].Message)
	p.Errors = fields
	return p
}

// multipart describes a form that brings pictures as the field file.
func (f *form) multipart(file *huma.Schema) *huma.Schema {
	fields := map[string]*huma.Schema{"file": file}
	for name, property := range f.options.Properties {
		fields[name] = property
	}
	return &huma.Schema{Type: huma.TypeObject, Properties: fields}
}
