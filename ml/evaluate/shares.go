package evaluate

import "math"

// Shares gives the part of pictures with a score of at least i/steps for i from 0
// to steps, to four decimals: the mean over their sources of each source's part.
// It also counts the sources; there are no parts where there are no pictures.
func Shares(judged []Judgement, steps int) (atLeast []float64, sources int) {
	bySource := map[string][]float64{}
	for _, j := range judged {
		key := SourceKey(j.Label, j.Source)
		bySource[key] = append(bySource[key], j.Score)
	}
	if len(bySource) == 0 {
		return nil, 0
	}
	for i := range steps + 1 {
		limit, sum := float64(i)/float64(steps), 0.0
		for _, scores := range bySource {
			n := 0
			for _, s := range scores {
				if s >= limit {
					n++
				}
			}
			sum += float64(n) / float64(len(scores))
		}
		atLeast = append(atLeast, math.Round(1e4*sum/float64(len(bySource)))/1e4)
	}
	return atLeast, len(bySource)
}
