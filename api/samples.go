package api

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/samples"
)

// shown are the pictures that people may try, the larger ones among the samples,
// not chosen by how they score.
var shown = []string{
	"real/palapeli/european-honey-bee.jpg",
	"fake/flux/flux-schnell.jpg",
	"real/plasma-wallpapers/darkesthour.jpg",
	"fake/stable-diffusion/sd3-5-simple-example.jpg",
	"real/getty-open-content/dust-bowl-home.jpg",
	"fake/openai/api-openai-dall-e-3-t2i.jpg",
	"real/palapeli/cincinnati-bridge.jpg",
	"fake/stable-diffusion/sdxl-simple-example.jpg",
}

type samplesOutput struct{ Body schema.Samples }

// readSamples makes the list from the samples' own manifest.
func readSamples() (schema.Samples, error) {
	manifest, err := samples.FS.ReadFile("manifest.tsv")
	if err != nil {
		return schema.Samples{}, err
	}
	r := csv.NewReader(strings.NewReader(string(manifest)))
	r.Comma, r.LazyQuotes = '\t', true
	lines, err := r.ReadAll()
	if err != nil {
		return schema.Samples{}, fmt.Errorf("the samples' manifest: %w", err)
	}
	known := map[string]schema.Sample{}
	for _, line := range lines[1:] { // path, label, source, generator or camera, origin, licence …
		label := "real"
		if line[1] == "1" {
			label = "ai"
		}
		name := strings.TrimSuffix(path.Base(line[0]), ".jpg")
		known[line[0]] = schema.Sample{Name: name, URL: "/v1/samples/" + name + ".jpg", Label: label, Source: line[3], Licence: line[5]}
	}
	var list schema.Samples
	for _, p := range shown {
		sample, ok := known[p]
		if !ok {
			return schema.Samples{}, fmt.Errorf("the sample %s is not in the manifest", p)
		}
		list.Items = append(list.Items, sample)
	}
	return list, nil
}

func (s *Server) registerSamples() error {
	list, err := readSamples()
	if err != nil {
		return err
	}
	tags := []string{"Samples"}
	register(s, huma.Operation{
		OperationID: "samples", Method: http.MethodGet, Path: "/v1/samples", Tags: tags, Summary: "List pictures to try, real and AI-generated",
	}, func(context.Context, *struct{}) (*samplesOutput, error) { return &samplesOutput{list}, nil })
	register(s, huma.Operation{
		OperationID: "sample", Method: http.MethodGet, Path: "/v1/samples/{name}", Tags: tags, Errors: []int{404},
		Summary: "Get a picture to try", Responses: pictureResponse("image/jpeg"),
	}, func(_ context.Context, in *nameInput) (*fileOutput, error) {
		for i, sample := range list.Items {
			if sample.Name+".jpg" != in.Name {
				continue
			}
			data, err := samples.FS.ReadFile(shown[i])
			if err != nil {
				return nil, err
			}
			return &fileOutput{ContentType: "image/jpeg", Caching: "public, max-age=86400", Body: data}, nil
		}
		return nil, problem(schema.CodeNotFound, "there is no sample %q; try: one of /v1/samples", in.Name)
	})
	return nil
}
