package c2pa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/media/provenance"
)

// childArgument makes the test binary the process that checks a picture, and the
// environment's misbehave one that goes wrong.
const (
	childArgument = "c2pa-check"
	misbehave     = "C2PA_TEST_MISBEHAVE"
	spoil         = "C2PA_TEST_SPOIL"
)

func TestMain(m *testing.M) {
	if len(os.Args) != 2 || os.Args[1] != childArgument {
		os.Exit(m.Run())
	}
	switch os.Getenv(misbehave) {
	case "hang":
		select {}
	case "crash":
		panic("a bug in the library")
	case "flood":
		line := bytes.Repeat([]byte("x"), 1<<20)
		for {
			if _, err := os.Stdout.Write(line); err != nil {
				os.Exit(1)
			}
		}
	case "memory", "file":
		if err := limitProcess(); err != nil {
			fmt.Println("{}") // which the test takes for success
			os.Exit(0)
		}
		if os.Getenv(misbehave) == "memory" {
			hog := make([]byte, 2*childMemory)
			for i := 0; i < len(hog); i += 4096 {
				hog[i] = 1
			}
		} else if os.WriteFile(os.Getenv(spoil), []byte("spoiled"), 0o600) != nil {
			os.Exit(1)
		}
		fmt.Println("{}")
		os.Exit(0)
	case "nonsense":
		fmt.Println("hello")
		os.Exit(0)
	}
	if err := Child(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func options(t *testing.T) Options {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Command: []string{exe, childArgument}, Timeout: time.Minute}
}

// open skips the test where the library is not installed, which is no fault.
func open(t *testing.T, opts Options) *Checker {
	t.Helper()
	c, err := Open(t.Context(), opts)
	if errors.Is(err, ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// formats are those that manifests are checked in; two of them where the tests are
// to be short: each check starts a process.
func formats() []string {
	if testing.Short() {
		return []string{"jpg", "avif"}
	}
	return []string{"jpg", "png", "webp", "avif", "heic", "tif", "gif"}
}

func testFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSignedPicturesHold(t *testing.T) {
	lists := map[provenance.Trust][]byte{
		provenance.TrustUnknown: nil,
		provenance.TrustYes:     testFile(t, "root.pem"),
		provenance.TrustNo:      testFile(t, "other-root.pem"),
	}
	for trust, list := range lists {
		opts := options(t)
		opts.TrustList = list
		checker := open(t, opts)
		if !strings.HasPrefix(checker.Name(), "c2pa 0.") {
			t.Errorf("name %q", checker.Name())
		}
		for _, ext := range formats() {
			data := testFile(t, "signed."+ext)
			r := provenance.Read(t.Context(), data, provenance.Options{Checker: checker})
			want := provenance.C2PA{
				Status: provenance.StatusValid, Present: true, Checker: checker.Name(), Trusted: trust,
				Signer: "Example Generators Ltd", Issuer: "bitmind test root (bitmind test)",
				Generator: "Example Generator 1.0", Title: "signed." + ext,
				DigitalSourceType: "trainedAlgorithmicMedia",
				Actions: []provenance.Action{
					{Action: "c2pa.created", SourceType: "trainedAlgorithmicMedia", Software: "Example Model 3", When: "2026-03-01T10:00:00Z"},
					{Action: "c2pa.converted"},
				},
				Chain: []provenance.Link{{
					Title: "signed." + ext, Generator: "Example Generator 1.0", Signer: "Example Generators Ltd",
					SourceType: "trainedAlgorithmicMedia", When: "2026-03-01T10:00:00Z",
				}},
				Note: r.C2PA.Note,
			}
			if diff := cmp.Diff(want, r.C2PA); diff != "" {
				t.Errorf("%s, trusted %s: %s", ext, trust, diff)
			}
			said := strings.Contains(r.C2PA.Note, "The signer is on the trust list")
			if said != (trust == provenance.TrustYes) || !strings.Contains(r.Summary, "made by a generative model") {
				t.Errorf("%s, trusted %s: note %q, summary %q", ext, trust, r.C2PA.Note, r.Summary)
			}
			if len(r.Claims) == 0 || r.Claims[0].Source != provenance.SourceC2PA || r.Claims[0].Says != provenance.SaysGenerator {
				t.Errorf("%s: claims %v", ext, r.Claims)
			}
		}
	}
}

func TestChainOfAnEditedPicture(t *testing.T) {
	opts := options(t)
	opts.TrustList = testFile(t, "root.pem")
	r := provenance.Read(t.Context(), testFile(t, "edited.jpg"), provenance.Options{Checker: open(t, opts)})
	want := []provenance.Link{
		{Title: "edited.jpg", Generator: "Example Editor 2.0", Signer: "Example Editors Ltd"},
		{
			Depth: 1, Title: "generated.jpg", Relation: "parentOf", Generator: "Example Generator 1.0",
			Signer: "Example Generators Ltd", SourceType: "trainedAlgorithmicMedia", When: "2026-03-01T10:00:00Z",
		},
		{Depth: 1, Title: "logo.png", Relation: "componentOf"},
	}
	if diff := cmp.Diff(want, r.C2PA.Chain); diff != "" {
		t.Error(diff)
	}
	if r.C2PA.Status != provenance.StatusValid || r.C2PA.Trusted != provenance.TrustYes || r.C2PA.DigitalSourceType != "" {
		t.Errorf("%+v", r.C2PA)
	}
	if !strings.Contains(r.Summary, "It was made from a picture that, as its signed history says, a generative model made") {
		t.Errorf("summary %q", r.Summary)
	}
}

// A picture, its manifest, or its file that was changed after signing is found out,
// and nothing of what it says becomes a claim.
func TestChangedPicturesDoNotHold(t *testing.T) {
	checker := open(t, options(t))
	for _, ext := range formats() {
		signed := testFile(t, "signed."+ext)
		changes := map[string]func([]byte) []byte{
			"the title": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("signed."+ext), []byte("forged."+ext)) },
			"the model": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("Example Model"), []byte("Another Model")) },
			"what it's from": func(b []byte) []byte {
				return bytes.ReplaceAll(b, []byte("trainedAlgorithmicMedia"), []byte("digitalCapture\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
			},
		}
		if ext != "png" { // whose chunk then has a wrong CRC and does not count
			for name, change := range changes {
				changed := change(bytes.Clone(signed))
				if bytes.Equal(changed, signed) {
					t.Errorf("%s: %s is not in the file as text", ext, name)
				}
				checkInvalid(t, checker, ext+", "+name, changed)
			}
		}
		pixel := bytes.Clone(signed)
		pixel[map[string]int{
			"jpg": len(signed) - 20, "gif": len(signed) - 200, "tif": 2000,
			"png":  bytes.Index(signed, []byte("IDAT")) + 20,
			"webp": bytes.Index(signed, []byte("VP8")) + 60,
			"avif": bytes.Index(signed, []byte("mdat")) + 20,
			"heic": bytes.Index(signed, []byte("mdat")) + 20,
		}[ext]] ^= 1
		checkInvalid(t, checker, ext+", a pixel", pixel)
		checkInvalid(t, checker, ext+", what follows", append(bytes.Clone(signed), testFile(t, "metadata."+ext)...))
	}
}

func checkInvalid(t *testing.T, checker *Checker, what string, data []byte) {
	t.Helper()
	r := provenance.Read(t.Context(), data, provenance.Options{Checker: checker})
	if strings.HasSuffix(what, "a pixel") && !strings.Contains(r.C2PA.Note, "the picture was changed after it was signed") {
		t.Errorf("%s changed: note %q", what, r.C2PA.Note)
	}
	if r.C2PA.Status != provenance.StatusInvalid || len(r.C2PA.Errors) == 0 || !strings.Contains(r.Summary, "signed history") {
		t.Errorf("%s changed: %+v", what, r.C2PA)
	}
	for _, c := range r.Claims {
		if c.Source == provenance.SourceC2PA {
			t.Errorf("%s changed, and still: %+v", what, c)
		}
	}
}

func TestUnreadableManifestIsInvalid(t *testing.T) {
	checker := open(t, options(t))
	signed := testFile(t, "signed.jpg")
	for _, box := range []string{"c2ma", "c2cl", "c2cs"} { // manifest, claim, signature
		damaged := bytes.ReplaceAll(signed, []byte(box), []byte("xxxx"))
		if bytes.Equal(damaged, signed) {
			t.Fatalf("no box %s in the file", box)
		}
		checkInvalid(t, checker, "the box "+box, damaged)
	}
}

// The library is native code that reads what anyone sends: whatever happens to it
// is that one answer's loss.
func TestMisbehavingProcess(t *testing.T) {
	good := open(t, options(t))
	signed := testFile(t, "signed.jpg")
	for how, want := range map[string]string{
		"hang":     "it took more than",
		"crash":    "the checking process failed",
		"memory":   "the checking process failed",
		"file":     "the checking process failed",
		"flood":    "the library's report has more than",
		"nonsense": "the checking process's answer",
	} {
		bad := *good
		bad.opts.Env = []string{misbehave + "=" + how, spoil + "=" + filepath.Join(t.TempDir(), "file")}
		if how == "hang" {
			bad.opts.Timeout = 100 * time.Millisecond
		}
		r := provenance.Read(t.Context(), signed, provenance.Options{Checker: &bad})
		if r.C2PA.Status != provenance.StatusNotChecked || !r.C2PA.Present || !strings.Contains(r.C2PA.Note, want) {
			t.Errorf("%s: %+v", how, r.C2PA)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := good.Check(cancelled, signed, "image/jpeg"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled check: %v", err)
	}
	if _, err := good.Check(t.Context(), make([]byte, maxBytes+1), "image/jpeg"); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("a file over the limit: %v", err)
	}
}

func TestConcurrentChecks(t *testing.T) {
	checker := open(t, options(t))
	signed := testFile(t, "signed.png")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			c, err := checker.Check(t.Context(), signed, "image/png")
			if err != nil || c.Status != provenance.StatusValid {
				t.Errorf("%v, %+v", err, c)
			}
		})
	}
	wait.Wait()
}

