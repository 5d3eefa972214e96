package e2e

import (
	"encoding/csv"
	"fmt"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	cdpinput "github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var verdicts = []string{"ai", "real", "unsure"}

// wantVerdict waits for an answer and fails where there is none.
func (b *tab) wantVerdict() {
	b.Helper()
	if v := b.verdict(); !slices.Contains(verdicts, v) {
		b.Fatalf("no verdict but %q: %s", v, b.text("#result"))
	}
}

// brokenPictures lists what is shown as a broken picture.
func (b *tab) brokenPictures() []string {
	b.Helper()
	b.until(`[...document.images].every(i => i.complete || i.loading === 'lazy')`)
	return eval[[]string](b, `[...document.images].filter(i => i.complete && i.naturalWidth === 0 && i.loading !== 'lazy').map(i => i.src)`)
}

func TestFormats(t *testing.T) {
	url := serveURL(t)
	b := open(t, url+"/", desktop)
	for format, path := range formats(t) {
		t.Run(format, func(t *testing.T) {
			b.T = t
			b.do(chromedp.Navigate(url + "/"))
			b.do(chromedp.Evaluate(`sessionStorage.clear()`, nil), chromedp.Navigate(url+"/"))
			b.give("#file", path)
			b.wantVerdict()
			if said := strings.ToLower(eval[string](b, `document.querySelector('.details dl').textContent`)); !strings.Contains(said, "pixels, "+format) {
				t.Errorf("the answer does not name the format %s: %s", format, said)
			}
			// A picture, or a word in its place; never the browser's broken one.
			b.until(`document.querySelector('#result .picture, #result .placeholder p')`)
			if broken := b.brokenPictures(); len(broken) > 0 {
				t.Errorf("shown as broken: %v", broken)
			}
		})
	}
	b.T = t
}

func TestPaste(t *testing.T) {
	b := open(t, serveURL(t)+"/", desktop)
	b.do(browser.GrantPermissions([]browser.PermissionType{browser.PermissionTypeClipboardReadWrite, browser.PermissionTypeClipboardSanitizedWrite}))
	eval[bool](b, `(async () => {
		const c = new OffscreenCanvas(300, 200), d = c.getContext('2d');
		for (let i = 0; i < 300; i++) { d.fillStyle = 'hsl(' + i + ' 60% 50%)'; d.fillRect(i, 0, 1, 200); }
		await navigator.clipboard.write([new ClipboardItem({ 'image/png': await c.convertToBlob({ type: 'image/png' }) })]);
		return true;
	})()`)
	paste := func() {
		b.do(cdpinput.DispatchKeyEvent(cdpinput.KeyDown).WithModifiers(cdpinput.ModifierCtrl).WithKey("v").WithCode("KeyV").WithWindowsVirtualKeyCode(86).WithCommands([]string{"paste"}))
	}
	paste()
	b.wantVerdict()

	eval[bool](b, `navigator.clipboard.writeText('just words').then(() => true)`)
	paste()
	b.until(`document.querySelector('#address-error').textContent.includes('neither a picture nor a web address')`)
}

func TestDrop(t *testing.T) {
	b := open(t, serveURL(t)+"/", desktop)
	data := &cdpinput.DragData{Items: []*cdpinput.DragDataItem{}, Files: []string{absolute(t, photograph)}, DragOperationsMask: 1}
	// Beside the box: the page must take it, and not be replaced by it.
	for _, kind := range []cdpinput.DispatchDragEventType{cdpinput.DragEnter, cdpinput.DragOver, cdpinput.Drop} {
		b.do(cdpinput.DispatchDragEvent(kind, 200, 120, data))
	}
	b.wantVerdict()
}

func TestAddress(t *testing.T) {
	pictures := httptest.NewServer(http.FileServer(http.Dir("../../samples/real/getty-open-content")))
	defer pictures.Close()
	b := open(t, serveURL(t)+"/", desktop)
	ask := func(address string) {
		b.do(chromedp.Evaluate(`document.querySelector("#address").value = ""`, nil), chromedp.SendKeys("#address", address+kb.Enter, chromedp.ByQuery))
	}
	ask("no address")
	b.until(`document.querySelector('#address-error').textContent.includes('no web address')`)
	ask(pictures.URL + "/acanthus-mollis.jpg")
	b.wantVerdict()
	if text := b.text("#result .placeholder"); !strings.Contains(text, "loads nothing from other servers") {
		t.Errorf("in the picture's place: %q", text)
	}
	ask(pictures.URL + "/nothing.jpg")
	b.until(`document.querySelector('#result .failure')`)
	if text := b.text("#result"); !strings.Contains(text, "No picture at this address") {
		t.Errorf("for an address without a picture: %s", text)
	}
	ask("http://169.254.169.254/latest/meta-data")
	b.until(`document.querySelector('#result').innerText.includes('This address is not fetched')`)
}

func TestBroken(t *testing.T) {
	url := serveURL(t)
	whole, err := os.ReadFile(photograph)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"text.jpg":  {[]byte("This is no picture at all."), "Not a picture that can be read"},
		"cut.jpg":   {whole[:200], "The picture is damaged"},
		"empty.png": {nil, "This file is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, url+"/", desktop)
			b.give("#file", write(t, name, func(w io.Writer) error { _, err := w.Write(c.data); return err }))
			b.until(`document.querySelector('#result .failure')`)
			if text := b.text("#result"); !strings.Contains(text, c.want) || strings.Contains(text, "try:") {
				t.Errorf("the page says %q, want %q in plain words", text, c.want)
			}
			if broken := b.brokenPictures(); len(broken) > 0 {
				t.Errorf("shown as broken: %v", broken)
			}
		})
	}
}

