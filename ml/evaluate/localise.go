package evaluate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/maxmos001/bitmind-subnet/media/generate"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// Ways to make a picture of which a part is not what it was.
const (
	Inpainted = "inpainted" // the part is filled from the rest: generate.Inpainting
	Spliced   = "spliced"   // the part is of an AI-generated picture
)

// Maps that are compared with the place of the part.
const (
	HeatmapMap = "heatmap"
	CentreMap  = "centre" // the nearer to the picture's middle, the hotter
	RandomMap  = "random"
)

const (
	// localiseSide is the number of cells, each way, that maps are compared in.
	localiseSide = 32
	// hottest is the share of the picture that counts as found: the mean of the
	// parts' shares, which are drawn between 5 and 25 %.
	hottest = 0.15
)

// Localisation says how well maps find the changed part of pictures.
type Localisation struct {
	Way      string `json:"way"` // Inpainted or Spliced
	Pictures int    `json:"pictures"`
	Sources  int    `json:"sources"`
	// Area is the part's mean share of the picture.
	Area float64 `json:"area"`
	// Maps holds the measures of HeatmapMap, CentreMap and RandomMap.
	Maps map[string]Found `json:"maps"`
	// Raised is the share of pictures whose score the change raised.
	Raised float64 `json:"raised"`
}

// Found says how well one kind of map finds the part: means over sources of each
// source's mean.
type Found struct {
	// Pointing is the share of pictures whose hottest cell lies in the part (the
	// pointing game of Zhang et al., "Top-Down Neural Attention by Excitation
	// Backprop", ECCV 2016).
	Pointing float64 `json:"pointing"`
	// IoU is the intersection of the part and the hottest 15 % of the picture over
	// their union.
	IoU float64 `json:"iou"`
	// AUC is the chance that a cell of the part is hotter than one outside.
	AUC float64 `json:"auc"`
}

// Localise changes real pictures of a set in part and asks a detector's heatmap
// where. It makes one picture of each way from each real one; parts for Spliced are
// taken from the synthetic ones. The same seed gives the same pictures.
type Localise struct {
	Detector detector.Heatmapper
	Seed     uint64
	// Score, where set, tells how the change moved the score.
	Score    detector.Detector
	Progress func(done int)
	// Failed is told of pictures that cannot be read.
	Failed func(item Item, err error)
}

// Run measures the pictures, of which some must be real.
func (l Localise) Run(ctx context.Context, items []Item) ([]Localisation, error) {
	var real, synthetic []Item
	for _, item := range items {
		if item.Label == 0 {
			real = append(real, item)
		} else {
			synthetic = append(synthetic, item)
		}
	}
	found := map[string]*places{Inpainted: {}, Spliced: {}}
	for i, item := range real {
		l.Progress(i)
		img, err := item.Show(ctx, transform.TierClean, l.Seed)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			l.Failed(item, err)
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(item.Name())) // never fails
		rng := rand.New(rand.NewPCG(l.Seed, h.Sum64()))
		was := math.NaN()
		if l.Score != nil {
			if was, err = l.Score.Detect(ctx, img); err != nil {
				return nil, fmt.Errorf("%s: %w", item.Name(), err)
			}
		}
		for _, way := range []string{Inpainted, Spliced} {
			made, err := ChangePart(ctx, way, img, synthetic, rng)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", item.Name(), err)
			}
			if made.Image == nil {
				continue // no AI-generated picture is large enough
			}
			if err := l.measure(ctx, found[way], item, was, made, rng); err != nil {
				return nil, fmt.Errorf("%s: %w", item.Name(), err)
			}
		}
	}
	l.Progress(len(real))
	var all []Localisation
	for _, way := range []string{Inpainted, Spliced} {
		if p := found[way]; len(p.area) > 0 {
			all = append(all, p.sum(way))
		}
	}
	if len(all) == 0 {
		return nil, errors.New("none of the pictures could be changed in part; try: more real pictures")
	}
	return all, nil
}

// donors is how many AI-generated pictures are tried for one that is large enough.
const donors = 20

// ChangePart changes a drawn part of a picture in one of the ways; the mask of what
// is made says where. For Spliced, the part is of one of the AI-generated pictures;
// where none of some that are tried is large enough, nothing is made.
func ChangePart(ctx context.Context, way string, img *image.RGBA, synthetic []Item, rng *rand.Rand) (generate.Made, error) {
	if way == Inpainted {
		return generate.DrawInpainting(rng).Apply(img)
	}
	for range min(donors, donors*len(synthetic)) {
		item := synthetic[rng.IntN(len(synthetic))]
		other, err := item.Show(ctx, transform.TierClean, 0)
		if err != nil {
			if ctx.Err() != nil {
				return generate.Made{}, ctx.Err()
			}
			continue // another will do
		}
		w, h := img.Rect.Dx(), img.Rect.Dy()
		if other.Rect.Dx() < w || other.Rect.Dy() < h {
			continue
		}
		region := generate.Region{Seed: rng.Uint64(), Cells: 1 + rng.IntN(3), Area: 0.05 + 0.2*rng.Float64()}
		made := generate.Made{Image: image.NewRGBA(image.Rect(0, 0, w, h)), Mask: region.Mask(w, h)}
		for y := range h {
			from, to, mask := img.Pix[y*img.Stride:][:4*w], made.Image.Pix[y*made.Image.Stride:][:4*w], made.Mask.Pix[y*made.Mask.Stride:][:w]
			copy(to, from)
			for x, inside := range mask {
				if inside != 0 {
					copy(to[4*x:4*x+4], other.Pix[y*other.Stride+4*x:])
				}
			}
		}
		return made, nil
	}
	return generate.Made{}, nil
}

