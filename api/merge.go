package api

import (
	"strconv"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// itemPath names a question of a batch in errors.
func itemPath(i int) string { return "body.items[" + strconv.Itoa(i) + "]" }

// merge lays the options of a body over those of the query: what is named in the
// body counts.
func merge(query, body schema.Options, named map[string][]string) schema.Options {
	return mergeNamed(query, body, func(name string) bool { return named[name] != nil })
}

func mergeJSON(query, body schema.Options, named map[string]any) schema.Options {
	return mergeNamed(query, body, func(name string) bool { _, ok := named[name]; return ok })
}

func mergeNamed(query, body schema.Options, named func(string) bool) schema.Options {
	pick(&query.ExternalID, body.ExternalID, named("external_id"))
	pick(&query.Models, body.Models, named("models"))
	pick(&query.Heatmap, body.Heatmap, named("heatmap"))
	pick(&query.Robustness, body.Robustness, named("robustness"))
	pick(&query.Provenance, body.Provenance, named("provenance"))
	pick(&query.Threshold, body.Threshold, named("threshold"))
	pick(&query.Async, body.Async, named("async"))
	pick(&query.WebhookURL, body.WebhookURL, named("webhook_url"))
	pick(&query.Retain, body.Retain, named("retain"))
	return query
}

func pick[T any](to *T, from T, named bool) {
	if named {
		*to = from
	}
}
