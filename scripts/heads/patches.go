package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/locate"
)

// tokens says which layer the head reads.
type tokens struct{ layer, grid, width int }

// trainPatches fits a ridge regression from a token, less the mean of its picture's,
// to how much of its patch was changed, and scales it to log-odds.
func trainPatches(model string, t tokens, ridge float64, pictures int, data string) error {
	set, err := dataset.OpenLabelled(data, "train")
	if err != nil {
		return err
	}
	var real, synthetic []evaluate.Item
	for _, item := range evaluate.Items(set, 0) {
		if item.Label == 1 {
			synthetic = append(synthetic, item)
		} else if len(real) < pictures { // taken in turn from all sources
			real = append(real, item)
		}
	}
	g, err := open(model, func(graph []byte, logit string) ([]byte, error) {
		return locate.Tokens(graph, logit, "tokens", t.layer, t.grid*t.grid, t.width)
	})
	if err != nil {
		return err
	}
	width, height := g.description.Preprocess.Size()
	ways := []string{evaluate.Inpainted, evaluate.Spliced}
	f := &fit{tokens: t, gram: mat.NewSymDense(t.width, nil), moment: mat.NewVecDense(t.width, nil)}
	masks := map[int][]float64{}
	rng := rand.New(rand.NewPCG(1, 0x70617463))
	err = g.run(context.Background(), len(real)*len(ways), func(i int) (image.Image, error) {
		ctx := context.Background()
		img, err := real[i/len(ways)].Show(ctx, transform.TierClean, 0)
		if err != nil {
			return nil, err
		}
		made, err := evaluate.ChangePart(ctx, ways[i%len(ways)], img, synthetic, rng)
		if err != nil || made.Image == nil {
			return img, err // nothing is changed: it teaches nothing
		}
		// The mask goes the way of the picture.
		grey := image.NewRGBA(made.Image.Rect)
		for k, v := range made.Mask.Pix {
			copy(grey.Pix[4*k:], []uint8{v, v, v, 255})
		}
		pixels := make([]float32, 3*width*height)
		if err := g.description.Preprocess.Apply(grey, 0, pixels); err != nil {
			return nil, err
		}
		masks[i] = patchMeans(pixels[:width*height], width, height, t.grid)
		return made.Image, nil
	}, func(i int, added []float32) {
		if masks[i] != nil {
			f.add(added, masks[i], i%8 < len(ways))
			delete(masks, i)
		}
	})
	if err = errors.Join(err, g.close()); err != nil {
		return err
	}
	weights, err := f.solve(ridge)
	if err != nil {
		return err
	}
	return describe(model, func(d *detector.Description) {
		d.Heatmap = heatmap(d, t.grid)
		d.Heatmap.Patches = &detector.HeatmapPatches{Layer: t.layer, Grid: t.grid, Weights: weights}
	})
}

// patchMeans gives the mean over each patch, of one channel with values from 0 to 1.
func patchMeans(values []float32, width, height, grid int) []float64 {
	means, count := make([]float64, grid*grid), make([]float64, grid*grid)
	for i, v := range values {
		patch := i/width*grid/height*grid + i%width*grid/width
		means[patch] += float64(v)
		count[patch]++
	}
	for i := range means {
		means[i] /= count[i]
	}
	return means
}

// fit holds the sums of a regression, and the tokens of some pictures for its scale.
type fit struct {
	tokens
	gram   *mat.SymDense
	moment *mat.VecDense
	kept   []kept
}

type kept struct {
	x    *mat.Dense
	mask []float64
}

func (f *fit) add(tokens []float32, mask []float64, keep bool) {
	n := f.grid * f.grid
	x := mat.NewDense(n, f.width, nil)
	mean := make([]float64, f.width)
	for i, v := range tokens {
		mean[i%f.width] += float64(v) / float64(n)
	}
	for i, v := range tokens {
		x.Set(i/f.width, i%f.width, float64(v)-mean[i%f.width])
	}
	of := 0.0
	for _, m := range mask {
		of += m / float64(n)
	}
	y := mat.NewVecDense(n, nil)
	for i, m := range mask {
		y.SetVec(i, m-of)
	}
	var square mat.SymDense
	square.SymOuterK(1, x.T())
	f.gram.AddSym(f.gram, &square)
	var moment mat.VecDense
	moment.MulVec(x.T(), y)
	f.moment.AddVec(f.moment, &moment)
	if keep {
		f.kept = append(f.kept, kept{x, slices.Clone(mask)})
	}
}

// solve gives the weights of the log-odds that a patch was changed, up to a constant.
func (f *fit) solve(ridge float64) ([]float32, error) {
	for i := range f.width {
		f.gram.SetSym(i, i, f.gram.At(i, i)*(1+ridge)+1e-9)
	}
	var cholesky mat.Cholesky
	if !cholesky.Factorize(f.gram) {
		return nil, errors.New("the tokens do not suffice for a head; try: more pictures")
	}
	var w mat.VecDense
	if err := cholesky.SolveVecTo(&w, f.moment); err != nil {
		return nil, fmt.Errorf("fitting the head: %w", err)
	}
	scale := f.scale(&w)
	fmt.Printf("%d pictures for the scale, which is %.2f\n", len(f.kept), scale)
	out := make([]float32, f.width)
	for i := range out {
		out[i] = float32(scale * w.AtVec(i))
	}
	return out, nil
}

// scale is the slope of a logistic regression from what the head gives, smoothed as
// in the heatmap, to whether most of a patch was changed; found by Newton's method.
func (f *fit) scale(w *mat.VecDense) float64 {
	var scores, labels []float64
	for _, k := range f.kept {
		var s mat.VecDense
		s.MulVec(k.x, w)
		for i := range k.mask {
			sum, n := 0.0, 0.0
			for y := max(i/f.grid-1, 0); y <= min(i/f.grid+1, f.grid-1); y++ {
				for x := max(i%f.grid-1, 0); x <= min(i%f.grid+1, f.grid-1); x++ {
					sum += s.AtVec(y*f.grid + x)
					n++
				}
			}
			scores = append(scores, sum/n)
			label := 0.0
			if k.mask[i] > 0.5 {
				label = 1
			}
			labels = append(labels, label)
		}
	}
	slope, offset := 0.0, 0.0
	for range 30 {
		var ga, gb, haa, hab, hbb float64
		for i, s := range scores {
			p := 1 / (1 + math.Exp(-slope*s-offset))
			d, v := p-labels[i], p*(1-p)
			ga += d * s
			gb += d
			haa += v * s * s
			hab += v * s
			hbb += v
		}
		det := haa*hbb - hab*hab
		if det < 1e-12 {
			break
		}
		slope -= (hbb*ga - hab*gb) / det
		offset -= (haa*gb - hab*ga) / det
	}
	return slope
}
