package provenance

import "strings"

// sourceTypes are the terms of IPTC's Digital Source Type vocabulary
// (cv.iptc.org/newscodes/digitalsourcetype), retired ones included, and of C2PA's
// additions, with what each says of a picture.
var sourceTypes = map[string]struct {
	says  Says
	words string
}{
	"digitalCapture":                       {SaysCamera, "was taken by a digital camera or scanner"},
	"computationalCapture":                 {SaysCamera, "was computed from several shots of a camera"},
	"negativeFilm":                         {SaysCamera, "was scanned from a film negative"},
	"positiveFilm":                         {SaysCamera, "was scanned from a film positive"},
	"print":                                {SaysCamera, "was scanned from a print"},
	"minorHumanEdits":                      {SaysEdited, "was slightly edited by a person"},
	"humanEdits":                           {SaysEdited, "was edited by a person"},
	"algorithmicallyEnhanced":              {SaysEdited, "was improved by a program"},
	"composite":                            {SaysEdited, "was put together from several elements"},
	"compositeCapture":                     {SaysEdited, "was put together from several photographs"},
	"softwareImage":                        {SaysEdited, "was made with a program by a person"},
	"digitalArt":                           {SaysEdited, "was drawn by a person with digital tools"},
	"digitalCreation":                      {SaysEdited, "was made by a person with digital tools"},
	"dataDrivenMedia":                      {SaysEdited, "was computed from data"},
	"algorithmicMedia":                     {SaysEdited, "was computed by a formula, without a trained model"},
	"virtualRecording":                     {SaysEdited, "was recorded from a virtual scene"},
	"screenCapture":                        {SaysEdited, "is a picture of a screen"},
	"compositeSynthetic":                   {SaysGenerator, "holds parts that a generative model made"},
	"compositeWithTrainedAlgorithmicMedia": {SaysGenerator, "holds parts that a generative model made or changed"},
	"trainedAlgorithmicMedia":              {SaysGenerator, "was made by a generative model"},
	"trainedAlgorithmicData":               {SaysGenerator, "was made by a generative model"},
	"empty":                                {SaysNone, "began as an empty canvas"},
}

// SourceTypeTerm is the last part of an IPTC or C2PA digital source type:
// "trainedAlgorithmicMedia" of ".../digitalsourcetype/trainedAlgorithmicMedia".
// What is no such address is returned as it is.
func SourceTypeTerm(uri string) string {
	if term, ok := sourceTypeIn(uri); ok {
		return term
	}
	return uri
}

// sourceTypeIn finds the term of a digital source type that a text holds: an
// address of the vocabulary, or a term of it alone.
func sourceTypeIn(text string) (string, bool) {
	text = strings.TrimSpace(text)
	if _, ok := sourceTypes[text]; ok {
		return text, true
	}
	const folder = "digitalsourcetype/"
	i := strings.Index(asciiLower(text[:min(len(text), 1000)]), folder)
	if i < 0 {
		return "", false
	}
	term := text[i+len(folder):]
	end := strings.IndexFunc(term, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if end >= 0 {
		term = term[:end]
	}
	return term, term != ""
}

// IsGenerated tells whether a term says that a generative model made a picture or
// a part of it.
func IsGenerated(term string) bool { return sourceTypes[term].says == SaysGenerator }
