package provenance

import "fmt"

// claims collects claims within the limits, each once.
type claims struct {
	all  []Claim
	seen map[Claim]bool
	full bool // there were more than MaxClaims
}

// add keeps a claim, cleaned, unless it says nothing or is there already.
func (c *claims) add(claim Claim) {
	claim.Name, claim.Value = clean(claim.Name), clean(claim.Value)
	if claim.Value == "" {
		return
	}
	if c.seen == nil {
		c.seen = map[Claim]bool{}
	}
	if c.seen[claim] {
		return
	}
	if len(c.all) >= MaxClaims {
		c.full = true
		return
	}
	c.seen[claim] = true
	c.all = append(c.all, claim)
}

// addClaims lists the claims of a file, in the order that Report.Claims promises.
func (f findings) addClaims(c *claims) {
	each := func(kind blockKind, add func(block)) {
		for _, b := range f.blocks {
			if b.kind == kind {
				add(b)
			}
		}
	}
	each(blockEXIF, func(b block) { c.addEXIF(b.data) })
	if f.tiff != nil {
		c.addEXIF(f.tiff)
	}
	each(blockXMP, func(b block) { c.addXMP(b.data) })
	each(blockIRB, func(b block) { c.addIRB(b.data) })
	each(blockIIM, func(b block) { c.addIIM(b.data) })
	each(blockText, func(b block) { c.addPNGText(b.keyword, string(b.data)) })
}

// addPNGText lists the claims of a PNG's text, whose usual keywords the PNG
// specification names.
func (c *claims) addPNGText(keyword, text string) {
	switch keyword {
	case "Software":
		c.add(software(SourcePNGText, keyword, text))
	case "Source":
		c.add(credit(SourcePNGText, keyword, text))
	case "Author", "Artist":
		c.add(author(SourcePNGText, keyword, text))
	case "Copyright":
		c.add(rights(SourcePNGText, keyword, text))
	default:
		c.addParameters(SourcePNGText, keyword, text)
	}
}

// ingredientSourceType names the claim on what a picture was made from.
const ingredientSourceType = "ingredient's digitalSourceType"

// addManifest lists what a manifest that holds says. One that doesn't, or that was
// not checked, says nothing.
func (c *claims) addManifest(m C2PA) {
	if m.Status != StatusValid {
		return
	}
	if m.DigitalSourceType != "" {
		c.add(digitalSource(SourceC2PA, "digitalSourceType", m.DigitalSourceType))
	}
	if m.Generator != "" {
		c.add(software(SourceC2PA, "claim generator", m.Generator))
	}
	for _, action := range m.Actions {
		if action.Software != "" {
			c.add(software(SourceC2PA, action.Action, action.Software))
		}
	}
	for _, link := range m.Chain {
		if link.Depth > 0 && link.SourceType != "" {
			claim := digitalSource(SourceC2PA, ingredientSourceType, link.SourceType)
			if claim.Says == SaysGenerator {
				claim.Text = "It was made from a picture that, as its signed history says, a generative model made or changed."
			} else {
				claim.Says = SaysNone
				claim.Text = "It was made from a picture whose signed history says how that came to be: " + link.SourceType + "."
			}
			c.add(claim)
		}
	}
}

// quoted puts a foreign text into a sentence.
func quoted(s string) string { return fmt.Sprintf("“%s”", clean(s)) }

// who begins the sentence of a claim: a signed history, or the bare file.
func who(source Source) string {
	if source == SourceC2PA {
		return "The signed history says"
	}
	return "The file says"
}

func cameraMake(source Source, value string) Claim {
	return Claim{source, "Make", value, SaysCamera, "The file says that a camera made by " + quoted(value) + " took it."}
}

func cameraModel(source Source, value string) Claim {
	return Claim{source, "Model", value, SaysCamera, "The file says that the camera was a " + quoted(value) + "."}
}

func lens(source Source, value string) Claim {
	return Claim{source, "LensModel", value, SaysCamera, "The file says that the lens was a " + quoted(value) + "."}
}

func taken(source Source, value string) Claim {
	return Claim{source, "DateTimeOriginal", value, SaysNone, "The file says that it was made at " + quoted(value) + "."}
}

// gps says that there is a position and keeps it to itself: reports are stored
// and shared.
func gps(source Source) Claim {
	return Claim{source, "GPS", "present", SaysNone, "The file says where it was taken; the place is not shown here."}
}

func author(source Source, name, value string) Claim {
	return Claim{source, name, value, SaysNone, "The file names " + quoted(value) + " as its author."}
}

func rights(source Source, name, value string) Claim {
	return Claim{source, name, value, SaysNone, "The file holds a copyright notice: " + quoted(value) + "."}
}

// software says what a program's name tells.
func software(source Source, name, value string) Claim {
	if program, ok := generatorNamed(value); ok {
		return Claim{source, name, value, SaysGenerator, who(source) + " that " + program + ", a generator of pictures, made or changed it."}
	}
	if program, ok := editorNamed(value); ok {
		return Claim{source, name, value, SaysEdited, who(source) + " that it was saved by " + program + ", a program for editing pictures."}
	}
	verb := "saved by"
	if source == SourceC2PA {
		verb = "made or changed with"
	}
	return Claim{source, name, value, SaysNone, who(source) + " that it was " + verb + " " + quoted(value) + "."}
}

// credit says whom a picture is owed to, in which some generators name themselves.
func credit(source Source, name, value string) Claim {
	if program, ok := generatorNamed(value); ok {
		return Claim{source, name, value, SaysGenerator, "The file credits " + program + ", a generator of pictures."}
	}
	return Claim{source, name, value, SaysNone, "The file credits " + quoted(value) + "."}
}

// digitalSource says what an IPTC digital source type means.
func digitalSource(source Source, name, term string) Claim {
	meaning, ok := sourceTypes[term]
	if !ok {
		return Claim{source, name, term, SaysNone, who(source) + " how it came to be: " + quoted(term) + "."}
	}
	return Claim{source, name, term, meaning.says, who(source) + " that it " + meaning.words + "."}
}