func TestOpenRefusesWhatItCannotUse(t *testing.T) {
	notALibrary := filepath.Join(t.TempDir(), libraryName)
	if err := os.WriteFile(notALibrary, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Options)) Options {
		o := options(t)
		change(&o)
		return o
	}
	tests := map[string]struct {
		opts         Options
		notInstalled bool
		want         string
	}{
		"no such file":  {with(func(o *Options) { o.LibraryPath = filepath.Join(t.TempDir(), "none") }), true, "is not a file; try: scripts/c2pa.sh"},
		"not a library": {with(func(o *Options) { o.LibraryPath = notALibrary }), true, "cannot be loaded"},
		"no command":    {with(func(o *Options) { o.Command = nil }), false, "no command"},
		"no program":    {with(func(o *Options) { o.Command = []string{"/nonexistent"}; o.LibraryPath = notALibrary }), false, "failed"},
		"trust list":    {with(func(o *Options) { o.TrustList = []byte("hello") }), false, "trust list without a certificate; try:"},
		"a key": {with(func(o *Options) {
			o.TrustList = []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
		}), false, "is no certificate; try:"},
		"huge list": {with(func(o *Options) { o.TrustList = make([]byte, maxTrustList+1) }), false, "limit"},
	}
	for name, test := range tests {
		_, err := Open(t.Context(), test.opts)
		if err == nil || errors.Is(err, ErrNotInstalled) != test.notInstalled || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	checker, err := Open(b.Context(), Options{Command: []string{exe, childArgument}})
	if err != nil {
		b.Skip(err)
	}
	data := testFile(b, "signed.jpg")
	for b.Loop() {
		if _, err := checker.Check(b.Context(), data, "image/jpeg"); err != nil {
			b.Fatal(err)
		}
	}
}
