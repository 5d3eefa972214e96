package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
)

// TestReload loads the page anew in the middle: what is done comes back, what was
// under way is said to be interrupted, and what the server forgot is said to be gone.
func TestReload(t *testing.T) {
	s := record(t)
	b := open(t, s.URL+"/", desktop)
	b.give("#file", absolute(t, generated))
	b.wantVerdict()
	b.until(`document.querySelector('#result .picture')`)
	hold := make(chan struct{})
	s.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	b.give("#file", absolute(t, photograph))
	b.until(`document.querySelector('#result .busy')`)
	b.do(chromedp.Reload())
	close(hold)
	b.until(`document.querySelectorAll('#many tbody tr').length === 2`)
	b.until(`document.querySelector('#many').innerText.includes('Interrupted')`)
	b.do(chromedp.Evaluate(`document.querySelector('#many button.name').click()`, nil))
	b.wantVerdict()
	if text := b.text("#result .name"); !strings.Contains(text, "before the page was loaded again") {
		t.Errorf("the restored answer does not say so: %s", text)
	}
	if eval[float64](b, `document.querySelector('#result .picture')?.naturalWidth ?? 0`) == 0 {
		t.Error("the restored answer has no picture")
	}
}

// TestBusy sees the page wait when it is told to, and then get its answer.
func TestBusy(t *testing.T) {
	s := record(t)
	var asked atomic.Int32
	s.setAnswer(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			refuse(w, schema.Problem{Title: "Service Unavailable", Status: 503, Code: schema.CodeOverloaded, Detail: "no room for this picture now; try: again in 2 seconds", RetryAfter: 2})
			return
		}
		sendJSON(w, http.StatusOK, fullAnswer())
	})
	b := open(t, s.URL+"/", desktop)
	b.give("#file", absolute(t, generated))
	b.until(`document.querySelector('#result').innerText.includes('The server is busy')`)
	b.wantVerdict()
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

// TestKey sees the page ask for the key that a server wants.
func TestKey(t *testing.T) {
	s := record(t)
	s.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			refuse(w, schema.Problem{Title: "Unauthorized", Status: 401, Code: schema.CodeUnauthorized, Detail: "this server wants a key; try: Authorization: Bearer KEY"})
			return
		}
		sendJSON(w, http.StatusOK, fullAnswer())
	})
	b := open(t, s.URL+"/", desktop)
	b.give("#file", absolute(t, generated))
	b.until(`!document.querySelector('#key-form').hidden`)
	b.do(chromedp.SendKeys("#key", "secret"+kb.Enter, chromedp.ByQuery))
	b.until(`document.querySelector('#result .verdict.ai')`)
}

// TestKeyboard goes through the page by the keyboard alone.
func TestKeyboard(t *testing.T) {
	b := open(t, serveURL(t)+"/", desktop)
	chosen := make(chan cdp.BackendNodeID, 1)
	chromedp.ListenTarget(b.ctx, func(event any) {
		if e, ok := event.(*page.EventFileChooserOpened); ok {
			select {
			case chosen <- e.BackendNodeID:
			default:
			}
		}
	})
	b.do(page.SetInterceptFileChooserDialog(true))
	// tab goes on until the focus is where it should be, and wants it to be seen.
	tab := func(selector string) {
		t.Helper()
		for range 120 {
			b.do(chromedp.KeyEvent(kb.Tab))
			if eval[bool](b, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
				if !eval[bool](b, `[document.activeElement, document.activeElement.nextElementSibling].some(e => e && getComputedStyle(e).outlineStyle !== 'none' && parseFloat(getComputedStyle(e).outlineWidth) >= 2)`) {
					t.Errorf("nobody sees that %s has the focus", selector)
				}
				return
			}
		}
		t.Fatalf("the Tab key does not reach %s", selector)
	}
	tab(".skip")
	tab("#file")
	b.do(chromedp.KeyEvent(" "))
	select {
	case node := <-chosen:
		b.do(dom.SetFileInputFiles([]string{absolute(t, generated)}).WithBackendNodeID(node))
	case <-time.After(patience):
		t.Fatal("the space bar opens no file dialog")
	}
	b.wantVerdict()
	b.until(`document.querySelector('#live').textContent.includes('score')`) // what a screen reader says
	tab("#address")
	tab(".options summary")
	tab(".slider input")
	tab(".details summary")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector('.details details').open`)
	tab(".feedback button")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector('.feedback button[aria-pressed="true"]')`)
}

func TestPhone(t *testing.T) {
	url := serveURL(t)
	b := open(t, url+"/", phone)
	b.until(`document.querySelector('.sample')`)
	b.fits()
	if !eval[bool](b, `document.querySelector('#camera-label').offsetWidth > 0 && document.querySelector('#camera').getAttribute('capture') === 'environment'`) {
		t.Error("no way to take a photo")
	}
	b.give("#camera", absolute(t, photograph))
	b.wantVerdict()
	b.until(`document.querySelector('.heat')`)
	b.do(chromedp.Evaluate(`document.querySelectorAll('details').forEach(d => d.open = true)`, nil))
	b.fits()
	b.give("#file", absolute(t, generated), absolute(t, photograph))
	b.until(`document.querySelectorAll('#many tbody tr').length === 3 && !document.querySelector('#many .working')`)
	b.fits()

	s := record(t)
	for _, path := range []string{"/dashboard", "/dashboard#miner/21", "/r/0123456789abcdef"} {
		b := open(t, s.URL+path, phone)
		b.until(`document.querySelector('.challenge, .confusion, #result .verdict')`)
		b.do(chromedp.Evaluate(`document.querySelectorAll('details').forEach(d => d.open = true)`, nil))
		b.fits()
	}
}

