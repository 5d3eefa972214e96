package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/models"
)

// reference gives the scores of the pictures by their group.
func (r evalReport) reference(data string) models.Scores {
	groups := map[string][]evaluate.Judgement{}
	for _, j := range r.judged {
		group := evaluate.GroupOf(j.Label, j.Source)
		groups[group] = append(groups[group], j)
	}
	shares := func(group string) *models.Shares {
		judged := groups[group]
		if len(judged) == 0 {
			return nil
		}
		atLeast, sources := evaluate.Shares(judged, models.Steps-1)
		return &models.Shares{Pictures: len(judged), Sources: sources, AtLeast: atLeast}
	}
	return models.Scores{
		Detector: strings.TrimSpace(r.Model.Name + " " + r.Model.Version), SHA256: r.Model.SHA256, Data: data,
		Photographs: shares(evaluate.Photographs), HumanArt: shares(evaluate.HumanArt), AI: shares(""),
	}
}

// writeReference writes a detector's reference file.
func writeReference(file string, s models.Scores) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the reference: %w", err)
	}
	if err := renameio.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("--reference: %w; try: a file in a folder that exists", err)
	}
	return nil
}
