package evaluate

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
)

// maxScoreLine bounds a line of a file of scores, in bytes.
const maxScoreLine = 1 << 20

// ReadScores reads what another program made of pictures: JSON lines with path
// (or file, as `bitmind predict --json` writes) and score, AI-generated above 0.5.
// A line with an error in place of the score is a picture that it could not read,
// and left out.
func ReadScores(r io.Reader) (map[string]float64, error) {
	scores := map[string]float64{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxScoreLine)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var line struct {
			Path  string   `json:"path"`
			File  string   `json:"file"`
			Score *float64 `json:"score"`
			Error any      `json:"error"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("line %d of the scores: %w", n, err)
		}
		path := cmp.Or(line.Path, line.File)
		switch {
		case path == "":
			return nil, fmt.Errorf(`line %d of the scores names no picture; try: {"path": "real/a/1.jpg", "score": 0.25}`, n)
		case line.Score == nil && line.Error != nil:
			continue
		case line.Score == nil || !(*line.Score >= 0 && *line.Score <= 1):
			return nil, fmt.Errorf("line %d of the scores: %s has no score in [0,1]", n, path)
		}
		path = filepath.ToSlash(filepath.Clean(path))
		if _, twice := scores[path]; twice {
			return nil, fmt.Errorf("line %d of the scores: %s for the second time", n, path)
		}
		scores[path] = *line.Score
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading scores: %w", err)
	}
	return scores, nil
}

// JudgeScores sets scores of pictures beside what the pictures are. Paths are
// those of the items, or the same below dir. Items without a score are counted.
func JudgeScores(items []Item, scores map[string]float64, dir string) (judged []Judgement, missing int) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		absolute = dir
	}
	for _, item := range items {
		name := item.Name()
		found := false
		for _, path := range []string{name, filepath.Join(dir, name), filepath.Join(absolute, name)} {
			if s, ok := scores[filepath.ToSlash(path)]; ok {
				judged = append(judged, Judgement{item.Source.Name(), item.Label, s, name})
				found = true
				break
			}
		}
		if !found {
			missing++
		}
	}
	return judged, missing
}
