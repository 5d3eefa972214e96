package provenance

import (
	"regexp"
	"strings"
)

// named is a program and the words by which it is known.
type named struct {
	program string
	words   []string // lower case
}

// generatorNames are programs and services that make pictures with generative
// models, by the names they leave in fields that name a program or a source.
var generatorNames = []named{
	{"Adobe Firefly", []string{"adobe firefly", "firefly"}},
	{"Apple Image Playground", []string{"image playground"}},
	{"Black Forest Labs FLUX", []string{"black forest labs", "flux.1", "flux.2", "flux pro", "flux dev"}},
	{"ComfyUI", []string{"comfyui"}},
	{"Craiyon", []string{"craiyon"}},
	{"DALL-E", []string{"dall-e", "dall·e", "dalle 2", "dalle 3", "dalle-2", "dalle-3"}},
	{"Draw Things", []string{"draw things"}},
	{"DreamStudio", []string{"dreamstudio"}},
	{"Easy Diffusion", []string{"easy diffusion"}},
	{"Fooocus", []string{"fooocus"}},
	{"Google AI", []string{"made with google ai", "edited with google ai", "google generative ai", "google imagen", "google gemini"}},
	{"Grok", []string{"xai grok", "grok imagine"}},
	{"Ideogram", []string{"ideogram"}},
	{"InvokeAI", []string{"invokeai", "invoke ai"}},
	{"Leonardo.Ai", []string{"leonardo.ai", "leonardo ai"}},
	{"Meta AI", []string{"imagined with ai", "meta ai"}},
	{"Microsoft Designer", []string{"microsoft designer", "bing image creator", "image creator from designer"}},
	{"Midjourney", []string{"midjourney"}},
	{"NightCafe", []string{"nightcafe"}},
	{"NovelAI", []string{"novelai", "novel ai"}},
	{"OpenAI", []string{"openai", "chatgpt", "gpt-4o", "gpt-image", "openai sora"}},
	{"Recraft", []string{"recraft"}},
	{"Stability AI", []string{"stability ai", "stability.ai"}},
	{"Stable Diffusion", []string{"stable diffusion", "stable-diffusion", "automatic1111", "sd.next", "sdxl"}},
	{"SwarmUI", []string{"swarmui", "stableswarmui"}},
}

// editorNames are programs that people edit or draw pictures with.
var editorNames = []named{
	{"Adobe ImageReady", []string{"imageready"}},
	{"Adobe Lightroom", []string{"lightroom"}},
	{"Adobe Photoshop", []string{"photoshop"}},
	{"Affinity", []string{"affinity"}},
	{"Canva", []string{"canva"}},
	{"Capture One", []string{"capture one"}},
	{"Clip Studio Paint", []string{"clip studio"}},
	{"darktable", []string{"darktable"}},
	{"DxO", []string{"dxo"}},
	{"Figma", []string{"figma"}},
	{"GIMP", []string{"gimp"}},
	{"Google Photos", []string{"google photos"}},
	{"ImageMagick", []string{"imagemagick"}},
	{"Inkscape", []string{"inkscape"}},
	{"Krita", []string{"krita"}},
	{"Luminar", []string{"luminar"}},
	{"Paint.NET", []string{"paint.net"}},
	{"Photopea", []string{"photopea"}},
	{"PicsArt", []string{"picsart"}},
	{"Pixelmator", []string{"pixelmator"}},
	{"Procreate", []string{"procreate"}},
	{"RawTherapee", []string{"rawtherapee"}},
	{"Snapseed", []string{"snapseed"}},
	{"Topaz", []string{"topaz"}},
	{"VSCO", []string{"vsco"}},
}

func generatorNamed(text string) (string, bool) { return lookUp(generatorNames, text) }
func editorNamed(text string) (string, bool)    { return lookUp(editorNames, text) }

// lookUp finds the first program that a text names, as words of their own.
func lookUp(list []named, text string) (string, bool) {
	text = asciiLower(text[:min(len(text), 16*MaxValue)])
	for _, n := range list {
		for _, word := range n.words {
			if hasWord(text, word) {
				return n.program, true
			}
		}
	}
	return "", false
}

// hasWord tells whether text holds word with no letter before or after it.
func hasWord(text, word string) bool {
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' }
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(word)
		if (i == 0 || !letter(text[i-1])) && (end == len(text) || !letter(text[end])) {
			return true
		}
		from = i + 1
	}
}

