package provenance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func read(data []byte) Report { return Read(context.Background(), data, Options{}) }

// brief leaves out the sentences, which other tests look at.
func brief(list []Claim) []Claim {
	out := []Claim{}
	for _, c := range list {
		c.Text = ""
		out = append(out, c)
	}
	return out
}

var exifClaims = []Claim{
	{Source: SourceEXIF, Name: "Make", Value: "Examplecam", Says: SaysCamera},
	{Source: SourceEXIF, Name: "Model", Value: "Examplecam X100", Says: SaysCamera},
	{Source: SourceEXIF, Name: "Software", Value: "Adobe Photoshop 26.0", Says: SaysEdited},
	{Source: SourceEXIF, Name: "Artist", Value: "A. Photographer", Says: SaysNone},
	{Source: SourceEXIF, Name: "Copyright", Value: "2026 A. Photographer", Says: SaysNone},
	{Source: SourceEXIF, Name: "DateTimeOriginal", Value: "2026:03:01 10:00:00", Says: SaysNone},
	{Source: SourceEXIF, Name: "Stable Diffusion parameters", Value: "a cat Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x48", Says: SaysGenerator},
	{Source: SourceEXIF, Name: "LensModel", Value: "Examplecam 35mm F2", Says: SaysCamera},
	{Source: SourceEXIF, Name: "GPS", Value: "present", Says: SaysNone},
}

var xmpClaims = []Claim{
	{Source: SourceXMP, Name: "CreatorTool", Value: "Adobe Firefly", Says: SaysGenerator},
	{Source: SourceXMP, Name: "Credit", Value: "Made with Google AI", Says: SaysGenerator},
	{Source: SourceXMP, Name: "digitalSourceType", Value: "trainedAlgorithmicMedia", Says: SaysGenerator},
	{Source: SourceXMP, Name: "creator", Value: "A. Painter", Says: SaysNone},
	{Source: SourceXMP, Name: "History", Value: "created, saved (Krita 5)", Says: SaysEdited},
}

var containers = []string{"jpg", "png", "webp", "avif", "heic", "tif", "gif"}

