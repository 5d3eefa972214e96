package assistant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

func (s *server) detect(ctx context.Context, _ *mcp.CallToolRequest, in DetectInput) (*mcp.CallToolResult, Finding, error) {
	d, _, err := s.ask(ctx, in.Picture, schema.Options{Models: in.Models})
	if err != nil {
		return nil, Finding{}, err
	}
	f := finding(in.Picture, d)
	return text(f.sentence()), f, nil
}

func (s *server) explain(ctx context.Context, _ *mcp.CallToolRequest, in DetectInput) (*mcp.CallToolResult, Finding, error) {
	d, heatmap, err := s.ask(ctx, in.Picture, schema.Options{Models: in.Models, Heatmap: true})
	if err != nil {
		return nil, Finding{}, err
	}
	f := finding(in.Picture, d)
	result := text(explanation(f, d))
	if heatmap != nil {
		result.Content = append(result.Content, &mcp.ImageContent{Data: heatmap, MIMEType: "image/png"})
	}
	return result, f, nil
}

func (s *server) compare(ctx context.Context, _ *mcp.CallToolRequest, in CompareInput) (*mcp.CallToolResult, Comparison, error) {
	if n := len(in.Pictures); n < 2 || n > maxCompared {
		return nil, Comparison{}, fmt.Errorf("%d pictures to compare; want 2 to %d", n, maxCompared)
	}
	all := Comparison{Findings: make([]Finding, len(in.Pictures))}
	for i, p := range in.Pictures {
		d, _, err := s.ask(ctx, p, schema.Options{})
		switch {
		case ctx.Err() != nil:
			return nil, Comparison{}, ctx.Err()
		case err != nil:
			all.Findings[i] = Finding{Picture: p.name(i), Error: err.Error()}
		default:
			all.Findings[i] = finding(p, d)
			all.Findings[i].Picture = p.name(i)
		}
	}
	slices.SortStableFunc(all.Findings, func(a, b Finding) int {
		if (a.Error == "") != (b.Error == "") {
			return cmp.Compare(len(a.Error), len(b.Error)) // those without a score last
		}
		if a.Score == nil || b.Score == nil {
			return 0
		}
		return cmp.Compare(*b.Score, *a.Score)
	})
	lines := make([]string, len(all.Findings))
	for i, f := range all.Findings {
		lines[i] = fmt.Sprintf("%d. %s", i+1, f.sentence())
	}
	return text(strings.Join(lines, "\n")), all, nil
}

func text(t string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: t}}}
}

// name tells a picture from the others of a comparison.
func (p Picture) name(i int) string {
	return cmp.Or(p.Path, p.URL, fmt.Sprintf("picture %d", i+1))
}

func finding(p Picture, d *schema.Detection) Finding {
	f := Finding{
		Picture: cmp.Or(p.Path, p.URL), Verdict: d.Verdict, Score: d.Score, Confidence: d.Confidence,
		Explanation: d.Explanation, Model: d.Model.Name,
	}
	for _, w := range d.Warnings {
		f.Warnings = append(f.Warnings, w.Text)
	}
	if d.Provenance != nil {
		f.Provenance = d.Provenance.Summary
	}
	return f
}

// sentence says a finding in one line.
func (f Finding) sentence() string {
	name := cmp.Or(f.Picture, "The picture")
	if f.Error != "" {
		return fmt.Sprintf("%s could not be judged: %s", name, f.Error)
	}
	line := fmt.Sprintf("%s: %s (verdict %s, score %.3f of 1, by %s).", name, f.Confidence, f.Verdict, *f.Score, f.Model)
	if len(f.Warnings) > 0 {
		line += " Caution: " + strings.Join(f.Warnings, " ")
	}
	return line
}

// explanation says all that is known about a verdict.
func explanation(f Finding, d *schema.Detection) string {
	lines := []string{f.sentence(), f.Explanation}
	if r := d.Robustness; r != nil {
		lines = append(lines, fmt.Sprintf("A copy of half the size scores %.3f, one compressed as JPEG 60 scores %.3f.", r.HalfSize, r.JPEG60))
	}
	if len(d.Models) > 1 {
		for _, m := range d.Models[1:] {
			lines = append(lines, fmt.Sprintf("The detector %s says %s (%.3f).", m.Name, m.Verdict, m.Score))
		}
	}
	lines = append(lines, change(d))
	if d.Heatmap != nil && d.Heatmap.Summary != "" {
		lines = append(lines, d.Heatmap.Summary)
	}
	if p := d.Provenance; p != nil {
		lines = append(lines, p.Summary)
		for _, c := range p.Claims {
			lines = append(lines, fmt.Sprintf("Claim (%s): %s", c.Source, c.Text))
		}
	}
	return strings.Join(lines, "\n")
}

// change says how far the score is from another verdict.
func change(d *schema.Detection) string {
	score, b := *d.Score, d.Bands
	switch d.Verdict {
	case schema.VerdictAI:
		return fmt.Sprintf("The verdict would be another one if the score were lower by %.2f.", score-b.AIAbove)
	case schema.VerdictReal:
		return fmt.Sprintf("The verdict would be another one if the score were higher by %.2f.", b.RealBelow-score)
	default:
		return fmt.Sprintf("It would take a score above %.2f for the verdict ai, below %.2f for real; a larger or less compressed copy of the picture may give one.", b.AIAbove, b.RealBelow)
	}
}