func TestDarkAndPrint(t *testing.T) {
	s := record(t)
	b := open(t, s.URL+"/", look{width: 1280, height: 900, dark: true})
	b.give("#file", absolute(t, generated))
	b.wantVerdict()
	light := `(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g); return r * .3 + g * .6 + b * .1; })()`
	if l := eval[float64](b, light); l > 60 {
		t.Errorf("in the dark the page's brightness is %g of 255", l)
	}
	b.do(emulation.SetEmulatedMedia().WithMedia("print"))
	if l := eval[float64](b, light); l < 240 {
		t.Errorf("on paper the page's brightness is %g of 255", l)
	}
	if eval[bool](b, `document.querySelector('#intake').offsetHeight > 0 || document.querySelector('.verdict').offsetHeight === 0`) {
		t.Error("on paper there should be the answer and nothing to click")
	}
}

// TestEvents loses the line and finds it again, then has none at all.
func TestEvents(t *testing.T) {
	s := record(t)
	b := open(t, s.URL+"/dashboard", desktop)
	b.until(`document.querySelector('.connection.live')`)
	s.push(monitor.Event{Kind: monitor.EventStatus, Data: monitor.Status{Network: "finney", Netuid: 34, Block: 4_900_001, Tempo: 359, BlocksToEpoch: 7}})
	b.until(`document.querySelector('#figures').innerText.includes('4,900,001')`)
	fresh := recordedChallenges(time.Now()).Items[0]
	fresh.ID, fresh.Seq = "fresh", 18_500
	s.push(monitor.Event{Kind: monitor.EventChallenge, Data: fresh})
	b.until(`document.querySelector('.challenge').dataset.id === 'fresh'`)

	s.cutEvents()
	b.until(`document.querySelector('.connection.reconnecting')`)
	b.until(`document.querySelector('.connection.live')`)

	s.withoutEvents.Store(true)
	s.cutEvents()
	b.until(`document.querySelector('.connection.polling')`)
	asked := s.statusAsked.Load()
	for deadline := time.Now().Add(patience); s.statusAsked.Load() < asked+2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("without events the page does not ask")
		}
	}
}

func TestDashboardStates(t *testing.T) {
	s := record(t)
	b := open(t, s.URL+"/dashboard", desktop)
	b.until(`document.querySelectorAll('.miners tbody tr').length === 6`)
	for state, text := range map[string]string{"silent": "silent", "foreign": "not ours", "unasked": "not asked yet", "alive": "alive"} {
		if got := b.text("tr." + state + " .c-state"); !strings.Contains(got, text) {
			t.Errorf("a miner that is %s is marked %q", state, got)
		}
	}
	b.until(`document.querySelector('#weights canvas')`)
	b.until(`document.querySelectorAll('.challenge').length === 4`)
	if broken := b.brokenPictures(); len(broken) > 0 {
		t.Errorf("shown as broken: %v", broken)
	}
	b.do(chromedp.Click(`a[href="#miner/21"]`, chromedp.ByQuery))
	b.until(`document.querySelector('.confusion') && document.querySelector('.calibration') && document.querySelector('.miner canvas')`)
	b.do(chromedp.Navigate(s.URL + "/dashboard#miner/999"))
	b.until(`document.querySelector('#miner').innerText.includes('no miner with uid 999')`)

	// A server without a subnet says so.
	alone := open(t, serveURL(t)+"/dashboard", phone)
	alone.until(`!document.querySelector('#none').hidden`)
	alone.fits()
}

// TestLocalnet watches a subnet on this machine live.
func TestLocalnet(t *testing.T) {
	url, err := subnet()
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, url+"/dashboard", desktop)
	b.until(`document.querySelector('.connection.live')`)
	block := `Number(document.querySelector('.figure-value').textContent.replace(/\D/g, ''))`
	first := eval[int](b, block)
	b.until(fmt.Sprintf(`%s > %d`, block, first+2))
	b.until(`document.querySelectorAll('.miners tbody tr.alive').length >= 3`)
	b.until(`document.querySelectorAll('.challenge').length >= 3`)
	b.until(`document.querySelector('.challenge img')?.naturalWidth > 0`)
	b.until(`document.querySelector('#weights canvas')`) // once the first epoch is over
	b.do(chromedp.Evaluate(`document.querySelector('.miners a').click()`, nil))
	b.until(`document.querySelector('.confusion')`)

	// The page for pictures is the same one.
	b.do(chromedp.Navigate(url + "/"))
	b.give("#file", absolute(t, photograph))
	b.wantVerdict()
}