func TestEveryContainerTellsTheSame(t *testing.T) {
	for _, ext := range containers {
		want := append(append([]Claim{}, exifClaims...), xmpClaims...)
		if ext == "gif" { // which carries no EXIF
			want = xmpClaims
		}
		r := read(readFile(t, "metadata."+ext))
		if diff := cmp.Diff(want, brief(r.Claims)); diff != "" {
			t.Errorf("%s: %s", ext, diff)
		}
		for _, c := range r.Claims {
			if !strings.HasSuffix(c.Text, ".") || len(c.Text) < 20 {
				t.Errorf("%s: %s has the sentence %q", ext, c.Name, c.Text)
			}
		}
		if r.C2PA.Status != StatusAbsent || r.C2PA.Present || r.Truncated {
			t.Errorf("%s: %+v, truncated %v", ext, r.C2PA, r.Truncated)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, place := range []string{"34", "56.78", "56,78"} { // 12° 34' 56.78"
			if bytes.Contains(text, []byte(place)) {
				t.Errorf("%s: the report tells the place: %s", ext, text)
			}
		}
	}
}

func TestManifestIsFoundWithoutALibrary(t *testing.T) {
	for _, ext := range containers {
		r := read(readFile(t, "signed."+ext))
		if r.C2PA.Status != StatusNotChecked || !r.C2PA.Present || r.C2PA.Checker != NotInstalled || !strings.Contains(r.Summary, "not installed") {
			t.Errorf("%s: %+v", ext, r)
		}
		if len(r.Claims) != 0 {
			t.Errorf("%s: a manifest that was not checked makes claims: %v", ext, r.Claims)
		}
	}
	r := read(readFile(t, "remote.jpg"))
	if r.C2PA.Present || len(r.Claims) != 1 || r.Claims[0].Name != "provenance" || r.Claims[0].Says != SaysNone {
		t.Errorf("a manifest kept elsewhere: %+v", r)
	}
}

// Whatever follows the end of a picture is no part of it: a whole other file of
// the same format, with metadata or a manifest, adds nothing.
func TestBytesAfterTheEndDoNotCount(t *testing.T) {
	for _, ext := range containers {
		signed, metadata := readFile(t, "signed."+ext), readFile(t, "metadata."+ext)
		for name, both := range map[string][2][]byte{"metadata": {signed, metadata}, "manifest": {metadata, signed}} {
			joined := append(bytes.Clone(both[0]), both[1]...)
			if diff := cmp.Diff(read(both[0]), read(joined)); diff != "" {
				t.Errorf("%s after the end of a %s: %s", name, ext, diff)
			}
		}
	}
}

func TestPNGAfterIEND(t *testing.T) {
	for _, name := range []string{"png-after-iend.png", "png-old-picture-after-iend.png"} {
		data := readFile(t, name)
		end := bytes.Index(data, []byte("IEND")) + 8
		if end == len(data) || end < 8 {
			t.Fatalf("%s has nothing after IEND", name)
		}
		if diff := cmp.Diff(read(data[:end]), read(data)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		text := chunk("tEXt", "parameters\x00a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1")
		after := append(bytes.Clone(data[:end]), text...)
		if r := read(after); len(r.Claims) != 0 {
			t.Errorf("%s: a chunk after IEND counts: %v", name, r.Claims)
		}
		before := bytes.Replace(data, data[end-12:end], append(bytes.Clone(text), data[end-12:end]...), 1)
		if r := read(before); len(r.Claims) != 1 || r.Claims[0].Says != SaysGenerator {
			t.Errorf("%s: the same chunk before IEND: %v", name, r.Claims)
		}
	}
}

func TestDamagedChunkDoesNotCount(t *testing.T) {
	text := chunk("tEXt", "Software\x00NovelAI")
	if r := read(pngFile(text)); len(r.Claims) != 1 {
		t.Fatalf("%v", r.Claims)
	}
	for i := 8; i < len(text); i++ { // the text, then the CRC
		damaged := bytes.Clone(text)
		damaged[i] ^= 0x20
		if r := read(pngFile(damaged)); len(r.Claims) != 0 {
			t.Errorf("byte %d changed: %v", i, r.Claims)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	var many [][]byte
	for i := range 5000 {
		many = append(many, chunk("tEXt", "Author\x00author "+strings.Repeat("x", i%1000)+string(rune('a'+i%26))))
	}
	bomb := deflated(bytes.Repeat([]byte("Steps: 20, Sampler: x, "), 1<<19))
	tests := map[string][]byte{
		"many texts": pngFile(many...),
		"many fields": func() []byte {
			fields := map[uint16]string{}
			for i := range 900 {
				fields[uint16(0xa000+i)] = strings.Repeat("x", 1000)
			}
			return pngFile(chunk("eXIf", string(exifBlock(fields, nil))))
		}(),
		"bomb":         pngFile(chunk("zTXt", "parameters\x00\x00"+bomb), chunk("tEXt", "Software\x00NovelAI")),
		"iTXt bomb":    pngFile(chunk("iTXt", "parameters\x00\x01\x00\x00\x00"+bomb)),
		"deep XML":     pngFile(chunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00"+strings.Repeat("<a>", 100_000))),
		"big text":     pngFile(chunk("tEXt", "parameters\x00"+strings.Repeat("x", maxText+1))),
		"many entries": pngFile(chunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00<r>"+strings.Repeat(`<e xmlns="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"><action>saved</action></e>`, 10_000))),
	}
	for name, data := range tests {
		r := read(data)
		checkBounds(t, r)
		if strings.Contains(name, "bomb") || name == "many texts" || name == "big text" {
			if !r.Truncated {
				t.Errorf("%s: not said to be cut", name)
			}
		}
	}
}

// checkBounds fails unless a report keeps what its documentation promises.
func checkBounds(t *testing.T, r Report) {
	t.Helper()
	if len(r.Claims) > MaxClaims || r.Claims == nil || r.Summary == "" || r.C2PA.Note == "" {
		t.Fatalf("%d claims, summary %q, note %q", len(r.Claims), r.Summary, r.C2PA.Note)
	}
	order := map[Source]int{SourceC2PA: 0, SourceEXIF: 1, SourceXMP: 2, SourceIPTC: 3, SourcePNGText: 4}
	last := 0
	for _, c := range r.Claims {
		at, ok := order[c.Source]
		if !ok || at < last {
			t.Fatalf("source %q out of order", c.Source)
		}
		last = at
		switch c.Says {
		case SaysCamera, SaysGenerator, SaysEdited, SaysNone:
		default:
			t.Fatalf("says %q", c.Says)
		}
		for _, s := range []string{c.Name, c.Value, c.Text} {
			if s == "" || len(s) > 2*MaxValue || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
				t.Fatalf("%q in %+v", s, c)
			}
		}
		if len(c.Value) > MaxValue {
			t.Fatalf("value of %d bytes", len(c.Value))
		}
	}
}

func TestClean(t *testing.T) {
	long := strings.Repeat("ü", MaxValue)
	tests := map[string]string{
		"plain":                          "plain",
		"  two\r\n\tlines \x00":          "two lines",
		"\x1b[31mred\x07":                "[31mred",
		"a\u202egnp.exe":                 "agnp.exe", // right-to-left override
		"zero\u200bwidth":                "zerowidth",
		"bad \xff\xfe utf8":              "bad utf8",
		"\u2028line\u2029":               "line",
		strings.Repeat("x", MaxValue-10): strings.Repeat("x", MaxValue-10),
	}
	for in, want := range tests {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := clean(long); len(got) > MaxValue || !strings.HasSuffix(got, "ü…") {
		t.Errorf("clean of a long text: %d bytes, %q", len(got), got[len(got)-10:])
	}
}

func TestSummarySaysWhatTheFileSays(t *testing.T) {
	software := func(name string) []byte { return pngFile(chunk("tEXt", "Software\x00"+name)) }
	camera := pngFile(chunk("eXIf", string(exifBlock(map[uint16]string{tagMake: "Examplecam"}, nil))))
	both := pngFile(chunk("eXIf", string(exifBlock(map[uint16]string{tagMake: "Examplecam"}, nil))), chunk("tEXt", "Software\x00NovelAI"))
	tests := map[string]struct {
		data []byte
		want []string
	}{
		"nothing":   {pngFile(), []string{"says nothing"}},
		"no file":   {nil, []string{"says nothing"}},
		"generator": {software("NovelAI"), []string{"generator", "Anyone can write"}},
		"camera":    {camera, []string{"name a camera (Make)", "Anyone can write"}},
		"editor":    {software("GIMP 3.0"), []string{"editing program", "Anyone can write"}},
		"both":      {both, []string{"contradict each other", "Anyone can write"}},
		"manifest":  {readFile(t, "signed.jpg"), []string{"not installed"}},
	}
	for name, test := range tests {
		got := read(test.data).Summary
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", name, got, want)
			}
		}
		for _, verdict := range []string{"is real", "is AI", "fake", "AI-generated"} {
			if strings.Contains(got, verdict) {
				t.Errorf("%s: %q gives a verdict", name, got)
			}
		}
	}
}

// checkerFunc is a checker whose answer the test chooses.
type checkerFunc func() (C2PA, error)

func (f checkerFunc) Name() string                                        { return "checker 1.0" }
func (f checkerFunc) Check(context.Context, []byte, string) (C2PA, error) { return f() }

func TestCheckersAnswer(t *testing.T) {
	signed := readFile(t, "signed.jpg")
	with := func(data []byte, c C2PA, err error) Report {
		return Read(context.Background(), data, Options{Checker: checkerFunc(func() (C2PA, error) { return c, err })})
	}

	failed := with(signed, C2PA{Status: StatusValid}, errors.New("it took\ttoo long"))
	if failed.C2PA.Status != StatusNotChecked || !failed.C2PA.Present || !strings.Contains(failed.C2PA.Note, "it took too long") {
		t.Errorf("a check that failed: %+v", failed.C2PA)
	}
	if r := with(readFile(t, "metadata.jpg"), C2PA{Status: StatusValid}, nil); r.C2PA.Status != StatusAbsent || r.C2PA.Checker != "checker 1.0" {
		t.Errorf("a picture without a manifest was checked: %+v", r.C2PA)
	}

	long := strings.Repeat("x\x00", 10_000)
	huge := C2PA{Status: StatusValid, Trusted: TrustUnknown, Signer: long, Title: long, DigitalSourceType: "trainedAlgorithmicMedia"}
	for range 1000 {
		huge.Actions = append(huge.Actions, Action{Action: long, Software: "DALL-E"})
		huge.Chain = append(huge.Chain, Link{Depth: 1, Title: long, SourceType: "digitalCapture", Errors: []string{long}})
		huge.Errors = append(huge.Errors, long)
	}
	r := with(signed, huge, nil)
	checkBounds(t, r)
	if len(r.C2PA.Actions) != MaxActions || len(r.C2PA.Chain) != MaxChain || len(r.C2PA.Errors) != MaxErrors || len(r.C2PA.Signer) > MaxValue || len(r.C2PA.Chain[0].Errors[0]) > MaxValue {
		t.Errorf("not bounded: %d actions, %d links, %d errors", len(r.C2PA.Actions), len(r.C2PA.Chain), len(r.C2PA.Errors))
	}
	if first := r.Claims[0]; first.Source != SourceC2PA || first.Says != SaysGenerator {
		t.Errorf("first claim %+v", first)
	}

	huge.Status = StatusInvalid
	if r := with(signed, huge, nil); len(r.Claims) != 0 {
		t.Errorf("a manifest that does not hold makes claims: %v", r.Claims)
	}
}
