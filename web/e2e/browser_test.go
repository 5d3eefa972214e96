// Package e2e tests the pages in a real Chromium, by make e2e-web.
package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long one step of a page may take on a busy machine; it decides no
// test but that a page never gets there.
const patience = 90 * time.Second

// tab is one browser tab and what went wrong in it.
type tab struct {
	*testing.T
	ctx context.Context

	mu       sync.Mutex
	troubles []string          // console errors, exceptions, policy violations, foreign requests
	loaded   map[string]int64  // bytes over the wire by URL, of finished requests
	urls     map[string]string // by request id
}

// look is how a tab shows pages.
type look struct {
	width, height int64
	dark, touch   bool
}

var desktop, phone = look{width: 1280, height: 900}, look{width: 390, height: 844, touch: true}

// chromium is started once for all tests.
var chromium = sync.OnceValues(func() (context.Context, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // in containers, where tests run as root
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("hide-scrollbars", true))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	closeBrowser = func() { stop(); stopAllocator() }
	if err := chromedp.Run(ctx); err != nil {
		closeBrowser()
		return nil, fmt.Errorf("starting Chromium: %w; try: make e2e-web, which installs it", err)
	}
	return ctx, nil
})

var closeBrowser = func() {}

func TestMain(m *testing.M) {
	if os.Getenv("BITMIND_E2E_WEB") == "" {
		fmt.Println("skipping the browser tests; try: make e2e-web")
		return
	}
	code := m.Run()
	closeBrowser()
	stopPrograms()
	os.Exit(code)
}

// open shows a page in a new tab. Whatever goes wrong in it fails the test at its
// end, unless the test expected it.
func open(t *testing.T, url string, l look) *tab {
	t.Helper()
	parent, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	b := &tab{T: t, ctx: ctx, loaded: map[string]int64{}, urls: map[string]string{}}
	chromedp.ListenTarget(ctx, b.listen(url))
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	b.do(network.Enable(), log.Enable(), runtime.Enable(), page.Enable(),
		chromedp.EmulateViewport(l.width, l.height, func(p *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
			p.Mobile = l.touch
		}),
		emulation.SetTouchEmulationEnabled(l.touch),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}),
		chromedp.Navigate(url))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, trouble := range b.troubles {
			t.Errorf("in the browser: %s", trouble)
		}
		if t.Failed() {
			b.mu.Unlock()
			b.failurePicture()
			b.mu.Lock()
		}
	})
	return b
}

// listen notes errors and requests of a tab that shows pages of url's host.
func (b *tab) listen(url string) func(any) {
	host := strings.Join(strings.SplitN(url, "/", 4)[:3], "/") + "/"
	return func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.troubles = append(b.troubles, "exception: "+e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
				var words []string
				for _, a := range e.Args {
					words = append(words, string(a.Value)+a.Description)
				}
				b.troubles = append(b.troubles, "console: "+strings.Join(words, " "))
			}
		case *log.EventEntryAdded:
			// That a request was answered with an error is what tests ask for.
			if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
				b.troubles = append(b.troubles, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
			}
		case *network.EventRequestWillBeSent:
			b.urls[string(e.RequestID)] = e.Request.URL
			if u := e.Request.URL; !strings.HasPrefix(u, host) && !strings.HasPrefix(u, "blob:"+host) && !strings.HasPrefix(u, "data:") {
				b.troubles = append(b.troubles, "a request to another host: "+u)
			}
		case *network.EventLoadingFinished:
			b.loaded[b.urls[string(e.RequestID)]] += int64(e.EncodedDataLength)
		}
	}
}

// do runs actions and stops the test where one fails.
func (b *tab) do(actions ...chromedp.Action) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	// The tab must outlive the time of one step.
	if chromedp.FromContext(b.ctx).Target == nil {
		ctx = b.ctx
	}
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.Fatalf("%v; the page says: %.600s", err, b.pageText())
	}
}

func (b *tab) pageText() (text string) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Evaluate(`document.body?.innerText ?? ''`, &text)) // only to explain a failure
	return text
}

// eval returns what a JavaScript expression gives; a promise is waited for.
func eval[T any](b *tab, expression string) (value T) {
	b.Helper()
	b.do(chromedp.Evaluate(expression, &value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return value
}

// until waits for a JavaScript expression to be true.
func (b *tab) until(expression string) {
	b.Helper()
	b.do(chromedp.Poll(expression, nil, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
}

// give chooses files for an input.
func (b *tab) give(input string, files ...string) {
	b.Helper()
	b.do(chromedp.SetUploadFiles(input, files, chromedp.ByQuery))
}

// verdict waits for the answer that is shown and returns its verdict.
func (b *tab) verdict() string {
	b.Helper()
	b.until(`document.querySelector('#result article:not(.busy)') !== null`)
	return eval[string](b, `document.querySelector('#result article').className.replace(/card|answer|\s/g, '')`)
}

// text returns the text of the first element that a selector finds.
func (b *tab) text(selector string) string {
	b.Helper()
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ''`, selector))
}

// fits fails the test where the page is wider than the window.
func (b *tab) fits() {
	b.Helper()
	wide := eval[[]string](b, `(() => {
		const w = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= w) return [];
		return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w + 1 && !e.closest('.scroll, nav')).slice(0, 5).map(e => e.outerHTML.slice(0, 120));
	})()`)
	if len(wide) > 0 {
		b.Errorf("the page is wider than the window: %s", strings.Join(wide, "\n"))
	}
}

// failurePicture leaves a picture of the tab where a test failed.
func (b *tab) failurePicture() {
	dir := os.Getenv("BITMIND_E2E_FAILURES")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	var picture []byte
	if chromedp.Run(ctx, chromedp.FullScreenshot(&picture, 90)) == nil && os.MkdirAll(dir, 0o755) == nil {
		_ = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(b.Name(), "/", "-")+".jpg"), picture, 0o644)
	}
}
