package inspect

import (
	"fmt"
	"math"
	"slices"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// sure is how close to its end of the scale a score must be for "very likely".
const sure = 0.05

// words say how sure the verdict is, and what it means.
func words(d *schema.Detection, reference *schema.Reference) (confidence, explanation string) {
	score := *d.Score
	doubt := slices.ContainsFunc(d.Warnings, doubtful) || d.Robustness != nil && !d.Robustness.Holds
	likely := func(very bool) string {
		if very && !doubt {
			return "very likely"
		}
		return "likely"
	}
	switch d.Verdict {
	case schema.VerdictAI:
		confidence = likely(score >= 1-sure) + " AI-generated"
		explanation = fmt.Sprintf("The score %.2f is above %.2f, from where on %s says AI-generated.", score, d.Bands.AIAbove, d.Model.Name)
	case schema.VerdictReal:
		confidence = likely(score <= sure) + " real"
		explanation = fmt.Sprintf("The score %.2f is below %.2f, up to where %s says real.", score, d.Bands.RealBelow, d.Model.Name)
	default:
		confidence = "not clear"
		explanation = fmt.Sprintf("The score %.2f lies between %.2f and %.2f, where %s is wrong too often for a verdict.", score, d.Bands.RealBelow, d.Bands.AIAbove, d.Model.Name)
	}
	explanation += meaning(score, reference)
	if d.Robustness != nil && !d.Robustness.Holds {
		explanation += " A smaller or more compressed copy of the picture gets another verdict, so this one is less sure."
	}
	return confidence, explanation
}

// doubtful says whether a warning makes the score less sure; others say what was
// looked at.
func doubtful(w schema.Warning) bool {
	switch w.Code {
	case decode.WarnReduced, decode.WarnAnimated, decode.WarnSeveral, WarnNoHeatmap:
		return false
	}
	return true
}

// meaning compares the score with those of pictures whose origin is known.
func meaning(score float64, r *schema.Reference) string {
	if r == nil {
		return ""
	}
	real, ok := shareAbove(r.Photographs, score)
	if !ok {
		return ""
	}
	text := fmt.Sprintf(" This score or more is reached by %s of 100 real photographs", inHundred(real))
	if ai, ok := shareAbove(r.AI, score); ok {
		text += fmt.Sprintf(" and by %s of 100 AI-generated pictures", inHundred(ai))
	}
	return text + "."
}

// shareAbove gives the share of pictures with at least that score.
func shareAbove(shares []float64, score float64) (float64, bool) {
	if len(shares) != 101 {
		return 0, false
	}
	return shares[min(max(int(math.Floor(score*100)), 0), 100)], true
}

// inHundred says a share as a count of a hundred.
func inHundred(share float64) string {
	n := math.Round(100 * share)
	if n == 0 && share > 0 {
		return "fewer than 1"
	}
	return fmt.Sprintf("%.0f", n)
}