// places are the measures of pictures.
type places struct {
	area, raised map[string][]float64 // by source
	maps         map[string]*placed
}

type placed struct{ pointing, iou, auc map[string][]float64 }

func (l Localise) measure(ctx context.Context, p *places, item Item, was float64, made generate.Made, rng *rand.Rand) error {
	inside := cells(made.Mask)
	n := 0
	for _, in := range inside {
		if in {
			n++
		}
	}
	if n == 0 || n == len(inside) {
		return nil // too thin to fill half of any cell
	}
	heatmap, err := l.Detector.Heatmap(ctx, made.Image)
	if err != nil {
		return err
	}
	grid, err := heatmap.Grid(localiseSide, localiseSide)
	if err != nil {
		return err
	}
	source := item.Source.Name()
	if p.maps == nil {
		p.area, p.raised, p.maps = map[string][]float64{}, map[string][]float64{}, map[string]*placed{}
	}
	if l.Score != nil {
		raised := 0.0
		if heatmap.Score > was {
			raised = 1
		}
		p.raised[source] = append(p.raised[source], raised)
	}
	p.area[source] = append(p.area[source], float64(n)/float64(len(inside)))
	centre, random := make([]float64, len(inside)), make([]float64, len(inside))
	for i := range inside {
		x, y := float64(i%localiseSide)-(localiseSide-1)/2.0, float64(i/localiseSide)-(localiseSide-1)/2.0
		centre[i], random[i] = -float64(x*x)-float64(y*y), rng.Float64()
	}
	for name, values := range map[string][]float64{HeatmapMap: grid.Values, CentreMap: centre, RandomMap: random} {
		if p.maps[name] == nil {
			p.maps[name] = &placed{map[string][]float64{}, map[string][]float64{}, map[string][]float64{}}
		}
		f := locate(values, inside)
		m := p.maps[name]
		m.pointing[source] = append(m.pointing[source], f.Pointing)
		m.iou[source] = append(m.iou[source], f.IoU)
		m.auc[source] = append(m.auc[source], f.AUC)
	}
	return nil
}

// cells says which cells of a picture lie in the part by half or more.
func cells(mask *image.Alpha) []bool {
	w, h := mask.Rect.Dx(), mask.Rect.Dy()
	inside := make([]bool, localiseSide*localiseSide)
	for i := range inside {
		x0, y0 := i%localiseSide*w/localiseSide, i/localiseSide*h/localiseSide
		x1, y1 := max((i%localiseSide+1)*w/localiseSide, x0+1), max((i/localiseSide+1)*h/localiseSide, y0+1)
		sum := 0
		for y := y0; y < y1; y++ {
			for _, v := range mask.Pix[y*mask.Stride:][x0:x1] {
				sum += int(v)
			}
		}
		inside[i] = 2*sum >= 255*(x1-x0)*(y1-y0)
	}
	return inside
}

// locate compares a map with where the part is: some cells are inside, not all.
func locate(values []float64, inside []bool) Found {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	labels, scores := make([]int, len(values)), make([]float64, len(values))
	parts, score := 0, 1.0
	for place, i := range order {
		// Their order as scores in [0,1]: all that counts, equal values included.
		if place > 0 && values[i] < values[order[place-1]] {
			score = 1 - float64(place)/float64(len(order))
		}
		scores[place] = score
		if inside[i] {
			labels[place] = 1
			parts++
		}
	}
	top := int(hottest*float64(len(values)) + 0.5)
	both := 0
	for _, l := range labels[:top] {
		both += l
	}
	return Found{
		Pointing: float64(labels[0]),
		IoU:      float64(both) / float64(top+parts-both),
		AUC:      float64(rank(labels, scores).measure(nil).ROCAUC),
	}
}

func (p *places) sum(way string) Localisation {
	l := Localisation{Way: way, Sources: len(p.area), Area: bySource(p.area), Raised: bySource(p.raised), Maps: map[string]Found{}}
	for _, of := range p.area {
		l.Pictures += len(of)
	}
	for name, m := range p.maps {
		l.Maps[name] = Found{bySource(m.pointing), bySource(m.iou), bySource(m.auc)}
	}
	return l
}

// bySource is the mean over sources of each source's mean.
func bySource(values map[string][]float64) float64 {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // sums depend on the order, in their last digits
	sum := 0.0
	for _, name := range names {
		of := 0.0
		for _, v := range values[name] {
			of += v
		}
		sum += of / float64(len(values[name]))
	}
	if len(names) == 0 {
		return 0
	}
	return sum / float64(len(names))
}