// asciiLower lowers A to Z and leaves every other byte where it is, so that
// places in the result are places in s.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// form is how a program writes down what it made a picture from.
type form struct {
	name string // of the claim
	is   func(keyword, text string) bool
}

var (
	// "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1": the last line of the
	// parameters of AUTOMATIC1111's web UI and of many programs after it.
	stepsLine = regexp.MustCompile(`(?:^|\n|\. )\s*Steps: \d+, (?:[A-Z][\w ]*: [^,]*, )*(?:Sampler|CFG scale|Seed): `)
	// "Job ID: 0de5d5c3-…" ends Midjourney's descriptions.
	jobID = regexp.MustCompile(`Job ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// `"a prompt" -s 50 -S 1234 -W 512`: InvokeAI before version 2.
	dreamLine = regexp.MustCompile(`^\s*".*" .*-s\s?\d+ .*-S\s?\d+`)
)

// forms are the known ones, the most telling first.
var forms = []form{
	{"InvokeAI parameters", func(keyword, text string) bool {
		switch keyword {
		case "invokeai_metadata", "invokeai_graph", "invokeai_workflow", "sd-metadata":
			return isObject(text)
		}
		return keyword == "Dream" && dreamLine.MatchString(text)
	}},
	{"SwarmUI parameters", func(_, text string) bool { return isObject(text) && strings.Contains(text, `"sui_image_params"`) }},
	{"Fooocus parameters", func(keyword, text string) bool {
		return keyword == "fooocus_scheme" || hasWord(asciiLower(text), "fooocus") && (isObject(text) || stepsLine.MatchString(text))
	}},
	{"ComfyUI prompt", func(_, text string) bool { return isObject(text) && strings.Contains(text, `"class_type"`) }},
	{"ComfyUI workflow", func(_, text string) bool {
		return isObject(text) && strings.Contains(text, `"nodes"`) && strings.Contains(text, `"links"`) && strings.Contains(text, `"last_node_id"`)
	}},
	{"NovelAI parameters", func(_, text string) bool {
		return isObject(text) && strings.Contains(text, `"prompt"`) && (strings.Contains(text, `"signed_hash"`) || strings.Contains(text, `"noise_schedule"`) && strings.Contains(text, `"sampler"`))
	}},
	{"Stable Diffusion parameters", func(_, text string) bool { return stepsLine.MatchString(text) }},
	{"Midjourney description", func(_, text string) bool { return jobID.MatchString(text) }},
	{"Easy Diffusion parameters", func(keyword, _ string) bool { return keyword == "use_stable_diffusion_model" }},
	{"generation parameters", func(_, text string) bool {
		if !isObject(text) {
			return false
		}
		lower := asciiLower(text)
		prompt := strings.Contains(lower, `"prompt"`) || strings.Contains(lower, `"c":`) // Draw Things
		return prompt && strings.Contains(lower, `"seed"`) && (strings.Contains(lower, `"steps"`) || strings.Contains(lower, `"sampler"`) || strings.Contains(lower, `"num_inference_steps"`))
	}},
	// DALL-E and others have no form of their own but name themselves.
	{"Title", func(keyword, text string) bool {
		_, ok := generatorNamed(text)
		return ok && (keyword == "Title" || keyword == "Comment" || keyword == "Description" || keyword == "Generator" || keyword == "Model") && len(text) <= MaxValue
	}},
}

// maxForm bounds the text that is searched for a form.
const maxForm = 256 << 10

// addParameters adds a claim if a text has the form in which a program writes down
// how it generated a picture, and says whether it has.
func (c *claims) addParameters(source Source, keyword, text string) bool {
	if len(text) > maxForm { // parameters end with what tells them
		text = text[:maxForm/2] + "\n" + text[len(text)-maxForm/2:]
	}
	for _, f := range forms {
		if !f.is(keyword, text) {
			continue
		}
		name := f.name
		sentence := "The file holds " + name + ", as a generator of pictures writes them."
		if name == "Title" {
			program, _ := generatorNamed(text)
			name, sentence = keyword, "The file says that "+program+", a generator of pictures, made it."
		}
		c.add(Claim{Source: source, Name: name, Value: text, Says: SaysGenerator, Text: sentence})
		return true
	}
	return false
}

// isObject tells whether a text looks like a JSON object. It need not be valid:
// ComfyUI writes NaN, and fields may be cut.
func isObject(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "{") }
