package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress tells how much is done, how fast, and the time left: in one line of a
// terminal that is rewritten, else in a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	what     string // is counted
	total    int
	found    int // of those done, how many were found done: they tell nothing of the rate
	began    time.Time
	drawn    time.Time
	line     string
}

// quiet is the time between two lines where there is no terminal.
const quiet = 30 * time.Second

func newProgress(w io.Writer, what string) *progress {
	return &progress{w: w, terminal: isTerminal(w), what: what}
}

// start begins to count up to total.
func (p *progress) start(total int) {
	p.total, p.found, p.began = total, 0, time.Now()
	p.drawn = p.began
}

// set says how many are done. The line is drawn at most ten times a second.
func (p *progress) set(done int) {
	now := time.Now()
	p.line = progressLine(done, p.total, p.found, now.Sub(p.began), p.what)
	switch since := now.Sub(p.drawn); {
	case p.terminal && (since >= 100*time.Millisecond || done == p.total):
		fmt.Fprint(p.w, "\r\x1b[K"+p.line)
	case !p.terminal && since >= quiet:
		fmt.Fprintln(p.w, p.line)
	default:
		return
	}
	p.drawn = now
}

// setFound is set for what may have been done before, such as what a cache holds:
// whatever comes in the first seconds is taken for that.
func (p *progress) setFound(done int) {
	if time.Since(p.began) < 2*time.Second {
		p.found = done
	}
	p.set(done)
}

// say writes a line that stays.
func (p *progress) say(format string, args ...any) {
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
	if p.terminal && p.line != "" {
		fmt.Fprint(p.w, p.line)
	}
}

// clear removes the line.
func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func progressLine(done, total, found int, took time.Duration, what string) string {
	line := fmt.Sprintf("%d of %d %s", done, total, what)
	if done == found || took <= 0 {
		return line
	}
	rate := float64(done-found) / took.Seconds()
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s, %.1f a second, %s left", line, rate, left)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
