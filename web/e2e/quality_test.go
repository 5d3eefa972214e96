package e2e

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe/axe.min.js
var axe string

type finding struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	}
}

// accessible fails the test for each finding of axe-core that is serious or
// critical. (It is run by the debugger, which the page's policy does not concern.)
func (b *tab) accessible(state string) {
	b.Helper()
	b.do(chromedp.Evaluate(axe+`; 1`, nil))
	text := eval[string](b, `axe.run(document, { resultTypes: ['violations'] }).then(r => JSON.stringify(r.violations))`)
	var findings []finding
	if err := json.Unmarshal([]byte(text), &findings); err != nil {
		b.Fatal(err)
	}
	for _, f := range findings {
		if f.Impact != "serious" && f.Impact != "critical" {
			b.Logf("%s: %s (%s)", state, f.Help, f.Impact)
			continue
		}
		for _, node := range f.Nodes {
			b.Errorf("%s: %s (%s, %s): %.200s\n%s", state, f.Help, f.ID, f.Impact, node.HTML, node.FailureSummary)
		}
	}
}

func TestAccessible(t *testing.T) {
	s := record(t)
	for _, l := range []look{desktop, phone, {width: 1280, height: 900, dark: true}} {
		t.Run(fmt.Sprintf("%d dark %v", l.width, l.dark), func(t *testing.T) {
			b := open(t, s.URL+"/", l)
			b.do(chromedp.Evaluate(`document.querySelectorAll('details').forEach(d => d.open = true)`, nil))
			b.accessible("first view")
			b.give("#file", absolute(t, generated))
			b.wantVerdict()
			b.until(`document.querySelector('.heat')?.naturalWidth > 0`)
			b.do(chromedp.Evaluate(`document.querySelectorAll('details').forEach(d => d.open = true)`, nil))
			b.accessible("answer")
			b.give("#file", absolute(t, photograph), absolute(t, generated))
			b.until(`document.querySelectorAll('#many .chip.ai').length === 3`)
			b.accessible("several")
			b.do(chromedp.Navigate(s.URL + "/dashboard"))
			b.until(`document.querySelector('#weights canvas') && document.querySelector('.challenge')`)
			b.do(chromedp.Evaluate(`document.querySelectorAll('details').forEach(d => d.open = true)`, nil))
			b.accessible("dashboard")
			b.do(chromedp.Click(`a[href="#miner/21"]`, chromedp.ByQuery))
			b.until(`document.querySelector('.miner canvas')`)
			b.accessible("miner")
			b.do(chromedp.Navigate(s.URL + "/r/0123456789abcdef"))
			b.until(`document.querySelector('#result .verdict')`)
			b.accessible("shared")
		})
	}
	b := open(t, serveURL(t)+"/models/best", desktop)
	b.until(`document.querySelectorAll('#card h2').length > 1`)
	b.accessible("model card")
	b.do(chromedp.Navigate(serveURL(t) + "/dashboard"))
	b.until(`!document.querySelector('#none').hidden`)
	b.accessible("no subnet")
	b.do(chromedp.Navigate(serveURL(t) + "/"))
	b.until(`document.querySelector('.sample img')`)
	b.give("#file", absolute(t, "testdata/README.md"))
	b.until(`document.querySelector('#result .failure')`)
	b.accessible("failure")
}

// TestSizeAndPaint says how much a first visit loads and when something is seen.
func TestSizeAndPaint(t *testing.T) {
	s := record(t)
	for _, path := range []string{"/", "/dashboard"} {
		b := open(t, s.URL+path, desktop)
		b.until(`performance.getEntriesByName('first-contentful-paint').length > 0 && document.readyState === 'complete'`)
		b.until(`document.querySelector('.challenge, .drop')`)
		paint := eval[float64](b, `performance.getEntriesByName('first-contentful-paint')[0].startTime`)
		total := int64(0)
		for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			total = 0
			b.mu.Lock()
			for url, n := range b.loaded {
				if !strings.Contains(url, "/samples/") && !strings.Contains(url, "/v1/") {
					total += n
				}
			}
			b.mu.Unlock()
			if total > 20_000 || time.Now().After(deadline) {
				break
			}
		}
		t.Logf("page=%s first_contentful_paint_ms=%.0f bytes=%d", path, paint, total)
		if total < 20_000 || total >= 300_000 {
			t.Errorf("%s loads %d bytes without pictures, want less than 300,000", path, total)
		}
	}
}
