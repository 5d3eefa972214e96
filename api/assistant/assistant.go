// Package assistant lets AI assistants ask about pictures, by the Model Context
// Protocol: its server has the tools detect, explain and compare.
//
//	server := assistant.New(assistant.Config{Asker: assistant.Remote(client), Root: root, Version: "1.0.0"})
//	err := server.Run(ctx, &mcp.StdioTransport{})
package assistant

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// Asker judges pictures.
type Asker interface {
	// Ask judges the picture with those bytes, or at that address where there are
	// none. It also gives the heatmap's PNG where one was asked for.
	Ask(ctx context.Context, picture []byte, address string, opts schema.Options) (*schema.Detection, []byte, error)
}

// Config says who judges and what may be read.
type Config struct {
	Asker Asker
	// Root is the only folder whose files an assistant may name; nil: none at all.
	Root    *os.Root
	Version string
}

// instructions are what an assistant is told of the server.
const instructions = `Estimates how likely a picture is AI-generated. A score is an estimate and no proof:
repeat the verdict "unsure" as it is, name the warnings, and do not call a person a liar because of a score.
Metadata of a file is a claim that anyone can write or remove; only a valid signed history (C2PA) is evidence.`

// maxCompared bounds the pictures of one comparison.
const maxCompared = 10

// Picture names a picture in one of three ways.
type Picture struct {
	Path  string `json:"path,omitempty" jsonschema:"file in the folder that the server was started for, relative to it or absolute"`
	URL   string `json:"url,omitempty" jsonschema:"http or https address of the picture"`
	Image string `json:"image,omitempty" jsonschema:"the picture's bytes in base64"`
}

// DetectInput is what the tools detect and explain take.
type DetectInput struct {
	Picture
	Models []string `json:"models,omitempty" jsonschema:"names of detectors to ask; the first one decides; default: the server's own"`
}

// CompareInput is what the tool compare takes.
type CompareInput struct {
	Pictures []Picture `json:"pictures" jsonschema:"2 to 10 pictures"`
}

// Finding is what the tools say of a picture.
type Finding struct {
	Picture     string   `json:"picture,omitempty" jsonschema:"which picture"`
	Verdict     string   `json:"verdict,omitempty" jsonschema:"ai, real or unsure"`
	Score       *float64 `json:"score,omitempty" jsonschema:"0 is real, 1 is AI-generated; missing where there is an error"`
	Confidence  string   `json:"confidence,omitempty"`
	Explanation string   `json:"explanation,omitempty"`
	Warnings    []string `json:"warnings,omitempty" jsonschema:"reasons to trust the score less"`
	Provenance  string   `json:"provenance,omitempty" jsonschema:"what the file says of its origin"`
	Model       string   `json:"model,omitempty"`
	Error       string   `json:"error,omitempty" jsonschema:"why this picture could not be judged"`
}

// Comparison is what the tool compare says, the picture with the highest score
// first.
type Comparison struct {
	Findings []Finding `json:"findings"`
}

type server struct{ Config }

// New makes the server. It reads nothing before one of its tools is called.
func New(cfg Config) *mcp.Server {
	s := &server{cfg}
	m := mcp.NewServer(&mcp.Implementation{Name: "bitmind", Title: "bitmind", Version: cfg.Version}, &mcp.ServerOptions{Instructions: instructions})
	reading := &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true}
	mcp.AddTool(m, &mcp.Tool{
		Name: "detect", Title: "Is this picture AI-generated?", Annotations: reading,
		Description: "Judge a picture: verdict (ai, real, unsure), score, how sure, warnings.",
	}, s.detect)
	mcp.AddTool(m, &mcp.Tool{
		Name: "explain", Title: "Why this verdict?", Annotations: reading,
		Description: "Judge a picture and explain: what the score means, where in the picture (a heatmap), whether the verdict survives resizing and compression, what the file says of its origin, and what would change the verdict.",
	}, s.explain)
	mcp.AddTool(m, &mcp.Tool{
		Name: "compare", Title: "Which of these pictures is AI-generated?", Annotations: reading,
		Description: "Judge 2 to 10 pictures and put them in order, the likeliest AI-generated first.",
	}, s.compare)
	return m
}

// ask judges one picture.
func (s *server) ask(ctx context.Context, p Picture, opts schema.Options) (*schema.Detection, []byte, error) {
	data, err := s.read(p)
	if err != nil {
		return nil, nil, err
	}
	return s.Asker.Ask(ctx, data, p.URL, opts)
}

// read gives the bytes of a picture that is not an address.
func (s *server) read(p Picture) ([]byte, error) {
	switch {
	case p.Path != "" && p.URL == "" && p.Image == "":
		return s.file(p.Path)
	case p.URL != "" && p.Path == "" && p.Image == "":
		return nil, nil
	case p.Image != "" && p.Path == "" && p.URL == "":
		text := p.Image
		if _, rest, ok := strings.Cut(text, ";base64,"); ok && strings.HasPrefix(text, "data:") {
			text = rest
		}
		data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(data) == 0 {
			return nil, errors.New("image is not base64; try: path or url")
		}
		return data, nil
	}
	return nil, errors.New("a picture is named by exactly one of path, url and image")
}

func (s *server) file(name string) ([]byte, error) {
	if s.Root == nil {
		return nil, errors.New("this server reads no files; try: url or image")
	}
	if filepath.IsAbs(name) {
		inside, err := filepath.Rel(s.Root.Name(), name)
		if err != nil || !filepath.IsLocal(inside) {
			return nil, fmt.Errorf("%s is outside of %s, the only folder that is read; try: url or image", name, s.Root.Name())
		}
		name = inside
	} else if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%s is outside of %s, the only folder that is read; try: url or image", name, s.Root.Name())
	}
	// A Root follows no link out of its folder.
	info, err := s.Root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	f, err := s.Root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decode.ReadAll(f, decode.Limits{})
}
