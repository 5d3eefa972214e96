package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// mostShot is what a picture in docs/ may take, in bytes.
const mostShot = 200_000

// TestShots makes the pictures of the pages for docs/, where BITMIND_E2E_SHOTS names
// a folder (below the repository's root).
func TestShots(t *testing.T) {
	dir := os.Getenv("BITMIND_E2E_SHOTS")
	if dir == "" {
		t.Skip("makes pictures only where BITMIND_E2E_SHOTS names a folder")
	}
	dir = filepath.Join("../..", dir)
	url, s := serveURL(t), record(t)
	tall := desktop
	tall.height = 1150

	b := open(t, url+"/", desktop)
	b.until(`document.querySelectorAll('.sample img').length > 3 && [...document.images].every(i => i.complete)`)
	b.shot(dir, "page")
	b.give("#file", absolute(t, generated))
	b.answered()
	b.shot(dir, "page-answer")
	b.give("#file", absolute(t, photograph), absolute(t, "../../samples/fake/chroma/image-chroma-text-to-image.jpg"), absolute(t, "testdata/photo.heic"))
	b.until(`document.querySelectorAll('#many tbody tr').length === 4 && !document.querySelector('#many .working')`)
	b.do(chromedp.Evaluate(`document.querySelector('#many').scrollIntoView(); 1`, nil))
	b.shot(dir, "page-several")

	dark := open(t, s.URL+"/", look{width: 1280, height: 1150, dark: true})
	dark.give("#file", absolute(t, generated))
	dark.answered()
	dark.shot(dir, "page-dark")

	small := open(t, url+"/", phone)
	small.give("#file", absolute(t, photograph))
	small.answered()
	small.shot(dir, "page-phone")

	board := open(t, s.URL+"/dashboard", tall)
	board.until(`document.querySelector('#weights canvas') && document.querySelector('.challenge img')?.naturalWidth > 0`)
	board.shot(dir, "dashboard")
	board.do(chromedp.Click(`a[href="#miner/21"]`, chromedp.ByQuery))
	board.until(`document.querySelector('.miner canvas')`)
	board.shot(dir, "dashboard-miner")
}

// answered waits for an answer with its picture and heatmap and brings it into view.
func (b *tab) answered() {
	b.Helper()
	b.wantVerdict()
	b.until(`document.querySelector('.picture')?.naturalWidth > 0 && (document.querySelector('.heat')?.naturalWidth > 0 || !document.querySelector('.slider'))`)
	b.do(chromedp.Evaluate(`document.querySelector('#result').scrollIntoView(); 1`, nil))
}

// shot writes what the window shows, in 256 colours.
func (b *tab) shot(dir, name string) {
	b.Helper()
	var data []byte
	b.do(chromedp.CaptureScreenshot(&data))
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	few := image.NewPaletted(img.Bounds(), fewColours(img, 256))
	draw.Draw(few, few.Bounds(), img, img.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few); err != nil {
		b.Fatal(err)
	}
	if out.Len() >= mostShot {
		b.Errorf("%s takes %d bytes, want less than %d", name, out.Len(), mostShot)
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.png", name)), out.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
}
