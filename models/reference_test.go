package models_test

import (
	"cmp"
	"encoding/json"
	"slices"
	"testing"

	"github.com/maxmos001/bitmind-subnet/models"
)

// Each detector's reference is of the graph that is shipped.
func TestReference(t *testing.T) {
	for _, name := range models.Names() {
		got, err := models.Reference(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := models.FS.ReadFile(name + "/detector.json")
		if err != nil {
			t.Fatal(err)
		}
		var description struct {
			Name, Version string
			Graph         struct{ SHA256 string }
		}
		if err := json.Unmarshal(text, &description); err != nil {
			t.Fatal(err)
		}
		if got.SHA256 != description.Graph.SHA256 || got.Detector != description.Name+" "+description.Version {
			t.Errorf("%s: the reference is of %s, %s; try: scripts/reference.sh", name, got.Detector, got.SHA256)
		}
		if got.Data == "" {
			t.Errorf("%s: the reference does not say what it was measured on", name)
		}
		for _, s := range []*models.Shares{got.Photographs, got.HumanArt, got.AI} {
			if s == nil || s.Pictures < 100 || s.Sources < 5 || len(s.AtLeast) != models.Steps || s.AtLeast[0] != 1 ||
				!slices.IsSortedFunc(s.AtLeast, func(a, b float64) int { return cmp.Compare(b, a) }) {
				t.Errorf("%s: %+v", name, s)
			}
		}
		// More AI-generated pictures than photographs score above one half.
		if ai, real := got.AI.AtLeast[50], got.Photographs.AtLeast[50]; ai < real+0.1 {
			t.Errorf("%s: %v of the AI-generated pictures and %v of the photographs score 0.5 or more", name, ai, real)
		}
	}
	if _, err := models.Reference("none"); err == nil {
		t.Error("a detector that is not there has a reference")
	}
}
