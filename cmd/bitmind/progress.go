package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress rewrites one line of a terminal: how much is done, how fast, and the
// time left. On anything else than a terminal it says nothing.
type progress struct {
	w        io.Writer
	terminal bool
	what     string // is counted
	total    int
	began    time.Time
	drawn    time.Time
	line     string
}

func newProgress(w io.Writer, what string) *progress {
	return &progress{w: w, terminal: isTerminal(w), what: what}
}

// start begins to count up to total.
func (p *progress) start(total int) { p.total, p.began = total, time.Now() }

// set says how many are done. The line is drawn at most ten times a second.
func (p *progress) set(done int) {
	now := time.Now()
	p.line = progressLine(done, p.total, now.Sub(p.began), p.what)
	if p.terminal && (now.Sub(p.drawn) >= 100*time.Millisecond || done == p.total) {
		p.drawn = now
		fmt.Fprint(p.w, "\r\x1b[K"+p.line)
	}
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

func progressLine(done, total int, took time.Duration, what string) string {
	line := fmt.Sprintf("%d of %d %s", done, total, what)
	if done == 0 || took <= 0 {
		return line
	}
	rate := float64(done) / took.Seconds()
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s, %.1f a second, %s left", line, rate, left)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