func TestBig(t *testing.T) {
	img := wave{8688, 5792} // 50 megapixels
	for name, encode := range map[string]func(io.Writer) error{
		"50-megapixels.jpg": func(w io.Writer) error { return jpeg.Encode(w, img, nil) },
		"50-megapixels.png": func(w io.Writer) error { return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, img) },
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, serveURL(t)+"/", desktop)
			b.give("#file", write(t, name, encode))
			b.wantVerdict()
			if text := eval[string](b, `document.querySelector('.details dl').textContent`); !strings.Contains(text, "8688 × 5792") {
				t.Errorf("size not told: %s", text)
			}
		})
	}
}

func TestManyAndCSV(t *testing.T) {
	b := open(t, serveURL(t)+"/", desktop)
	folder := t.TempDir()
	var files []string
	copyOf := func(name string, data []byte) {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	names := []string{"=cmd.jpg", "a, b.jpg", "two.jpg", "three.jpg"}
	for i, source := range []string{photograph, generated, photograph, generated} {
		data, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		copyOf(names[i], data)
	}
	copyOf("broken.jpg", []byte("no picture"))
	b.give("#file", files...)
	b.until(`document.querySelectorAll('#many tbody tr').length === 5`)
	b.until(`!document.querySelector('#many .working')`)
	if chips := eval[int](b, `document.querySelectorAll('#many .chip:not(.failed)').length`); chips != 4 {
		t.Errorf("%d verdicts in the table, want 4: %s", chips, b.text("#many"))
	}
	// Another row's answer is one click away.
	b.do(chromedp.Evaluate(`[...document.querySelectorAll('#many button.name')].find(x => x.textContent === 'broken.jpg').click()`, nil))
	b.until(`document.querySelector('#result .failure')`)

	downloads := t.TempDir()
	b.do(browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(downloads), chromedp.Click("#csv", chromedp.ByQuery))
	path := filepath.Join(downloads, "bitmind.csv")
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no CSV came")
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(data), "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(rows[0], name) }
	if len(rows) != 6 || column("verdict") < 0 || column("error") < 0 {
		t.Fatalf("CSV: %q", rows)
	}
	if got := []string{rows[1][0], rows[2][0]}; !slices.Equal(got, []string{"'=cmd.jpg", "a, b.jpg"}) {
		t.Errorf("names in the CSV: %q", got)
	}
	for _, row := range rows[1:5] {
		if !slices.Contains(verdicts, row[column("verdict")]) || row[column("score")] == "" || len(row[column("sha256")]) != 64 {
			t.Errorf("row %q", row)
		}
	}
	if rows[5][column("error")] == "" || rows[5][column("verdict")] != "" {
		t.Errorf("the broken one's row: %q", rows[5])
	}
}

func TestHeatmapSlider(t *testing.T) {
	b := open(t, serveURL(t)+"/", desktop)
	b.give("#file", absolute(t, generated))
	b.wantVerdict()
	b.until(`document.querySelector('.heat')?.naturalWidth > 0 && document.querySelector('.picture')?.naturalWidth > 0`)
	opacity := func() float64 {
		return eval[float64](b, `Number(getComputedStyle(document.querySelector('.heat')).opacity)`)
	}
	before := opacity()
	b.do(chromedp.Focus(".slider input", chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	if after := opacity(); after <= before {
		t.Errorf("two steps up: opacity %g, before %g", after, before)
	}
	b.do(chromedp.KeyEvent(kb.Home))
	if after := opacity(); after != 0 {
		t.Errorf("at its beginning: opacity %g, want 0", after)
	}
	// It lies over the picture, corner to corner.
	if apart := eval[float64](b, `(() => { const a = document.querySelector('.heat').getBoundingClientRect(), c = document.querySelector('.picture').getBoundingClientRect(); return Math.max(Math.abs(a.left - c.left), Math.abs(a.top - c.top), Math.abs(a.right - c.right), Math.abs(a.bottom - c.bottom)); })()`); apart > 1 {
		t.Errorf("heatmap and picture lie %g pixels apart", apart)
	}
}

func TestAnswerActions(t *testing.T) {
	url := serveURL(t)
	b := open(t, url+"/", desktop)
	b.give("#file", absolute(t, generated))
	b.wantVerdict()
	if rows := eval[int](b, `document.querySelectorAll('.detectors tbody tr').length`); rows != 2 {
		t.Errorf("%d detectors side by side, want 2", rows)
	}
	for _, part := range []string{".fact", ".reference .kinds", ".why li", ".robustness .rows", ".provenance", ".scale"} {
		if b.text(part) == "" {
			t.Errorf("the answer has no %s", part)
		}
	}
	b.do(chromedp.Click(".feedback button", chromedp.ByQuery))
	b.until(`document.querySelector('.said-back').textContent.startsWith('Thank you')`)
	button := func(text string) string {
		return fmt.Sprintf(`[...document.querySelectorAll('.actions .buttons button')].find(x => x.textContent.includes(%q)).click()`, text)
	}
	b.do(chromedp.Evaluate(button("link to share"), nil))
	b.until(`document.querySelector('.said-back .link input')`)
	link := eval[string](b, `document.querySelector('.said-back .link input').value`)
	id := eval[string](b, `location.hash.slice(1)`)

	other := open(t, link, phone)
	other.until(`document.querySelector('#result .verdict')`)
	other.fits()

	b.do(chromedp.Evaluate(button("Delete"), nil))
	b.until(`!document.querySelector('#result .verdict')`)
	other.do(chromedp.Navigate(url + "/#" + id))
	other.until(`document.querySelector('#result').innerText.includes('This answer is gone')`)
	other.do(chromedp.Navigate(link))
	other.until(`document.querySelector('#result').innerText.includes('no answer behind this link')`)
}

func TestSamples(t *testing.T) {
	b := open(t, serveURL(t)+"/", desktop)
	b.until(`document.querySelector('.sample')`)
	if text := b.text("#samples-list"); !strings.Contains(text, "Example 1") || strings.Contains(text, "flux") {
		t.Errorf("the examples are called %q, which must not tell what they are", text)
	}
	b.do(chromedp.Click(".sample", chromedp.ByQuery))
	b.wantVerdict()
	if b.text(".truth") == "" {
		t.Error("what the example really is is not told")
	}
}

func TestModelCard(t *testing.T) {
	b := open(t, serveURL(t)+"/models/best", phone)
	b.until(`document.querySelectorAll('#card h2').length > 1`)
	if raw := eval[string](b, `document.querySelector('#card').innerText.match(/(^|\n)#{1,4} |\*\*|\]\(|\n\|/)?.[0] ?? ''`); raw != "" {
		t.Errorf("Markdown was left as it is: %q", raw)
	}
	b.fits()
	b.do(chromedp.Navigate(serveURL(t) + "/models/nobody"))
	b.until(`document.querySelector('#card-state').textContent.includes('no detector of that name')`)
}
