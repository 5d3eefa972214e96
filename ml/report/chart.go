package report

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// series is one line of a chart.
type series struct {
	name    string
	colour  int // of the page's palette
	points  [][2]float64
	markers bool // a dot at every point, with its title
	titles  []string
}

// bar is an area from the x axis up.
type bar struct {
	from, to, height float64
	colour           string // a class of the page
	title            string
}

// whisker is an interval across, on the row y.
type whisker struct {
	y, low, value, high float64
	colour              int
	title               string
}

// chart is drawn as SVG whose colours are the page's classes, so that it follows
// the page from light to dark.
type chart struct {
	label          string // what the picture shows, for screen readers
	xTitle, yTitle string
	x, y           axis
	width, height  float64 // of the whole, in SVG units; 0 is 390 by 260
	left           float64 // room for the y axis' labels; 0 is 52
	diagonal       bool
	series         []series
	bars           []bar
	whiskers       []whisker
	mark           float64 // a vertical line at x
	markTitle      string  // "" for none
	rows           []string
}

type axis struct {
	min, max float64
	ticks    []float64
}

// span makes an axis that holds all values and begins and ends on round numbers.
func span(values []float64) axis {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	if lo == hi {
		pad := cond(lo == 0, 1e-3, math.Abs(lo)*0.05)
		lo, hi = lo-pad, hi+pad
	}
	step := niceStep((hi-lo)/4, 1, 2, 2.5, 5)
	lo, hi = math.Floor(lo/step+1e-9)*step, math.Ceil(hi/step-1e-9)*step
	return axis{lo, hi, ticksOf(lo, hi, step)}
}

// counting makes an axis of whole numbers, such as epochs.
func counting(lo, hi float64) axis {
	if lo == hi {
		lo, hi = lo-1, hi+1
	}
	step := max(niceStep((hi-lo)/8, 1, 2, 5), 1)
	return axis{lo, hi, ticksOf(math.Ceil(lo/step)*step, hi, step)}
}

// unit is the axis of rates and scores.
func unit() axis { return axis{0, 1, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}} }

// niceStep gives the least number that is not below rough and is one of the
// steps times a power of ten.
func niceStep(rough float64, steps ...float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range steps {
		if m*power >= rough*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func ticksOf(lo, hi, step float64) []float64 {
	var t []float64
	for i := 0; ; i++ {
		v := lo + float64(i)*step
		if v > hi+step*1e-6 || i > 50 {
			return t
		}
		t = append(t, v)
	}
}

func number(v float64) string {
	switch abs := math.Abs(v); {
	case abs < 1e-12:
		return "0"
	case abs < 1e-3 || abs >= 1e5:
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, 64), "e")
		m, _ := strconv.ParseFloat(mantissa, 64) // as it was just formatted
		e, _ := strconv.Atoi(exponent)
		return strconv.FormatFloat(m, 'g', 3, 64) + "e" + strconv.Itoa(e)
	default:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
}

// svg draws the chart.
func (c chart) svg() template.HTML {
	if c.width == 0 {
		c.width = 390
	}
	if c.height == 0 {
		c.height = 260
	}
	if c.left == 0 {
		c.left = 52
	}
	const top, right, bottom = 10, 20, 40
	w, h := c.width-c.left-right, c.height-top-bottom
	px := func(v float64) float64 { return c.left + w*(v-c.x.min)/(c.x.max-c.x.min) }
	py := func(v float64) float64 { return top + h*(1-(v-c.y.min)/(c.y.max-c.y.min)) }
	var b strings.Builder
	esc := template.HTMLEscapeString
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, c.width, c.height, esc(c.label))
	for _, t := range c.x.ticks {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%.1f"/><text x="%.1f" y="%.1f" class="tick mid">%s</text>`, px(t), px(t), top, top+h, px(t), top+h+16, number(t))
	}
	for i, t := range c.y.ticks {
		text := number(t)
		if c.rows != nil {
			text = c.rows[i]
		}
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" class="tick end">%s</text>`, c.left, c.left+w, py(t), py(t), c.left-6, py(t)+4, esc(text))
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" class="name mid">%s</text>`, c.left+w/2, c.height-6, esc(c.xTitle))
	if c.yTitle != "" {
		fmt.Fprintf(&b, `<text transform="translate(13 %.1f) rotate(-90)" class="name mid">%s</text>`, top+h/2, esc(c.yTitle))
	}
	if c.diagonal {
		fmt.Fprintf(&b, `<line class="guide" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, px(0), py(0), px(1), py(1))
	}
	if c.markTitle != "" {
		fmt.Fprintf(&b, `<line class="guide" x1="%.1f" x2="%.1f" y1="%d" y2="%.1f"><title>%s</title></line><text x="%.1f" y="%d" class="tick%s">%s</text>`,
			px(c.mark), px(c.mark), top, top+h, esc(c.markTitle), px(c.mark)+cond(px(c.mark) > c.left+w*0.75, -4.0, 4.0), top+11, cond(px(c.mark) > c.left+w*0.75, " end", ""), esc(c.markTitle))
	}
	for _, r := range c.bars {
		if r.height > 0 {
			fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`, r.colour, px(r.from), py(r.height), px(r.to)-px(r.from), py(0)-py(r.height), esc(r.title))
		}
	}
	for _, s := range c.series {
		c.line(&b, s, px, py)
	}
	for _, k := range c.whiskers {
		fmt.Fprintf(&b, `<g class="c%d"><title>%s</title>`, k.colour%palette, esc(k.title))
		if k.low < k.high {
			fmt.Fprintf(&b, `<line class="line" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, px(k.low), px(k.high), py(k.y), py(k.y))
		}
		fmt.Fprintf(&b, `<circle class="dot" r="4" cx="%.1f" cy="%.1f"/></g>`, px(k.value), py(k.y))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) // every text in it was escaped
}

func cond[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

func (c chart) line(b *strings.Builder, s series, px, py func(float64) float64) {
	fmt.Fprintf(b, `<g class="c%d"><path class="line" d="`, s.colour%palette)
	pen := "M"
	for _, p := range s.points {
		if math.IsNaN(p[1]) || math.IsInf(p[1], 0) {
			pen = "M" // a gap
			continue
		}
		fmt.Fprintf(b, "%s%.1f %.1f", pen, px(p[0]), py(p[1]))
		pen = "L"
	}
	fmt.Fprintf(b, `"><title>%s</title></path>`, template.HTMLEscapeString(s.name))
	if s.markers {
		for i, p := range s.points {
			if math.IsNaN(p[1]) || math.IsInf(p[1], 0) {
				continue
			}
			fmt.Fprintf(b, `<circle class="dot" r="3" cx="%.1f" cy="%.1f"><title>%s</title></circle>`, px(p[0]), py(p[1]), template.HTMLEscapeString(s.titles[i]))
		}
	}
	b.WriteString(`</g>`)
}

// palette is the number of colours for lines.
const palette = 8
