package provenance

import (
	"slices"
	"strings"
)

// summary says in a few plain sentences what a report amounts to. It never says
// that a picture is real or AI-generated: it says what the file says.
func summary(r Report) string {
	var parts []string
	if r.C2PA.Present {
		parts = append(parts, r.C2PA.Note)
	}
	if r.C2PA.Status == StatusValid {
		for _, claim := range r.Claims {
			if claim.Source == SourceC2PA && (claim.Name == "digitalSourceType" || claim.Name == ingredientSourceType && claim.Says == SaysGenerator) && !slices.Contains(parts, claim.Text) {
				parts = append(parts, claim.Text)
			}
		}
	}
	says := func(want Says) []string {
		var names []string
		for _, claim := range r.Claims {
			if claim.Source != SourceC2PA && claim.Says == want && !slices.Contains(names, claim.Name) && len(names) < 4 {
				names = append(names, claim.Name)
			}
		}
		return names
	}
	generator, camera, edited := says(SaysGenerator), says(SaysCamera), says(SaysEdited)
	switch {
	case len(generator) > 0 && len(camera) > 0:
		parts = append(parts, "Its unsigned metadata contradict each other: some name a generator ("+strings.Join(generator, ", ")+"), some a camera ("+strings.Join(camera, ", ")+").")
	case len(generator) > 0:
		parts = append(parts, "Its unsigned metadata say that a generator of pictures made or changed it ("+strings.Join(generator, ", ")+").")
	case len(camera) > 0:
		parts = append(parts, "Its unsigned metadata name a camera ("+strings.Join(camera, ", ")+").")
	}
	if len(edited) > 0 {
		parts = append(parts, "They name an editing program or other work on the picture ("+strings.Join(edited, ", ")+").")
		if len(generator)+len(camera) == 0 {
			parts[len(parts)-1] = "Its unsigned metadata name an editing program or other work on the picture (" + strings.Join(edited, ", ") + ")."
		}
	}
	if len(generator)+len(camera)+len(edited) > 0 {
		return strings.Join(append(parts, "Anyone can write such metadata into any picture."), " ")
	}
	if len(parts) == 0 {
		return "The file says nothing about how the picture was made. That is so for most pictures that went through a website, real or not."
	}
	return strings.Join(parts, " ")
}
